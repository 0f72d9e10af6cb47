import { expect, test } from 'vitest'
import { AnswerMemory } from './answer-memory.ts'

const LARGE_BYTES = 100_000

test('what is given back is used again, and its late reader is found', () => {
  const memory = new AnswerMemory({ poisoned: true })
  const first = memory.take(LARGE_BYTES)
  first[5] = 7
  memory.give(first.subarray(0, 9))
  expect(first[5]).not.toBe(7)
  const again = memory.take(LARGE_BYTES - 10)
  expect(again.buffer === first.buffer).toBe(true)
  expect(again.length).toBeGreaterThanOrEqual(LARGE_BYTES)
})

test('nobody gets memory that is in use, also when it was given back twice', () => {
  const memory = new AnswerMemory()
  const one = memory.take(LARGE_BYTES)
  memory.give(one)
  memory.give(one)
  const pieces = [1, 2, 3].map(() => memory.take(LARGE_BYTES))
  expect(new Set(pieces.map(({ buffer }) => buffer)).size).toBe(3)
})

test('small and very large answers have memory of their own', () => {
  const memory = new AnswerMemory()
  for (const sizeBytes of [10, 2 ** 21]) {
    const one = memory.take(sizeBytes)
    expect(one.length).toBe(sizeBytes)
    memory.give(one)
    expect(memory.take(sizeBytes).buffer === one.buffer).toBe(false)
  }
})
