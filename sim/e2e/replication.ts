/**
 * `node sim/e2e/replication.ts [--objects 200] [--large 2] [--clients 4] [--factors 5,3,2] [--step-seconds 120]`
 *
 * The number of replicas goes up and down while the cluster serves, by the command that people use: one node grows to
 * three with data, then to five; then 5, 3 and 2 replicas of everything. Raising it beyond the number of members is
 * refused first, and changes nothing.
 *
 * After each change it checks that every partition has that many replicas (`shoal status`), that the nodes together hold
 * as many copies of the data and, once spare ones are freed, no more, and that every byte is right through any node. In
 * the end it checks that every history of the clients is linearizable.
 */

import { parseArgs } from 'node:util'
import { runCommand, untilTrue } from '../../bench/harness/process.ts'
import { RawClient } from '../../bench/harness/s3.ts'
import { checkout } from '../../bench/harness/shoal.ts'
import type { NodeStatus } from '../../gateway/port/status.ts'
import { GrowthContents } from './growth/contents.ts'
import { isAtRest } from './growth/layout-seen.ts'
import { Members } from './growth/members.ts'
import { judge } from './history/judge.ts'
import { Workloads } from './history/workloads.ts'
import { mib } from './mib.ts'

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '200' },
    large: { type: 'string', default: '2' },
    clients: { type: 'string', default: '4' },
    factors: { type: 'string', default: '5,3,2' },
    /** Most time for a change, until its blocks have moved and spare copies are freed. */
    'step-seconds': { type: 'string', default: '120' },
  },
})
const stepMs = Number(values['step-seconds']) * 1_000
const FOUNDED_WITH = 3
const NODES = 5
/** Share of a copy that nodes may hold besides the data: metadata, and what clients write meanwhile. */
const SPARE_SHARE = 0.4

const members = await Members.found()
try {
  process.exitCode = await changeReplicas()
} finally {
  await members.close()
}

async function changeReplicas(): Promise<number> {
  const contents = new GrowthContents({
    objects: Number(values.objects),
    large: Number(values.large),
    versioned: 0,
    uploads: 0,
  })
  await growTo(FOUNDED_WITH)
  const clients = [clientOf(0)]
  await contents.write(clients[0]!)
  const [perCopy] = await held()
  console.log(
    `${FOUNDED_WITH} nodes, ${mib(contents.bytes)} MiB written, ${mib(perCopy!)} MiB on a node`,
  )
  await refuseMoreThanThereAre()
  const workloads = new Workloads(clients)
  await workloads.prepare()
  let done = false
  const load = Array.from({ length: Number(values.clients) }, async () => {
    while (!done) await workloads.run(performance.now() + 500)
  })
  const faults: string[] = []
  try {
    await growTo(NODES)
    for (let node = 1; node < NODES; node++) clients.push(clientOf(node))
    for (const text of values.factors.split(','))
      await change(Number(text), contents, clients, faults)
  } catch (error) {
    faults.push(String(error))
    for (const node of members.running) {
      console.log(`--- node ${node}\n${members.output(node).slice(-3_000)}`)
    }
  }
  done = true
  await Promise.all(load)
  const { calls, bad } = judge(workloads)
  console.log(`${calls} calls of histories, ${bad} not linearizable`)
  for (const error of new Set(workloads.errors)) faults.push(error)
  for (const fault of faults.slice(0, 20)) console.log(`FAULT: ${fault}`)
  for (const client of clients) client.close()
  const sum = bad + faults.length
  console.log(sum === 0 ? 'every history linearizable, every byte right' : `${sum} faults`)
  return sum === 0 ? 0 : 1
}

async function change(
  factor: number,
  contents: GrowthContents,
  clients: readonly RawClient[],
  faults: string[],
): Promise<void> {
  const startedMs = performance.now()
  const seconds = (): string => ((performance.now() - startedMs) / 1_000).toFixed(1)
  await members.layout(0, 'replication', String(factor))
  await members.untilLayout(
    `there are ${factor} replicas`,
    (seen) => isAtRest(seen) && seen.text.includes(`"replication":${factor},`),
    stepMs,
  )
  const moved = seconds()
  const status = (await untilTrue(
    'every partition to be whole',
    async () => {
      const now = (await members.status(0)) as unknown as NodeStatus
      return now.partitions.whole === now.partitions.total ? now : undefined
    },
    stepMs,
    500,
  ))!
  if (status.replication !== factor) faults.push(`status says ${status.replication} replicas`)
  if (status.canLoseANode !== factor > 2) faults.push(`with ${factor}: ${status.canLoseANodeWhy}`)
  const copies = (await untilTrue(
    `as many copies as ${factor} replicas, and no more`,
    async () => {
      const bytes = (await held()).reduce((sum, one) => sum + one, 0)
      const now = bytes / contents.bytes
      return now >= factor && now <= factor * (1 + SPARE_SHARE) ? now : undefined
    },
    stepMs,
    1_000,
  ))!
  for (const client of clients) faults.push(...(await contents.check([client])))
  console.log(
    `${factor} replicas: moved after ${moved} s, spare copies freed after ${seconds()} s, ` +
      `${copies.toFixed(2)} times the data is held; every byte read through ${clients.length} nodes`,
  )
}

/** Asks for more replicas than members: refused with the figures and exit code 1, and without a new epoch. */
async function refuseMoreThanThereAre(): Promise<void> {
  const before = (await members.seen(0)).epoch
  const { stderr } = await runCommand(
    process.execPath,
    [`${checkout}/node/main.ts`, 'layout', 'replication', '5', '--data', members.dir(0)],
    { cwd: checkout, timeoutMs: 30_000, okCodes: [1] },
  )
  if (!stderr.includes('3 members for 5 replicas: let 2 more join first')) {
    throw new Error(`5 replicas on 3 nodes: ${stderr}`)
  }
  if ((await members.seen(0)).epoch !== before) throw new Error('a refused change made an epoch')
}

async function growTo(size: number): Promise<void> {
  const joining = []
  while (members.running.length < size) joining.push(await members.join(0))
  await Promise.all(joining.map(({ ready }) => ready))
  await members.untilLayout(
    `${size} nodes`,
    (seen) => isAtRest(seen) && seen.nodes.length === size,
    stepMs,
  )
}

/** Live bytes of each node's log. */
async function held(): Promise<number[]> {
  const bytes: number[] = []
  for (const node of members.running) {
    const { space } = (await members.status(node)) as unknown as NodeStatus
    bytes.push(space.logBytes - space.deadBytes)
  }
  return bytes
}

function clientOf(node: number): RawClient {
  return new RawClient(members.endpoint(node), members.credentials)
}
