/**
 * Copies what P has of some partitions to this node, at exactly one epoch (L5). One pass:
 *
 * 1. All members of P that are connected say what they have, in digests. Where a majority of a partition's set
 *    answers and has just what this node has, there is nothing to do.
 * 2. Elsewhere a majority is picked, and their keys and ballots are merged.
 * 3. Of a key for which all of them have the same ballot, that ballot is chosen (R1): the state is fetched from the
 *    nearest and installed, its packed blocks first (A5).
 * 4. Other keys: a learner leaves them for its next pass. In JOINT they are settled by an identity change, unless what
 *    is here is as new as anything they have. So are copies that this node's floor refuses (G3): at once above it, and
 *    without a look at their states.
 * 5. In JOINT this node's mark is raised above all promises that the members of P gave before (A1). A member may have
 *    accepted, alone, what a majority of them promised: from a node of P′ that knew nothing of the promise, a value
 *    with a lower ballot could be chosen, and then be taken for older than that one.
 * 6. Minima are raised to the highest; in JOINT the floor too, when all registers are here: below it nothing could be
 *    installed any more. A learner's floor stays, since no floor rises between PLANNED and STABLE.
 *
 * Then everything that was chosen before this epoch is here, or something that came after it. What is written
 * meanwhile is written to a majority of P′ (L3). Partitions are reported as they are done, after some thousands of
 * registers at the latest, and registers one by one: who waits for the sync sees that it goes on.
 *
 * Invariants:
 *   - epoch is checked after every wait; a copy of an earlier one is not installed           (L6, L6b)
 *   - only chosen pairs are copied                                                               (L5)
 *   - a partition of which anything failed is not reported
 */

import { byteString, equalBytes } from '../../protocol/bytes.ts'
import { decodeState } from '../../protocol/codec/state.ts'
import { bucketId, type BucketId, type NodeId, type RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import {
  compareBallots,
  maxBallot,
  sameBallot,
  ZERO_BALLOT,
  type Ballot,
} from '../../protocol/register/ballot.ts'
import { majority } from '../../protocol/register/quorum.ts'
import type { Accepted } from '../../protocol/register/types.ts'
import { ballotOfWire } from '../../protocol/rpc/message.ts'
import type { BlockStore } from '../data/blocks.ts'
import type { Store } from '../data/store.ts'
import type { NewRecord } from '../data/types.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { Turns } from '../env/sleep.ts'
import { inBatches, inLanes } from '../in-batches.ts'
import { internalContext } from '../internal-context.ts'
import { floorRaised } from '../metadata/index-rows.ts'
import type { LostBlocks } from '../metadata/lost-blocks.ts'
import type { RegisterHost } from '../metadata/register-host.ts'
import type { Registers } from '../metadata/registers.ts'
import { ENUMERATE, type Contents, type Exchange } from '../repair/exchange.ts'
import type { Peers } from '../rpc/peers.ts'
import { shortBitmapOf } from '../../protocol/keyspace/bitmap.ts'
import { CALL_TIMEOUT_MS, NoWitness, pairPages, PairStream, type Pair } from './pair-stream.ts'
import { STATES_MAX, type Witness } from './witness.ts'

/** Partitions whose keys are merged together. */
const GROUP_MAX = 512
const PEERS_AT_ONCE = 16
/** Each is two rounds, for which a client that writes the same register waits. */
const SETTLED_AT_ONCE = 32
const LEARNT_AT_ONCE = 64
/** After so many registers the partitions that are done are reported. */
const COPIED_MAX = 2_000

export interface CopierOptions {
  readonly self: NodeId
  readonly store: Store
  readonly blocks: BlockStore
  readonly host: RegisterHost
  readonly registers: Registers
  readonly lost: LostBlocks
  readonly peers: Peers
  readonly exchange: Exchange
  readonly witness: Witness
  readonly clock: Clock
  readonly logger: Logger
}

/** A learner copies what is agreed on. In JOINT the rest is settled as well. */
export type CopyMode = 'learn' | 'sync'

export interface CopyTask {
  readonly layout: LayoutView
  readonly partitions: readonly number[]
  readonly mode: CopyMode
  /** In JOINT: of each member that was asked, its mark when it first told of it in this epoch. */
  readonly marks: Map<NodeId, number>
  /** A look at the registers of these partitions begins. */
  readonly begun?: (partitions: readonly number[]) => void
  /** A register of the partition was installed or settled, and is here. */
  readonly copied?: (partition: number) => void
  /** The epoch has passed, or the node stops. */
  readonly isOver: () => boolean
  /** All that P has of these partitions is here, or, of a learner, all that it may copy. */
  readonly done: (partitions: readonly number[]) => Promise<void>
}

export interface CopyResult {
  /** Registers that were installed or settled. */
  readonly copied: number
  /** Partitions for which too few members of P answer, or of which something failed. */
  readonly left: number
}

/** What one member of P has of one partition. */
export type Summary = Contents

/** Partitions that the same members of P tell of. */
interface Group {
  readonly witnesses: readonly NodeId[]
  readonly partitions: number[]
}

type RaiseFloors = (partitions: readonly number[]) => Promise<void>

/** `isRefused`: the witnesses agree, and this node's floor refuses their ballot. */
interface Unsettled {
  readonly key: RegisterKey
  readonly isRefused: boolean
}

/** `ballot` undefined: the witnesses differ. */
interface Wanted {
  readonly key: RegisterKey
  readonly ballot: Ballot | undefined
}

/** What a node fetches of registers for changes of the layout, since its start. */
export interface CopyCounters {
  /** States, and the packed blocks and pages that come in front of them. */
  bytes: number
}

export class Copier {
  readonly counters: CopyCounters = { bytes: 0 }
  readonly #options: CopierOptions

  constructor(options: CopierOptions) {
    this.#options = options
  }

  /** One pass. Never rejects for what a peer does. */
  async pass(task: CopyTask): Promise<CopyResult> {
    const { layout, partitions, isOver } = task
    const told = await this.#summaries(task)
    if (isOver()) return { copied: 0, left: partitions.length }
    if (task.mode === 'sync') await this.raiseMark(task.marks)
    const level: number[] = []
    const groups = new Map<string, Group>()
    let left = 0
    for await (const some of this.#options.exchange.contentsOf(partitions)) {
      for (const [partition, mine] of some) {
        const summaries = told.get(partition)!
        const need = this.needed(layout.placement.replicas(partition))
        const verdict = this.judge(mine, summaries, need)
        if (verdict === 'too few') left++
        else if (verdict === 'level') level.push(partition)
        else this.#group(groups, partition, summaries, need)
      }
    }
    if (isOver()) return { copied: 0, left: partitions.length }
    if (level.length > 0) {
      if (task.mode === 'sync') await this.raiseFloors(level, told)
      if (isOver()) return { copied: 0, left: partitions.length }
      await task.done(level)
    }
    let copied = 0
    for (const { witnesses, partitions: all } of groups.values()) {
      for (let at = 0; at < all.length && !isOver(); at += GROUP_MAX) {
        const some = all.slice(at, at + GROUP_MAX)
        const copy = new Copy(this.#options, task, witnesses, some, told, this.counters)
        left += await copy.run((level) => this.raiseFloors(level, told))
        copied += copy.copied
      }
    }
    return { copied, left: isOver() ? partitions.length : left }
  }

  /** Step 5. From here on nothing below it is promised or accepted. */
  async raiseMark(marks: ReadonlyMap<NodeId, number>): Promise<void> {
    await this.#options.host.outlaw(Math.max(0, ...marks.values()))
  }

  /** So many members of P have to tell what they have (F+1): one of them has whatever was chosen. */
  needed(replicas: readonly NodeId[]): number {
    return majority(replicas.length)
  }

  /** `level`: a majority of P's set has just what this node has, but for floors. */
  judge(
    mine: Contents,
    summaries: ReadonlyMap<NodeId, Summary>,
    need: number,
  ): 'too few' | 'level' | 'differs' {
    if (summaries.size < need) return 'too few'
    let equal = 0
    for (const { registers, minima } of summaries.values()) {
      if (equalBytes(mine.registers, registers) && equalBytes(mine.minima, minima)) equal++
    }
    return equal >= need ? 'level' : 'differs'
  }

  /** Of a partition that this node holds in P, too. */
  isOwn(summaries: ReadonlyMap<NodeId, Summary>): boolean {
    return summaries.has(this.#options.self)
  }

  /** To the highest that any member of P has told of. All registers are here by now. */
  async raiseFloors(
    partitions: readonly number[],
    told: ReadonlyMap<number, ReadonlyMap<NodeId, Summary>>,
  ): Promise<void> {
    const { host, store } = this.#options
    const records: NewRecord[] = []
    for (const partition of partitions) {
      let highest: Ballot = ZERO_BALLOT
      for (const { floor } of told.get(partition)?.values() ?? []) {
        highest = maxBallot(highest, floor)
      }
      if (sameBallot(highest, ZERO_BALLOT)) continue
      if (compareBallots(host.floor(partition), highest) < 0) {
        records.push(floorRaised(partition, highest))
      }
    }
    if (records.length > 0) await store.append(records, { urgent: true })
  }

  /** The majority whose keys are merged: the nearest first, this node itself last. What it has agrees with nobody when
   * it was behind, and each difference costs an identity change. */
  #group(
    groups: Map<string, Group>,
    partition: number,
    summaries: ReadonlyMap<NodeId, Summary>,
    need: number,
  ): void {
    const { peers, self } = this.#options
    const others = peers.preferred(
      [...summaries.keys()].filter((node) => node !== self),
      'other',
    )
    const witnesses = [...others, self].slice(0, need).toSorted()
    const name = witnesses.join(' ')
    const group = groups.get(name)
    if (group === undefined) groups.set(name, { witnesses, partitions: [partition] })
    else group.partitions.push(partition)
  }

  /** Step 1. */
  async #summaries(task: CopyTask): Promise<Map<number, Map<NodeId, Summary>>> {
    const { layout, partitions } = task
    const { self, peers, exchange, witness, logger } = this.#options
    const told = new Map<number, Map<NodeId, Summary>>()
    const asked = new Map<NodeId, number[]>()
    const own: number[] = []
    for (const partition of partitions) {
      told.set(partition, new Map())
      for (const node of layout.placement.replicas(partition)) {
        if (node === self) own.push(partition)
        else if (peers.connected(node)) {
          const list = asked.get(node)
          if (list === undefined) asked.set(node, [partition])
          else list.push(partition)
        }
      }
    }
    const telling = inBatches([...asked], PEERS_AT_ONCE, async ([peer, wanted]) => {
      try {
        await this.#ask(task, peer, wanted, told)
      } catch (error) {
        logger.debug({ peer, error: String(error) }, 'a member did not say what it has')
      }
    })
    // Meanwhile.
    for await (const some of exchange.contentsOf(await witness.sound(layout, own))) {
      for (const [partition, contents] of some) told.get(partition)!.set(self, contents)
    }
    await telling
    return told
  }

  async #ask(
    { layout: { epoch }, marks, isOver }: CopyTask,
    peer: NodeId,
    partitions: readonly number[],
    told: ReadonlyMap<number, Map<NodeId, Summary>>,
  ): Promise<void> {
    const wanted = shortBitmapOf(partitions)
    for (let from = 0; !isOver();) {
      const request = { epoch, wanted, from }
      const reply = await this.#options.peers.summary(peer, request, {
        timeoutMs: CALL_TIMEOUT_MS,
      })
      if (reply.epoch !== epoch) throw new NoWitness()
      // What it promises from now on it promises in this epoch, to proposers that ask P′ too.
      if (!marks.has(peer)) marks.set(peer, reply.mark)
      for (const { partition, registers, minima, floor } of reply.partitions) {
        const contents = {
          registers: new Uint8Array(registers),
          minima: new Uint8Array(minima),
          floor: ballotOfWire(floor),
        }
        told.get(partition)?.set(peer, contents)
      }
      if (reply.next <= from) return
      from = reply.next
    }
  }
}

/** Steps 2 to 6, of one group. */
export class Copy {
  copied = 0
  readonly #options: CopierOptions
  readonly #task: CopyTask
  readonly #witnesses: readonly NodeId[]
  readonly #others: readonly NodeId[]
  readonly #partitions: readonly number[]
  /** Those that are neither reported nor have failed, ascending. */
  #open: readonly number[]
  readonly #told: ReadonlyMap<number, ReadonlyMap<NodeId, Summary>>
  readonly #failed = new Set<number>()
  readonly #counters: CopyCounters

  constructor(
    options: CopierOptions,
    task: CopyTask,
    witnesses: readonly NodeId[],
    partitions: readonly number[],
    told: ReadonlyMap<number, ReadonlyMap<NodeId, Summary>>,
    counters: CopyCounters = { bytes: 0 },
  ) {
    this.#options = options
    this.#counters = counters
    this.#task = task
    this.#witnesses = witnesses
    this.#others = options.peers.preferred(
      witnesses.filter((node) => node !== options.self),
      'block',
    )
    this.#partitions = partitions
    this.#open = partitions
    this.#told = told
  }

  /** The result says how many partitions are not done. */
  async run(raiseFloors: RaiseFloors): Promise<number> {
    this.#task.begun?.(this.#partitions)
    try {
      await this.#registers(raiseFloors)
      await this.#finish(raiseFloors)
    } catch (error) {
      this.#options.logger.debug({ error: String(error) }, 'a copy of partitions did not finish')
    }
    return new Set([...this.#open, ...this.#failed]).size
  }

  /** Steps 5 and 6 of the partitions below this one: all their registers have been looked at. */
  async #finish(raiseFloors: RaiseFloors, below = Number.POSITIVE_INFINITY): Promise<void> {
    const { isOver, done, mode } = this.#task
    const looked = this.#open.filter((partition) => partition < below)
    if (looked.length > 0) {
      await this.minima(looked)
      if (isOver()) throw new NoWitness()
      const level = looked.filter((partition) => !this.#failed.has(partition))
      if (mode === 'sync') await raiseFloors(level)
      // Checked again after every wait (L6b).
      if (isOver()) throw new NoWitness()
      if (level.length > 0) await done(level)
    }
    this.#open = this.#open.slice(looked.length)
  }

  get #epoch(): number {
    return this.#task.layout.epoch
  }

  async #registers(raiseFloors: RaiseFloors): Promise<void> {
    const wanted = shortBitmapOf(this.#partitions)
    const { peers, clock } = this.#options
    const streams = this.#others.map((peer) => new PairStream(peers, peer, this.#epoch, wanted))
    const turns = new Turns(clock)
    let batch: Wanted[] = []
    let reported = 0
    for (;;) {
      if (streams.some((stream) => stream.isDry)) {
        await Promise.all(streams.map((stream) => stream.fill()))
      }
      await turns.took()
      const next = this.#next(streams)
      if (next === undefined) break
      if (this.#task.isOver()) throw new NoWitness()
      if (next === 'fine') continue
      batch.push(next)
      if (batch.length < STATES_MAX) continue
      await this.#take(batch)
      batch = []
      if (this.copied - reported < COPIED_MAX) continue
      reported = this.copied
      await this.#finish(raiseFloors, partitionOfKey(next.key))
    }
    await this.#take(batch)
  }

  /** The lowest key of all streams, and what has to be done about it. */
  #next(streams: readonly PairStream[]): Wanted | 'fine' | undefined {
    const { host, self } = this.#options
    let key: RegisterKey | undefined
    for (const { head } of streams) {
      if (head !== undefined && (key === undefined || head.key < key)) key = head.key
    }
    if (key === undefined) return undefined
    const pairs: Pair[] = []
    for (const stream of streams) {
      const { head } = stream
      if (head?.key !== key) continue
      pairs.push(head)
      stream.advance()
    }
    const isFaulty = host.isFaulty(key)
    const here = host.peek(key)?.ballot
    if (this.#witnesses.includes(self) && here !== undefined) pairs.push({ key, ballot: here })
    const ballot = this.agreed(pairs)
    const highest = pairs.reduce((most, pair) => maxBallot(most, pair.ballot), ZERO_BALLOT)
    const isDamagedThere = pairs.some((pair) => sameBallot(pair.ballot, ZERO_BALLOT))
    if (isFaulty) {
      // Mended by what the others agree on (D3), before it can be anything else.
      this.#fail(key)
      return 'fine'
    }
    const isHere = here !== undefined && compareBallots(here, ballot ?? highest) >= 0
    if (isHere && !(ballot === undefined && isDamagedThere)) return 'fine'
    return { key, ballot }
  }

  /** The ballot that every witness has, which makes it a chosen one (R1). */
  agreed(pairs: readonly Pair[]): Ballot | undefined {
    const [first, ...rest] = pairs
    if (first === undefined || pairs.length < this.#witnesses.length) return undefined
    if (sameBallot(first.ballot, ZERO_BALLOT)) return undefined
    return rest.every(({ ballot }) => sameBallot(ballot, first.ballot)) ? first.ballot : undefined
  }

  async #take(batch: readonly Wanted[]): Promise<void> {
    const unsettled: Unsettled[] = []
    const agreed: Pair[] = []
    for (const { key, ballot } of batch) {
      if (ballot === undefined) unsettled.push({ key, isRefused: false })
      else if (this.#isRefused(key, ballot)) unsettled.push({ key, isRefused: true })
      else agreed.push({ key, ballot })
    }
    const found = await this.#fetch(agreed)
    await inLanes(agreed, LEARNT_AT_ONCE, async ({ key }) => {
      const accepted = found.get(key)
      if (accepted === undefined || !(await this.#learn(key, accepted))) {
        unsettled.push({ key, isRefused: false })
      }
    })
    if (this.#task.mode === 'learn') return
    await inLanes(unsettled, SETTLED_AT_ONCE, async (each) => {
      if (this.#task.isOver()) throw new NoWitness()
      try {
        if (!(await this.#settle(each))) this.#fail(each.key)
      } catch (error) {
        this.#options.logger.debug({ error: String(error) }, 'a register could not be settled')
        this.#fail(each.key)
      }
    })
  }

  /** A copy at this ballot would be: it is absent here, and the floor is as high (G3). */
  #isRefused(key: RegisterKey, ballot: Ballot): boolean {
    const { host } = this.#options
    if (host.peek(key) !== undefined) return false
    return compareBallots(ballot, host.floor(partitionOfKey(key))) <= 0
  }

  #fail(key: RegisterKey): void {
    this.#failed.add(partitionOfKey(key))
  }

  /** States at these ballots, from the nearest witness that still has them. */
  async #fetch(pairs: readonly Pair[]): Promise<Map<RegisterKey, Accepted>> {
    const { peers } = this.#options
    const found = new Map<RegisterKey, Accepted>()
    const ballots = new Map(pairs.map(({ key, ballot }) => [key, ballot] as const))
    for (const peer of this.#others) {
      for (;;) {
        const keys = pairs.map(({ key }) => key).filter((key) => !found.has(key))
        if (keys.length === 0) return found
        const reply = await peers
          .states(peer, keys.slice(0, STATES_MAX), this.#epoch, { timeoutMs: CALL_TIMEOUT_MS })
          .catch(() => undefined)
        if (reply === undefined) break
        if (reply.epoch !== this.#epoch) throw new NoWitness()
        const before = found.size
        for (const [i, state] of reply.states.entries()) {
          this.#counters.bytes += state.length
          const accepted = state.length > 0 ? decodeState(new Uint8Array(state)) : undefined
          const key = keys[i]!
          const wanted = ballots.get(key)
          if (accepted && wanted && sameBallot(accepted.ballot, wanted)) found.set(key, accepted)
        }
        if (found.size === before) break
      }
    }
    return found
  }

  /** True: it is here, at this ballot or a later one. */
  async #learn(key: RegisterKey, accepted: Accepted): Promise<boolean> {
    const { host } = this.#options
    await this.#pullBlocks(accepted)
    const learnt = await host.learn(key, accepted, this.#epoch)
    if (learnt === 'late') throw new NoWitness()
    if (learnt === 'installed') this.#copied(key)
    return learnt === 'installed' || learnt === 'held'
  }

  #copied(key: RegisterKey): void {
    this.copied++
    this.#task.copied?.(partitionOfKey(key))
  }

  /** Packed blocks and pages go in front of the state that names them (A5). */
  async #pullBlocks({ value }: Accepted): Promise<void> {
    const { blocks, peers } = this.#options
    for (const key of value.blocks) {
      if (blocks.has(key)) continue
      for (const peer of this.#others) {
        const block = await peers
          .getOwnedBlock(peer, key, { timeoutMs: CALL_TIMEOUT_MS })
          .catch(() => undefined)
        if (block === undefined) continue
        this.#counters.bytes += block.bytes.length
        await blocks.put(block)
        break
      }
    }
  }

  /** Step 4: whatever comes of it is chosen in this epoch. */
  async #settle({ key, isRefused }: Unsettled): Promise<boolean> {
    const { registers, blocks, lost } = this.#options
    const settled = await (isRefused
      ? this.#settleAboveFloor(key)
      : registers.settle(internalContext(), key))
    if (await this.#isSettled(key, settled)) return true
    for (const block of settled?.value.blocks ?? []) {
      if (!blocks.has(block)) await lost.noteIfLost(block)
    }
    // Above the floor, and without what is lost (G3, A5).
    return this.#isSettled(key, await this.#settleAboveFloor(key))
  }

  #settleAboveFloor(key: RegisterKey): Promise<Accepted | undefined> {
    const { registers, host } = this.#options
    const { counter } = host.floor(partitionOfKey(key))
    return registers.settle(internalContext(), key, undefined, true, counter)
  }

  async #isSettled(key: RegisterKey, settled: Accepted | undefined): Promise<boolean> {
    // Nothing was chosen, and nothing that a member of P has can be chosen any more.
    if (settled === undefined) return true
    const { copied } = this
    if (!(await this.#learn(key, settled))) return false
    // It came by the change itself, to which this node has agreed.
    if (this.copied === copied) this.#copied(key)
    return true
  }

  /** To the highest of all witnesses. */
  async minima(partitions: readonly number[]): Promise<void> {
    const { exchange, host, peers } = this.#options
    const rises = new Map<string, { bucket: BucketId; generation: number; partitions: number[] }>()
    for (const peer of this.#others) {
      const differing = partitions.filter((partition) => {
        const minima = this.#told.get(partition)?.get(peer)?.minima
        return minima !== undefined && !equalBytes(minima, exchange.minimaDigest(partition))
      })
      if (differing.length === 0) continue
      const bits = shortBitmapOf(differing)
      for await (const page of pairPages(peers, peer, this.#epoch, bits, ENUMERATE.minima)) {
        for (const [i, bytes] of page.keys.entries()) {
          const name = byteString(bytes)
          const generation = page.generations[i]!
          const rise = rises.get(`${name.slice(2)}${generation}`)
          const partition = partitionOfKey(name as RegisterKey)
          if (rise !== undefined) rise.partitions.push(partition)
          else {
            const bucket = bucketId(name.slice(2))
            rises.set(`${bucket}${generation}`, { bucket, generation, partitions: [partition] })
          }
        }
      }
    }
    if (this.#task.isOver()) throw new NoWitness()
    await inBatches([...rises.values()], LEARNT_AT_ONCE, ({ partitions, ...fence }) =>
      host.raiseMinimum(fence, partitions),
    )
  }
}
