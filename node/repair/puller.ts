/**
 * Pulls what a peer has of one partition and this node lacks: blocks, bucket minima, registers.
 *
 * Invariants:
 *   - a register is copied only as a chosen pair, read by quorum; its packed blocks first   (G3, A5)
 *   - a damaged register comes back by what the others agree on above this node's mark      (D3)
 *   - nothing comes back that was freed or collected: a peer that missed it is told          (G3, G5)
 */

import { byteString, bytesOf } from '../../protocol/bytes.ts'
import { bucketId, type BlockKey, type NodeId, type RegisterKey } from '../../protocol/ids.ts'
import { dataIdOf } from '../../protocol/keyspace/block-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { partitionRange } from '../../protocol/keyspace/register-key.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { compareBallots, ZERO_BALLOT, type Ballot } from '../../protocol/register/ballot.ts'
import type { Accepted } from '../../protocol/register/types.ts'
import { majority } from '../../protocol/register/quorum.ts'
import { ballotOfWire } from '../../protocol/rpc/message.ts'
import type { BlockStore } from '../replica/blocks.ts'
import { rowPages } from '../log/row-pages.ts'
import type { Store } from '../log/store.ts'
import type { Clock } from '../env/ports.ts'
import { inBatches } from '../tools/in-batches.ts'
import { internalContext } from '../tools/internal-context.ts'
import { stateOfRow } from '../replica/row-format.ts'
import type { Learnt } from '../replica/host-replies.ts'
import type { AcceptorHost } from '../replica/acceptor-host.ts'
import type { LostBlocks } from '../quorum/lost-blocks.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import { tombstoneOf } from '../objects/tombstone.ts'
import type { Peers } from '../quorum/peers.ts'
import type { DeadData } from '../replica/dead-data.ts'
import type { FreeQueue } from '../reclaim/free-queue.ts'
import type { Tombstones } from '../replica/tombstones.ts'
import { ENUMERATE } from './sync-answers.ts'

const CALL_TIMEOUT_MS = 10_000
const PAGE = 1_000
const AT_ONCE = 16

export interface PullerOptions {
  readonly store: Store
  readonly blocks: BlockStore
  readonly host: AcceptorHost
  readonly registers: RegisterClient
  readonly lost: LostBlocks
  readonly peers: Peers
  readonly dead: DeadData
  readonly freer: Pick<FreeQueue, 'freeOn'>
  readonly tombstones: Pick<Tombstones, 'collect'>
  readonly view: () => LayoutView
  /** False while the block mover brings the partition's blocks to this node, at a rate of its own. */
  readonly pullsBlocks: (partition: number) => boolean
  readonly clock: Clock
}

/** The result of a pull. */
export interface Pulled {
  /** Every register and minimum that the peer has is here, as new or newer. */
  readonly isLevel: boolean
  /** A block could not be copied, so the pull has to be repeated, with this replica or with another one. */
  readonly lacksBlocks: boolean
  /** Every register that the peer has. */
  readonly keys: ReadonlySet<RegisterKey>
}

interface Older {
  readonly key: RegisterKey
  /** The ballot at the peer. ZERO_BALLOT when the peer's state is damaged, or this node's own is. */
  readonly there: Ballot
}

export interface PullOptions {
  /**
   * This node may have lost records of the partition, so its own word proves nothing (D8). Then registers that are damaged at
   * the peer need a state that a quorum has chosen as well. Where the other replicas are no majority of a set by themselves,
   * they agree on each state without this node (D3).
   */
  readonly mayHaveForgotten?: boolean
}

export class Puller {
  readonly #options: PullerOptions
  /** Registers and blocks pulled since the start. */
  done = 0
  /** Bytes of blocks pulled. */
  doneBytes = 0

  constructor(options: PullerOptions) {
    this.#options = options
  }

  /**
   * Pulls what the peer has of the partition and this node lacks. Rejects when the peer does not answer, or is at another
   * epoch.
   */
  async pull(
    peer: NodeId,
    partition: number,
    { mayHaveForgotten = false }: PullOptions = {},
  ): Promise<Pulled> {
    const { host, view, pullsBlocks } = this.#options
    const lacksBlocks = pullsBlocks(partition) && !(await this.#pullBlocks(peer, partition))
    for await (const page of this.#pages(peer, partition, ENUMERATE.minima)) {
      for (const [i, bytes] of page.keys.entries()) {
        const bucket = bucketId(byteString(bytes.subarray(2)))
        await host.generations.raise({ bucket, generation: page.generations[i]! }, [partition])
      }
    }
    const keys = new Set<RegisterKey>()
    const older: Older[] = await this.#faulty(partition)
    for await (const page of this.#pages(peer, partition, ENUMERATE.registers)) {
      for (const [i, bytes] of page.keys.entries()) {
        const key = byteString(bytes) as RegisterKey
        keys.add(key)
        if (host.isFaulty(key)) continue
        const here = host.peek(key)
        const there = ballotOfWire(page.ballots[i])
        const isDamagedThere = mayHaveForgotten && compareBallots(there, ZERO_BALLOT) === 0
        if (here === undefined || isDamagedThere || compareBallots(here.ballot, there) < 0) {
          older.push({ key, there })
        }
      }
    }
    if (!view().isMember(peer)) return { isLevel: false, lacksBlocks, keys }
    let isLevel = true
    await inBatches(older, AT_ONCE, async (one) => {
      if (!(await this.#pullRegister(peer, one, mayHaveForgotten))) isLevel = false
    })
    return { isLevel, lacksBlocks, keys }
  }

  /** Resolves with false when a block could not be copied. It is looked for again, there and on other replicas. */
  async #pullBlocks(peer: NodeId, partition: number): Promise<boolean> {
    const { blocks, dead, freer } = this.#options
    const missing: BlockKey[] = []
    const freed: BlockKey[] = []
    for await (const page of this.#pages(peer, partition, ENUMERATE.blocks)) {
      for (const bytes of page.keys) {
        const key = byteString(bytes) as BlockKey
        if (blocks.has(key)) continue
        if (dead.has(dataIdOf(key))) freed.push(key)
        else missing.push(key)
      }
    }
    if (freed.length > 0) freer.freeOn(peer, freed)
    let whole = true
    await inBatches(missing, AT_ONCE, async (key) => {
      if (await this.#pullBlock(peer, key)) return
      // A block that no replica has any more holds up nothing.
      if (!(await this.#options.lost.noteIfLost(key))) whole = false
    })
    return whole
  }

  /** Pulls the damaged registers of this node, also those that no peer has any more (D3). */
  async #faulty(partition: number): Promise<Older[]> {
    const found: Older[] = []
    const { start, end } = partitionRange(partition)
    const { store, clock } = this.#options
    for await (const page of rowPages(store, clock, bytesOf(`r${start}`), bytesOf(`r${end}`))) {
      for (const { key, row } of page) {
        if (stateOfRow(row) !== undefined) continue
        found.push({ key: byteString(key.subarray(1)) as RegisterKey, there: ZERO_BALLOT })
      }
    }
    return found
  }

  /** Resolves with true when the block is flushed here. */
  async #pullBlock(peer: NodeId, key: BlockKey): Promise<boolean> {
    const { peers, blocks } = this.#options
    const block = await peers.getOwnedBlock(peer, key, { timeoutMs: CALL_TIMEOUT_MS })
    // The peer's copy may be damaged. The copy of another replica is found when that one is compared.
    if (block === undefined) return false
    await blocks.put(block)
    this.done++
    this.doneBytes += block.bytes.length
    return true
  }

  /** Resolves with false when the register has no chosen state, or it is not here yet. */
  async #pullRegister(
    peer: NodeId,
    { key, there }: Older,
    mayHaveForgotten: boolean,
  ): Promise<boolean> {
    const { registers, host, tombstones, view } = this.#options
    if (host.isFaulty(key)) return this.#mend(peer, key)
    const { epoch } = view()
    const floor = host.floor(partitionOfKey(key))
    const isKnown = compareBallots(there, ZERO_BALLOT) > 0
    if (isKnown && host.peek(key) === undefined && compareBallots(there, floor) <= 0) {
      // Most likely this node has forgotten a tombstone, and the message to the peer was lost.
      const gone = await tombstones.collect([{ key, ballot: there }]).catch(() => 0)
      if (gone > 0) return true
    }
    if (mayHaveForgotten && !this.#othersDecide(partitionOfKey(key))) {
      // As with a damaged register: the other one of two replicas is no quorum by itself (D3).
      const agreed = await registers.ensureChosenByOthers(internalContext(), key, host.mark)
      if (agreed === undefined) return true
      const learnt = await this.#learn(peer, key, agreed, epoch)
      return learnt === 'installed' || learnt === 'held'
    }
    let { accepted } = await registers.read(internalContext(), { key })
    if (accepted === undefined || compareBallots(accepted.ballot, there) < 0) {
      // The peer accepted a state that was never chosen. An identity change above it makes all replicas level.
      accepted = await registers.ensureChosen(internalContext(), key, { rewrite: true })
      this.done++
      if (accepted === undefined) return true
    }
    let learnt = await this.#learn(peer, key, accepted, epoch)
    if (learnt === 'refused' || (learnt === 'incomplete' && (await this.#namesLost(accepted)))) {
      // A refused copy never counts as synced (G3). The register is written again above the floor, without blocks that are
      // lost (A5), and so comes to this node as well.
      const chosen = await registers.ensureChosen(internalContext(), key, {
        rewrite: true,
        above: host.floor(partitionOfKey(key)).counter,
      })
      this.done++
      if (chosen !== undefined) learnt = await this.#learn(peer, key, chosen, epoch)
    }
    return learnt === 'installed' || learnt === 'held'
  }

  /** Whether the other replicas of each active set are a majority without this node. */
  #othersDecide(partition: number): boolean {
    const { peers, view } = this.#options
    return view()
      .replicaSets(partition)
      .every((set) => set.filter((node) => node !== peers.self).length >= majority(set.length))
  }

  /** @param epoch the epoch from before the state was read (L6) */
  async #learn(peer: NodeId, key: RegisterKey, accepted: Accepted, epoch: number): Promise<Learnt> {
    const { host, blocks } = this.#options
    for (const block of accepted.value.blocks) {
      if (!blocks.has(block)) await this.#pullBlock(peer, block)
    }
    const learnt = await host.learn(key, accepted, epoch)
    if (learnt === 'installed') this.done++
    return learnt
  }

  /** Called when a block that the register names is lost: the next state of the register no longer names it (A5). */
  async #namesLost({ value }: Accepted): Promise<boolean> {
    const { blocks, lost: lostBlocks } = this.#options
    let lost = false
    for (const block of value.blocks) {
      if (!blocks.has(block) && (await lostBlocks.noteIfLost(block))) lost = true
    }
    return lost
  }

  /** Brings back a damaged register of this node (D3). This node has no vote on it while it is damaged. */
  async #mend(peer: NodeId, key: RegisterKey): Promise<boolean> {
    const { registers, host, blocks, view } = this.#options
    const { epoch } = view()
    let agreed = await registers.ensureChosenByOthers(internalContext(), key, host.mark)
    if (agreed === undefined) {
      // The others have forgotten a tombstone. Written once more, it can be copied to this node and collected.
      await this.#bury(key)
      agreed = await registers.ensureChosenByOthers(internalContext(), key, host.mark)
    }
    if (agreed === undefined) return true
    for (const block of agreed.value.blocks) {
      if (!blocks.has(block)) await this.#pullBlock(peer, block)
    }
    if (await this.#namesLost(agreed)) {
      agreed = await registers.ensureChosenByOthers(internalContext(), key, host.mark)
      if (agreed === undefined) return true
    }
    if (await host.mend(key, agreed, epoch)) this.done++
    return true
  }

  /** Writes a tombstone where a majority does not have the register. */
  async #bury(key: RegisterKey): Promise<void> {
    const tombstone = tombstoneOf(key)
    if (tombstone === undefined) return
    await this.#options.registers.change(internalContext(), {
      key,
      change: (current) => (current === undefined ? { write: tombstone } : { keep: true }),
    })
  }

  async *#pages(
    peer: NodeId,
    partition: number,
    what: number,
  ): AsyncGenerator<Awaited<ReturnType<Peers['enumerate']>>> {
    const { peers, view } = this.#options
    const { epoch } = view()
    let after: Uint8Array<ArrayBuffer> = new Uint8Array(0)
    for (;;) {
      const page = await peers.enumerate(
        peer,
        { epoch, partition, what, after, limit: PAGE },
        { timeoutMs: CALL_TIMEOUT_MS },
      )
      // A peer at a later epoch may have data of a node that this node's layout does not know. The attempts of that node
      // would count as over here (node/replica/attempt-watermarks.ts).
      if (page.epoch !== epoch || view().epoch !== epoch)
        throw new Error('the peer is at another epoch')
      yield page
      const last = page.keys.at(-1)
      if (!page.more || last === undefined) return
      after = last
    }
  }
}
