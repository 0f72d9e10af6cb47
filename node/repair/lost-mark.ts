/**
 * Lost records may have held the mark below which this node's promises lie (A1). It is raised above every
 * ballot that the node knows of, and above what it was ever raised to for this reason, by more than it
 * ever reserves ahead. The comparison with the replicas raises it above their marks as well (recall.ts).
 */

import { bytesOf } from '../../protocol/bytes.ts'
import { ballotOfState } from '../../protocol/codec/state.ts'
import { LogError } from '../data/errors.ts'
import type { Store } from '../data/store.ts'
import {
  decodeNumber,
  encodeNumber,
  hasState,
  MARK_ROW,
  RECORD,
  stateOfRow,
} from '../metadata/index-rows.ts'
import type { Forgotten } from './forgotten.ts'

/** Twice what RegisterHost reserves in one step. */
export const MARK_LEAP = 2 ** 21
const PAGE_ROWS = 5_000

/**
 * Before the registers are opened. Where there is no room for it, the node goes on without a vote, and tries
 * again (recall.ts); until it is flushed, every start tries again as well.
 */
export async function raiseLostMark(store: Store, forgotten: Forgotten): Promise<void> {
  if (!forgotten.mustRaiseMark) return
  const row = store.get(MARK_ROW)
  const known = Math.max(row === undefined ? 0 : decodeNumber(row), forgotten.mark)
  const mark = Math.max(known, highestCounter(store)) + MARK_LEAP
  const body = encodeNumber(mark)
  try {
    await store.append([{ type: RECORD.mark, partition: 0, key: 'mark', body }], { urgent: true })
  } catch (error) {
    if (error instanceof LogError && (error.code === 'DISK_FULL' || error.code === 'READ_ONLY'))
      return
    throw error
  }
  await forgotten.markRaised(mark)
}

/** Of all ballots that were accepted here. */
export function highestCounter(store: Store): number {
  let highest = 0
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
    if (last === undefined || rows < PAGE_ROWS) return highest
    start = new Uint8Array([...last, 0])
  }
}
