/** Keys that encrypt objects: made, rotated and disabled by actions of the query API. */

import { expect, test } from 'vitest'
import { DEFAULT_KEY_ID, type WrappedKey } from '../../gateway/port/encryption.ts'
import type { Identity } from '../../gateway/port/identity.ts'
import { CLUSTER_KEYS_MAX } from '../../protocol/iam/key-ring-record.ts'
import { internalContext } from '../tools/internal-context.ts'
import { IamWorld } from './testing/world.ts'

const DATA_KEY = new Uint8Array(32).fill(9)

function wrap(world: IamWorld, keyId: string): Promise<WrappedKey> {
  const request = { keyId, dataKey: DATA_KEY, binding: 'object' }
  return world.identities.clusterKeys.wrapDataKey(internalContext(), request)
}

function unwrap(world: IamWorld, key: WrappedKey): Promise<Uint8Array> {
  return world.identities.clusterKeys.unwrapDataKey(internalContext(), { key, binding: 'object' })
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'ok',
    (error: { code?: string }) => error.code ?? error,
  )
}

async function listed(world: IamWorld, caller: Identity) {
  const { EncryptionKeys } = await world.run(caller, 'ListEncryptionKeys')
  return (EncryptionKeys as unknown as Record<string, unknown>[]).map(
    ({ KeyName, Enabled, Versions }) => [KeyName, Enabled, Versions],
  )
}

test('a key that was rotated opens what it wrapped before, also on a node that has not heard of it', async () => {
  const world = new IamWorld()
  const keyId = `${world.root.accountId}/reports`
  expect(await world.codeOf(world.root, 'CreateEncryptionKey', { KeyName: 'reports' })).toBe(
    undefined,
  )
  const before = await wrap(world, keyId)
  await world.run(world.root, 'RotateEncryptionKey', { KeyName: 'reports' })
  const after = await wrap(world, keyId)
  expect([before.version, after.version]).toEqual([1, 2])
  expect([await unwrap(world, before), await unwrap(world, after)]).toEqual([DATA_KEY, DATA_KEY])
  // A version does not open what another one wrapped.
  expect(await codeOf(unwrap(world, { ...after, version: 1 }))).toBe('DataLost')
  expect(await listed(world, world.root)).toEqual([['reports', true, 2]])
})

test('a disabled key neither wraps nor opens, until it is enabled', async () => {
  const world = new IamWorld()
  const keyId = `${world.root.accountId}/k`
  await world.run(world.root, 'CreateEncryptionKey', { KeyName: 'k' })
  const key = await wrap(world, keyId)
  await world.run(world.root, 'DisableEncryptionKey', { KeyName: 'k' })
  expect([await codeOf(wrap(world, keyId)), await codeOf(unwrap(world, key))]).toEqual([
    'EncryptionKeyDisabled',
    'EncryptionKeyDisabled',
  ])
  expect(await listed(world, world.root)).toEqual([['k', false, 1]])
  await world.run(world.root, 'EnableEncryptionKey', { KeyName: 'k' })
  expect(await unwrap(world, key)).toEqual(DATA_KEY)
})

test('accounts have keys of their own, and the key of the cluster is for the first one', async () => {
  const world = new IamWorld()
  const other = await world.account('other')
  await world.run(world.root, 'CreateEncryptionKey', { KeyName: 'k' })
  await world.run(other, 'CreateEncryptionKey', { KeyName: 'k' })
  const code = (caller: Identity, action: string, KeyName: string) =>
    world.codeOf(caller, action, { KeyName })
  expect(await code(other, 'CreateEncryptionKey', 'k')).toBe('EntityAlreadyExists')
  expect(await code(other, 'CreateEncryptionKey', DEFAULT_KEY_ID)).toBe('EntityAlreadyExists')
  expect(await code(other, 'RotateEncryptionKey', 'none')).toBe('NoSuchEntity')
  expect(await code(other, 'DisableEncryptionKey', 'none')).toBe('NoSuchEntity')
  expect(await code(other, 'RotateEncryptionKey', DEFAULT_KEY_ID)).toBe('AccessDenied')
  expect(await code(world.root, 'DisableEncryptionKey', DEFAULT_KEY_ID)).toBe('AccessDenied')
  expect(await code(world.root, 'RotateEncryptionKey', DEFAULT_KEY_ID)).toBe(undefined)
  expect(await listed(world, other)).toEqual([['k', true, 1]])
  expect(await listed(world, world.root)).toEqual([
    [DEFAULT_KEY_ID, true, 2],
    ['k', true, 1],
  ])
})

test('the cluster has no more keys than it may have', async () => {
  const world = new IamWorld()
  for (let i = 0; i < CLUSTER_KEYS_MAX; i++) {
    await world.run(world.root, 'CreateEncryptionKey', { KeyName: `k${i}` })
  }
  const one = { KeyName: 'more' }
  expect(await world.codeOf(world.root, 'CreateEncryptionKey', one)).toBe('LimitExceeded')
})
