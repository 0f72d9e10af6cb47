/**
 * `node sim/e2e/history.ts [--minutes 20] [--nodes 3] [--clients 18] [--delay 150]`
 *
 * Checker B over real processes: nodes on hosts of their own with delays of 0 to 150 ms between them, kills,
 * pauses and cuts. The history of every key must be linearizable (Wing, Gong, Lowe), with listings counted as reads,
 * and so must that of buckets with one object.
 */

import { parseArgs } from 'node:util'
import { RawClient } from '../../bench/harness/s3.ts'
import { judge, historyList } from './history/judge.ts'
import { answers } from './history/record.ts'
import { Workloads } from './history/workloads.ts'
import { WanCluster } from './wan/cluster.ts'
import { Hosts } from './wan/hosts.ts'
import { Relays } from './wan/relay.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '20' },
    nodes: { type: 'string', default: '3' },
    clients: { type: 'string', default: '18' },
    delay: { type: 'string', default: '150' },
    /** Leave out the faults: delays only. */
    calm: { type: 'boolean', default: false },
  },
})
const nodes = Number(values.nodes)
const delayMsMax = Number(values.delay)
const faults = new Map<string, number>()

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))
const drawn = (most: number): number => Math.floor(Math.random() * most)

function redraw(relays: Relays): void {
  for (let from = 0; from < nodes; from++) {
    for (let to = 0; to < nodes; to++) {
      if (from !== to) relays.setDelay(from, to, (Math.random() * delayMsMax) / 2)
    }
  }
}

/** One fault after the other; at its end everything is mended and every node runs. */
async function disturb(cluster: WanCluster, relays: Relays, untilMs: number): Promise<void> {
  while (performance.now() < untilMs) {
    await pause(3_000 + Math.random() * 6_000)
    redraw(relays)
    const node = drawn(nodes)
    const lastsMs = 1_000 + Math.random() * 11_000
    const dice = Math.random()
    const name = dice < 0.3 ? 'kill' : dice < 0.5 ? 'pause' : dice < 0.8 ? 'cut' : 'one-way cut'
    faults.set(name, (faults.get(name) ?? 0) + 1)
    if (name === 'kill') {
      await cluster.kill(node)
      await pause(lastsMs / 2)
      cluster.spawn(node)
      await cluster.ready(node)
    } else if (name === 'pause') {
      cluster.signal(node, 'SIGSTOP')
      await pause(lastsMs)
      cluster.signal(node, 'SIGCONT')
    } else {
      for (let other = 0; other < nodes; other++) {
        if (other === node) continue
        relays.cut(node, other)
        if (name === 'cut') relays.cut(other, node)
      }
      await pause(lastsMs)
      relays.heal()
    }
  }
}

async function main(): Promise<number> {
  const hosts = await Hosts.create(nodes, 'shoalh')
  if (typeof hosts === 'string') {
    console.log(`skipped: hosts of their own are not permitted on this machine: ${hosts}`)
    return 0
  }
  const relays = await Relays.start(hosts)
  let cluster: WanCluster | undefined
  try {
    redraw(relays)
    cluster = await WanCluster.start(hosts)
    const { credentials } = cluster
    const clients = Array.from(
      { length: nodes },
      (_, node) => new RawClient(cluster!.endpoint(node), credentials),
    )
    const workloads = new Workloads(clients)
    await workloads.prepare()
    const untilMs = performance.now() + Number(values.minutes) * 60_000
    await Promise.all([
      ...Array.from({ length: Number(values.clients) }, () => workloads.run(untilMs)),
      values.calm ? undefined : disturb(cluster, relays, untilMs),
    ])
    for (const client of clients) client.close()
    const { calls, bad } = judge(workloads)
    console.log(`answers: ${historyList(answers)}`)
    console.log(`faults: ${historyList(faults)}`)
    const { keys, buckets, errors } = workloads
    for (const error of new Set(errors)) console.log(`error: ${error}`)
    console.log(
      `${keys.length} keys and ${buckets.length} buckets, ${calls} calls in ${values.minutes} min, ` +
        `delays of 0 to ${delayMsMax} ms there and back: ${bad} not linearizable`,
    )
    return bad > 0 || errors.length > 0 ? 1 : 0
  } finally {
    await cluster?.close()
    relays.close()
    await hosts.remove()
  }
}

process.exitCode = await main()
