/** Status of a node that has nothing to do. */

import type { WireStatusReply } from '../../protocol/rpc/messages.js'

export const REPLY: WireStatusReply = {
  epoch: 5,
  behind: new Uint8Array(0),
  freeBytes: 7,
  totalBytes: 10,
  logBytes: 3,
  resyncPending: 0,
  resyncDone: 0,
  forgotten: 0,
  forgottenWhy: [],
  lostPartitions: 0,
  unproven: false,
  learningTotal: 0,
  learningDone: 0,
  movePendingBytes: 0,
  moveDoneBytes: 0,
  moveBytesPerSecond: 0,
  lacking: [],
  untold: new Uint8Array(0),
  thin: new Uint8Array(0),
  damagedRegisters: 0,
  stuck: [],
}
