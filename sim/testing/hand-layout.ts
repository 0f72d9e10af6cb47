/**
 * A cluster whose layout is changed by hand, entry by entry: for tests of what each node does in each of them. The
 * nodes decide nothing themselves, and all of them may speak with each other.
 */

import { equalBytes } from '../../protocol/bytes.ts'
import { decidedJson, voteBytes } from '../../protocol/layout/certificate.ts'
import {
  entryHash,
  type DecidedEntry,
  type LayoutEntry,
  type Member,
} from '../../protocol/layout/entry.ts'
import {
  movedEntry,
  planEntry,
  plannedJointEntry,
  replanEntry,
  stableEntry,
} from '../../protocol/layout/transition.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Environment } from '../../node/env/ports.ts'
import { ChangeDriver } from '../../node/layout/change-driver.ts'
import { chunkMessage, entriesMessage, LAYOUT_RPC } from '../../node/layout/messages.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import type { Adapt } from '../mutants/mutant.ts'
import { Patches } from '../mutants/patches.ts'
import { withMethods } from './changed-ports.ts'
import { SimulatedSigner } from '../world/signer.ts'
import { nodeOf, onCluster, calmSleep } from './calm-cluster.ts'

export class HandLayout {
  readonly cluster: SimulatedCluster
  readonly #script: Script
  /** Everybody who ever was a member. */
  readonly #records: readonly Member[]

  constructor(cluster: SimulatedCluster, script: Script) {
    this.cluster = cluster
    this.#script = script
    script.chain.push(...nodeOf(cluster, 0).layout.entriesAfter(0))
    this.#records = this.last.members
    script.all = this.#records.map(({ nodeId }) => nodeId)
    for (const network of script.networks.values()) network.setMembers(new Map())
  }

  get last(): LayoutEntry {
    return this.#script.chain.at(-1)!.entry
  }

  get view(): LayoutView {
    return nodeOf(this.cluster, 0).layout.current()!
  }

  member(number: number): Member {
    const id = this.cluster.idOf(number)
    return this.#records.find(({ nodeId }) => nodeId === id)!
  }

  members(numbers: readonly number[]): Member[] {
    return numbers
      .map((number) => this.member(number))
      .toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
  }

  /** Decides a plan. `tell`: nodes that adopt it, all that are up by default. */
  plan(numbers: readonly number[], tell?: readonly number[], replication = 3): Promise<void> {
    const next = { members: this.members(numbers), replication }
    const make = this.last.state === 'PLANNED' ? replanEntry : planEntry
    return this.decide(make(this.last, next), tell)
  }

  joint(tell?: readonly number[]): Promise<void> {
    return this.decide(plannedJointEntry(this.last), tell)
  }

  synced(becomesSource = false, tell?: readonly number[]): Promise<void> {
    return this.decide(stableEntry(this.last, 'synced', becomesSource), tell)
  }

  /** Without its oldest source. */
  moved(tell?: readonly number[]): Promise<void> {
    return this.decide(movedEntry(this.last, this.last.sources![0]!.epoch), tell)
  }

  abandoned(tell?: readonly number[]): Promise<void> {
    return this.decide(stableEntry(this.last, 'abandoned'), tell)
  }

  async decide(entry: LayoutEntry, tell?: readonly number[]): Promise<void> {
    const { chain } = this.#script
    const { members } = chain.findLast((each) => each.entry.state === 'STABLE')!.entry
    const ballot = { counter: 1, nodeId: members[0]!.nodeId }
    const bytes = voteBytes(entry.genesis.clusterId, entry.epoch, ballot, entryHash(entry))
    const signatures = members.map(({ nodeId }) => ({
      nodeId,
      signature: new SimulatedSigner(nodeId).sign(bytes),
    }))
    chain.push({ entry, certificate: { ballot, signatures } })
    await this.tell(tell)
  }

  /** These adopt everything that is decided. */
  async tell(
    numbers: readonly number[] = this.#nodes().map(({ number }) => number),
  ): Promise<void> {
    await Promise.all(
      numbers.map(async (number) => {
        const other = this.cluster.idOf(number === 0 ? 1 : 0)
        await nodeOf(this.cluster, number).layout.observe(this.last.epoch, other)
      }),
    )
  }

  #nodes(): { number: number }[] {
    return Array.from({ length: this.cluster.size }, (_, number) => ({ number })).filter(
      ({ number }) => this.cluster.node(number) !== undefined,
    )
  }

  /** Makes these the members, step by step, with all that they have to copy. The members of before may become a source. */
  async become(numbers: readonly number[], becomesSource = false, replication = 3): Promise<void> {
    await this.plan(numbers, undefined, replication)
    await this.untilCaughtUp(...numbers)
    await this.joint()
    await this.untilSynced(...numbers)
    await this.synced(becomesSource)
  }

  /** Waits until it is so. */
  async until(what: () => boolean, withinMs = 60_000): Promise<void> {
    const until = this.cluster.clock.monotonicMs() + withinMs
    while (!what()) {
      if (this.cluster.clock.monotonicMs() > until) throw new Error(`not within ${withinMs} ms`)
      await calmSleep(this.cluster, 20)
    }
  }

  caughtUp(number: number): boolean {
    return nodeOf(this.cluster, number).rebalance.progress().learning.isCaughtUp
  }

  untilCaughtUp(...numbers: readonly number[]): Promise<void> {
    return this.until(() => numbers.every((number) => this.caughtUp(number)))
  }

  /** The moved partitions that the node holds in P′ and has not synced. */
  unsynced(number: number): number[] {
    const { view } = this
    const id = this.cluster.idOf(number)
    const { synced } = nodeOf(this.cluster, number).rebalance.progress()
    return view
      .moved()
      .filter((partition) => view.nextPlacement!.replicas(partition).includes(id))
      .filter((partition) => ((synced[partition >> 3] ?? 0) & (0x80 >> (partition & 7))) === 0)
  }

  untilSynced(...numbers: readonly number[]): Promise<void> {
    return this.until(() => numbers.every((number) => this.unsynced(number).length === 0))
  }

  /** Two nodes have the very same registers of a partition. */
  isSame(partition: number, a: number, b: number): boolean {
    const [one, other] = [a, b].map((number) => nodeOf(this.cluster, number).digestOf(partition))
    return equalBytes(Buffer.from(one!.slice(0, 32)), Buffer.from(other!.slice(0, 32)))
  }
}

/** What is between a node and the others. */
interface Script {
  readonly chain: DecidedEntry[]
  all: LayoutEntry['members'][number]['nodeId'][]
  readonly networks: Map<number, Environment['network']>
}

/**
 * Runs the scenario on a cluster of so many members, with BUCKET in it. From then on no node changes the layout. An
 * `adapt` of the caller comes on top.
 */
export async function withHandLayout(
  nodes: number,
  scenario: (hand: HandLayout) => Promise<void>,
  options: NonNullable<Parameters<typeof onCluster>[2]> = {},
): Promise<void> {
  const script: Script = { chain: [], all: [], networks: new Map() }
  const patches = new Patches()
  const adapt: Adapt = (environment, node) => {
    const scripted = scriptedEnvironment(environment, script)
    script.networks.set(node, scripted.network)
    return options.adapt?.(scripted, node) ?? scripted
  }
  try {
    await onCluster(
      nodes,
      async (cluster) => {
        patches.method(ChangeDriver.prototype, 'drive', () => () => Promise.resolve())
        await scenario(new HandLayout(cluster, script))
      },
      { ...options, adapt },
    )
  } finally {
    patches.undo()
  }
}

function scriptedEnvironment(environment: Environment, script: Script): Environment {
  const { network } = environment
  return {
    ...environment,
    network: withMethods(network, {
      call: (peer, traffic, message, options) => {
        if (script.chain.length === 0 || message.type !== LAYOUT_RPC.entries) {
          return network.call(peer, traffic, message, options)
        }
        const { after, offset } = entriesMessage.decode(message.body)
        const text = JSON.stringify(script.chain.slice(after).map(decidedJson))
        const chunk = { total: text.length, text: text.slice(offset, offset + 200_000) }
        return Promise.resolve({ type: message.type, body: chunkMessage.encode(chunk) })
      },
      setMembers: (members) => {
        const all = new Map(members)
        for (const node of script.all) {
          if (node !== network.self && !all.has(node)) all.set(node, [`/sim/${node}`])
        }
        network.setMembers(all)
      },
    }),
  }
}
