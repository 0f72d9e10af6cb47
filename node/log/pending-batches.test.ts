import { beforeEach, expect, test } from 'vitest'
import type { Batch } from './batch.ts'
import { PendingBatches, type LogTip } from './pending-batches.ts'
import { EMPTY_LOG, FIRST_BATCH_AT, PAGE_BYTES } from './segment.ts'
import { labRecord } from './testing/log-lab.ts'

const TIP: LogTip = {
  flushedEnd: EMPTY_LOG,
  nextSequence: 0,
  open: undefined,
  sealing: undefined,
  lastSegment: ({ segment }) => segment,
}

let pending: PendingBatches
let sequence: number

beforeEach(() => {
  pending = new PendingBatches(64 << 10, new Uint8Array(16))
  sequence = 0
})

function add(key: string, tip: Partial<LogTip> = {}): Batch {
  const batch = pending.batchFor(100, 1, { ...TIP, nextSequence: sequence, ...tip })
  batch.add(labRecord(key), false)
  sequence++
  return batch
}

test('what comes while a batch is written gathers in the next one, behind it', () => {
  const first = add('a')
  expect(add('b')).toBe(first)
  expect(pending.next()).toBe(first)
  const second = add('c')
  expect(second.start).toEqual({ segment: 1, offset: FIRST_BATCH_AT + PAGE_BYTES })
  expect(second.firstSequence).toBe(2)
  expect(pending.firstSequence).toBe(0)
  pending.written()
  expect(pending.firstSequence).toBe(2)
  expect(pending.next()).toBe(second)
  pending.written()
  expect(pending.next()).toBeUndefined()
})

test('a segment that is to be sealed takes no more batches', () => {
  add('a')
  pending.next()
  expect(add('b', { sealing: 1 }).start).toEqual({ segment: 2, offset: FIRST_BATCH_AT })
})

test('keys are known until they are flushed, and so are their bytes', () => {
  add('a')
  pending.next()
  const { lengthBytes } = add('b')
  expect([pending.hasKey('a'), pending.hasKey('b'), pending.hasKey('c')]).toEqual([
    true,
    true,
    false,
  ])
  expect(pending.waitingBytes).toBe(lengthBytes)
  pending.written()
  expect([pending.hasKey('a'), pending.bytes]).toEqual([false, lengthBytes])
})

test('all are taken back in their order', () => {
  const first = add('a')
  pending.next()
  const second = add('b')
  expect(pending.takeAll()).toEqual([first, second])
  expect(pending.bytes).toBe(0)
})

test('a gap in the sequences, or two batches written at once, is a fault', () => {
  add('a')
  pending.next()
  sequence++
  expect(() => add('b')).toThrow('without a gap')
  sequence = 1
  add('b')
  expect(() => pending.next()).toThrow('one batch is written at a time')
})
