/**
 * `node sim/e2e/old-image.ts [--rounds 4] [--base-port PORT]`
 *
 * A cluster of three. The data directory of node 1 is copied, while it is stopped and while it runs; the cluster
 * is written on; the copy is put back (D2). In turn each other node is away meanwhile, and what was
 * acknowledged last is on the node that is away and in what node 1 has lost, nowhere else. So a vote of the
 * old copy would lose it. Shown is, each time: the third node never gets a wrong answer, status names the
 * node, and when all are up again everything acknowledged is there through every node, and the node votes.
 */

import { cpSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { portOf, reason, untilTrue } from '../../bench/harness/process.ts'
import { eachLimited, RawClient } from '../../bench/harness/s3.ts'
import { Shoal } from '../../bench/harness/shoal.ts'
import { seededBytes } from './files.ts'
import { waitUntilWhole } from './whole.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '4' }, 'base-port': { type: 'string' } },
})
const bucket = 'old-image'
const VICTIM = 1
const KEYS = 20
const WATCHED_MS = 6_000
const ROUNDS = [
  ['stopped', 0],
  ['running', 2],
  ['stopped', 2],
  ['running', 0],
] as const

interface Status {
  readonly node: string
  readonly warnings: readonly string[]
  readonly members: readonly {
    readonly node: string
    readonly forgottenPartitions?: number
    readonly forgottenWhy?: readonly string[]
  }[]
}

/** Acknowledged: bytes, or undefined for a key that was deleted. */
const expected = new Map<string, Buffer | undefined>()
let writes = 0

async function main(): Promise<void> {
  const shoal = await Shoal.start({ nodes: 3, basePort: portOf(values['base-port']) })
  try {
    const client = new RawClient(shoal.endpoints[0]!, shoal.credentials)
    await client.must({ method: 'PUT', bucket })
    client.close()
    for (const [copied, away] of ROUNDS.slice(0, Number(values.rounds))) {
      await round(shoal, copied, away)
    }
    console.log(`${expected.size} keys, ${writes} writes acknowledged, none lost, none came back`)
  } catch (error) {
    console.log(shoal.output.split('\n').slice(-60).join('\n'))
    throw error
  } finally {
    await shoal.close()
  }
}

async function round(shoal: Shoal, copied: 'stopped' | 'running', away: number): Promise<void> {
  const third = 3 - VICTIM - away
  const title = `copied while ${copied}, node ${away} away`
  const copy = join(shoal.dataDir, 'copy')
  await write(shoal, 0, `${copied}-${away}-early`)
  if (copied === 'stopped') await shoal.killNode(VICTIM)
  rmSync(copy, { recursive: true, force: true })
  cpSync(shoal.nodeDir(VICTIM), copy, { recursive: true })
  if (copied === 'stopped') await shoal.startNode(VICTIM)
  // The others see it go on; overwritten and deleted keys, too, are only known after the copy.
  await write(shoal, away, `${copied}-${away}-early`)
  await write(shoal, away, `${copied}-${away}-middle`)
  await remove(shoal, away, `${copied}-${away}-middle`, 5)
  await new Promise((resolve) => setTimeout(resolve, 10_000))
  // Only the victim and the node that goes away acknowledge it.
  await shoal.killNode(third)
  await write(shoal, away, `${copied}-${away}-late`)
  await write(shoal, away, `${copied}-${away}-early`)
  await shoal.killNode(VICTIM)
  await shoal.killNode(away)

  rmSync(shoal.nodeDir(VICTIM), { recursive: true })
  cpSync(copy, shoal.nodeDir(VICTIM), { recursive: true })
  rmSync(join(shoal.nodeDir(VICTIM), 'lock'), { recursive: true, force: true })
  rmSync(join(shoal.nodeDir(VICTIM), 'shoal.pid'), { force: true })
  await Promise.all([shoal.startNode(third), shoal.startNode(VICTIM)])
  const answers = new Map<string, number>()
  const endMs = performance.now() + WATCHED_MS
  while (performance.now() < endMs) {
    for (const node of [third, VICTIM]) await mustNotBeWrong(shoal, node, answers)
  }
  const status = (await shoal.json(VICTIM, ['status'])) as Status
  const mine = status.members.find((member) => member.node === status.node)
  if ((mine?.forgottenPartitions ?? 0) === 0) throw new Error(`${title}: status does not say so`)
  const boot = bootOf(shoal)
  console.log(
    `${title}: noticed, ${mine?.forgottenPartitions} partitions without its vote; ` +
      `${[...answers].map(([code, count]) => `${count} × ${code}`).join(', ')}; boot ${boot}`,
  )
  console.log(`  ${mine?.forgottenWhy?.join('; ')}`)

  const back = performance.now()
  await shoal.startNode(away)
  await untilTrue(
    'the node to vote again',
    async () => {
      const { members } = (await shoal.json(VICTIM, ['status'])) as Status
      const left = members.reduce((sum, member) => sum + (member.forgottenPartitions ?? 0), 0)
      if (left > 0) throw new Error(`${left} partitions left`)
      return true
    },
    120_000,
    500,
  )
  const seconds = ((performance.now() - back) / 1000).toFixed(1)
  await waitUntilWhole(shoal, 120_000)
  await mustAllBeThere(shoal)
  // Its votes count: with either of the others away everything goes on.
  for (const other of [0, 2]) {
    await shoal.killNode(other)
    await mustAllBeThere(shoal, [VICTIM, 2 - other])
    await write(shoal, VICTIM, `${copied}-${away}-after-${other}`)
    await shoal.startNode(other)
  }
  await waitUntilWhole(shoal, 120_000)
  console.log(`  node ${away} back: it votes again after ${seconds} s; everything is there`)
}

function bootOf(shoal: Shoal): number {
  const text = readFileSync(join(shoal.nodeDir(VICTIM), 'node.json'), 'utf8')
  return (JSON.parse(text) as { boot: number }).boot
}

async function withClient<T>(
  shoal: Shoal,
  node: number,
  work: (client: RawClient) => Promise<T>,
): Promise<T> {
  const client = new RawClient(shoal.endpoints[node]!, shoal.credentials)
  try {
    return await work(client)
  } finally {
    client.close()
  }
}

/** Until each is acknowledged: a node that was killed is missed for a moment. */
async function write(shoal: Shoal, node: number, prefix: string): Promise<void> {
  await withClient(shoal, node, (client) =>
    eachLimited(KEYS, 8, async (i) => {
      const key = `${prefix}-${i}`
      // Packed, and of several blocks.
      const body = seededBytes(++writes, i % 5 === 0 ? 300_000 : 100 + i)
      await untilTrue(
        `PUT ${key}`,
        async () => {
          const reply = await client.send({ method: 'PUT', bucket, key, body })
          if (reply.status === 200) return true
          throw new Error(String(reply.status))
        },
        60_000,
        200,
      )
      expected.set(key, body)
    }),
  )
}

async function remove(shoal: Shoal, node: number, prefix: string, count: number): Promise<void> {
  await withClient(shoal, node, (client) =>
    eachLimited(count, 4, async (i) => {
      const key = `${prefix}-${i}`
      await client.must({ method: 'DELETE', bucket, key })
      expected.set(key, undefined)
    }),
  )
}

/** The right answer, or 503: nothing else. */
async function mustNotBeWrong(
  shoal: Shoal,
  node: number,
  answers: Map<string, number>,
): Promise<void> {
  await withClient(shoal, node, (client) =>
    eachLimited(Math.min(expected.size, 60), 30, async (i) => {
      const [key, body] = [...expected].at(-1 - i)!
      const reply = await client.send({ method: 'GET', bucket, key }).catch((error: unknown) => ({
        status: 503,
        body: Buffer.from(reason(error)),
      }))
      const right =
        body === undefined
          ? reply.status === 404
          : reply.status === 200 && Buffer.compare(reply.body, body) === 0
      if (!right && reply.status !== 503) {
        throw new Error(`${key} through node ${node}: ${reply.status}, ${reply.body.length} bytes`)
      }
      const code = right ? 'right' : '503'
      answers.set(code, (answers.get(code) ?? 0) + 1)
    }),
  )
}

async function mustAllBeThere(shoal: Shoal, nodes: readonly number[] = [0, 1, 2]): Promise<void> {
  for (const node of nodes) {
    await withClient(shoal, node, (client) =>
      eachLimited(expected.size, 16, async (i) => {
        const [key, body] = [...expected][i]!
        await untilTrue(
          `GET ${key} through node ${node}`,
          async () => {
            const reply = await client.send({ method: 'GET', bucket, key })
            if (reply.status === 503) throw new Error('503')
            const right =
              body === undefined
                ? reply.status === 404
                : reply.status === 200 && Buffer.compare(reply.body, body) === 0
            if (!right) {
              console.log(`WRONG: ${key} through node ${node}: ${reply.status}`)
              process.exit(1)
            }
            return true
          },
          60_000,
          200,
        )
      }),
    )
  }
}

await main()
