/**
 * `node sim/e2e/secret.ts [--base-port P]`
 *
 * Rotates the cluster secret of three nodes while they serve, and kills one of them in the middle. Users' keys keep
 * working, sessions last for the overlap and end at once with `--now`, old join tokens are refused, and the node
 * that was away learns the new secret. In the end no file that a node serves from holds the first secret.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Child, portOf, runCommand, pauseMs, untilTrue } from '../../bench/harness/process.ts'
import { s3ErrorCode, RawClient } from '../../bench/harness/s3.ts'
import { checkout, Shoal, shoal as command } from '../../bench/harness/shoal.ts'
import type { Credentials } from '../../bench/harness/sign.ts'
import { readNode } from '../../node/process/node-file.ts'
import { awsEnvironment } from './clients/aws-cli.ts'
import { Context, equal } from './suite.ts'

const { values } = parseArgs({ options: { 'base-port': { type: 'string' } } })
const NODES = [0, 1, 2]
const OVERLAP_MS = 15_000
/** How long a node may take to obey a change. */
const KNOWN_MS = 10_000

const scratch = mkdtempSync(join(tmpdir(), 'shoal-secret-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
const shoal = await Shoal.start({ nodes: NODES.length, basePort: portOf(values['base-port']) })
const context = new Context(shoal.endpoints, shoal.credentials, scratch)
let working = true
let requests = 0
const failed = new Map<string, number>()
try {
  const token = join(scratch, 'token')
  const { stdout } = await command(['token', '--data', shoal.nodeDir(0)])
  writeFileSync(token, stdout, { mode: 0o600 })

  const roots = clientsOf(shoal.credentials)
  await roots[0]!.must({ method: 'PUT', bucket: 'secret' })
  const user = await newUser()
  const users = clientsOf(user)
  const session = await sessionOf(user)
  const sessions = clientsOf(session)
  const load = [0, 1].map((node) => work(users[node]!, node))
  const first = secretOf(0)

  const rotating = rotate(0, ['--overlap', `${OVERLAP_MS}ms`])
  await shoal.killNode(2)
  const rotatedMs = Date.now()
  equal(await rotating, 2, 'generation')
  await says(sessions, [0, 1], '200', 'a session of the secret before, in the overlap')
  const [joined, why] = await tryToJoin(token)
  equal(joined, false, 'a node joins by an old token')
  if (!/the join token is not valid/.test(why)) throw new Error(`another reason: ${why}`)
  await pauseMs(Math.max(0, rotatedMs + OVERLAP_MS + 1_000 - Date.now()))
  await says(sessions, [0, 1], 'InvalidToken', 'a session of the secret before, after the overlap')

  await shoal.startNode(2)
  await says(sessions, NODES, 'InvalidToken', 'the same, on the node that was away')
  await says(users, NODES, '200', "the user's key")
  await says(roots, NODES, '200', "the root's key")
  await untilTrue(
    'the node that was away to have the new secret',
    async () => (secretOf(2) === secretOf(0) && secretOf(0) !== first ? true : undefined),
    KNOWN_MS,
  )

  const again = clientsOf(await sessionOf(user))
  await says(again, NODES, '200', 'a session of the new secret')
  equal(await rotate(2, ['--now']), 3, 'generation')
  await says(again, NODES, 'InvalidToken', 'a session of before, after --now')
  await says(users, NODES, '200', "the user's key")
  for (const node of NODES) {
    await untilTrue(
      `node ${node} to forget the first secret`,
      async () =>
        readFileSync(join(shoal.nodeDir(node), 'node.json'), 'utf8').includes(first)
          ? undefined
          : true,
      KNOWN_MS,
    )
  }
  working = false
  await Promise.all(load)
  const rest = [...failed].map(([code, count]) => `${code} ${count}`).join(', ')
  console.log(`${requests} requests meanwhile, answered otherwise than 200: ${rest || 'none'}`)
  const bad = [...failed.keys()].filter((code) => !/^(ServiceUnavailable|SlowDown)$/.test(code))
  if (bad.length > 0) throw new Error(`requests failed: ${rest}`)
  // These requests were under way when the epoch changed or the node was killed.
  const count = [...failed.values()].reduce((sum, each) => sum + each, 0)
  if (count > requests / 50) throw new Error(`${count} of ${requests} requests failed`)
  console.log('keys go on, sessions end as they should, and the first secret is forgotten')
} finally {
  working = false
  await shoal.close()
}

function clientsOf(credentials: Credentials): RawClient[] {
  return shoal.endpoints.map((url) => new RawClient(url, credentials))
}

function secretOf(node: number): string {
  return readNode(shoal.nodeDir(node))!.clusterSecret!
}

async function rotate(node: number, options: readonly string[]): Promise<number> {
  const args = ['secret', 'rotate', ...options, '--data', shoal.nodeDir(node), '--json']
  const { stdout } = await command(args)
  return (JSON.parse(stdout) as { generation: number }).generation
}

/** Writes and reads until the end, one after the other. */
async function work(client: RawClient, node: number): Promise<void> {
  for (let i = 0; working; i++) {
    const body = Buffer.from(`${node} ${i}`)
    const target = { bucket: 'secret', key: `key-${node}-${i % 50}` }
    for (const request of [
      { method: 'PUT', body, ...target },
      { method: 'GET', ...target },
    ] as const) {
      const code = await client.send(request).then(
        (reply) => (reply.status === 200 ? '200' : s3ErrorCode(reply)),
        (error: unknown) => String(error),
      )
      requests++
      if (code !== '200') failed.set(code, (failed.get(code) ?? 0) + 1)
      if (code === 'NoSuchKey') throw new Error('an object is gone')
    }
  }
}

/** Waits until each of these nodes answers so, and checks that it goes on to. */
async function says(
  clients: readonly RawClient[],
  nodes: readonly number[],
  wanted: string,
  what: string,
): Promise<void> {
  for (const node of nodes) {
    const ask = async (): Promise<string> => {
      const query = { 'list-type': '2', 'max-keys': '1' }
      const reply = await clients[node]!.send({ method: 'GET', bucket: 'secret', query })
      return reply.status === 200 ? '200' : s3ErrorCode(reply)
    }
    let answer = ''
    await untilTrue(
      `${what}: ${wanted} by node ${node}`,
      async () => ((answer = await ask()) === wanted ? true : undefined),
      KNOWN_MS,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}, which says ${answer}`)
    })
    equal(await ask(), wanted, `${what}, asked again`)
  }
}

async function aws(credentials: Credentials, ...args: string[]): Promise<unknown> {
  const { accessKeyId, secretAccessKey } = credentials
  const env = {
    ...awsEnvironment(context),
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  }
  const all = ['--endpoint-url', context.endpoint(0), ...args, '--output', 'json']
  const { stdout } = await runCommand('aws', all, { env, timeoutMs: 60_000 })
  return stdout.trim() === '' ? undefined : JSON.parse(stdout)
}

/** Who may do everything with objects. */
async function newUser(): Promise<Credentials> {
  const name = ['--user-name', 'writer']
  const document = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }],
  })
  const root = shoal.credentials
  await aws(root, 'iam', 'create-user', ...name)
  const policy = ['--policy-name', 'all', '--policy-document', document]
  await aws(root, 'iam', 'put-user-policy', ...name, ...policy)
  const { AccessKey } = (await aws(root, 'iam', 'create-access-key', ...name)) as {
    AccessKey: { AccessKeyId: string; SecretAccessKey: string }
  }
  return { accessKeyId: AccessKey.AccessKeyId, secretAccessKey: AccessKey.SecretAccessKey }
}

async function sessionOf(user: Credentials): Promise<Credentials> {
  const { Credentials: given } = (await aws(user, 'sts', 'get-session-token')) as {
    Credentials: { AccessKeyId: string; SecretAccessKey: string; SessionToken: string }
  }
  const { AccessKeyId, SecretAccessKey, SessionToken } = given
  return {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken: SessionToken,
  }
}

/** Whether a fourth node gets in by the token, and what it says. */
async function tryToJoin(token: string): Promise<readonly [boolean, string]> {
  const args = ['start', '--data', join(scratch, 'stranger'), '--join-file', token]
    .concat(['--s3', '127.0.0.1:0', '--admin', '127.0.0.1:0'])
    .concat(['--listen', '/ip4/127.0.0.1/tcp/0'])
  const child = new Child(process.execPath, [join(checkout, 'node', 'main.ts'), ...args], {
    cwd: checkout,
  })
  try {
    await untilTrue(
      'the stranger to be refused',
      async () => child.exitCode !== undefined || /^ready /m.test(child.output) || undefined,
      60_000,
    )
    return [child.exitCode === undefined, child.output]
  } finally {
    await child.kill()
  }
}
