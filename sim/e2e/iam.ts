/**
 * `node sim/e2e/iam.ts`
 *
 * `aws iam` and `aws sts` against three nodes: two accounts, users, groups, managed and inline policies, keys
 * that are rotated, a role assumed across accounts whose session works on another node, bucket policies,
 * copies that need both sides. Then how soon a revoked key and a changed policy count on every node, also on
 * one that is cut off from the rest.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { s3ErrorCode, RawClient } from '../../bench/harness/s3.ts'
import { shoal as cli, Shoal } from '../../bench/harness/shoal.ts'
import { AwsAs as Aws } from './aws-as.ts'
import { TestIssuer } from '../../node/iam/testing/issuer.ts'
import { tokensOfProvider } from './iam-federation.ts'
import { allowing, People, untilItCounts } from './iam-people.ts'
import { type Context, equal } from './suite.ts'

async function main(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-iam-'))
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
  const issuer = await TestIssuer.create('https://idp.example.org/e2e', 'RS256')
  const keysFile = join(scratch, 'issuers.json')
  writeFileSync(keysFile, JSON.stringify({ [issuer.url]: issuer.keys }))
  const shoal = await Shoal.start({ nodes: 3, env: { SHOAL_OIDC_KEYS: keysFile } })
  try {
    const people = new People(shoal, scratch)
    const ann = await usersAndGroups(people)
    await limitsOfUsers(people, ann)
    await rotation(people, ann)
    const { other, otherId, roleArn } = await accountsAndRoles(people)
    await aliases(people, other)
    const bob = await assumedRole(people, other, roleArn)
    await copiesAcrossAccounts(people, other, otherId, bob)
    await tokensOfProvider(people, issuer)
    await revocation(shoal, people.context, people.root)
  } catch (error) {
    console.log(shoal.output.split('\n').slice(-40).join('\n'))
    throw error
  } finally {
    await shoal.close()
  }
}

/** Users, groups, managed policies. The result is a user who may read and write objects of `alpha`. */
async function usersAndGroups(people: People): Promise<Aws> {
  const { root } = people
  await root.run('s3api', 'create-bucket', '--bucket', 'alpha')
  await root.run('iam', 'create-user', '--user-name', 'ann')
  const ann = await people.keyOf(root, 'ann')
  equal(await ann.refused(...people.put('alpha', 'x')), 'AccessDenied', 'a user without policies')
  await root.run('iam', 'create-group', '--group-name', 'writers')
  const policy = await root.run(
    'iam',
    'create-policy',
    '--policy-name',
    'write-alpha',
    '--policy-document',
    allowing(['s3:PutObject', 's3:GetObject'], 'arn:aws:s3:::alpha/*'),
  )
  const policyArn = String((policy['Policy'] as unknown as Record<string, string>)['Arn'])
  await root.run('iam', 'attach-group-policy', '--group-name', 'writers', '--policy-arn', policyArn)
  await root.run('iam', 'add-user-to-group', '--group-name', 'writers', '--user-name', 'ann')
  await untilItCounts()
  await ann.run(...people.put('alpha', 'x'))
  await ann.run(...people.get('alpha', 'x'))
  const list = ['s3api', 'list-objects-v2', '--bucket', 'alpha']
  equal(await ann.refused(...list), 'AccessDenied', 'listing was not granted')
  const who = await ann.run('sts', 'get-caller-identity')
  equal(String(who['Arn']).endsWith(':user/ann'), true, 'caller identity')
  return ann
}

async function limitsOfUsers({ root }: People, ann: Aws): Promise<void> {
  const who = await ann.run('sts', 'get-caller-identity')
  const selfGrant = await ann.refused(
    'iam',
    'put-user-policy',
    '--user-name',
    'ann',
    '--policy-name',
    'all',
    '--policy-document',
    allowing('*', '*'),
  )
  equal(selfGrant, 'AccessDenied', 'a user can not grant itself more')
  equal(
    await root.refused('iam', 'delete-user', '--user-name', 'ann'),
    'DeleteConflict',
    'a user with keys stays',
  )
  const simulated = await root.run(
    'iam',
    'simulate-principal-policy',
    '--policy-source-arn',
    String(who['Arn']),
    '--action-names',
    's3:PutObject',
    's3:ListBucket',
    '--resource-arns',
    'arn:aws:s3:::alpha/x',
  )
  const results = simulated['EvaluationResults'] as unknown as { EvalDecision: string }[]
  equal(
    results.map(({ EvalDecision }) => EvalDecision),
    ['allowed', 'implicitDeny'],
    'simulate',
  )
  console.log('users, groups, managed policies, simulate: right')
}

async function rotation(people: People, ann: Aws): Promise<void> {
  const { root } = people
  const second = await people.keyOf(root, 'ann')
  const status = ['iam', 'update-access-key', '--user-name', 'ann', '--status', 'Inactive']
  await root.run(...status, '--access-key-id', ann.keys.accessKeyId)
  await untilItCounts()
  equal(await ann.refused(...people.get('alpha', 'x')), 'InvalidAccessKeyId', 'an inactive key')
  await second.run(...people.get('alpha', 'x'))
  console.log('keys rotated')
}

/** Another account, and a role of the first one that it may assume. */
async function accountsAndRoles(
  people: People,
): Promise<{ other: Aws; otherId: string; roleArn: string }> {
  const { root, context, shoal } = people
  const created = JSON.parse(
    (await cli(['account', 'create', 'other', '--data', shoal.nodeDir(0), '--json'])).stdout,
  ) as Record<string, string>
  const other = new Aws(context, {
    accessKeyId: String(created['accessKeyId']),
    secretAccessKey: String(created['secretAccessKey']),
  })
  await other.run('s3api', 'create-bucket', '--bucket', 'beta')
  equal(await other.refused(...people.get('alpha', 'x')), 'AccessDenied', 'another account')
  equal(await root.refused(...people.put('beta', 'x')), 'AccessDenied', 'and the other way round')
  const otherId = String(created['id'])
  const trust = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: otherId }, Action: 'sts:AssumeRole' }],
  })
  const role = await root.run(
    'iam',
    'create-role',
    '--role-name',
    'reader',
    '--assume-role-policy-document',
    trust,
  )
  const roleArn = String((role['Role'] as unknown as Record<string, string>)['Arn'])
  await root.run(
    'iam',
    'put-role-policy',
    '--role-name',
    'reader',
    '--policy-name',
    'read',
    '--policy-document',
    allowing('s3:GetObject', 'arn:aws:s3:::alpha/*'),
  )
  return { other, otherId, roleArn }
}

/** One alias for each account; a new one replaces it, and no other account gets it. */
async function aliases({ root }: People, other: Aws): Promise<void> {
  const aliasesOf = async (account: Aws): Promise<unknown> =>
    (await account.run('iam', 'list-account-aliases'))['AccountAliases']
  const create = ['iam', 'create-account-alias', '--account-alias']
  const remove = ['iam', 'delete-account-alias', '--account-alias']
  equal(await aliasesOf(root), [], 'no alias')
  await root.run(...create, 'team-red')
  await root.run(...create, 'team-blue')
  equal(await other.refused(...create, 'team-blue'), 'EntityAlreadyExists', 'the alias of another')
  await other.run(...create, 'team-red')
  equal(await aliasesOf(root), ['team-blue'], 'an alias that replaced another one')
  equal(await aliasesOf(other), ['team-red'], 'an alias that was given up')
  await root.run(...remove, 'team-blue')
  equal(await root.refused(...remove, 'team-blue'), 'NoSuchEntity', 'an alias that is gone')
  console.log('aliases of accounts')
}

/** A user of the other account assumes the role. The result is that user. */
async function assumedRole(people: People, other: Aws, roleArn: string): Promise<Aws> {
  const { context } = people
  await other.run('iam', 'create-user', '--user-name', 'bob')
  const bob = await people.keyOf(other, 'bob')
  const assume = ['sts', 'assume-role', '--role-arn', roleArn, '--role-session-name', 'test']
  equal(await bob.refused(...assume), 'AccessDenied', 'trusted, but without the right of its own')
  await other.run(
    'iam',
    'put-user-policy',
    '--user-name',
    'bob',
    '--policy-name',
    'assume',
    '--policy-document',
    allowing('sts:AssumeRole', roleArn),
  )
  await untilItCounts()
  const assumed = (await bob.run(...assume))['Credentials'] as unknown as Record<string, string>
  const session = new Aws(context, {
    accessKeyId: String(assumed['AccessKeyId']),
    secretAccessKey: String(assumed['SecretAccessKey']),
    sessionToken: String(assumed['SessionToken']),
  })
  for (let i = 0; i < 3; i++) await session.run(...people.get('alpha', 'x'))
  equal(await session.refused(...people.put('alpha', 'y')), 'AccessDenied', 'the role reads only')
  equal(await bob.refused(...people.get('alpha', 'x')), 'AccessDenied', 'bob himself does not')
  console.log('a role assumed across accounts; its session works on all three nodes')
  return bob
}

/** Copies need the source and the target; bucket policies across accounts need both sides. */
async function copiesAcrossAccounts(
  people: People,
  other: Aws,
  otherId: string,
  bob: Aws,
): Promise<void> {
  const { root } = people
  const copy = ['s3api', 'copy-object', '--bucket', 'beta', '--key', 'copy']
  const source = ['--copy-source', 'alpha/x']
  equal(await other.refused(...copy, ...source), 'AccessDenied', 'a copy needs its source')
  const share = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${otherId}:root` },
        Action: 's3:GetObject',
        Resource: 'arn:aws:s3:::alpha/*',
      },
    ],
  })
  await root.run('s3api', 'put-bucket-policy', '--bucket', 'alpha', '--policy', share)
  await untilItCounts()
  await other.run(...copy, ...source)
  equal(
    await bob.refused(...people.get('alpha', 'x')),
    'AccessDenied',
    'the account has it, bob not',
  )
  console.log('bucket policy across accounts; copies check both sides')
}

/** How long after the answer each node still lets the old right through, milliseconds. */
async function revocation(shoal: Shoal, context: Context, root: Aws): Promise<void> {
  const user = 'rita'
  await root.run('iam', 'create-user', '--user-name', user)
  const grant = allowing('s3:*', '*')
  const inline = ['--user-name', user, '--policy-name', 'all']
  await root.run('iam', 'put-user-policy', ...inline, '--policy-document', grant)
  const { AccessKey } = await root.run('iam', 'create-access-key', '--user-name', user)
  const made = AccessKey as unknown as Record<string, string>
  const keys = {
    accessKeyId: String(made['AccessKeyId']),
    secretAccessKey: String(made['SecretAccessKey']),
  }
  const clients = context.endpoints.map((url) => new RawClient(url, keys))
  const ask = async (client: RawClient): Promise<string> => {
    const reply = await client.send({ method: 'GET', bucket: 'alpha', key: 'x', timeoutMs: 20_000 })
    return reply.status === 200 ? '200' : s3ErrorCode(reply)
  }
  const until = async (client: RawClient, from: number): Promise<number> => {
    let last = 0
    for (;;) {
      const sent = performance.now() - from
      if ((await ask(client)) === '200') last = sent
      else if (sent > 1_500) return last
      if (sent > 5_000) throw new Error('a revoked right still counts after 5 s')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  for (const client of clients) equal(await ask(client), '200', 'before')
  await root.run('iam', 'delete-user-policy', ...inline)
  let from = performance.now()
  const policyMs = await Promise.all(clients.map((client) => until(client, from)))
  await root.run('iam', 'put-user-policy', ...inline, '--policy-document', grant)
  await new Promise((resolve) => setTimeout(resolve, 1_200))
  for (const client of clients) equal(await ask(client), '200', 'granted again')
  await root.run(
    'iam',
    'delete-access-key',
    '--user-name',
    user,
    '--access-key-id',
    keys.accessKeyId,
  )
  from = performance.now()
  const keyMs = await Promise.all(clients.map((client) => until(client, from)))
  const text = (list: number[]): string => list.map((ms) => `${ms.toFixed(0)} ms`).join(', ')
  console.log(`last request let through after a policy was removed: ${text(policyMs)}`)
  console.log(`last request let through after a key was deleted: ${text(keyMs)}`)
  if (Math.max(...policyMs, ...keyMs) > 1_000) throw new Error('more than a second')
  for (const client of clients) client.close()

  // Cut off: the two others are gone, and what it knew grows old.
  await root.run('iam', 'create-access-key', '--user-name', user)
  const lone = new RawClient(shoal.endpoints[2] ?? '', shoal.credentials)
  const { AccessKey: third } = await root.run('iam', 'create-access-key', '--user-name', user)
  const last = third as unknown as Record<string, string>
  const cut = new RawClient(shoal.endpoints[2] ?? '', {
    accessKeyId: String(last['AccessKeyId']),
    secretAccessKey: String(last['SecretAccessKey']),
  })
  equal(await ask(cut), '200', 'before the cut')
  await shoal.killNode(0)
  await shoal.killNode(1)
  from = performance.now()
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  const code = await ask(cut)
  if (code === '200') throw new Error('a node cut off lets an identity in that it can’t check')
  console.log(`cut off from the rest for 1 s, node 2 answers ${code}`)
  cut.close()
  lone.close()
}

await main()
