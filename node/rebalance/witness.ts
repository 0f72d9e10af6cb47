/**
 * Answers nodes that will hold a partition after the change that is under way: which registers, minima and floor this
 * member of P has of it (L5). Called by Service.
 *
 * Invariants:
 *   - an answer belongs to exactly the epoch that was asked for
 *   - a member answers only for partitions on which it votes itself: a member that has forgotten something is no
 *     witness (D8), and neither is one with a FAULTY register, which is in no digest (R3)
 */

import { byteString, bytesOf, EMPTY_BYTES, readU16, u16 } from '../../protocol/bytes.ts'
import { ballotOfState } from '../../protocol/codec/state.ts'
import type { NodeId, RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { compareBallots, ZERO_BALLOT } from '../../protocol/register/ballot.ts'
import { MessageError, registerKeyOfWire, wireBallot } from '../../protocol/rpc/message.ts'
import type {
  WirePairsReply,
  WirePairsRequest,
  WireStatesReply,
  WireStatesRequest,
  WireSummary,
  WireSummaryReply,
  WireSummaryRequest,
} from '../../protocol/rpc/messages.js'
import { rowPages } from '../log/row-pages.ts'
import type { Store } from '../log/store.ts'
import type { Clock } from '../env/ports.ts'
import { endOfPartitionRows, registerRow } from '../replica/index-rows.ts'
import type { AcceptorHost } from '../replica/acceptor-host.ts'
import { decodeNumber, hasState, stateOfRow } from '../replica/row-format.ts'
import { ENUMERATE, type PartitionDigests, type SyncAnswers } from '../repair/sync-answers.ts'
import { hasBit } from '../../protocol/keyspace/bitmap.ts'

/** Partitions on one page of a summary: up to a hundred bytes each, which must fit into a message. */
export const SUMMARIES_MAX = 4_096
/** Limits of one page of pairs: keys, partitions looked at, and bytes, which must fit into a message. */
const PAIRS_MAX = 2_000
const PARTITIONS_MAX = 1_024
const PAIRS_BYTES_MAX = 640 << 10
/** Bytes of one entry besides its key: ballot, generation, the encoding of each. */
const PAIR_BYTES = 48
/** States in one request. */
export const STATES_MAX = 256
const STATES_BYTES_MAX = 640 << 10
export interface WitnessOptions {
  readonly self: NodeId
  readonly store: Store
  readonly host: AcceptorHost
  readonly exchange: SyncAnswers
  readonly view: () => LayoutView
  /** Whether this node is a replica of the partition and votes on it. */
  readonly votes: (partition: number) => boolean
  readonly clock: Clock
}

export class Witness {
  readonly #options: WitnessOptions
  /**
   * Partitions with registers that were FAULTY when they were looked for. They only become fewer, because a register
   * becomes FAULTY when the log is read at the start.
   */
  #faulty: Promise<Map<number, RegisterKey[]>> | undefined

  constructor(options: WitnessOptions) {
    this.#options = options
  }

  /**
   * A page of what this member has of the wanted partitions: digests, floor, and its mark (A1). Partitions of which
   * it is no witness are left out. At another epoch than that of the request it names its own, and nothing else.
   */
  async summary(request: WireSummaryRequest): Promise<WireSummaryReply> {
    const { view, host, exchange } = this.#options
    const { epoch, wanted, from } = request
    const faulty = await this.#findFaulty()
    const layout = view()
    const nothing = { epoch: layout.epoch, partitions: [], next: 0, mark: 0 }
    if (epoch !== layout.epoch) return nothing
    const asked: number[] = []
    let next = 0
    for (let partition = from; partition < layout.partitions; partition++) {
      if (!hasBit(wanted, partition)) continue
      if (asked.length === SUMMARIES_MAX) {
        next = partition
        break
      }
      asked.push(partition)
    }
    const partitions: WireSummary[] = []
    for await (const some of exchange.contentsOf(asked)) {
      for (const [partition, contents] of some) {
        if (!this.isWitness(layout, partition) || this.isFaulty(faulty, partition)) continue
        partitions.push(summaryOf(partition, contents))
      }
    }
    // An answer begun in one epoch and ready in the next belongs to neither (L6b).
    const present = view().epoch
    if (present !== epoch) return { ...nothing, epoch: present }
    return { epoch, partitions, next, mark: host.mark }
  }

  /**
   * A page of keys of the wanted partitions, in ascending order, with ballots of registers or generations of minima.
   * `after` is what the request for the next page names, and empty at the end. `answered` is false when this node is
   * no witness of one of the partitions. Throws MessageError for a list of anything else.
   */
  pairs(request: WirePairsRequest): WirePairsReply {
    const { store, view } = this.#options
    const { epoch, wanted, what, after } = request
    const layout = view()
    const reply: WirePairsReply = {
      epoch: layout.epoch,
      answered: false,
      keys: [],
      ballots: [],
      generations: [],
      after: EMPTY_BYTES,
    }
    if (epoch !== layout.epoch) return reply
    if (what !== ENUMERATE.registers && what !== ENUMERATE.minima) {
      throw new MessageError('pairs are either of registers or of minima')
    }
    const letter = what === ENUMERATE.registers ? 'r' : 'g'
    let cursor = byteString(after)
    let sizeBytes = 0
    let looked = 0
    for (let partition = partitionOfCursor(cursor); partition < layout.partitions; partition++) {
      if (!hasBit(wanted, partition)) continue
      if (!this.isWitness(layout, partition)) return reply
      const first = u16(partition)
      if (looked++ === PARTITIONS_MAX) return { ...reply, answered: true, after: bytesOf(first) }
      const start = cursor > first ? bytesOf(`${letter}${cursor}\0`) : bytesOf(letter + first)
      let isFull = false
      store.range(start, bytesOf(endOfPartitionRows(letter + first)), PAIRS_MAX + 1, (key, row) => {
        if (reply.keys.length === PAIRS_MAX || sizeBytes >= PAIRS_BYTES_MAX) {
          isFull = true
          return false
        }
        sizeBytes += key.length + PAIR_BYTES
        reply.keys.push(new Uint8Array(key.subarray(1)))
        if (letter === 'g') reply.generations.push(decodeNumber(row))
        else {
          const state = stateOfRow(row)
          reply.ballots.push(wireBallot(state === undefined ? ZERO_BALLOT : ballotOfState(state)))
        }
        return true
      })
      if (isFull) return { ...reply, answered: true, after: reply.keys.at(-1)! }
      cursor = ''
    }
    return { ...reply, answered: true }
  }

  /**
   * States of these registers, in the order of the keys, as many of the first ones as fit into a message, up to the
   * first of which this node is no witness. An empty state means that the register is absent or damaged. Throws
   * MessageError for more than STATES_MAX keys.
   */
  states(request: WireStatesRequest): WireStatesReply {
    const { store, view } = this.#options
    const layout = view()
    const states: Uint8Array<ArrayBuffer>[] = []
    const reply = { epoch: layout.epoch, states }
    if (request.epoch !== layout.epoch) return reply
    if (request.keys.length > STATES_MAX) throw new MessageError('too many states in one message')
    let sizeBytes = 0
    for (const bytes of request.keys) {
      const key = registerKeyOfWire(bytes)
      if (!this.isWitness(layout, partitionOfKey(key))) return reply
      const row = store.get(registerRow(key))
      const state = row === undefined ? undefined : stateOfRow(row)
      if (states.length > 0 && sizeBytes + (state?.length ?? 0) > STATES_BYTES_MAX) return reply
      sizeBytes += state?.length ?? 0
      states.push(state === undefined ? EMPTY_BYTES : new Uint8Array(state))
    }
    return reply
  }

  /** The replica set in P. What the other nodes of P′ have does not show what was chosen before. */
  isWitness(layout: LayoutView, partition: number): boolean {
    const { self, votes } = this.#options
    return layout.placement.replicas(partition).includes(self) && votes(partition)
  }

  /** Those of these partitions for which this node's own registers count as a member of P's answer. */
  async sound(layout: LayoutView, partitions: readonly number[]): Promise<number[]> {
    const faulty = await this.#findFaulty()
    return partitions.filter(
      (partition) => this.isWitness(layout, partition) && !this.isFaulty(faulty, partition),
    )
  }

  /** Whether a register of the partition is still FAULTY. */
  isFaulty(faulty: Map<number, RegisterKey[]>, partition: number): boolean {
    const keys = faulty.get(partition)
    if (keys === undefined) return false
    const still = keys.filter((key) => this.#options.host.isFaulty(key))
    if (still.length > 0) faulty.set(partition, still)
    else faulty.delete(partition)
    return still.length > 0
  }

  /** One scan serves all answers. One that failed is made again for the next answer. */
  #findFaulty(): Promise<Map<number, RegisterKey[]>> {
    this.#faulty ??= this.#scan().catch((error: unknown) => {
      this.#faulty = undefined
      throw error
    })
    return this.#faulty
  }

  /** Reads every row of a register once, which takes a while. Called for the first answer that needs it. */
  async #scan(): Promise<Map<number, RegisterKey[]>> {
    const { store, clock } = this.#options
    const faulty = new Map<number, RegisterKey[]>()
    for await (const page of rowPages(store, clock, bytesOf('r'), bytesOf('s'))) {
      for (const { key, row } of page) {
        if (hasState(row)) continue
        const register = byteString(key.subarray(1)) as RegisterKey
        const partition = partitionOfKey(register)
        const known = faulty.get(partition)
        if (known === undefined) faulty.set(partition, [register])
        else known.push(register)
      }
    }
    return faulty
  }
}

function summaryOf(partition: number, { registers, minima, floor }: PartitionDigests): WireSummary {
  const hasFloor = compareBallots(floor, ZERO_BALLOT) > 0
  return { partition, registers, minima, ...(hasFloor && { floor: wireBallot(floor) }) }
}

function partitionOfCursor(cursor: string): number {
  return cursor.length < 2 ? 0 : readU16(cursor, 0)
}
