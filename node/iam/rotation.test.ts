/** After a rotation of the cluster secret, keys stay valid, and sessions stay valid for the overlap. */

import { describe, expect, test } from 'vitest'
import type { Credential } from '../../gateway/port/identity.ts'
import { StoreError } from '../../protocol/errors.ts'
import { secretId } from '../../protocol/layout/secret.ts'
import { internalContext } from '../tools/internal-context.ts'
import { ACCESS_KEY, Records } from './records.ts'
import { allow, FIRST_KEY, IamWorld } from './testing/world.ts'

const SECOND = new Uint8Array(32).fill(2)
const THIRD = new Uint8Array(32).fill(3)
const HOUR_MS = 3_600_000

interface Session {
  readonly AccessKeyId: string
  readonly SecretAccessKey: string
  readonly SessionToken: string
}

async function sessionOf(world: IamWorld, name: string): Promise<Session> {
  const user = await world.user(world.root, name, allow('s3:*'))
  const result = await world.run(user, 'GetSessionToken', { DurationSeconds: '129600' })
  return result['Credentials'] as unknown as Session
}

function opened(world: IamWorld, given: Session): Promise<Credential | undefined> {
  return world.identities.resolver.session(given.AccessKeyId, given.SessionToken)
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => 'it was accepted',
    (failure: unknown) => failure,
  )
  return error instanceof StoreError ? error.code : String(error)
}

const sealedWith = async (world: IamWorld, id: string): Promise<string | undefined> =>
  (
    await new Records(world.registers.registers, () => ({ partitionBits: 4 })).read(
      internalContext(),
      ACCESS_KEY,
      id,
    )
  )?.sealedWith

describe('sessions under the previous secret', () => {
  test('are valid until the overlap ends, to the millisecond, and new ones use the new secret', async () => {
    const world = new IamWorld()
    const before = await sessionOf(world, 'ann')
    expect((await opened(world, before))?.secretAccessKey).toBe(before.SecretAccessKey)
    world.rotate(SECOND, HOUR_MS)
    const untilMs = world.nowMs + HOUR_MS
    const after = await sessionOf(world, 'bob')
    world.nowMs = untilMs - 1
    // The key id and the secret of a session follow from the secret that signed it.
    expect((await opened(world, before))?.secretAccessKey).toBe(before.SecretAccessKey)
    expect((await opened(world, after))?.secretAccessKey).toBe(after.SecretAccessKey)
    world.nowMs = untilMs
    expect(await codeOf(opened(world, before))).toBe('InvalidToken')
    expect((await opened(world, after))?.secretAccessKey).toBe(after.SecretAccessKey)
  })

  test('without an overlap they end at once, also those in use', async () => {
    const world = new IamWorld()
    const before = await sessionOf(world, 'ann')
    await opened(world, before)
    world.rotate(SECOND, 0)
    expect(await codeOf(opened(world, before))).toBe('InvalidToken')
  })

  test('end with the second rotation, however long the overlap was', async () => {
    const world = new IamWorld()
    const before = await sessionOf(world, 'ann')
    world.rotate(SECOND, 36 * HOUR_MS)
    await world.identities.rotation.encryptAll()
    const between = await sessionOf(world, 'bob')
    world.rotate(THIRD, HOUR_MS)
    expect(await codeOf(opened(world, before))).toBe('InvalidToken')
    expect(await opened(world, between)).toBeDefined()
  })

  test('one that is signed with the previous secret after the rotation is refused', async () => {
    const world = new IamWorld()
    const thief = new IamWorld()
    world.rotate(SECOND, HOUR_MS)
    thief.nowMs = world.nowMs + 61_000
    const forged = await sessionOf(thief, 'ann')
    world.nowMs = thief.nowMs
    expect(await codeOf(opened(world, forged))).toBe('InvalidToken')
  })

  test('a node that does not have the new secret yet accepts no session and issues none', async () => {
    const world = new IamWorld()
    const before = await sessionOf(world, 'ann')
    world.secret = undefined
    expect(await codeOf(opened(world, before))).toBe('Unavailable')
    const { code } = (await world.run(world.root, 'GetSessionToken').catch((e: unknown) => e)) as {
      code: string
    }
    expect(code).toBe('Unavailable')
  })
})

describe('access keys after a rotation', () => {
  test('go on working under either secret, and one pass encrypts all of them with the new one', async () => {
    const world = new IamWorld()
    const first = secretId(world.secret!)
    await world.user(world.root, 'ann', allow('s3:*'))
    const other = await world.account('other')
    await world.user(other, 'eve')
    const made = await Promise.all([
      world.keyPair(world.root, 'ann'),
      world.keyPair(other, 'eve'),
      world.keyPair(other, undefined),
    ])
    for (const { id } of made) expect(await sealedWith(world, id)).toBe(first)
    const works = async (): Promise<void> => {
      world.nowMs += 5_000
      for (const { id, secret } of made) {
        expect((await world.identities.resolver.credential(id))?.secretAccessKey).toBe(secret)
      }
      const root = await world.identities.resolver.credential(FIRST_KEY)
      expect(root?.secretAccessKey).toBe('founder-secret')
    }
    world.rotate(SECOND, 0)
    await works()
    // Each of the three also has the key that it was created with.
    expect(await world.identities.rotation.encryptAll()).toBe(2 * made.length)
    for (const { id } of made) expect(await sealedWith(world, id)).toBe(secretId(SECOND))
    await works()
    expect(await world.identities.rotation.encryptAll()).toBe(0)
    world.rotate(THIRD, 0)
    await world.identities.rotation.encryptAll()
    await works()
    // The first two secrets decrypt nothing any more.
    world.previous = undefined
    await works()
  })

  test('new ones are encrypted with the new secret, and deleted ones stay deleted', async () => {
    const world = new IamWorld()
    await world.user(world.root, 'ann')
    const gone = await world.keyPair(world.root, 'ann')
    await world.run(world.root, 'DeleteAccessKey', { UserName: 'ann', AccessKeyId: gone.id })
    world.rotate(SECOND, 0)
    const made = await world.keyPair(world.root, 'ann')
    expect(await sealedWith(world, made.id)).toBe(secretId(SECOND))
    expect(await world.identities.rotation.encryptAll()).toBe(1)
    expect(await world.identities.rotation.encryptAll()).toBe(0)
    expect(await sealedWith(world, gone.id)).toBeUndefined()
  })
})

describe('passes over access keys', () => {
  test('a pass that is broken off is repeated', async () => {
    const world = new IamWorld()
    await world.user(world.root, 'ann')
    await world.keyPair(world.root, 'ann')
    world.rotate(SECOND, 0)
    world.secret = undefined
    await expect(world.identities.rotation.encryptAll()).rejects.toMatchObject({
      code: 'Unavailable',
    })
    world.secret = SECOND
    expect(await world.identities.rotation.encryptAll()).toBe(2)
  })

  test('a key under a secret that this node does not have yet is Unavailable, not wrong', async () => {
    const world = new IamWorld()
    await world.user(world.root, 'ann')
    const { id } = await world.keyPair(world.root, 'ann')
    world.rotate(SECOND, 0)
    world.previous = undefined
    expect(await codeOf(world.identities.resolver.credential(id))).toBe('Unavailable')
  })
})
