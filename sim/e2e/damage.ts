/**
 * `node sim/e2e/damage.ts [--places NAME,NAME+NAME] [--orders 0,1,2,3] [--keys 150] [--wait MS] [--base-port P]`
 *
 * A cluster of three. In each round one node is stopped, damaged in one place (damage/places.ts) or in several that
 * do not hide each other, and started again while another node is down. Restarts and rebuilds of its index follow in
 * varied orders. No acknowledged object may be lost, no deleted one may come back, and no wrong byte may be served.
 * What can't be proven is refused with 503, and `shoal status` says why. Once all three nodes are up, everything can
 * be read again. Before the next round nothing is damaged any more, so at most one replica ever is.
 */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { isAlive, portOf, reason, pauseMs, untilTrue } from '../../bench/harness/process.ts'
import { RawClient } from '../../bench/harness/s3.ts'
import { sumOf } from '../../bench/harness/metrics.ts'
import { shoal as cli, Shoal } from '../../bench/harness/shoal.ts'
import { damageBucket, DamageContents } from './damage/contents.ts'
import { RECORD } from '../../node/replica/record-types.ts'
import { PLACES, segmentsOf } from './damage/places.ts'

const { values } = parseArgs({
  options: {
    places: { type: 'string' },
    orders: { type: 'string', default: '0,1,2,3' },
    keys: { type: 'string', default: '150' },
    wait: { type: 'string', default: '75000' },
    'base-port': { type: 'string' },
  },
})
const keys = Number(values.keys)
const orders = values.orders.split(',').map(Number)
/** Places whose damage is told apart by what is served and said: the others make the node forget everything. */
const TOGETHER: readonly string[] = ['registers+packed blocks+blocks', 'hints+vote file+node.json']
const alone = Object.keys(PLACES).filter((name) => !TOGETHER.join('+').split('+').includes(name))
const names = values.places?.split(',') ?? [...TOGETHER, ...alone]
const NODES = [0, 1, 2]
/** By then, tombstones are collected and blocks are freed after their last use. */
const COLLECTED_MS = Number(values.wait)
const RECOVERED_MS = 120_000
/** A warning that may stay until the next layout, or for ever where two nodes lost their votes. It blocks nothing
 * else. */
const LOST_VOTE_FILE = /lost (?:its|their) vote files?/

type Step = 'start' | 'stop' | 'kill' | 'rebuild'
/** What comes between the damage and the reads; each ends with a node that is up. */
const ORDERS: readonly (readonly Step[])[] = [
  ['start'],
  ['rebuild', 'start'],
  ['start', 'stop', 'rebuild', 'start'],
  ['rebuild', 'start', 'kill', 'start'],
]

interface Status {
  readonly warnings: readonly string[]
  readonly members: readonly { readonly up: boolean }[]
}

class Cluster {
  readonly shoal: Shoal
  readonly clients: readonly RawClient[]
  readonly contents = new DamageContents()
  #nextKey = 0

  constructor(shoal: Shoal) {
    this.shoal = shoal
    this.clients = shoal.endpoints.map((url) => new RawClient(url, shoal.credentials))
  }

  /** Writes new keys, and old ones again. */
  async write(nodes: readonly number[], count: number): Promise<void> {
    const clients = nodes.map((node) => this.clients[node]!)
    const first = this.#nextKey
    this.#nextKey += count
    const fresh = this.contents.write(clients, first, count)
    // Each key has one writer.
    if (first < count) await fresh
    await Promise.all([fresh, this.contents.write(clients, Math.max(0, first - count), count)])
  }

  async stop(node: number): Promise<void> {
    const pid = this.shoal.pid(node)
    process.kill(pid, 'SIGTERM')
    await untilTrue(
      `node ${node} to stop`,
      async () => (isAlive(pid) ? undefined : true),
      40_000,
      50,
    )
  }

  async take(step: Step, node: number): Promise<void> {
    if (step === 'stop') await this.stop(node)
    else if (step === 'kill') await this.shoal.killNode(node)
    else if (step === 'start') await this.shoal.startNode(node)
    else {
      const data = this.shoal.nodeDir(node)
      rmSync(join(data, 'index'), { recursive: true, force: true })
      await cli(['index', 'rebuild', '--data', data], { okCodes: [0, 1], timeoutMs: 120_000 })
    }
  }

  /** Cheaper than its warnings, which take a process: while the nodes compare, two cores are few. */
  async mustRemember(node: number): Promise<void> {
    const forgotten = sumOf(await this.shoal.metrics(node), 'shoal_forgotten_partitions')
    if (forgotten > 0) throw new Error(`node ${node} does not vote on ${forgotten} partitions`)
  }

  /** What the nodes say after a failure. */
  async excuses(): Promise<string[]> {
    const all = await Promise.all(NODES.map((node) => this.warnings(node).catch(() => [])))
    return all.flatMap((lines, node) => lines.map((line) => `node ${node} says: ${line}`))
  }

  async warnings(node: number): Promise<readonly string[]> {
    return ((await this.shoal.json(node, ['status'])) as Status).warnings
  }

  /** Every node has removals and floors in its log. */
  async untilCollected(): Promise<void> {
    const kinds = [RECORD.blockGone, RECORD.registerGone]
    const hasAll = async (node: number): Promise<boolean> => {
      const { records } = await segmentsOf(this.shoal.nodeDir(node))
      return kinds.every((type) => records.some(({ header }) => header.type === type))
    }
    const untilMs = performance.now() + COLLECTED_MS
    while (performance.now() < untilMs) {
      // A log that is being written to may not be read to its end.
      const have = await Promise.all(NODES.map((node) => hasAll(node).catch(() => false)))
      if (have.every(Boolean)) return
      await pauseMs(1_000)
    }
  }

  /**
   * What each round begins with: no node has anything damaged, or any reason to warn. Damage that is left could
   * meet that of the next round: two replicas that forgot the same register can't vouch for each other, and
   * refuse for good.
   */
  async whole(): Promise<void> {
    await untilTrue(
      'all nodes to vote on everything',
      async () => {
        await Promise.all(NODES.map((node) => this.mustRemember(node)))
        const open = new Set((await Promise.all(NODES.map((node) => this.warnings(node)))).flat())
        const unexpected = [...open].filter((line) => !LOST_VOTE_FILE.test(line))
        if (unexpected.length > 0) throw new Error(unexpected.join(' | '))
        return true
      },
      RECOVERED_MS,
      200,
    )
    await Promise.all(NODES.map((node) => this.#scrub(node)))
  }

  /** Damage that no request has met yet is found and mended now. */
  async #scrub(node: number): Promise<void> {
    const { code, stdout } = await cli(['scrub', '--data', this.shoal.nodeDir(node)], {
      okCodes: [0, 1],
    })
    if (code !== 0) throw new Error(`the scrub of node ${node} left damage: ${stdout}`)
  }

  /** Minima and floors: settings of the bucket, and other buckets that come and go. */
  async settings(nodes: readonly number[], round: number): Promise<void> {
    const client = this.clients[nodes[0]!]!
    const other = `other-${round}`
    await client.must({ method: 'PUT', bucket: other })
    await client.must({ method: 'PUT', bucket: other, key: 'x', body: Buffer.from('x') })
    const block = `<BlockPublicPolicy>${round % 2 === 0}</BlockPublicPolicy>`
    const body = Buffer.from(
      `<PublicAccessBlockConfiguration>${block}</PublicAccessBlockConfiguration>`,
    )
    await client.must({
      method: 'PUT',
      bucket: damageBucket,
      query: { publicAccessBlock: '' },
      body,
    })
    await client.must({ method: 'DELETE', bucket: other, key: 'x' })
    await client.must({ method: 'DELETE', bucket: other })
  }
}

interface Round {
  readonly name: string
  readonly order: number
  readonly damaged: number
  readonly away: number
}

/** Returns what is wrong. Empty when all is well. */
async function play(cluster: Cluster, round: Round, number: number): Promise<string[]> {
  const { name, order, damaged, away } = round
  const { contents, clients } = cluster
  await cluster.write(NODES, keys / 5)
  await cluster.settings(NODES, number)
  // A clean stop proves the last batch; after a kill it is a torn tail like any other.
  const places = name.split('+')
  const mustStop = places.includes('the last batch') || order % 2 === 0
  await cluster.take(mustStop ? 'stop' : 'kill', damaged)
  const what: string[] = []
  for (const place of places) {
    const found = await PLACES[place]!(cluster.shoal.nodeDir(damaged))
    if (found !== undefined) what.push(`${place} (${found})`)
  }
  const title = `${what.join(', ') || name}, ${ORDERS[order]!.join(' ')}, node ${damaged} damaged, node ${away} away`
  if (what.length < places.length) {
    await cluster.take('start', damaged)
    return [`${title}: of ${name} there is something that is not there to be damaged`]
  }
  const startedMs = performance.now()
  const found: string[] = []
  await cluster.take('kill', away)
  for (const step of ORDERS[order]!) await cluster.take(step, damaged)
  const up = NODES.filter((node) => node !== away)
  const during = await contents.check(up.map((node) => clients[node]!))
  found.push(...during.wrong)
  const said = await cluster.warnings(damaged)
  if (during.refused > 0 && !said.some((line) => /forgotten|damage|lost|vote/i.test(line))) {
    found.push(`${during.refused} reads refused, and status says ${JSON.stringify(said)}`)
  }
  await cluster.write(up, keys / 10)
  await cluster.take('start', away)
  let after = during
  const recovered = untilTrue(
    'everything to be readable',
    async () => {
      after = await contents.check(clients)
      if (after.wrong.length > 0) return true
      if (after.refused > 0) throw new Error(`${after.refused} reads are refused`)
      return true
    },
    RECOVERED_MS,
    200,
  )
  await recovered.catch((error: unknown) => found.push(reason(error)))
  const beganMs = performance.now()
  const cleared = untilTrue(
    'what was forgotten to be compared',
    async () => {
      await cluster.mustRemember(damaged)
      const open = (await cluster.warnings(damaged)).filter((line) => line.includes('forgotten'))
      if (open.length > 0) throw new Error(open.join(' | '))
      return true
    },
    RECOVERED_MS,
    200,
  )
  await cleared.catch((error: unknown) => found.push(reason(error)))
  const clearedMs = performance.now() - beganMs
  await cluster.whole().catch((error: unknown) => found.push(reason(error)))
  found.push(...after.wrong)
  if (found.length > 0) found.push(...(await cluster.excuses()))
  console.log(
    `${found.length === 0 ? 'ok  ' : 'FAIL'} ${title}: ${during.right} right, ${during.refused} refused; ` +
      `then ${after.right} right, votes again after ${(clearedMs / 1_000).toFixed(1)} s, ` +
      `in all ${((performance.now() - startedMs) / 1_000).toFixed(1)} s; ` +
      `status: ${said.map(shortened).join(' | ')}`,
  )
  return found.map((line) => `${title}: ${line}`)
}

function shortened(line: string): string {
  return line
    .replace(/\b12D3\w+/g, (id) => id.slice(-4))
    .replace('may have forgotten something and does not vote on', 'has forgotten:')
    .replace('of its partitions until they are compared with their other replicas', 'partitions')
    .slice(0, 200)
}

async function main(): Promise<void> {
  const shoal = await Shoal.start({
    nodes: 3,
    env: { SHOAL_SEGMENT_SIZE: '4MiB', SHOAL_RECLAIM_DELAY: '1s', SHOAL_SCAN_PAUSE: '5s' },
    basePort: portOf(values['base-port']),
  })
  const problems: string[] = []
  try {
    const cluster = new Cluster(shoal)
    await cluster.clients[0]!.must({ method: 'PUT', bucket: damageBucket })
    await cluster.write(NODES, keys)
    await cluster.settings(NODES, 0)
    await cluster.untilCollected()
    let number = 0
    for (const name of names) {
      const unknown = name.split('+').filter((place) => !(place in PLACES))
      if (unknown.length > 0) {
        throw new Error(`${unknown.join()}: none of ${Object.keys(PLACES).join(', ')}`)
      }
      number++
      const order = orders[number % orders.length]!
      const damaged = number % 3
      const away = (damaged + 1 + (number % 2)) % 3
      problems.push(...(await play(cluster, { name, order, damaged, away }, number)))
    }
    for (const client of cluster.clients) client.close()
    console.log(
      `${number} rounds, ${cluster.contents.size} keys, ${cluster.contents.unknown} writes refused: ` +
        (problems.length === 0 ? 'nothing lost, nothing back from the dead' : 'BAD'),
    )
  } catch (error) {
    console.log(shoal.output.split('\n').slice(-60).join('\n'))
    throw error
  } finally {
    await shoal.close()
  }
  for (const problem of problems.slice(0, 40)) console.log(problem)
  if (problems.length > 0) process.exitCode = 1
}

await main()
