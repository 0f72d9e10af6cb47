/** Identities through whole clusters: a change through one node counts on all nodes within a second (T7), also on one
 * that is cut off, every node accepts a session that another one issued, and an alias belongs to one account. */

import { expect, test } from 'vitest'
import type { Identity } from '../../gateway/port/identity.ts'
import { rootIdentity } from '../../node/iam/resolve.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { backendOf, onCluster, calmSleep } from '../testing/calm-cluster.ts'
import { ALLOW, ROOT_USER, runAction } from '../testing/iam.ts'
import { isolate } from '../testing/cuts.ts'

async function userWithKey(cluster: SimulatedCluster, node: number, name: string): Promise<string> {
  const UserName = name
  await runAction(cluster, node, 'CreateUser', { UserName })
  await runAction(cluster, node, 'PutUserPolicy', {
    UserName,
    PolicyName: 'p',
    PolicyDocument: ALLOW,
  })
  const { AccessKey } = await runAction(cluster, node, 'CreateAccessKey', { UserName })
  return (AccessKey as { AccessKeyId: string }).AccessKeyId
}

/** What a node answers: how many policies, 'none', or the error's code. */
async function ask(cluster: SimulatedCluster, node: number, key: string): Promise<string> {
  try {
    const credential = await backendOf(cluster, node).credential(key)
    return credential === undefined ? 'none' : String(credential.identity.policies.length)
  } catch (error) {
    return (error as { code: string }).code
  }
}

/** Asks every 20 ms for a while without waiting for answers. Returns the answers by the time of their question. */
async function watch(
  cluster: SimulatedCluster,
  node: number,
  key: string,
  forMs: number,
): Promise<{ readonly askedMs: number; readonly answer: string }[]> {
  const { clock } = cluster
  const until = clock.monotonicMs() + forMs
  const asked: Promise<{ askedMs: number; answer: string }>[] = []
  while (clock.monotonicMs() < until) {
    const askedMs = clock.monotonicMs()
    asked.push(ask(cluster, node, key).then((answer) => ({ askedMs, answer })))
    await calmSleep(cluster, 20)
  }
  return Promise.all(asked)
}

test.each([1, 2, 3, 4])('a revoked key and a removed policy count on every node: seed %i', (seed) =>
  onCluster(
    3,
    async (cluster) => {
      const key = await userWithKey(cluster, 0, 'ann')
      for (const node of [0, 1, 2]) expect(await ask(cluster, node, key)).toBe('1')
      const { clock } = cluster

      const first = [0, 1, 2].map((node) => watch(cluster, node, key, 2_500))
      await calmSleep(cluster, 300)
      await runAction(cluster, seed % 3, 'DeleteUserPolicy', { UserName: 'ann', PolicyName: 'p' })
      const removedMs = clock.monotonicMs()
      for (const answers of await Promise.all(first)) {
        const late = answers.filter(({ askedMs }) => askedMs >= removedMs + 1_000)
        expect(late.length).toBeGreaterThan(10)
        expect(new Set(late.map(({ answer }) => answer))).toEqual(new Set(['0']))
      }

      const second = [0, 1, 2].map((node) => watch(cluster, node, key, 2_500))
      await calmSleep(cluster, 300)
      const status = { UserName: 'ann', AccessKeyId: key, Status: 'Inactive' }
      await runAction(cluster, (seed + 1) % 3, 'UpdateAccessKey', status)
      const revokedMs = clock.monotonicMs()
      for (const answers of await Promise.all(second)) {
        const late = answers.filter(({ askedMs }) => askedMs >= revokedMs + 1_000)
        expect(new Set(late.map(({ answer }) => answer))).toEqual(new Set(['none']))
      }
    },
    { seed },
  ),
)

test.each([1, 2, 3])('a node that is cut off denies within a second: seed %i', (seed) =>
  onCluster(
    3,
    async (cluster) => {
      const { clock } = cluster
      const key = await userWithKey(cluster, 0, 'ann')
      expect(await ask(cluster, 2, key)).toBe('1')
      const answers = watch(cluster, 2, key, 4_000)
      await calmSleep(cluster, 200)
      isolate(cluster, 2)
      const cutMs = clock.monotonicMs()
      await runAction(cluster, 0, 'DeleteUserPolicy', { UserName: 'ann', PolicyName: 'p' })
      const removedMs = clock.monotonicMs()
      const all = await answers
      const known = all.filter(({ askedMs }) => askedMs < cutMs + 400)
      expect(known.some(({ answer }) => answer === '1')).toBe(true)
      const late = all.filter(({ askedMs }) => askedMs >= removedMs + 1_000)
      expect(late.length).toBeGreaterThan(50)
      expect(new Set(late.map(({ answer }) => answer))).toEqual(new Set(['Unavailable']))
      // The cluster's first root is in the genesis record.
      expect(await ask(cluster, 2, 'SIM')).toBe('0')
      cluster.wires.mend()
      await calmSleep(cluster, 2_000)
      expect(await ask(cluster, 2, key)).toBe('0')
    },
    { seed },
  ),
)

test.each([1, 2, 3, 4])(
  "an alias that three accounts want at once is one account's: seed %i",
  (seed) =>
    onCluster(
      3,
      async (cluster) => {
        const accounts = [ROOT_USER]
        for (const Name of ['b', 'c']) {
          const { Account } = await runAction(cluster, 0, 'CreateAccount', { Name })
          accounts.push(rootIdentity((Account as { AccountId: string }).AccountId))
        }
        for (const AccountAlias of ['blue', 'green']) {
          const codes = await Promise.all(
            accounts.map((account, node) =>
              runAction(cluster, node, 'CreateAccountAlias', { AccountAlias }, account).then(
                () => undefined,
                (error: { code: string }) => error.code,
              ),
            ),
          )
          const held: string[] = []
          for (const account of accounts) {
            const listed = await runAction(cluster, seed % 3, 'ListAccountAliases', {}, account)
            held.push(...(listed['AccountAliases'] as string[]))
          }
          const holders = held.filter((alias) => alias === AccountAlias)
          expect(holders).toHaveLength(codes.filter((code) => code === undefined).length)
          expect(holders.length).toBeLessThan(2)
          for (const code of codes) {
            expect([undefined, 'EntityAlreadyExists', 'ConcurrentModification']).toContain(code)
          }
        }
      },
      { seed },
    ),
)

test('a session of one node opens on the others, until its user is deleted', async () => {
  await onCluster(3, async (cluster) => {
    const key = await userWithKey(cluster, 0, 'ann')
    const ann = (await backendOf(cluster, 1).credential(key))?.identity as Identity
    const { Credentials } = await runAction(cluster, 1, 'GetSessionToken', {}, ann)
    const given = Credentials as Record<string, string>
    const id = given['AccessKeyId'] ?? ''
    const token = given['SessionToken'] ?? ''
    for (const node of [0, 1, 2]) {
      const credential = await backendOf(cluster, node).sessionCredential(id, token)
      expect(credential?.secretAccessKey).toBe(given['SecretAccessKey'])
      expect(credential?.identity.principalArn).toBe(ann.principalArn)
    }
    await runAction(cluster, 2, 'DeleteAccessKey', { UserName: 'ann', AccessKeyId: key })
    await runAction(cluster, 2, 'DeleteUserPolicy', { UserName: 'ann', PolicyName: 'p' })
    await runAction(cluster, 2, 'DeleteUser', { UserName: 'ann' })
    await calmSleep(cluster, 1_000)
    for (const node of [0, 1, 2]) {
      expect(await backendOf(cluster, node).sessionCredential(id, token)).toBeUndefined()
    }
  })
})
