/**
 * `node sim/e2e/two-down.ts [--buckets 24] [--keys 12] [--base-port P]`
 *
 * Kills every pair of five nodes in turn. Through the other three, the root reads each key and an IAM user writes it.
 * Exactly those keys must work that have two of three replicas up by the layout (`shoal locate`). So no bucket and
 * no user may become unusable because of its own record.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { AdminClient } from '../../node/cli/admin-client.ts'
import { portOf, reason, runCommand } from '../../bench/harness/process.ts'
import { s3ErrorCode, RawClient, type BenchRequest } from '../../bench/harness/s3.ts'
import { Shoal } from '../../bench/harness/shoal.ts'
import type { Credentials } from '../../bench/harness/sign.ts'
import { awsEnvironment } from './clients/aws-cli.ts'
import { Context } from './suite.ts'
import { waitUntilLinked } from './whole.ts'

const { values } = parseArgs({
  options: {
    buckets: { type: 'string', default: '24' },
    keys: { type: 'string', default: '12' },
    'base-port': { type: 'string' },
  },
})
const NODES = [0, 1, 2, 3, 4]
const AT_ONCE = 24
/** How long the three nodes may take until each hears both others and no killed one. */
const LINKED_MS_MAX = 15_000
const REQUEST_TIMEOUT_MS = 20_000

interface Key {
  readonly bucket: string
  readonly key: string
  /** The nodes, by number. */
  readonly replicas: readonly number[]
}

interface Counts {
  works: number
  expected: number
}

const scratch = mkdtempSync(join(tmpdir(), 'shoal-two-down-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
const shoal = await Shoal.start({ nodes: NODES.length, basePort: portOf(values['base-port']) })
let bad = 0
try {
  const roots = shoal.endpoints.map((url) => new RawClient(url, shoal.credentials))
  const keys = await fill(roots[0]!)
  const user = await newUser()
  const users = shoal.endpoints.map((url) => new RawClient(url, user))
  console.log(
    'down   GET works  expected   PUT works  expected   worst bucket   linked after   other answers',
  )
  for (const a of NODES) {
    for (const b of NODES.filter((node) => node > a)) bad += await pair(a, b, keys, roots, users)
  }
  for (const client of [...roots, ...users]) client.close()
} finally {
  await shoal.close()
}
console.log(
  bad === 0 ? 'every key with a majority of its replicas works' : `${bad} answers are wrong`,
)
process.exitCode = bad === 0 ? 0 : 1

async function fill(client: RawClient): Promise<Key[]> {
  const admin = AdminClient.of(shoal.ready[0]!.admin, shoal.nodeDir(0))
  const numbers = new Map(shoal.ready.map(({ node }, number) => [node, number]))
  const keys: Key[] = []
  for (let i = 0; i < Number(values.buckets); i++) {
    const bucket = `two-down-${i}`
    await client.must({ method: 'PUT', bucket })
    for (let j = 0; j < Number(values.keys); j++) {
      const key = `key-${j}`
      await client.must({ method: 'PUT', bucket, key, body: Buffer.from(`${bucket} ${key}`) })
      const { byLayout } = await admin.locate(bucket, key)
      keys.push({ bucket, key, replicas: byLayout.map(({ node }) => numbers.get(node)!) })
    }
  }
  return keys
}

/** Who may do everything with objects. */
async function newUser(): Promise<Credentials> {
  const context = new Context(shoal.endpoints, shoal.credentials, scratch)
  const { accessKeyId, secretAccessKey } = shoal.credentials
  const env = {
    ...awsEnvironment(context),
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  }
  const iam = async (...args: string[]): Promise<string> => {
    const command = ['--endpoint-url', context.endpoint(0), 'iam', ...args, '--output', 'json']
    return (await runCommand('aws', command, { env, timeoutMs: 60_000 })).stdout
  }
  const name = ['--user-name', 'writer']
  const document = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }],
  })
  await iam('create-user', ...name)
  await iam('put-user-policy', ...name, '--policy-name', 'all', '--policy-document', document)
  const { AccessKey } = JSON.parse(await iam('create-access-key', ...name)) as {
    AccessKey: { AccessKeyId: string; SecretAccessKey: string }
  }
  return { accessKeyId: AccessKey.AccessKeyId, secretAccessKey: AccessKey.SecretAccessKey }
}

/** How long these took to hear each other and nobody else. Two of them may have been started again a moment ago. A node
 * is ready with a majority, before it has all its links. */
async function linkMs(up: readonly number[]): Promise<number> {
  const startMs = performance.now()
  await waitUntilLinked(shoal, up, LINKED_MS_MAX)
  return Math.round(performance.now() - startMs)
}

/** How many answers are not what the layout says. */
async function pair(
  a: number,
  b: number,
  keys: readonly Key[],
  roots: readonly RawClient[],
  users: readonly RawClient[],
): Promise<number> {
  await Promise.all([shoal.killNode(a), shoal.killNode(b)])
  const up = NODES.filter((node) => node !== a && node !== b)
  const linkedMs = await linkMs(up)
  const gets: Counts = { works: 0, expected: 0 }
  const puts: Counts = { works: 0, expected: 0 }
  const buckets = new Map<string, Counts>()
  const others = new Map<string, number>()
  const wrong: string[] = []
  const ask = async (
    node: number,
    clients: readonly RawClient[],
    request: BenchRequest,
    one: Key,
    counts: Counts,
  ) => {
    const startMs = performance.now()
    const expected = one.replicas.filter((node) => up.includes(node)).length >= 2
    const answer = await clients[node]!.send({
      ...request,
      bucket: one.bucket,
      key: one.key,
      timeoutMs: REQUEST_TIMEOUT_MS,
    }).then((reply) => (reply.status === 200 ? '200' : s3ErrorCode(reply)), reason)
    const works = answer === '200'
    const bucket = buckets.get(one.bucket) ?? { works: 0, expected: 0 }
    buckets.set(one.bucket, bucket)
    for (const each of [counts, bucket]) {
      if (works) each.works++
      if (expected) each.expected++
    }
    if (!works) others.set(answer, (others.get(answer) ?? 0) + 1)
    if (works !== expected) {
      const tookMs = Math.round(performance.now() - startMs)
      wrong.push(
        `  ${request.method} ${one.bucket}/${one.key} through node ${node}: ${answer} after ${tookMs} ms, ` +
          `replicas on nodes ${one.replicas.join(', ')}`,
      )
    }
  }
  const queue = keys.map((one, i) => ({ one, node: up[i % up.length]! }))
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { one, node } = next
      await ask(node, roots, { method: 'GET' }, one, gets)
      const body = Buffer.from(`${one.bucket} ${one.key} ${a}${b}`)
      await ask(node, users, { method: 'PUT', body }, one, puts)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  const worst = Math.min(...[...buckets.values()].map(({ works }) => works))
  const share = ({ works, expected }: Counts): string =>
    [works, expected].map((count) => `${count}/${keys.length}`.padStart(9)).join(' ')
  const most = `${worst} of ${2 * Number(values.keys)}`
  const linked = `${linkedMs} ms`.padStart(12)
  const rest = [...others].map(([code, count]) => `${code} ${count}`).join(', ')
  console.log(
    `${a} ${b}    ${share(gets)}   ${share(puts)}   ${most.padStart(12)}   ${linked}   ${rest}`,
  )
  for (const line of wrong) console.log(line)
  await Promise.all([shoal.startNode(a), shoal.startNode(b)])
  return wrong.length
}
