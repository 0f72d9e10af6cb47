/** What a node knows of buckets when it is told to forget it, and when it was not a member for a while (T8). */

import { expect, test } from 'vitest'
import { utf8ByteString } from '../../protocol/bytes.ts'
import { bucketId, type ByteString } from '../../protocol/ids.ts'
import { bytesOf } from '../../protocol/bytes.ts'
import { StoreError } from '../../protocol/errors.ts'
import { internalContext } from '../tools/internal-context.ts'
import { BUCKET_DELETING, BUCKET_LIVE, bucketValue, newBucket } from './bucket-record.ts'
import { Buckets, type BucketsOptions } from './buckets.ts'

const ID = bucketId('i'.repeat(16) as ByteString)
const OTHER = bucketId('o'.repeat(16) as ByteString)

function world() {
  const state = {
    nowMs: 0,
    epoch: 1,
    isMember: true,
    reads: 0,
    hold: undefined as Promise<void> | undefined,
  }
  const record = {
    ...newBucket({
      name: utf8ByteString('b'),
      incarnation: bytesOf(ID),
      ownerAccount: '1',
      createdMs: 0,
      region: '',
      shards: 1,
    }),
    state: BUCKET_LIVE,
  }
  const options = {
    registers: {
      async read() {
        state.reads++
        await state.hold
        return { accepted: { value: bucketValue(record) } }
      },
    },
    placement: { epoch: () => state.epoch, sets: () => [['a']] },
    peers: { connected: () => true },
    isMember: () => state.isMember,
    clock: { monotonicMs: () => state.nowMs, after: () => () => {} },
    keyspace: () => ({ partitionBits: 6 }),
  } as unknown as BucketsOptions
  const buckets = new Buckets(options)
  return { state, buckets, open: () => buckets.open(internalContext(), 'b') }
}

test('a cached record is valid until it is buried, and valid again once it is read again', async () => {
  const { state, buckets, open } = world()
  const bucket = await open()
  buckets.bury(new Set([OTHER]))
  expect(bucket.isUsable()).toBe(true)
  expect(await open()).toBe(bucket)
  buckets.bury(new Set([ID]))
  expect(bucket.isUsable()).toBe(false)
  expect(state.reads).toBe(1)
  await bucket.refresh()
  expect(bucket.isUsable()).toBe(true)
  expect(state.reads).toBe(2)
})

test('a read that began before a burial does not count, and its result is not kept', async () => {
  const { state, buckets, open } = world()
  let go = (): void => {}
  state.hold = new Promise<void>((resolve) => (go = resolve))
  const opening = open()
  buckets.bury(new Set([ID]))
  go()
  expect((await opening).isUsable()).toBe(false)
  expect((await open()).isUsable()).toBe(true)
  expect(state.reads).toBe(2)
})

test('a node that was not a member, or has missed an epoch, forgets everything', async () => {
  const { state, open } = world()
  const bucket = await open()
  state.epoch = 2
  expect(bucket.isUsable()).toBe(true)
  state.epoch = 4
  expect(bucket.isUsable()).toBe(false)
  const again = await open()
  expect(again.isUsable()).toBe(true)
  state.epoch = 5
  state.isMember = false
  expect(again.isUsable()).toBe(false)
  const outside = await open()
  state.epoch = 6
  state.isMember = true
  expect(outside.isUsable()).toBe(false)
})

/** A bucket that this node knows as live, while another node has begun to delete it. */
async function deletedByTheDead(overrides: Partial<BucketsOptions>) {
  let nowMs = 0
  const record = {
    ...newBucket({
      name: utf8ByteString('b'),
      incarnation: bytesOf(ID),
      ownerAccount: '1',
      createdMs: 0,
      region: '',
      shards: 1,
    }),
    state: BUCKET_LIVE,
  }
  const read = async () => ({ accepted: { value: bucketValue(record) } })
  const options = {
    registers: { read },
    peers: { raise: async () => ({ result: 0 }) },
    placement: { epoch: () => 1, sets: () => [['a']] },
    partitionBits: () => 6,
    isMember: () => true,
    clock: {
      monotonicMs: () => nowMs,
      after(delayMs: number, run: () => void) {
        const timer = setImmediate(() => {
          nowMs += delayMs
          run()
        })
        return () => clearImmediate(timer)
      },
    },
    keyspace: () => ({ partitionBits: 6 }),
    ...overrides,
  } as unknown as BucketsOptions
  const bucket = await new Buckets(options).open(internalContext(), 'b')
  record.state = BUCKET_DELETING
  return { bucket, record }
}

test('a change that waits for a record does not wait for a deletion that waits for the change', async () => {
  let release = (): void => {}
  const released = new Promise<void>((resolve) => (release = resolve))
  let listed = 0
  const { bucket } = await deletedByTheDead({
    // The list changes this key, so it waits until the first change of the key is over.
    async isEmpty() {
      await released
      listed++
      return true
    },
    abandonUploads: () => new Promise(() => {}),
  })
  const change = bucket.refresh().finally(release)
  await expect(change).rejects.toMatchObject({ code: 'Unavailable' })
  await released
  expect(listed).toBe(1)
})

test('one change does not retry a deletion that cannot be finished now again and again', async () => {
  let tries = 0
  const { bucket, record } = await deletedByTheDead({
    async isEmpty() {
      if (++tries > 5) record.state = BUCKET_LIVE
      throw new StoreError('Unavailable')
    },
  })
  await expect(bucket.refresh()).rejects.toMatchObject({ code: 'Unavailable' })
  expect(tries).toBe(1)
})

test('for how long rights may be used counts from when the record was read (T7)', async () => {
  const { state, buckets } = world()
  const usable = async (ageMs = 1_000): Promise<number> =>
    (await buckets.timedAccess(internalContext(), 'b', ageMs)).usableMs
  expect(await usable()).toBe(1_000)
  state.nowMs += 400
  expect(await usable()).toBe(600)
  expect(state.reads).toBe(1)
  state.nowMs += 100
  expect(await usable(500)).toBe(1_000)
  expect(state.reads).toBe(2)
})

test('caches in front are told when a bucket is buried, and get no more than the gate needs', async () => {
  const { buckets } = world()
  let forgotten = 0
  const { value } = await buckets.timedAccess(internalContext(), 'b', 1_000)
  buckets.onForget(() => forgotten++)
  expect(Object.keys(value)).toEqual(['info', 'settings'])
  buckets.bury(new Set([OTHER]))
  expect(forgotten).toBe(0)
  buckets.bury(new Set([ID]))
  expect(forgotten).toBe(1)
})
