import { beforeEach, describe, expect, test } from 'vitest'
import { storageId, type DataId, type NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { Attempts } from './attempts.ts'
import { StreamClock } from '../net/testing/fake-stream.ts'
import { AttemptWatermarks } from './attempt-watermarks.ts'

const A = { nodeId: 'a' as NodeId, storageId: storageId('aa'.repeat(12)) }
const B = { nodeId: 'b' as NodeId, storageId: storageId('bb'.repeat(12)) }

let clock: StreamClock
let mine: Attempts
let theirs: Attempts
let asked: (readonly DataId[])[]
let reachable: boolean
let members: (typeof A)[]
let watermarks: AttemptWatermarks
let isHeld: boolean

beforeEach(() => {
  clock = new StreamClock()
  mine = new Attempts(A.storageId, 1)
  theirs = new Attempts(B.storageId, 1)
  asked = []
  reachable = true
  isHeld = true
  members = [A, B]
  let view = { members } as unknown as LayoutView
  watermarks = new AttemptWatermarks({
    attempts: mine,
    peers: {
      self: A.nodeId,
      attempts: (_, ids) => {
        asked.push(ids)
        if (!reachable) return Promise.reject(new Error('down'))
        return Promise.resolve({
          watermark: theirs.watermark(),
          over: ids.map((id) => theirs.isOver(id)),
        })
      },
    },
    view: () => {
      if (view.members !== (members as unknown)) view = { members } as unknown as LayoutView
      return view
    },
    isEpochHeld: () => isHeld,
    clock,
  })
})

async function pass(ms: number): Promise<void> {
  clock.advance(ms)
  for (let i = 0; i < 10; i++) await Promise.resolve()
}

describe('the hot path', () => {
  test('is answered by what is known; what is not is asked within a second, once', async () => {
    const attempts = [theirs.begin(), theirs.begin()]
    attempts[0]!.end()
    expect(watermarks.isOver(attempts[0]!.id)).toBe(false)
    expect(watermarks.isOver(attempts[1]!.id)).toBe(false)
    expect(asked).toEqual([])
    await pass(1_000)
    expect(asked).toHaveLength(1)
    expect(watermarks.isOver(attempts[0]!.id)).toBe(true)
    expect(watermarks.isOver(attempts[1]!.id)).toBe(false)
  })

  test('own attempts need no message', async () => {
    const attempt = mine.begin()
    expect(watermarks.isOver(attempt.id)).toBe(false)
    attempt.end()
    expect(watermarks.isOver(attempt.id)).toBe(true)
    await pass(5_000)
    expect(asked).toEqual([])
  })

  test('a storage id that left the layout has nothing running, once a majority holds the epoch without it', async () => {
    const attempt = theirs.begin()
    expect(watermarks.isOver(attempt.id)).toBe(false)
    members = [A]
    // A request of the epoch before may still find a majority.
    isHeld = false
    expect(watermarks.isOver(attempt.id)).toBe(false)
    expect(await watermarks.ask([attempt.id])).toEqual(new Set())
    isHeld = true
    expect(watermarks.isOver(attempt.id)).toBe(true)
    expect(await watermarks.ask([attempt.id])).toEqual(new Set([attempt.id]))
  })
})

describe('the collector', () => {
  test('gets the answer of the node itself', async () => {
    const [running, over, own] = [theirs.begin(), theirs.begin(), mine.begin()]
    over.end()
    const ids = [running.id, over.id, own.id]
    expect(await watermarks.ask(ids)).toEqual(new Set([over.id]))
    running.end()
    own.end()
    expect(await watermarks.ask(ids)).toEqual(new Set(ids))
    expect(asked).toEqual([[running.id, over.id], [running.id]])
  })

  test('learns nothing from a node that does not answer', async () => {
    const attempt = theirs.begin()
    attempt.end()
    reachable = false
    expect(await watermarks.ask([attempt.id])).toEqual(new Set())
  })
})
