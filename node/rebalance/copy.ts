/**
 * Copies what some members of P have of a group of partitions: steps 2 to 6 of copier.ts. Their keys are merged as they
 * arrive, page by page.
 */

import { byteString, equalBytes } from '../../protocol/bytes.ts'
import { decodeState } from '../../protocol/codec/state.ts'
import { bucketId, type BucketId, type NodeId, type RegisterKey } from '../../protocol/ids.ts'
import { shortBitmapOf } from '../../protocol/keyspace/bitmap.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import {
  compareBallots,
  maxBallot,
  sameBallot,
  ZERO_BALLOT,
  type Ballot,
} from '../../protocol/register/ballot.ts'
import type { Accepted } from '../../protocol/register/types.ts'
import type { BlockStore } from '../replica/blocks.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { Turns } from '../tools/sleep.ts'
import { inBatches, inLanes } from '../tools/in-batches.ts'
import { internalContext } from '../tools/internal-context.ts'
import type { LostBlocks } from '../quorum/lost-blocks.ts'
import type { AcceptorHost } from '../replica/acceptor-host.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import { ENUMERATE, type PartitionDigests, type SyncAnswers } from '../repair/sync-answers.ts'
import type { Peers } from '../quorum/peers.ts'
import {
  PAIRS_CALL_TIMEOUT_MS,
  NoWitness,
  pairPages,
  PairStream,
  type Pair,
} from './pair-stream.ts'
import { STATES_MAX } from './witness.ts'

/** Few, because a change takes two rounds, and a client that writes the same register waits for them. */
const CHOSEN_AT_ONCE = 32
const LEARNT_AT_ONCE = 64
/** Registers copied between two reports of finished partitions, at most. */
const COPIED_MAX = 2_000

export interface CopyOptions {
  readonly self: NodeId
  readonly blocks: BlockStore
  readonly host: AcceptorHost
  readonly registers: RegisterClient
  readonly lost: LostBlocks
  readonly peers: Peers
  readonly exchange: SyncAnswers
  readonly clock: Clock
  readonly logger: Logger
}

/** A learner copies what its witnesses agree on. In JOINT a change makes a state of each other register chosen, too. */
export type CopyMode = 'learn' | 'sync'

export interface CopyTask {
  readonly layout: LayoutView
  readonly partitions: readonly number[]
  readonly mode: CopyMode
  /** In JOINT, by member, the mark that it first named in this epoch. */
  readonly marks: Map<NodeId, number>
  /** Called before the registers of these partitions are looked at. */
  readonly begun?: (partitions: readonly number[]) => void
  /** Called for each register of the partition that was installed or newly chosen. */
  readonly copied?: (partition: number) => void
  /** Whether the epoch is over, or the node stops. */
  readonly isOver: () => boolean
  /** Called when all that P has of these partitions is here or, on a learner, all that it may copy. */
  readonly done: (partitions: readonly number[]) => Promise<void>
}

/** What one member of P has of one partition. */
export type CopySummary = PartitionDigests

/** What a node has fetched for changes of the layout since its start. */
export interface CopyCounters {
  /** Bytes of states, and of the packed blocks and pages that are stored before them. */
  bytes: number
}

type RaiseFloors = (partitions: readonly number[]) => Promise<void>

/**
 * A register of which a state has to be chosen in this epoch. `isRefused` when the witnesses agree, but this node's floor
 * refuses their ballot.
 */
interface Unchosen {
  readonly key: RegisterKey
  readonly isRefused: boolean
}

/** A key to deal with. `ballot` is undefined where the witnesses differ. */
interface Wanted {
  readonly key: RegisterKey
  readonly ballot: Ballot | undefined
}

/** Steps 2 to 6 for one group of partitions. */
export class Copy {
  copied = 0
  readonly #options: CopyOptions
  readonly #task: CopyTask
  readonly #witnesses: readonly NodeId[]
  readonly #others: readonly NodeId[]
  readonly #partitions: readonly number[]
  /** Partitions whose registers have not all been looked at, ascending. */
  #open: readonly number[]
  readonly #told: ReadonlyMap<number, ReadonlyMap<NodeId, CopySummary>>
  readonly #failed = new Set<number>()
  readonly #counters: CopyCounters

  constructor(
    options: CopyOptions,
    task: CopyTask,
    witnesses: readonly NodeId[],
    partitions: readonly number[],
    told: ReadonlyMap<number, ReadonlyMap<NodeId, CopySummary>>,
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

  /** Resolves with how many partitions are not done. */
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

  /** Steps 5 and 6 for the partitions below this one, whose registers have all been looked at. */
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

  /** Takes the lowest key of all streams, and returns what has to be done with it. */
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
      // The damaged register must first be repaired from what the others agree on (D3).
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
    const unchosen: Unchosen[] = []
    const agreed: Pair[] = []
    for (const { key, ballot } of batch) {
      if (ballot === undefined) unchosen.push({ key, isRefused: false })
      else if (this.#isRefused(key, ballot)) unchosen.push({ key, isRefused: true })
      else agreed.push({ key, ballot })
    }
    const found = await this.#fetch(agreed)
    await inLanes(agreed, LEARNT_AT_ONCE, async ({ key }) => {
      const accepted = found.get(key)
      if (accepted === undefined || !(await this.#learn(key, accepted))) {
        unchosen.push({ key, isRefused: false })
      }
    })
    if (this.#task.mode === 'learn') return
    await inLanes(unchosen, CHOSEN_AT_ONCE, async (each) => {
      if (this.#task.isOver()) throw new NoWitness()
      try {
        if (!(await this.#ensureChosen(each))) this.#fail(each.key)
      } catch (error) {
        this.#options.logger.debug(
          { error: String(error) },
          'a register could not be brought to a chosen state',
        )
        this.#fail(each.key)
      }
    })
  }

  /** Whether a copy at this ballot would be refused: the register is absent here, and the floor is as high (G3). */
  #isRefused(key: RegisterKey, ballot: Ballot): boolean {
    const { host } = this.#options
    if (host.peek(key) !== undefined) return false
    return compareBallots(ballot, host.floor(partitionOfKey(key))) <= 0
  }

  #fail(key: RegisterKey): void {
    this.#failed.add(partitionOfKey(key))
  }

  /** Fetches states at these ballots from the nearest witness that still has them. */
  async #fetch(pairs: readonly Pair[]): Promise<Map<RegisterKey, Accepted>> {
    const { peers } = this.#options
    const found = new Map<RegisterKey, Accepted>()
    const ballots = new Map(pairs.map(({ key, ballot }) => [key, ballot] as const))
    for (const peer of this.#others) {
      for (;;) {
        const keys = pairs.map(({ key }) => key).filter((key) => !found.has(key))
        if (keys.length === 0) return found
        const reply = await peers
          .states(peer, keys.slice(0, STATES_MAX), this.#epoch, {
            timeoutMs: PAIRS_CALL_TIMEOUT_MS,
          })
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

  /** Resolves with true when the register is here, at this ballot or a later one. `counts`: also when it was before. */
  async #learn(key: RegisterKey, accepted: Accepted, counts = false): Promise<boolean> {
    await this.#pullBlocks(accepted)
    const learnt = await this.#options.host.learn(key, accepted, this.#epoch)
    if (learnt === 'late') throw new NoWitness()
    if (learnt === 'installed' || (learnt === 'held' && counts)) this.#copied(key)
    return learnt === 'installed' || learnt === 'held'
  }

  #copied(key: RegisterKey): void {
    this.copied++
    this.#task.copied?.(partitionOfKey(key))
  }

  /** Packed blocks and pages are stored before the state that names them (A5). */
  async #pullBlocks({ value }: Accepted): Promise<void> {
    const { blocks, peers } = this.#options
    for (const key of value.blocks) {
      if (blocks.has(key)) continue
      for (const peer of this.#others) {
        const block = await peers
          .getOwnedBlock(peer, key, { timeoutMs: PAIRS_CALL_TIMEOUT_MS })
          .catch(() => undefined)
        if (block === undefined) continue
        this.#counters.bytes += block.bytes.length
        await blocks.put(block)
        break
      }
    }
  }

  /** Step 4. Any result is chosen in this epoch. */
  async #ensureChosen({ key, isRefused }: Unchosen): Promise<boolean> {
    const { registers, blocks, lost } = this.#options
    const chosen = await (isRefused
      ? this.#ensureAboveFloor(key)
      : registers.ensureChosen(internalContext(), key))
    if (await this.#isHere(key, chosen)) return true
    for (const block of chosen?.value.blocks ?? []) {
      if (!blocks.has(block)) await lost.noteIfLost(block)
    }
    // The new state is above the floor and names no lost blocks (G3, A5).
    return this.#isHere(key, await this.#ensureAboveFloor(key))
  }

  #ensureAboveFloor(key: RegisterKey): Promise<Accepted | undefined> {
    const { registers, host } = this.#options
    const { counter } = host.floor(partitionOfKey(key))
    return registers.ensureChosen(internalContext(), key, { rewrite: true, above: counter })
  }

  async #isHere(key: RegisterKey, chosen: Accepted | undefined): Promise<boolean> {
    // No value was chosen, and no value that a member of P has can be chosen from now on.
    if (chosen === undefined) return true
    // It counts also when the change has stored it here already, because this node agreed to it.
    return this.#learn(key, chosen, true)
  }

  /** Step 6: raises minima to the highest of all witnesses. */
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
      host.generations.raise(fence, partitions),
    )
  }
}
