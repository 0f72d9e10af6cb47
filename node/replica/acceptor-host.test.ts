import { beforeEach, describe, expect, test, vi } from 'vitest'
import { byteString, bytesOf, u32 } from '../../protocol/bytes.ts'
import { dataId } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { ownedByObject } from '../../protocol/keyspace/owner.ts'
import { LogError } from '../log/errors.ts'
import { BlockStore } from './blocks.ts'
import { registerRow } from './index-rows.ts'
import { HostLab, KEY, OTHER, FAR, P2, STEP, ballot, valueOf, state } from './testing/host-lab.ts'

let lab: HostLab

function raise(error: Error): never {
  throw error
}

beforeEach(() => {
  lab = new HostLab()
})

describe('what was begun in one epoch is not answered in the next (L6b)', () => {
  test('an acceptance that is flushed later', async () => {
    await lab.prepare(5)
    lab.store.hold()
    const accepted = lab.accept(5, 'one')
    expect(await state(accepted)).toBe('waits')
    lab.epoch = 2
    await lab.store.flush()
    expect(await accepted).toEqual({ type: 'stale-epoch', epoch: 2 })
  })

  test('a request that waited, once this node is no replica any more', async () => {
    await lab.prepare(5)
    lab.store.hold()
    const accepted = lab.accept(5, 'one')
    const behind = lab.prepare(9)
    const promised = lab.prepare(2 * STEP, OTHER)
    const raised = lab.read(FAR, 3)
    for (const work of [accepted, behind, promised, raised]) expect(await state(work)).toBe('waits')
    lab.replica = false
    await lab.store.flush()
    for (const work of [accepted, behind, promised, raised]) {
      expect(await work).toEqual({ type: 'no-vote', reason: 'not-a-replica' })
    }
  })

  test('a copy that comes late does not count as synced (L6)', async () => {
    const chosen = { ballot: ballot(5), value: valueOf('one') }
    lab.store.hold()
    const learnt = lab.host.learn(KEY, chosen, 1)
    lab.epoch = 2
    await lab.store.flush()
    expect(await learnt).toBe('late')
    expect(await lab.host.learn(OTHER, chosen, 1)).toBe('late')
    expect(lab.host.peek(OTHER)).toBeUndefined()
  })
})

describe('persist, then reply (A1)', () => {
  test('an acceptance is answered, and read, only once it is flushed', async () => {
    await lab.prepare(5)
    lab.store.hold()
    const accepted = lab.accept(5, 'one')
    expect(await state(accepted)).toBe('waits')
    expect(await lab.read()).toEqual({ type: 'state' })
    const next = lab.prepare(9)
    expect(await state(next)).toBe('waits')
    await lab.store.flush()
    expect(await accepted).toEqual({ type: 'accepted', ballot: ballot(5) })
    expect(await next).toMatchObject({ type: 'promised', accepted: { ballot: ballot(5) } })
    expect(await lab.read()).toMatchObject({ type: 'state', accepted: { ballot: ballot(5) } })
  })

  test('a refused append is no vote, and what it carried is not there', async () => {
    await lab.prepare(5)
    lab.store.fail = new LogError('DISK_FULL', 'full')
    expect(await lab.accept(5, 'one')).toEqual({ type: 'no-vote', reason: 'full' })
    lab.store.fail = new LogError('FAILED', 'gone')
    await lab.prepare(8)
    lab.store.fail = new LogError('FAILED', 'gone')
    expect(await lab.accept(8, 'one')).toEqual({ type: 'no-vote', reason: 'failed' })
    lab.store.fail = undefined
    expect(await lab.read()).toEqual({ type: 'state' })
    // `next` was promised with it: that much stays, and says that it never happened here (P4).
    expect(await lab.accept(8, 'one')).toMatchObject({ type: 'conflict', never: true })
    await lab.prepare(11)
    expect(await lab.accept(11, 'one')).toMatchObject({ type: 'accepted' })
  })

  test('no room to write a stored state again: the answer must not say that it is not stored (P4)', async () => {
    await lab.prepare(5)
    await lab.accept(5, 'one')
    lab.store.fail = new LogError('DISK_FULL', 'full')
    expect(await lab.accept(5, 'one')).toEqual({ type: 'no-vote', reason: 'failed' })
  })

  test('while the mark is flushed the layout may move on: the vote is judged again (L4)', async () => {
    lab.store.hold()
    const accepted = lab.accept(5, 'one')
    expect(await state(accepted)).toBe('waits')
    lab.epoch = 2
    await lab.store.flush()
    expect(await accepted).toEqual({ type: 'stale-epoch', epoch: 2 })
    expect(lab.host.holdsRegisters()).toBe(false)
  })

  test('a node outside the replica set does not answer', async () => {
    lab.replica = false
    expect(await lab.prepare(5)).toEqual({ type: 'no-vote', reason: 'not-a-replica' })
  })
})

describe('an answer at once (A1)', () => {
  test('what needs no flush is answered at once, and what waits for one is not', async () => {
    const asked = { key: KEY, epoch: 1, ballot: ballot(9) }
    await lab.prepare(5)
    expect(lab.host.answerAtOnce({ type: 'prepare', ...asked, ballot: ballot(6) })).toMatchObject({
      reply: { type: 'promised', ballot: ballot(6) },
    })
    lab.store.hold()
    const accepted = lab.accept(6, 'one')
    expect(lab.host.answerAtOnce({ type: 'prepare', ...asked })).toBeUndefined()
    const above = { type: 'prepare', ...asked, key: OTHER, ballot: ballot(2 * STEP) } as const
    expect(lab.host.answerAtOnce(above)).toBeUndefined()
    expect(lab.host.answerAtOnce({ type: 'read', ...asked, want: 'value' })).toEqual({
      reply: { type: 'state' },
    })
    await lab.store.flush()
    await accepted
    expect(lab.host.answerAtOnce({ type: 'prepare', ...asked })).toMatchObject({
      reply: { type: 'promised', accepted: { ballot: ballot(6) } },
    })
    // The promise that was given at once is kept.
    expect(await lab.prepare(8)).toMatchObject({ type: 'conflict', seen: ballot(9) })
  })
})

describe('a damaged state is FAULTY', () => {
  test('a damaged state is no vote and no read (A4)', async () => {
    await lab.prepare(5)
    await lab.accept(5, 'one')
    const row = lab.store.get(registerRow(KEY))!.slice()
    row[row.length - 1]! ^= 1
    lab.store.rows.set(byteString(registerRow(KEY)), row)
    lab.restart()
    for (const reply of [await lab.read(), await lab.prepare(9), await lab.accept(9, 'two')]) {
      expect(reply).toEqual({ type: 'no-vote', reason: 'faulty' })
    }
    expect(lab.host.peek(KEY)).toBeUndefined()
  })

  test('a damaged state that was given up is absent, and nothing of it comes back (D3)', async () => {
    await lab.prepare(5)
    await lab.accept(5, 'one')
    await lab.prepare(5, OTHER)
    const row = lab.store.get(registerRow(KEY))!.slice()
    row[row.length - 1]! ^= 1
    // A sound state is never given up.
    expect(await lab.host.removals.giveUp(KEY)).toBe(false)
    lab.store.rows.set(byteString(registerRow(KEY)), row)
    lab.restart()
    await lab.host.outlaw(lab.host.mark)
    expect(await lab.host.removals.giveUp(OTHER)).toBe(false)
    expect(await lab.host.removals.giveUp(KEY)).toBe(true)
    expect(lab.host.isFaulty(KEY)).toBe(false)
    expect(await lab.read()).toEqual({ type: 'state' })
    lab.restart()
    const { mark } = lab.host
    for (const late of [5, 9, mark - 1]) {
      expect(await lab.accept(late, 'late')).toMatchObject({ type: 'conflict' })
      expect(await lab.prepare(late)).toMatchObject({ type: 'conflict' })
    }
    expect(lab.host.floor(partitionOfKey(KEY)).counter).toBeGreaterThan(9)
    expect(await lab.prepare(mark + 1)).toMatchObject({ type: 'promised' })
    expect(await lab.accept(mark + 1, 'two')).toMatchObject({ type: 'accepted' })
  })
})

describe('packed blocks (A5)', () => {
  const block = packedBlockKey(KEY, dataId('d'.repeat(20) + u32(1)))
  const bytes = bytesOf('block')

  test('are asked for, and come before the state that names them in the log', async () => {
    await lab.prepare(5)
    expect(await lab.accept(5, 'one', { blocks: [block] })).toEqual({
      type: 'need-blocks',
      blocks: [block],
    })
    const extras = { blocks: [{ key: block, bytes, owner: ownedByObject(KEY) }] }
    expect(await lab.accept(5, 'one', { blocks: [block], extras })).toMatchObject({
      type: 'accepted',
    })
    expect(lab.store.last.map(({ type }) => type)).toEqual([1, 2])
    const request = { type: 'read', key: KEY, epoch: 1, want: 'value' } as const
    const { block: sent } = await lab.host.handle(request, { withBlock: true })
    expect(sent).toEqual({ key: block, bytes })
    // It is here now: the next state may name it again.
    await lab.prepare(9)
    expect(await lab.accept(9, 'two', { blocks: [block] })).toMatchObject({ type: 'accepted' })
  })

  test('a vote counts without its block when looking for that fails, at once or later', async () => {
    const extras = { blocks: [{ key: block, bytes, owner: ownedByObject(KEY) }] }
    await lab.accept(5, 'one', { blocks: [block], extras })
    const request = { type: 'read', key: KEY, epoch: 1, want: 'value' } as const
    const failed = new Error('the index does not answer')
    const reads: BlockStore['read'][] = [() => Promise.reject(failed), () => raise(failed)]
    for (const read of reads) {
      const found = vi.spyOn(BlockStore.prototype, 'read').mockImplementation(read)
      const { reply, block: sent } = await lab.host
        .handle(request, { withBlock: true })
        .finally(() => found.mockRestore())
      expect(reply).toMatchObject({ type: 'state', accepted: { ballot: ballot(5) } })
      expect(sent).toBeUndefined()
    }
  })

  test('a copied state waits for its blocks, and never goes back', async () => {
    const chosen = { ballot: ballot(8, P2), value: valueOf('chosen', [block]) }
    expect(await lab.host.learn(KEY, chosen)).toBe('incomplete')
    await lab.store.store.append([
      { type: 1, partition: 0, key: block, body: new Uint8Array(0), payload: bytes },
    ])
    expect(await lab.host.learn(KEY, chosen)).toBe('installed')
    expect(await lab.host.learn(KEY, chosen)).toBe('held')
    expect(await lab.host.learn(KEY, { ...chosen, ballot: ballot(7) })).toBe('held')
    expect(await lab.prepare(7)).toMatchObject({ type: 'conflict', seen: ballot(8, P2) })
  })
})
