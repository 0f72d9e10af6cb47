/**
 * A node whose log lost records that nobody can name (D7) may have forgotten what it accepted. It must not
 * say "absent" of such a register: it votes and answers lists again only when it was compared with every
 * other member, as D3 asks of one register. What was chosen with its vote lies on one of these; what was
 * not chosen may be forgotten.
 *
 * The lost records may have held its mark (A1): the mark is raised above every ballot that it knows of by
 * more than a node ever reserves ahead.
 */

import { bytesOf } from '../protocol/bytes.ts'
import { ballotOfState } from '../protocol/codec/state.ts'
import type { Store } from './data/store.ts'
import {
  decodeNumber,
  encodeNumber,
  hasState,
  MARK_ROW,
  RECORD,
  stateOfRow,
} from './metadata/index-rows.ts'

/** Twice what RegisterHost reserves in one step. */
const MARK_LEAP = 2 ** 21
const PAGE_ROWS = 5_000

export class Convalescence {
  #isOver: boolean
  readonly #isLevel: () => boolean

  /** `isLevel`: compared with every other member, with nothing left to fetch. */
  constructor(store: Store, isLevel: () => boolean) {
    this.#isOver = !hasLostRecords(store)
    this.#isLevel = isLevel
  }

  get isOver(): boolean {
    this.#isOver ||= this.#isLevel()
    return this.#isOver
  }
}

function hasLostRecords(store: Store): boolean {
  return store.damage().some(({ identity }) => identity === undefined)
}

/** Before the registers are opened. */
export async function raiseLostMark(store: Store): Promise<void> {
  if (!hasLostRecords(store)) return
  const row = store.get(MARK_ROW)
  let highest = row === undefined ? 0 : decodeNumber(row)
  let start: Uint8Array = bytesOf('r')
  for (;;) {
    let last: Uint8Array | undefined
    let rows = 0
    store.range(start, bytesOf('s'), PAGE_ROWS, (key, value) => {
      rows++
      last = key.slice()
      const state = hasState(value) ? stateOfRow(value) : undefined
      if (state !== undefined) highest = Math.max(highest, ballotOfState(state).counter)
    })
    if (last === undefined || rows < PAGE_ROWS) break
    start = new Uint8Array([...last, 0])
  }
  const body = encodeNumber(highest + MARK_LEAP)
  await store.append([{ type: RECORD.mark, partition: 0, key: 'mark', body }], { urgent: true })
}
