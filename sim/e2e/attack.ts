/**
 * `node sim/e2e/attack.ts [--only NAME;NAME] [--nodes 3] [--readers 200] [--base-port N]`
 *
 * Callers who try to stop a node (attack/attacker.ts), each against the first of three nodes, while another
 * client writes and reads through that node and through a second one. Printed for each attack: what it got,
 * what the other client's requests took, the longest turn of the node's event loop (its own work, its
 * processor time, by the wall), and the node's memory before, at most and afterwards.
 *
 * Exits with 1 when the other client was refused, a turn takes more than 50 ms of processor time, or four times
 * as long by the wall without the time on the processor's queue, or the memory stays more than 150 MiB above
 * what it was. By the wall alone a turn is long too when other processes, or other guests of the machine, have
 * the processor.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { memory } from '../../bench/harness/proc.ts'
import { Child, portOf, pauseMs, tail } from '../../bench/harness/process.ts'
import { RawClient } from '../../bench/harness/s3.ts'
import { Shoal } from '../../bench/harness/shoal.ts'
import type { Credentials } from '../../bench/harness/sign.ts'
import { printTable } from '../../bench/table.ts'
import type { AttackName, AttackOrder } from './attack/attacker.ts'
import { beHonest, LARGE, type HonestLatencies } from './attack/honest.ts'
import { longestTurn, type Longest } from './attack/longest.ts'
import { iamOf, makeHeavyUsers, makeUser, policyOf } from './attack/policies.ts'
import { seededBytes } from './files.ts'

const NAMES: readonly AttackName[] = [
  'slow anonymous',
  'slow signed',
  'slow forms',
  'slow upload forms',
  'hard upload forms',
  'elements, signed',
  'elements, anonymous',
  'simulation',
  'key check',
  'pipelined',
  'slow readers',
  'streams',
]

const { values } = parseArgs({
  options: {
    /** Names or beginnings of them, separated by `;`. */
    only: { type: 'string' },
    nodes: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '12' },
    readers: { type: 'string', default: '200' },
    streams: { type: 'string', default: '20000' },
    'base-port': { type: 'string' },
    'turn-ms': { type: 'string', default: '50' },
    'rss-mib': { type: 'string', default: '150' },
  },
})
const MEBI = 1 << 20
const HUGE_BYTES = 8 * MEBI
const ATTACK_MS_MAX = 180_000
/** Memory may take this long to go back, because the next collections free the buffers. */
const SETTLE_MS = 30_000
/** A turn's own time holds what a hypervisor takes away. */
const STARVED = 4
const OPEN = 'open'
const OWN = 'own'

interface Row {
  readonly name: string
  readonly got: string
  readonly puts: readonly HonestLatencies[]
  readonly gets: readonly HonestLatencies[]
  readonly turn: Longest
  readonly beforeMiB: number
  readonly mostMiB: number
  readonly afterMiB: number
}

const directory = mkdtempSync(join(tmpdir(), 'shoal-attack-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

const only = values.only?.split(';')
const wanted = NAMES.filter((name) => only?.some((each) => name.startsWith(each)) ?? true)

async function main(): Promise<number> {
  const shoal = await Shoal.start({
    nodes: Number(values.nodes),
    basePort: portOf(values['base-port']),
    env: {
      ATTACK_TURNS: directory,
      NODE_OPTIONS: `--import=${new URL('./attack/turns.ts', import.meta.url).href}`,
    },
  })
  try {
    const order = await prepare(shoal)
    const rows: Row[] = []
    for (const name of wanted) {
      const row = await attack(shoal, { ...order, name })
      rows.push(row)
      console.log(`${name}: ${row.got}; ${shown(row).slice(2).join(', ')}`)
    }
    console.log(`\n${printTable(HEADS, rows.map(shown))}`)
    const failures = rows.flatMap(failuresOf)
    for (const failure of failures) console.log(`! ${failure}`)
    if (failures.length > 0) console.log(tail(shoal.output, 20))
    return failures.length > 0 ? 1 : 0
  } finally {
    await shoal.close()
  }
}

/** Buckets, objects, and users with rights of their own. */
async function prepare(shoal: Shoal): Promise<Omit<AttackOrder, 'name'>> {
  const endpoint = shoal.endpoints[0] ?? ''
  const client = new RawClient(endpoint, shoal.credentials)
  for (const bucket of [OPEN, OWN]) await client.must({ method: 'PUT', bucket })
  await client.must({ method: 'PUT', bucket: OWN, key: 'large', body: LARGE })
  await client.must({ method: 'PUT', bucket: OPEN, key: 'huge', body: seededBytes(3, HUGE_BYTES) })
  const reading = {
    Effect: 'Allow',
    Principal: '*',
    Action: 's3:GetObject',
    Resource: `arn:aws:s3:::${OPEN}/*`,
  }
  const body = Buffer.from(policyOf([reading]))
  await client.must({ method: 'PUT', bucket: OPEN, query: { policy: '' }, body })
  client.close()
  const root = iamOf(endpoint, shoal.credentials)
  const user = await makeUser(root, 'mallory')
  const rights = [
    {
      Effect: 'Allow',
      Action: 's3:*',
      Resource: [`arn:aws:s3:::${OPEN}`, `arn:aws:s3:::${OPEN}/*`],
    },
    { Effect: 'Allow', Action: 'iam:SimulateCustomPolicy', Resource: '*' },
  ]
  await root.run('PutUserPolicy', {
    UserName: 'mallory',
    PolicyName: 'rights',
    PolicyDocument: policyOf(rights),
  })
  const maker = wanted.includes('key check') ? await makeHeavyUsers(root) : undefined
  const peerPort = shoal.basePort + 2
  return {
    endpoint,
    peer: `/ip4/127.0.0.1/tcp/${peerPort}`,
    open: OPEN,
    user,
    maker,
    readers: Number(values.readers),
    streams: Number(values.streams),
    hugeBytes: HUGE_BYTES,
    forMs: Number(values.seconds) * 1_000,
  }
}

async function attack(shoal: Shoal, order: AttackOrder): Promise<Row> {
  const pid = shoal.pid(0)
  const rssMiB = (): number => memory(pid).rssBytes / MEBI
  await pauseMs(3_000)
  const beforeMiB = rssMiB()
  let mostMiB = beforeMiB
  const look = setInterval(() => (mostMiB = Math.max(mostMiB, rssMiB())), 100)
  const startedMs = Date.now()
  let isOver = false
  const clients = shoal.endpoints
    .slice(0, 2)
    .map((endpoint) => honestClient(endpoint, shoal.credentials, () => isOver))
  // What they take alone is no part of it.
  const got = await attacker(order)
  isOver = true
  const honest = await Promise.all(clients)
  clearInterval(look)
  // A turn is noted when it is over.
  const turn = longestTurn(directory, pid, startedMs, Date.now())
  const boundMiB = beforeMiB + Number(values['rss-mib'])
  for (let passedMs = 0; rssMiB() > boundMiB && passedMs < SETTLE_MS; passedMs += 500) {
    await pauseMs(500)
  }
  return {
    name: order.name,
    got,
    puts: honest.map(({ put }) => put),
    gets: honest.map(({ get }) => get),
    turn,
    beforeMiB,
    mostMiB,
    afterMiB: rssMiB(),
  }
}

function honestClient(
  endpoint: string,
  credentials: Credentials,
  isOver: () => boolean,
): ReturnType<typeof beHonest> {
  return beHonest(endpoint, credentials, OWN, isOver)
}

async function attacker(order: AttackOrder): Promise<string> {
  const script = fileURLToPath(new URL('./attack/attacker.ts', import.meta.url))
  const child = new Child(process.execPath, [script, JSON.stringify(order)])
  try {
    const until = performance.now() + ATTACK_MS_MAX
    while (child.exitCode === undefined && performance.now() < until) await pauseMs(50)
    if (child.exitCode === undefined) return `FAILED: not over in ${ATTACK_MS_MAX / 1_000} s`
    const text = child.output.trim()
    return child.exitCode === 0 ? text : `FAILED: ${tail(text, 5)}`
  } finally {
    await child.kill()
  }
}

const HEADS = [
  'attack',
  'got',
  'PUT here ms p50/max',
  'there',
  'GET here',
  'there',
  'turn ms own',
  'cpu',
  'wall',
  'RSS MiB before',
  'most',
  'after',
]

function shown(row: Row): string[] {
  const { puts, gets, turn } = row
  return [
    row.name,
    row.got.slice(0, 60),
    ...puts.map((each) => each.shown()),
    ...gets.map((each) => each.shown()),
    turn.ownMs.toFixed(0),
    turn.cpuMs.toFixed(0),
    turn.wallMs.toFixed(0),
    row.beforeMiB.toFixed(0),
    row.mostMiB.toFixed(0),
    row.afterMiB.toFixed(0),
  ]
}

function failuresOf(row: Row): string[] {
  const failures: string[] = []
  const fail = (what: string): void => void failures.push(`${row.name}: ${what}`)
  if (row.got.startsWith('FAILED')) fail(row.got)
  for (const [what, all] of [
    ['PUT', row.puts],
    ['GET', row.gets],
  ] as const) {
    const failed = all.reduce((sum, each) => sum + each.failures, 0)
    if (failed > 0) fail(`${failed} times the other client's ${what} failed`)
    if (all.some(({ count }) => count === 0)) fail(`no ${what} of the other client`)
  }
  const { cpuMs, ownMs } = row.turn
  const turnMsMax = Number(values['turn-ms'])
  if (cpuMs > turnMsMax) fail(`a turn of ${cpuMs.toFixed(0)} ms of processor time`)
  if (ownMs > STARVED * turnMsMax) fail(`a turn of ${ownMs.toFixed(0)} ms`)
  const grownMiB = row.afterMiB - row.beforeMiB
  if (grownMiB > Number(values['rss-mib'])) fail(`${grownMiB.toFixed(0)} MiB more than before`)
  return failures
}

process.exitCode = await main()
