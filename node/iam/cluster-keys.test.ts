/** The keys of the cluster that wrap the data keys of objects. */

import { expect, test } from 'vitest'
import { DEFAULT_KEY_ID, type WrappedKey } from '../../gateway/port/encryption.ts'
import { StoreError } from '../../protocol/errors.ts'
import { keyRingCodec } from '../../protocol/iam/key-ring-record.ts'
import { internalContext } from '../tools/internal-context.ts'
import { IamWorld } from './testing/world.ts'

const DATA_KEY = new Uint8Array(32).fill(9)
const SECOND = new Uint8Array(32).fill(2)
const THIRD = new Uint8Array(32).fill(3)

function wrap(world: IamWorld, binding = 'object'): Promise<WrappedKey> {
  const request = { keyId: DEFAULT_KEY_ID, dataKey: DATA_KEY, binding }
  return world.identities.clusterKeys.wrapDataKey(internalContext(), request)
}

function unwrap(world: IamWorld, key: WrappedKey, binding = 'object'): Promise<Uint8Array> {
  return world.identities.clusterKeys.unwrapDataKey(internalContext(), { key, binding })
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => 'ok',
    (failure: unknown) => failure,
  )
  return error instanceof StoreError ? error.code : String(error)
}

test('a data key opens for what it was bound to, and only unaltered', async () => {
  const world = new IamWorld()
  const [one, two] = [await wrap(world), await wrap(world)]
  expect(one.wrapped).not.toBe(two.wrapped)
  expect(await unwrap(world, one)).toEqual(DATA_KEY)
  expect(await unwrap(world, two)).toEqual(DATA_KEY)
  expect(await codeOf(unwrap(world, one, 'another object'))).toBe('DataLost')
  for (let at = 0; at < 64; at++) {
    const bytes = Buffer.from(one.wrapped, 'base64')
    bytes[at]! ^= 1
    const wrapped = bytes.toString('base64')
    expect(await codeOf(unwrap(world, { ...one, wrapped }))).toBe('DataLost')
  }
  const short = Buffer.from(one.wrapped, 'base64').subarray(1).toString('base64')
  expect(await codeOf(unwrap(world, { ...one, wrapped: short }))).toBe('DataLost')
  expect(await codeOf(unwrap(world, { ...one, version: 2 }))).toBe('NoSuchEncryptionKey')
  expect(await codeOf(unwrap(world, { ...one, keyId: 'x' }))).toBe('NoSuchEncryptionKey')
})

test('keys survive rotations of the cluster secret, and a node without the secret opens none', async () => {
  const world = new IamWorld()
  const key = await wrap(world)
  world.rotate(SECOND, 0)
  world.nowMs += 10_000
  expect(await unwrap(world, key)).toEqual(DATA_KEY)
  expect(await world.identities.rotation.encryptAll()).toBeGreaterThan(0)
  expect(await world.identities.rotation.encryptAll()).toBe(0)
  world.rotate(THIRD, 0)
  await world.identities.rotation.encryptAll()
  world.nowMs += 10_000
  expect(await unwrap(world, key)).toEqual(DATA_KEY)

  const late = new IamWorld()
  await wrap(late)
  late.rotate(SECOND, 0)
  await late.identities.rotation.encryptAll()
  late.rotate(THIRD, 0)
  late.previous = undefined
  late.nowMs += 10_000
  expect(await codeOf(wrap(late))).toBe('Unavailable')
})

test('the stored form says what it is made of, and nothing else is taken for it', () => {
  const version = {
    createdMs: 1,
    sealedSecret: 'AAAA',
    sealedWith: '0123456789abcdef0123456789abcdef',
  }
  const ring = {
    keys: [
      { id: 'shoal-s3', createdMs: 1, versions: [version, version] },
      { id: '123456789012/team-a', createdMs: 2, disabled: true as const, versions: [version] },
    ],
  }
  expect(keyRingCodec.decode(keyRingCodec.encode(ring))).toEqual(ring)
  expect(keyRingCodec.decode(keyRingCodec.encode({ keys: [] }))).toEqual({ keys: [] })
  const wrong: unknown[] = [
    { keys: [{ ...ring.keys[0], id: '../x' }] },
    { keys: [{ ...ring.keys[0], disabled: false }] },
    { keys: [{ ...ring.keys[0], versions: [{ ...version, sealedWith: 'x' }] }] },
    { keys: [{ ...ring.keys[0], more: 1 }] },
  ]
  for (const each of wrong) {
    const bytes = keyRingCodec.encode(each as typeof ring)
    expect(() => keyRingCodec.decode(bytes)).toThrow()
  }
})
