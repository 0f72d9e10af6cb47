/** For how long a cache in front of the look-up may use its answers (T7). */

import { beforeEach, expect, test } from 'vitest'
import { allow, FIRST_KEY, IamWorld } from './testing/world.ts'

let world: IamWorld
let key: string
const usableMs = async (id = key, ageMs = 1_000, token?: string): Promise<number> =>
  (await world.identities.resolver.timed(id, token, ageMs)).usableMs

beforeEach(async () => {
  world = new IamWorld()
  await world.user(world.root, 'ann', allow('s3:*'))
  key = await world.key(world.root, 'ann')
  world.nowMs += 10_000
})

test('an answer is as old as its records when it is given, not as old as the question', async () => {
  expect(await usableMs()).toBe(1_000)
  world.nowMs += 300
  expect(await usableMs()).toBe(700)
  world.nowMs += 699
  expect(await usableMs()).toBe(1)
  world.nowMs += 1
  expect(await usableMs()).toBe(1_000)
})

test('a caller that asks for a younger answer gets one', async () => {
  await usableMs()
  world.nowMs += 500
  expect(await usableMs(key, 500)).toBe(1_000)
})

test('an answer that there is no such key has an age too; the first root needs no read', async () => {
  expect(await usableMs('SHOAABCDEFGHIJKLMNOP')).toBe(1_000)
  expect(await usableMs('nothing')).toBe(1_000)
  expect(await usableMs(FIRST_KEY)).toBe(1_000)
  const { value } = await world.identities.resolver.timed(FIRST_KEY, undefined, 1_000)
  expect(value?.accessKeyId).toBe(FIRST_KEY)
})

test('no session is used beyond its end', async () => {
  const made = await world.run(await world.identity(key), 'GetSessionToken', {
    DurationSeconds: '900',
  })
  const { AccessKeyId, SessionToken } = made['Credentials'] as Record<string, string>
  world.nowMs += 900_000 - 250
  expect(await usableMs(AccessKeyId, 1_000, SessionToken)).toBe(250)
  world.nowMs += 250
  await expect(usableMs(AccessKeyId, 1_000, SessionToken)).rejects.toMatchObject({
    code: 'ExpiredToken',
  })
})

test('caches in front are told of a change before it is answered', async () => {
  const events: string[] = []
  world.identities.resolver.onForget(() => events.push('forget'))
  const ann = world.run(world.root, 'DeleteUserPolicy', { UserName: 'ann', PolicyName: 'p0' })
  await ann.then(() => events.push('answer'))
  expect(events[0]).toBe('forget')
  expect(events.at(-1)).toBe('answer')
})
