/**
 * Copies the registers that P has of some partitions to this node, at exactly one epoch (L5). Called by the learner in
 * PLANNED and by the syncer in JOINT. One pass:
 *
 * 1. Ask all members of P that are connected for digests. Where a majority of a partition's set has exactly what this node
 *    has, there is nothing to do.
 * 2. For the other partitions, pick a majority and merge their keys and ballots.
 * 3. A ballot that all of them have for a key is chosen (R1): fetch the state from the nearest one and install it, its packed
 *    blocks first (A5).
 * 4. A learner leaves all other keys to its next pass. In JOINT an identity change makes a state of each chosen, unless this node has a
 *    state as new as any of theirs. Copies that this node's floor refuses (G3) are dealt with in the same way, at a ballot above
 *    the floor, without fetching their states.
 * 5. In JOINT, raise this node's mark above all promises that the members of P gave before (A1). A member may have accepted,
 *    alone, a value that a majority of them promised. If a node of P′ knew nothing of that promise, another value could be
 *    chosen at a lower ballot and would later look older than the first one.
 * 6. Raise minima to the highest. In JOINT, raise the floor too, once all registers are here: below the floor nothing could
 *    be installed any more. A learner's floor stays, because no floor rises between PLANNED and STABLE.
 *
 * Then this node has everything that was chosen before this epoch, or something later. Values that are written meanwhile go
 * to a majority of P′ (L3). Finished partitions are reported after a few thousand registers at the latest, and registers one
 * by one, so that nodes that wait for the sync see its progress.
 *
 * Invariants:
 *   - epoch is checked after every wait; a copy of an earlier one is not installed           (L6, L6b)
 *   - only chosen pairs are copied                                                               (L5)
 *   - a partition of which anything failed is not reported
 */

import { equalBytes } from '../../protocol/bytes.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { shortBitmapOf } from '../../protocol/keyspace/bitmap.ts'
import {
  compareBallots,
  maxBallot,
  sameBallot,
  ZERO_BALLOT,
  type Ballot,
} from '../../protocol/register/ballot.ts'
import { majority } from '../../protocol/register/quorum.ts'
import { ballotOfWire } from '../../protocol/rpc/message.ts'
import type { Store } from '../log/store.ts'
import type { NewRecord } from '../log/types.ts'
import { batchesOf, inBatches } from '../tools/in-batches.ts'
import { floorRaised } from '../replica/removal-records.ts'
import type { PartitionDigests } from '../repair/sync-answers.ts'
import {
  Copy,
  type CopyCounters,
  type CopyOptions,
  type CopyTask,
  type CopySummary,
} from './copy.ts'
import { PAIRS_CALL_TIMEOUT_MS, NoWitness } from './pair-stream.ts'
import type { Witness } from './witness.ts'

/** Partitions whose keys are merged together. */
const GROUP_MAX = 512
const PEERS_AT_ONCE = 16

export interface CopierOptions extends CopyOptions {
  readonly store: Store
  readonly witness: Witness
}
export interface CopyResult {
  /** Registers that were installed or newly chosen. */
  readonly copied: number
  /** Partitions for which too few members of P answered, or in which something failed. */
  readonly left: number
}

/** Partitions that are copied from the same members of P. */
interface Group {
  readonly witnesses: readonly NodeId[]
  readonly partitions: number[]
}

export class Copier {
  readonly counters: CopyCounters = { bytes: 0 }
  readonly #options: CopierOptions

  constructor(options: CopierOptions) {
    this.#options = options
  }

  /** One pass. A peer that fails does not make it reject. */
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
      for (const some of batchesOf(all, GROUP_MAX)) {
        if (isOver()) break
        const copy = new Copy(this.#options, task, witnesses, some, told, this.counters)
        left += await copy.run((level) => this.raiseFloors(level, told))
        copied += copy.copied
      }
    }
    return { copied, left: isOver() ? partitions.length : left }
  }

  /** Step 5. From here on nothing below the mark is promised or accepted. */
  async raiseMark(marks: ReadonlyMap<NodeId, number>): Promise<void> {
    await this.#options.host.outlaw(Math.max(0, ...marks.values()))
  }

  /** How many members of P must answer (F+1), so that one of them has any value that was chosen. */
  needed(replicas: readonly NodeId[]): number {
    return majority(replicas.length)
  }

  /** Step 1 for one partition. 'level' when a majority of P's set has exactly what this node has, except for floors. */
  judge(
    mine: PartitionDigests,
    summaries: ReadonlyMap<NodeId, CopySummary>,
    need: number,
  ): 'too few' | 'level' | 'differs' {
    if (summaries.size < need) return 'too few'
    let equal = 0
    for (const { registers, minima } of summaries.values()) {
      if (equalBytes(mine.registers, registers) && equalBytes(mine.minima, minima)) equal++
    }
    return equal >= need ? 'level' : 'differs'
  }

  /** This node's own answer, for a partition that it holds in P, too. */
  isOwn(summaries: ReadonlyMap<NodeId, CopySummary>): boolean {
    return summaries.has(this.#options.self)
  }

  /** Raises the floor to the highest of any member of P. All registers are here by now. */
  async raiseFloors(
    partitions: readonly number[],
    told: ReadonlyMap<number, ReadonlyMap<NodeId, CopySummary>>,
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

  /**
   * The majority whose keys are merged: the nearest first, this node itself last. When this node is lagging, its keys agree
   * with no other node, and each difference costs an identity change.
   */
  #group(
    groups: Map<string, Group>,
    partition: number,
    summaries: ReadonlyMap<NodeId, CopySummary>,
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

  /** Step 1: asks for digests. */
  async #summaries(task: CopyTask): Promise<Map<number, Map<NodeId, CopySummary>>> {
    const { layout, partitions } = task
    const { self, peers, exchange, witness, logger } = this.#options
    const told = new Map<number, Map<NodeId, CopySummary>>()
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
        logger.debug({ peer, error: String(error) }, 'a member did not answer what it has')
      }
    })
    // This node's own contents are read while the others answer.
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
    told: ReadonlyMap<number, Map<NodeId, CopySummary>>,
  ): Promise<void> {
    const wanted = shortBitmapOf(partitions)
    for (let from = 0; !isOver();) {
      const request = { epoch, wanted, from }
      const reply = await this.#options.peers.summary(peer, request, {
        timeoutMs: PAIRS_CALL_TIMEOUT_MS,
      })
      if (reply.epoch !== epoch) throw new NoWitness()
      // All that the peer promises from now on belongs to this epoch, and its proposers ask P′ too.
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
