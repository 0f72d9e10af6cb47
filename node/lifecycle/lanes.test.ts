import { expect, test } from 'vitest'
import { Lanes } from './lanes.ts'

/** Pages of changes that take `idleMs` alone, and longer once more than `room` run at the same time. */
function run(lanes: Lanes, pages: number, idleMs: number, room: number): void {
  for (let page = 0; page < pages; page++) {
    lanes.note(idleMs * Math.max(1, lanes.count / room))
  }
}

test('more changes run at the same time as long as they do not wait', () => {
  const lanes = new Lanes()
  run(lanes, 10, 5, 100)
  expect(lanes.count).toBe(32)
})

test('they stay few where they wait for each other', () => {
  const lanes = new Lanes()
  run(lanes, 50, 5, 3)
  expect(lanes.count).toBeLessThanOrEqual(8)
})

test('requests of callers that make changes slow get the node, and some changes go on', () => {
  const lanes = new Lanes()
  run(lanes, 10, 5, 100)
  run(lanes, 5, 50, 100)
  expect(lanes.count).toBe(2)
  run(lanes, 5, 5, 100)
  expect(lanes.count).toBe(32)
})

test('a cluster that has become slower for good is not a busy one', () => {
  const lanes = new Lanes()
  run(lanes, 10, 5, 100)
  run(lanes, 200, 50, 100)
  expect(lanes.count).toBe(32)
})
