import { describe, expect, test } from 'vitest'
import { createBlockMemory, blockHolder, SharedBlocks } from './blocks.ts'

const [thread, core, other] = [
  blockHolder(1, 'thread'),
  blockHolder(1, 'core'),
  blockHolder(2, 'thread'),
]

describe('shared blocks', () => {
  test('have one owner at a time, who takes, passes and gives', () => {
    const memory = createBlockMemory(2)
    const [here, there] = [new SharedBlocks(memory), new SharedBlocks(memory)]
    const block = here.take(thread)!
    here.view(block, thread).fill(7)
    here.pass(block, thread, core)
    expect(there.view(block, core)[0]).toBe(7)
    expect(() => here.view(block, thread)).toThrow('used by its owner only')
    expect(() => here.give(block, thread)).toThrow('given back once')
    expect(() => here.pass(block, thread, core)).toThrow('passed on by its owner only')
    there.give(block, core)
    expect(() => there.give(block, core)).toThrow('given back once')
    expect(here.free).toBe(2)
  })

  test('are bounded for all threads together, and nobody waits', () => {
    const memory = createBlockMemory(3)
    const [here, there] = [new SharedBlocks(memory), new SharedBlocks(memory)]
    expect([here.take(thread), there.take(other), here.take(thread)]).toEqual([0, 1, 2])
    expect([here.take(thread), there.take(other)]).toEqual([undefined, undefined])
    here.give(2, thread)
    expect(there.take(other, 1)).toBeUndefined()
    expect(there.take(other)).toBe(2)
  })

  test('of a dead thread become free, but for the one that is still looked at', () => {
    const blocks = new SharedBlocks(createBlockMemory(4))
    blocks.take(thread)
    const [passed, shown] = [blocks.take(thread)!, blocks.take(thread)!]
    blocks.pass(passed, thread, core)
    blocks.pass(shown, thread, core)
    blocks.take(other)
    blocks.reclaim(thread, () => false)
    blocks.reclaim(core, (block) => block === shown)
    expect(blocks.free).toBe(2)
    expect([blocks.isOwner(shown, core), blocks.isOwner(3, other)]).toEqual([true, true])
  })

  test('that are poisoned show who reads too late and find who writes too late', () => {
    const blocks = new SharedBlocks(createBlockMemory(1, { poisoned: true }))
    const block = blocks.take(thread)!
    const late = blocks.view(block, thread)
    late.fill(1)
    blocks.give(block, thread)
    expect(late.every((byte) => byte === 0xdb)).toBe(true)
    late[5] = 1
    expect(() => blocks.take(thread)).toThrow('nobody writes to a block that was given back')
  })
})
