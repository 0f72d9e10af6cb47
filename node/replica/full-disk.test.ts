import { beforeEach, describe, expect, test } from 'vitest'
import { bytesOf, u32 } from '../../protocol/bytes.ts'
import { objectCodec, type VersionRecord } from '../../protocol/codec/versioned.ts'
import { dataId } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { ownedByObject } from '../../protocol/keyspace/owner.ts'
import { uploadRegister } from '../../protocol/keyspace/register-key.ts'
import { objectOf } from '../../protocol/object/object.ts'
import { HostLab, LAB_BUCKET, KEY, OTHER, ballot, type HandleExtras } from './testing/host-lab.ts'
import { testVersion } from '../../protocol/object/testing/version.ts'

let lab: HostLab

beforeEach(() => {
  lab = new HostLab()
})

const full = { type: 'no-vote', reason: 'full' }

const VERSION: VersionRecord = testVersion({
  sizeBytes: 3,
  etag: 'etag',
  lastModifiedMs: 1,
  sequence: 1,
})
describe('a full disk (F6)', () => {
  test('deletes, changes that take something away, and identity changes use the reserve; nothing else does', async () => {
    await lab.prepare(5)
    await lab.accept(5, 'something long')
    lab.store.full = true
    expect(await lab.accept(6, 'something longer')).toEqual(full)
    expect(await lab.accept(7, 'something lenG')).toEqual(full)
    // The same operation at a later ballot.
    expect(await lab.accept(8, 'something long')).toMatchObject({ type: 'accepted' })
    expect(await lab.accept(9, 'shorter')).toMatchObject({ type: 'accepted' })
    expect(await lab.accept(10, 'longer tombstone', { tombstone: true })).toMatchObject({
      type: 'accepted',
    })
    expect(await lab.host.removals.collect(KEY, ballot(10), () => true)).toBe(true)
    await lab.prepare(20, OTHER)
    expect(await lab.accept(20, 'new', { key: OTHER })).toEqual(full)
  })

  test('an upload may be aborted', async () => {
    const upload = uploadRegister(LAB_BUCKET, 0, 'key', 'u'.repeat(16), 6)
    await lab.prepare(5, upload)
    await lab.accept(5, 'open', { key: upload })
    lab.store.full = true
    expect(await lab.accept(6, 'over', { key: upload })).toMatchObject({ type: 'accepted' })
    expect(await lab.accept(7, 'longer', { key: upload })).toEqual(full)
  })

  test('a block that comes with a change does not use the reserve', async () => {
    const block = packedBlockKey(KEY, dataId('d'.repeat(20) + u32(1)))
    await lab.prepare(5)
    await lab.accept(5, 'something long')
    lab.store.full = true
    const extras = { blocks: [{ key: block, bytes: bytesOf('b'), owner: ownedByObject(KEY) }] }
    expect(await lab.accept(6, 'short', { blocks: [block], extras })).toEqual(full)
  })
})

describe('deletes of versions on a full disk (F6)', () => {
  test('a version is deleted even if a page has to be rewritten for it', async () => {
    const body = (count: number): Uint8Array => {
      const ref = { dataId: new Uint8Array(24), level: 0, newest: 9, oldest: 1, count }
      return objectCodec.encode({ ...objectOf(undefined), pages: [ref] })
    }
    const acceptCount = (counter: number, count: number, extras: HandleExtras = {}) =>
      lab.accept(counter, `op ${counter}`, {
        body: body(count),
        blocks: extras.blocks?.map(({ key }) => key) ?? [],
        extras,
      })
    await lab.prepare(5)
    await acceptCount(5, 8)
    lab.store.full = true
    const page = packedBlockKey(KEY, dataId('d'.repeat(20) + u32(1)))
    const extras = { blocks: [{ key: page, bytes: bytesOf('p'), owner: ownedByObject(KEY) }] }
    expect(await acceptCount(6, 8, extras)).toEqual(full)
    expect(await acceptCount(7, 9, extras)).toEqual(full)
    expect(await acceptCount(8, 7, extras)).toMatchObject({ type: 'accepted' })
  })

  test('a delete marker may take the place of an object only', async () => {
    const put = (counter: number, versions: { deleteMarker: boolean }[]) => {
      const whole = versions.map((version, i) => ({ ...VERSION, ...version, sequence: 9 - i }))
      const body = objectCodec.encode({ ...objectOf(undefined), versions: whole })
      return lab.accept(counter, `op ${counter}`, { body })
    }
    const [object, marker] = [{ deleteMarker: false }, { deleteMarker: true }]
    await lab.prepare(5)
    await put(5, [object])
    lab.store.full = true
    expect(await put(6, [object, object])).toEqual(full)
    expect(await put(7, [marker, object])).toMatchObject({ type: 'accepted' })
    expect(await put(8, [marker, marker, object])).toEqual(full)
    expect(await put(9, [object, marker, object])).toEqual(full)
  })
})
