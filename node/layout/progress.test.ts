import { expect, test } from 'vitest'
import { fieldsOf, parseJson } from '../../protocol/layout/json.ts'
import { progressMessage, type PartitionProgress } from './progress.ts'

const PROGRESS: PartitionProgress = {
  epoch: 5,
  holds: true,
  learning: { total: 3, done: 2, isCaughtUp: false },
  synced: new Uint8Array([0x80, 1]),
  whole: [{ source: 3, bits: new Uint8Array([0xff]) }],
  move: { pendingBytes: 7, doneBytes: 11, bytesPerSecond: 13 },
}

test('progress is encoded and decoded', () => {
  expect(progressMessage.decode(progressMessage.encode(PROGRESS))).toEqual(PROGRESS)
})

test('copied registers are sent in fields that every version of the program reads', () => {
  const bytes = progressMessage.encode({ ...PROGRESS, copied: 100 })
  // An earlier program refuses fields that it does not know, and a JOINT whose answers it can't read goes back.
  const told = fieldsOf(parseJson(bytes), ['epoch', 'holds', 'learning', 'synced', 'whole', 'move'])
  fieldsOf(told.move, ['pendingBytes', 'doneBytes', 'bytesPerSecond'])
  expect(progressMessage.decode(bytes).move).toEqual({ ...PROGRESS.move, doneBytes: 111 })
})
