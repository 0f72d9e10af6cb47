/** The cluster secret is rotated while nodes die or are away: access keys keep working, retired sessions do not. */

import { expect, test } from 'vitest'
import { utf8 } from '../../protocol/bytes.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  codeOf,
  get,
  nodeOf,
  onCluster,
  put,
  calmSleep,
} from '../testing/calm-cluster.ts'
import { ALLOW, ROOT_USER, runAction } from '../testing/iam.ts'

type Session = Record<'AccessKeyId' | 'SecretAccessKey' | 'SessionToken', string>

async function userOf(
  cluster: SimulatedCluster,
  node: number,
  name: string,
): Promise<{ id: string; secret: string }> {
  const UserName = name
  await runAction(cluster, node, 'CreateUser', { UserName })
  await runAction(cluster, node, 'PutUserPolicy', {
    UserName,
    PolicyName: 'p',
    PolicyDocument: ALLOW,
  })
  const { AccessKey } = await runAction(cluster, node, 'CreateAccessKey', { UserName })
  const { AccessKeyId, SecretAccessKey } = AccessKey as Record<string, string>
  return { id: AccessKeyId!, secret: SecretAccessKey! }
}

async function sessionOf(cluster: SimulatedCluster, node: number, key?: string): Promise<Session> {
  const caller =
    key === undefined ? ROOT_USER : (await backendOf(cluster, node).credential(key))!.identity
  const { Credentials } = await runAction(cluster, node, 'GetSessionToken', {}, caller)
  return Credentials as unknown as Session
}

const open = (cluster: SimulatedCluster, node: number, given: Session) =>
  codeOf(backendOf(cluster, node).sessionCredential(given.AccessKeyId, given.SessionToken))

async function untilKeysSealed(cluster: SimulatedCluster, node: number): Promise<void> {
  while (!nodeOf(cluster, node).admin.secret().keysSealed) await calmSleep(cluster, 1_000)
}

test.each([1, 2, 3, 4])('a node is away: seed %i', (seed) =>
  onCluster(
    3,
    async (cluster) => {
      const keys = []
      for (const node of [0, 1, 2]) keys.push(await userOf(cluster, node, `user-${node}`))
      const root = await sessionOf(cluster, 2)
      const sessions = [root, await sessionOf(cluster, 0, keys[0]!.id)]
      for (const node of [0, 1, 2]) {
        for (const each of sessions) expect(await open(cluster, node, each)).toBe('ok')
      }
      cluster.kill(2, seed % 2 === 0)
      await calmSleep(cluster, 100)
      await nodeOf(cluster, seed % 2).admin.rotateSecret(0)
      await calmSleep(cluster, 500)
      for (const each of sessions) {
        for (const node of [0, 1]) expect(await open(cluster, node, each)).toBe('InvalidToken')
      }
      const fresh = await sessionOf(cluster, 1, keys[1]!.id)
      await untilKeysSealed(cluster, seed % 2)

      // From its first moment on the node accepts nothing that is retired.
      const answers: string[] = []
      let watching = true
      const watch = async (): Promise<void> => {
        while (watching) {
          const node = cluster.node(2)
          if (node !== undefined)
            for (const each of sessions) answers.push(await open(cluster, 2, each))
          await calmSleep(cluster, 5)
        }
      }
      const watched = watch()
      await cluster.start(2)
      await calmSleep(cluster, 5_000)
      watching = false
      await watched
      expect(new Set(answers)).not.toContain('ok')
      expect(answers).toContain('InvalidToken')
      for (const node of [0, 1, 2]) {
        expect(await open(cluster, node, fresh)).toBe('ok')
        for (const { id, secret } of keys) {
          expect((await backendOf(cluster, node).credential(id))?.secretAccessKey).toBe(secret)
        }
        const founder = await backendOf(cluster, node).credential('SIM')
        expect(founder?.secretAccessKey).toBe('simulated')
      }
      expect([0, 1, 2].map((node) => nodeOf(cluster, node).admin.secret().generation)).toEqual([
        2, 2, 2,
      ])
    },
    { seed },
  ),
)

test.each([1, 2, 3, 4, 5, 6])('the node that rotates dies while it does: seed %i', (seed) =>
  onCluster(
    3,
    async (cluster) => {
      const keys = []
      for (let i = 0; i < 6; i++) keys.push(await userOf(cluster, i % 3, `user-${i}`))
      nodeOf(cluster, 1)
        .admin.rotateSecret(3_600_000)
        .catch(() => undefined)
      await calmSleep(cluster, seed * 4)
      cluster.kill(1, true)
      await calmSleep(cluster, 20_000)
      // The rotation was decided or has not begun, so it may be asked for again. The others seal what this node has not
      // sealed.
      await nodeOf(cluster, 0).admin.rotateSecret(0)
      await untilKeysSealed(cluster, 0)
      await cluster.start(1)
      await calmSleep(cluster, 5_000)
      for (const node of [0, 1, 2]) {
        for (const { id, secret } of keys) {
          expect((await backendOf(cluster, node).credential(id))?.secretAccessKey).toBe(secret)
        }
      }
      const generations = [0, 1, 2].map((node) => nodeOf(cluster, node).admin.secret().generation)
      expect(new Set(generations).size).toBe(1)
      expect([2, 3]).toContain(generations[0])
    },
    { seed },
  ),
)

test.each([1, 2, 3])('requests go on meanwhile: seed %i', (seed) =>
  onCluster(
    3,
    async (cluster) => {
      const user = await userOf(cluster, 0, 'ann')
      let done = false
      const made: { id: string; secret: string }[] = []
      const codes = new Set<string>()
      let again = 0
      const write = async (node: number): Promise<void> => {
        for (let i = 0; !done; i++) {
          const body = utf8(`${node} ${i}`)
          const store = () => codeOf(put(backendOf(cluster, node), `key-${node}-${i}`, body))
          // A change that is under way when the epoch changes may be answered 503. Clients ask again.
          let code = await store()
          if (code === 'Unavailable') {
            again++
            code = await store()
          }
          codes.add(code)
          codes.add(await codeOf(get(backendOf(cluster, node), `key-${node}-${i}`)))
          codes.add(await codeOf(backendOf(cluster, node).credential(user.id)))
          if (i >= 8) continue
          try {
            made.push(await userOf(cluster, node, `u-${node}-${i}`))
          } catch (error) {
            // As above: it is not known whether this user was made.
            if (!(error instanceof StoreError) || error.code !== 'Unavailable') throw error
            again++
          }
        }
      }
      const writing = [0, 1, 2].map(write)
      for (let i = 0; i < 3; i++) {
        await nodeOf(cluster, i).admin.rotateSecret(60_000)
        await calmSleep(cluster, 400)
      }
      await untilKeysSealed(cluster, 2)
      done = true
      await Promise.all(writing)
      expect([...codes]).toEqual(['ok'])
      // At most one failure for each writer and rotation.
      expect(again).toBeLessThanOrEqual(writing.length * 3)
      // They were made while the secret changed. Their secrets must be sealed by a generation that still exists.
      await calmSleep(cluster, 2_000)
      expect(made.length).toBeGreaterThan(8)
      for (const { id, secret } of made) {
        expect((await backendOf(cluster, 1).credential(id))?.secretAccessKey).toBe(secret)
      }
    },
    { seed },
  ),
)
