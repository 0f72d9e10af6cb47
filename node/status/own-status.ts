/** What this node tells the others about itself, from which each of them makes the status of the cluster. */

import { addBit } from '../../protocol/keyspace/bitmap.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { WireStatusReply } from '../../protocol/rpc/messages.js'
import type { ForgottenNote } from '../repair/forgotten-format.ts'
import { movesOf } from './move-progress.ts'
import type { StatusOptions } from './status-options.ts'
import { untoldOf } from './untold.ts'

/** How many reasons for having forgotten something one node tells, the last ones. */
const WHY_MAX = 5

/**
 * This node's reply to a status request. Reads memory only, because each member is asked for each
 * `shoal status`.
 */
export function ownStatus(options: StatusOptions, view: LayoutView): WireStatusReply {
  const { layout, network, store, resync, recall, forgotten, selfCheck, serves } = options
  const stats = store.stats()
  const lagging = resync.lagging()
  const open = recall.forgotten()
  // A partition is level only if nothing is left to compare, the node votes on it, and no block of it
  // may be missing.
  for (const partition of open) addBit(lagging, partition)
  for (const partition of view.partitionsOf(network.self)) {
    if (!serves(partition) || forgotten.lacksBlocks(partition)) addBit(lagging, partition)
  }
  const { learning, lacking, move } = movesOf(view, network.self, layout.progress())
  return {
    epoch: view.epoch,
    behind: lagging,
    forgotten: open.length,
    forgottenWhy: open.length === 0 ? [] : forgotten.notes.open.map(textOfNote).slice(-WHY_MAX),
    lostPartitions: forgotten.notes.lostPartitions,
    freeBytes: stats.freeBytes,
    totalBytes: stats.totalBytes,
    logBytes: stats.logBytes,
    resyncPending: resync.pendingCount,
    resyncDone: resync.doneCount,
    unproven: !selfCheck.isProven,
    learningTotal: learning.total,
    learningDone: learning.done,
    movePendingBytes: Math.ceil(move.pendingBytes),
    moveDoneBytes: Math.floor(move.doneBytes),
    moveBytesPerSecond: Math.floor(move.bytesPerSecond),
    lacking: lacking.map(({ epoch, partitions }) => ({ epoch, partitions })),
    ...untoldOf({ ...options, self: network.self }, view, open),
  }
}

function textOfNote({ reason, detail }: ForgottenNote): string {
  return `${reason}: ${detail}`
}
