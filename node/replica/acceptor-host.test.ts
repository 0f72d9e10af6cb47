import { beforeEach, describe, expect, test } from 'vitest'
import { byteString, bytesOf, u32 } from '../../protocol/bytes.ts'
import {
  bucketId,
  dataId,
  operationId,
  proposerId,
  type NodeId,
  type RegisterKey,
} from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { ownedByObject } from '../../protocol/keyspace/owner.ts'
import { objectCodec, type VersionRecord } from '../../protocol/codec/versioned.ts'
import { objectOf } from '../../protocol/object/object.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { objectRegister, uploadRegister } from '../../protocol/keyspace/register-key.ts'
import type { Ballot } from '../../protocol/register/ballot.ts'
import type { Fence, RegisterReply, RegisterValue } from '../../protocol/register/types.ts'
import { BlockStore } from './blocks.ts'
import { LogError } from '../log/errors.ts'
import { applyRecord } from './apply-record.ts'
import { MARK_ROW, registerRow } from './index-rows.ts'
import { decodeNumber } from './row-format.ts'
import { AcceptorHost } from './acceptor-host.ts'
import { HeldStore } from '../objects/testing/held-store.ts'

const BUCKET = bucketId('b'.repeat(16))
const KEY = objectRegister(BUCKET, 0, 'key', 6)
const OTHER = objectRegister(BUCKET, 0, 'other', 6)
const FAR = objectRegister(BUCKET, 1, 'far', 6)
const P1 = proposerId('1'.repeat(16))
const P2 = proposerId('2'.repeat(16))
const VERSION: VersionRecord = {
  versionId: '',
  deleteMarker: false,
  sizeBytes: 3,
  etag: 'etag',
  lastModifiedMs: 1,
  storageClass: '',
  system: [],
  user: [],
  checksums: [],
  checksumType: 0,
  storage: [],
  manifest: new Uint8Array(0),
  uploadId: new Uint8Array(0),
  sequence: 1,
}
/** Above what a fresh host ever reserved. */
const STEP = 1 << 20

let store: HeldStore
let host: AcceptorHost
let replica = true
let epoch = 1

beforeEach(() => {
  store = new HeldStore(applyRecord)
  host = newHost()
  replica = true
  epoch = 1
})

function newHost(promiseBytesMax?: number): AcceptorHost {
  return new AcceptorHost({
    store: store.store,
    blocks: new BlockStore(store.store),
    epoch: () => epoch,
    isReplica: () => replica,
    self: 'self' as NodeId,
    promiseBytesMax,
  })
}

function fence(generation: number): Fence {
  return { bucket: BUCKET, generation }
}

function ballot(counter: number, proposer = P1): Ballot {
  return { counter, proposer }
}

function value(text: string, blocks: RegisterValue['blocks'] = []): RegisterValue {
  const body = new Uint8Array(Buffer.from(text))
  return { operation: operationId(text.padEnd(16, '-')), tombstone: false, body, blocks }
}

type Extras = Parameters<AcceptorHost['handle']>[1]

async function prepare(
  counter: number,
  key: RegisterKey = KEY,
  generation = 0,
): Promise<RegisterReply> {
  const request = {
    type: 'prepare',
    key,
    epoch: 1,
    fence: fence(generation),
    ballot: ballot(counter),
  } as const
  return (await host.handle(request)).reply
}

async function accept(
  counter: number,
  text: string,
  {
    key = KEY,
    generation = 0,
    blocks = [] as RegisterValue['blocks'],
    extras = {} as Extras,
    tombstone = false,
    body = value(text).body,
  } = {},
): Promise<RegisterReply> {
  const { reply } = await host.handle(
    {
      type: 'accept',
      key,
      epoch: 1,
      fence: fence(generation),
      ballot: ballot(counter),
      value: { ...value(text, blocks), tombstone, body },
      next: ballot(counter + 1),
    },
    extras,
  )
  return reply
}

async function read(key: RegisterKey = KEY, generation = 0): Promise<RegisterReply> {
  const request = { type: 'read', key, epoch: 1, fence: fence(generation), want: 'value' } as const
  return (await host.handle(request)).reply
}

/** Has it been answered by now? */
async function state(work: Promise<RegisterReply>): Promise<string> {
  const turn = new Promise<string>((resolve) => setImmediate(() => resolve('waits')))
  return Promise.race([work.then(({ type }) => type), turn])
}

describe('what was begun in one epoch is not answered in the next (L6b)', () => {
  test('an acceptance that is flushed later', async () => {
    await prepare(5)
    store.hold()
    const accepted = accept(5, 'one')
    expect(await state(accepted)).toBe('waits')
    epoch = 2
    await store.flush()
    expect(await accepted).toEqual({ type: 'stale-epoch', epoch: 2 })
  })

  test('nor once this node is no replica any more, whatever it waited for', async () => {
    await prepare(5)
    store.hold()
    const accepted = accept(5, 'one')
    const behind = prepare(9)
    const promised = prepare(2 * STEP, OTHER)
    const raised = read(FAR, 3)
    for (const work of [accepted, behind, promised, raised]) expect(await state(work)).toBe('waits')
    replica = false
    await store.flush()
    for (const work of [accepted, behind, promised, raised]) {
      expect(await work).toEqual({ type: 'no-vote', reason: 'not-a-replica' })
    }
  })

  test('a copy that comes late does not count as synced (L6)', async () => {
    const chosen = { ballot: ballot(5), value: value('one') }
    store.hold()
    const learnt = host.learn(KEY, chosen, 1)
    epoch = 2
    await store.flush()
    expect(await learnt).toBe('late')
    expect(await host.learn(OTHER, chosen, 1)).toBe('late')
    expect(host.peek(OTHER)).toBeUndefined()
  })
})

describe('persist, then reply (A1)', () => {
  test('a first promise waits until the mark is flushed; later ones need no flush', async () => {
    store.hold()
    const promise = prepare(5)
    expect(await state(promise)).toBe('waits')
    await store.flush()
    expect(await promise).toMatchObject({ type: 'promised', ballot: ballot(5) })
    expect(decodeNumber(store.get(MARK_ROW)!)).toBeGreaterThan(5)
    expect(await prepare(6)).toMatchObject({ type: 'promised' })
    expect(await prepare(7, FAR)).toMatchObject({ type: 'promised' })
    expect(store.appends).toBe(1)
  })

  test('an acceptance is answered, and read, only once it is flushed', async () => {
    await prepare(5)
    store.hold()
    const accepted = accept(5, 'one')
    expect(await state(accepted)).toBe('waits')
    expect(await read()).toEqual({ type: 'state' })
    const next = prepare(9)
    expect(await state(next)).toBe('waits')
    await store.flush()
    expect(await accepted).toEqual({ type: 'accepted', ballot: ballot(5) })
    expect(await next).toMatchObject({ type: 'promised', accepted: { ballot: ballot(5) } })
    expect(await read()).toMatchObject({ type: 'state', accepted: { ballot: ballot(5) } })
  })

  test('a refused append is no vote, and what it carried is not there', async () => {
    await prepare(5)
    store.fail = new LogError('DISK_FULL', 'full')
    expect(await accept(5, 'one')).toEqual({ type: 'no-vote', reason: 'full' })
    store.fail = new LogError('FAILED', 'gone')
    await prepare(8)
    store.fail = new LogError('FAILED', 'gone')
    expect(await accept(8, 'one')).toEqual({ type: 'no-vote', reason: 'failed' })
    store.fail = undefined
    expect(await read()).toEqual({ type: 'state' })
    // `next` was promised with it: that much stays, and says that it never happened here (P4).
    expect(await accept(8, 'one')).toMatchObject({ type: 'conflict', never: true })
    await prepare(11)
    expect(await accept(11, 'one')).toMatchObject({ type: 'accepted' })
  })

  test('no room to write again what is there: nobody may take it for not stored (P4)', async () => {
    await prepare(5)
    await accept(5, 'one')
    store.fail = new LogError('DISK_FULL', 'full')
    expect(await accept(5, 'one')).toEqual({ type: 'no-vote', reason: 'failed' })
  })

  test('after a start every promise counts as the mark; the refusal says what to go past', async () => {
    await prepare(5)
    await accept(5, 'one')
    host = newHost()
    const mark = decodeNumber(store.get(MARK_ROW)!)
    for (const key of [KEY, OTHER]) {
      const reply = await prepare(7, key)
      expect(reply).toMatchObject({ type: 'conflict', seen: { counter: mark } })
      expect(await prepare(mark + 1, key)).toMatchObject({ type: 'promised' })
    }
    expect(await read()).toMatchObject({ accepted: { ballot: ballot(5) } })
    expect(mark).toBeGreaterThanOrEqual(STEP)
  })

  test('promises that memory dropped count as at least what the dropped one was', async () => {
    const keyOf = (i: number): RegisterKey => objectRegister(BUCKET, 0, `k${i}`, 6)
    host = newHost(20_000)
    await prepare(900, keyOf(0))
    for (let i = 1; i <= 100; i++) await prepare(10, keyOf(i))
    expect(await prepare(890, keyOf(0))).toMatchObject({ type: 'conflict', seen: { counter: 901 } })
    expect(await prepare(895, keyOf(999_999))).toMatchObject({ type: 'conflict' })
    expect(await prepare(902, keyOf(0))).toMatchObject({ type: 'promised' })
  })

  test('promises are bounded in bytes, whatever their keys', async () => {
    host = newHost(64 << 10)
    const name = (i: number): string => String(i).padEnd(1_024, 'k')
    for (let i = 0; i < 300; i++) await prepare(10 + i, objectRegister(BUCKET, 0, name(i), 6))
    expect(host.promiseBytes).toBeLessThanOrEqual(64 << 10)
    expect(host.promiseBytes).toBeGreaterThan(48 << 10)
    // The first ones are forgotten, and refused all the same.
    const again = await prepare(10, objectRegister(BUCKET, 0, name(0), 6))
    expect(again).toMatchObject({ type: 'conflict' })
  })

  test('while the mark is flushed the layout may move on: the vote is judged again (L4)', async () => {
    store.hold()
    const accepted = accept(5, 'one')
    expect(await state(accepted)).toBe('waits')
    epoch = 2
    await store.flush()
    expect(await accepted).toEqual({ type: 'stale-epoch', epoch: 2 })
    expect(host.holdsRegisters()).toBe(false)
  })

  test('a damaged state is no vote and no read (A4)', async () => {
    await prepare(5)
    await accept(5, 'one')
    const row = store.get(registerRow(KEY))!.slice()
    row[row.length - 1]! ^= 1
    store.rows.set(byteString(registerRow(KEY)), row)
    host = newHost()
    for (const reply of [await read(), await prepare(9), await accept(9, 'two')]) {
      expect(reply).toEqual({ type: 'no-vote', reason: 'faulty' })
    }
    expect(host.peek(KEY)).toBeUndefined()
  })

  test('a damaged state that was given up is absent, and nothing of it comes back (D3)', async () => {
    await prepare(5)
    await accept(5, 'one')
    await prepare(5, OTHER)
    const row = store.get(registerRow(KEY))!.slice()
    row[row.length - 1]! ^= 1
    // A sound state is never given up.
    expect(await host.discard(KEY, 0, true)).toBe(false)
    store.rows.set(byteString(registerRow(KEY)), row)
    host = newHost()
    await host.outlaw(host.mark)
    expect(await host.discard(OTHER, 0, true)).toBe(false)
    expect(await host.discard(KEY, 0, true)).toBe(true)
    expect(host.isFaulty(KEY)).toBe(false)
    expect(await read()).toEqual({ type: 'state' })
    host = newHost()
    const { mark } = host
    for (const late of [5, 9, mark - 1]) {
      expect(await accept(late, 'late')).toMatchObject({ type: 'conflict' })
      expect(await prepare(late)).toMatchObject({ type: 'conflict' })
    }
    expect(host.floor(partitionOfKey(KEY)).counter).toBeGreaterThan(9)
    expect(await prepare(mark + 1)).toMatchObject({ type: 'promised' })
    expect(await accept(mark + 1, 'two')).toMatchObject({ type: 'accepted' })
  })

  test('a node outside the replica set does not answer', async () => {
    replica = false
    expect(await prepare(5)).toEqual({ type: 'no-vote', reason: 'not-a-replica' })
  })
})

describe('packed blocks (A5)', () => {
  const block = packedBlockKey(KEY, dataId('d'.repeat(20) + u32(1)))
  const bytes = bytesOf('block')

  test('are asked for, and lie in the log in front of the state that names them', async () => {
    await prepare(5)
    expect(await accept(5, 'one', { blocks: [block] })).toEqual({
      type: 'need-blocks',
      blocks: [block],
    })
    const extras = { blocks: [{ key: block, bytes, owner: ownedByObject(KEY) }] }
    expect(await accept(5, 'one', { blocks: [block], extras })).toMatchObject({ type: 'accepted' })
    expect(store.last.map(({ type }) => type)).toEqual([1, 2])
    const request = { type: 'read', key: KEY, epoch: 1, want: 'value' } as const
    const { block: sent } = await host.handle(request, { withBlock: true })
    expect(sent).toEqual({ key: block, bytes })
    // It is here now: the next state may name it again.
    await prepare(9)
    expect(await accept(9, 'two', { blocks: [block] })).toMatchObject({ type: 'accepted' })
  })

  test('a copied state waits for its blocks, and never goes back', async () => {
    const chosen = { ballot: ballot(8, P2), value: value('chosen', [block]) }
    expect(await host.learn(KEY, chosen)).toBe('incomplete')
    await store.store.append([
      { type: 1, partition: 0, key: block, body: new Uint8Array(0), payload: bytes },
    ])
    expect(await host.learn(KEY, chosen)).toBe('installed')
    expect(await host.learn(KEY, chosen)).toBe('held')
    expect(await host.learn(KEY, { ...chosen, ballot: ballot(7) })).toBe('held')
    expect(await prepare(7)).toMatchObject({ type: 'conflict', seen: ballot(8, P2) })
  })
})

describe('minima of buckets (T8)', () => {
  test('a higher generation is flushed before the answer, a lower one refused from its arrival on', async () => {
    await prepare(5)
    store.hold()
    const raised = host.raiseMinimum(fence(3), [0])
    const partition = KEY.charCodeAt(0) * 256 + KEY.charCodeAt(1)
    const here = host.raiseMinimum(fence(3), [partition])
    expect(await accept(5, 'late', { generation: 2 })).toEqual({
      type: 'stale-fence',
      generation: 3,
    })
    // Nor is the same generation answered before the disk has it.
    const again = host.raiseMinimum(fence(3), [partition]).then(() => ({ type: 'raised' }) as never)
    const same = read(KEY, 3)
    expect([await state(again), await state(same)]).toEqual(['waits', 'waits'])
    await store.flush()
    await Promise.all([raised, here])
    expect(await same).toEqual({ type: 'state' })
    host = newHost()
    expect(await read(KEY, 2)).toEqual({ type: 'stale-fence', generation: 3 })
  })

  test('an accept that passed before is flushed before the raise is answered', async () => {
    await prepare(5)
    store.hold()
    store.reverse = true
    const accepted = accept(5, 'early')
    expect(await state(accepted)).toBe('waits')
    const partition = KEY.charCodeAt(0) * 256 + KEY.charCodeAt(1)
    const raised = host.raiseMinimum(fence(1), [partition]).then(() => read(KEY, 1))
    await store.flush(1)
    expect(await state(raised)).toBe('waits')
    await store.flush()
    expect(await accepted).toMatchObject({ type: 'accepted' })
    expect(await raised).toMatchObject({ accepted: { ballot: ballot(5) } })
  })

  test('while the mark is flushed the bucket may be closed: the accept is judged again', async () => {
    store.hold()
    const accepted = accept(5, 'one')
    expect(await state(accepted)).toBe('waits')
    const partition = KEY.charCodeAt(0) * 256 + KEY.charCodeAt(1)
    const raised = host.raiseMinimum(fence(1), [partition])
    await store.flush()
    await raised
    expect(await accepted).toEqual({ type: 'stale-fence', generation: 1 })
  })

  test('a raise that the disk refused raises nothing', async () => {
    store.fail = new LogError('DISK_FULL', 'full')
    await expect(host.raiseMinimum(fence(1), [0])).rejects.toBeInstanceOf(LogError)
    store.fail = undefined
    expect(await read()).toEqual({ type: 'state' })
  })
})

describe('collection of tombstones (G2, G3)', () => {
  const always = (): boolean => true

  /** A tombstone at 5, with 6 promised. */
  async function bury(): Promise<void> {
    await prepare(5)
    await accept(5, 'gone', { tombstone: true })
  }

  test('only exactly this ballot, and only a tombstone', async () => {
    await bury()
    expect(host.tombstoneState(KEY, ballot(5))).toBe('exact')
    expect(host.tombstoneState(KEY, ballot(4))).toBe('other')
    expect(await host.collect(KEY, ballot(4), always)).toBe(false)
    await prepare(9, OTHER)
    await accept(9, 'alive', { key: OTHER })
    expect(host.tombstoneState(OTHER, ballot(9))).toBe('other')
    expect(await host.collect(OTHER, ballot(9), always)).toBe(false)
    expect(host.tombstoneState(FAR, ballot(9))).toBe('other')
    expect(await host.collect(KEY, ballot(5), () => false)).toBe(false)
    expect(await host.collect(KEY, ballot(5), always)).toBe(true)
    expect(await host.collect(KEY, ballot(5), always)).toBe(false)
    expect(host.peek(KEY)).toBeUndefined()
    expect(store.get(registerRow(KEY))).toBeUndefined()
  })

  test('the floor is what was promised; nothing at or below it is accepted, promised or copied', async () => {
    await bury()
    await prepare(8)
    await host.collect(KEY, ballot(5), always)
    const { partition } = store.last[0]!
    expect(host.floor(partition)).toEqual(ballot(8))
    expect(host.tombstoneState(KEY, ballot(5))).toBe('absent')
    expect(host.tombstoneState(KEY, ballot(9))).toBe('other')
    // Promised before, and exactly at the floor: late all the same.
    expect(await accept(8, 'late')).toMatchObject({
      type: 'conflict',
      seen: ballot(8),
      never: false,
    })
    expect(await prepare(8)).toMatchObject({ type: 'conflict', seen: ballot(8) })
    const copy = { ballot: ballot(7), value: value('copy') }
    expect(await host.learn(KEY, copy)).toBe('refused')
    expect(await host.learn(KEY, { ...copy, ballot: ballot(9) })).toBe('installed')
    // A new register of the same partition begins above it, too, and says what it began above (P4).
    expect(await prepare(3, OTHER)).toMatchObject({ type: 'conflict', seen: ballot(8) })
    expect(await prepare(11, OTHER)).toMatchObject({ type: 'promised', floor: ballot(8) })
  })

  test('the floor outlives the process', async () => {
    await bury()
    await host.collect(KEY, ballot(5), always)
    host = newHost()
    expect(await host.learn(KEY, { ballot: ballot(6), value: value('copy') })).toBe('refused')
    expect(await accept(STEP + 99, 'late')).toMatchObject({ type: 'accepted' })
    // Its own mark is a promise, so that the next floor lies above that.
    await prepare(3 * STEP, OTHER)
    await accept(3 * STEP, 'gone', { key: OTHER, tombstone: true })
    await host.collect(OTHER, ballot(3 * STEP), always)
    expect(host.floor(store.last[0]!.partition)).toEqual(ballot(3 * STEP + 1))
  })

  test('what is written while the collection waits for its turn stays', async () => {
    await bury()
    store.hold()
    const writing = accept(6, 'again')
    const collecting = host.collect(KEY, ballot(5), always)
    await store.flush()
    expect(await writing).toMatchObject({ type: 'accepted' })
    expect(await collecting).toBe(false)
    expect(host.peek(KEY)?.ballot).toEqual(ballot(6))
  })

  test('a vote waits until it is known whether the tombstone is gone', async () => {
    await bury()
    store.hold()
    const collecting = host.collect(KEY, ballot(5), always)
    const voting = accept(6, 'late')
    expect(await state(voting)).toBe('waits')
    await store.flush()
    expect(await collecting).toBe(true)
    expect(await voting).toMatchObject({ type: 'conflict' })
  })
})

describe('a full disk (F6)', () => {
  const full = { type: 'no-vote', reason: 'full' }

  test('deletes, what takes something away, and identity changes use the reserve; nothing else', async () => {
    await prepare(5)
    await accept(5, 'something long')
    store.full = true
    expect(await accept(6, 'something longer')).toEqual(full)
    expect(await accept(7, 'something lenG')).toEqual(full)
    // The same operation at a later ballot.
    expect(await accept(8, 'something long')).toMatchObject({ type: 'accepted' })
    expect(await accept(9, 'shorter')).toMatchObject({ type: 'accepted' })
    expect(await accept(10, 'longer tombstone', { tombstone: true })).toMatchObject({
      type: 'accepted',
    })
    expect(await host.collect(KEY, ballot(10), () => true)).toBe(true)
    await prepare(20, OTHER)
    expect(await accept(20, 'new', { key: OTHER })).toEqual(full)
  })

  test('a version is deleted also where a page must be written anew for it', async () => {
    const body = (count: number): Uint8Array => {
      const ref = { dataId: new Uint8Array(24), level: 0, newest: 9, oldest: 1, count }
      return objectCodec.encode({ ...objectOf(undefined), pages: [ref] })
    }
    const acceptCount = (counter: number, count: number, extras: Extras = {}) =>
      accept(counter, `op ${counter}`, {
        body: body(count),
        blocks: extras.blocks?.map(({ key }) => key) ?? [],
        extras,
      })
    await prepare(5)
    await acceptCount(5, 8)
    store.full = true
    const page = packedBlockKey(KEY, dataId('d'.repeat(20) + u32(1)))
    const extras = { blocks: [{ key: page, bytes: bytesOf('p'), owner: ownedByObject(KEY) }] }
    expect(await acceptCount(6, 8, extras)).toEqual(full)
    expect(await acceptCount(7, 9, extras)).toEqual(full)
    expect(await acceptCount(8, 7, extras)).toMatchObject({ type: 'accepted' })
  })

  test('a delete marker takes the place of an object, and of nothing else', async () => {
    const put = (counter: number, versions: { deleteMarker: boolean }[]) => {
      const whole = versions.map((version, i) => ({ ...VERSION, ...version, sequence: 9 - i }))
      const body = objectCodec.encode({ ...objectOf(undefined), versions: whole })
      return accept(counter, `op ${counter}`, { body })
    }
    const [object, marker] = [{ deleteMarker: false }, { deleteMarker: true }]
    await prepare(5)
    await put(5, [object])
    store.full = true
    expect(await put(6, [object, object])).toEqual(full)
    expect(await put(7, [marker, object])).toMatchObject({ type: 'accepted' })
    expect(await put(8, [marker, marker, object])).toEqual(full)
    expect(await put(9, [object, marker, object])).toEqual(full)
  })

  test('an upload may be aborted', async () => {
    const upload = uploadRegister(BUCKET, 0, 'key', 'u'.repeat(16), 6)
    await prepare(5, upload)
    await accept(5, 'open', { key: upload })
    store.full = true
    expect(await accept(6, 'over', { key: upload })).toMatchObject({ type: 'accepted' })
    expect(await accept(7, 'longer', { key: upload })).toEqual(full)
  })

  test('a block that rides along does not', async () => {
    const block = packedBlockKey(KEY, dataId('d'.repeat(20) + u32(1)))
    await prepare(5)
    await accept(5, 'something long')
    store.full = true
    const extras = { blocks: [{ key: block, bytes: bytesOf('b'), owner: ownedByObject(KEY) }] }
    expect(await accept(6, 'short', { blocks: [block], extras })).toEqual(full)
  })
})
