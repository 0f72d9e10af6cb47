/**
 * Raises the ballot mark when lost records may have held it (A1): all promises of this node are below the mark. It is raised
 * above every ballot that the node knows of, and above any value that it was raised to for this reason before, by more than
 * the node ever reserves ahead. The comparison with the replicas raises it above their marks as well (recall.ts). Called at the
 * start, before the registers are opened.
 */

import { bytesOf } from '../../protocol/bytes.ts'
import { ballotOfState } from '../../protocol/codec/state.ts'
import { LogError } from '../log/errors.ts'
import { rowPages } from '../log/row-pages.ts'
import type { Store } from '../log/store.ts'
import type { Clock } from '../env/ports.ts'
import { MARK_ROW } from '../replica/index-rows.ts'
import { RECORD } from '../replica/record-types.ts'
import { decodeNumber, encodeNumber, hasState, stateOfRow } from '../replica/row-format.ts'
import type { Forgotten } from './forgotten.ts'

/** Twice what AcceptorHost reserves in one step. */
export const MARK_LEAP = 2 ** 21

/**
 * Raises the mark, if it must be raised. When the disk has no room for that, the node goes on without a vote and tries again
 * (recall.ts). Until the new mark is flushed, every start tries again, too.
 */
export async function raiseLostMark(
  store: Store,
  clock: Clock,
  forgotten: Forgotten,
): Promise<void> {
  if (!forgotten.mustRaiseMark) return
  const row = store.get(MARK_ROW)
  const known = Math.max(row === undefined ? 0 : decodeNumber(row), forgotten.mark)
  const mark = Math.max(known, await highestCounter(store, clock)) + MARK_LEAP
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

/** The highest counter of all ballots that were accepted here before the call. Later ones are below the mark. */
export async function highestCounter(store: Store, clock: Clock): Promise<number> {
  let highest = 0
  for await (const page of rowPages(store, clock, bytesOf('r'), bytesOf('s'))) {
    for (const { row } of page) {
      const state = hasState(row) ? stateOfRow(row) : undefined
      if (state !== undefined) highest = Math.max(highest, ballotOfState(state).counter)
    }
  }
  return highest
}
