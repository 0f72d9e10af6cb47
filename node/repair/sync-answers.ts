/** Answers peers that compare with this node: digests of shared partitions, and the keys in one partition. Called by Service. */

import { byteString, bytesOf, readU16, u16 } from '../../protocol/bytes.ts'
import { ballotOfState } from '../../protocol/codec/state.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { bitmapOf, hasBit } from '../../protocol/keyspace/bitmap.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { ZERO_BALLOT, type Ballot } from '../../protocol/register/ballot.ts'
import { MessageError, wireBallot } from '../../protocol/rpc/message.ts'
import type {
  WireDigestReply,
  WireDigestRequest,
  WireEnumerateReply,
  WireEnumerateRequest,
  WireRecalled,
  WireRecallRequest,
} from '../../protocol/rpc/messages.js'
import {
  combineDigests,
  DIGEST_BYTES,
  EMPTY_DIGEST,
  REGISTER_DIGEST_BYTES,
} from '../../protocol/sync/digest.ts'
import { rowPages } from '../log/row-pages.ts'
import type { Store } from '../log/store.ts'
import type { Clock } from '../env/ports.ts'
import { Turns } from '../tools/sleep.ts'
import type { Forgotten } from './forgotten.ts'
import { digestRow, endOfPartitionRows, floorOfRow, floorRow } from '../replica/index-rows.ts'
import { decodeNumber, encodeNumber, stateOfRow } from '../replica/row-format.ts'

/** Partitions in one group of the first level. */
export const GROUP_PARTITIONS = 128
/**
 * What `enumerate` lists. `names` are blocks, from a node that has all that it ever acknowledged of the partition (D8).
 * `blocks` are the blocks that are here, from any node.
 */
export const ENUMERATE = { registers: 0, blocks: 1, minima: 2, names: 3 } as const
const PAGE_MAX = 2_000
const ROWS_MAX = 10_000_000
const MINIMA_DIGEST_BYTES = 16
/**
 * Partitions whose rows are read at once: at first, at least and at most. The number grows while there are few rows, because
 * most partitions have none, and a look at the index costs as much as some rows.
 */
const SPAN_FIRST = 64
const SPAN_MIN = 8
const SPAN_MAX = 4_096
const SPAN_ROWS = 256
const LOOK_ROWS = 16
const NO_BYTES = new Uint8Array(0)
/** Partitions on one page of a recall. */
const RECALLED_MAX = 256
/** Bytes of one page: keys have up to 1,024 bytes and more, and a page must fit into a frame. */
const PAGE_BYTES_MAX = 640 << 10
/** Bytes of one entry besides its key: ballot, generation, the encoding of each. */
const ENTRY_BYTES = 48
/** Groups in one request. */
export const GROUPS_MAX = 16
/**
 * As level 1, for nodes that ask which blocks exist. The digest is NO_WITNESS for a partition of which this node may lack
 * blocks (D8).
 */
export const BLOCKS_LEVEL = 2
export const NO_WITNESS: Uint8Array = new Uint8Array(DIGEST_BYTES).fill(0xff)

/** Digests of what a node has of a partition, except blocks. */
export interface PartitionDigests {
  /** The digest of its registers; empty when there are none. */
  readonly registers: Uint8Array<ArrayBuffer>
  /** As `minimaDigest`. */
  readonly minima: Uint8Array<ArrayBuffer>
  readonly floor: Ballot
}

export interface SyncAnswersOptions {
  readonly store: Store
  readonly self: NodeId
  readonly view: () => LayoutView
  readonly forgotten?: Pick<Forgotten, 'lacksBlocks'> | undefined
  readonly clock: Clock
}

export class SyncAnswers {
  readonly #options: SyncAnswersOptions

  constructor(options: SyncAnswersOptions) {
    this.#options = options
  }

  /** Partitions that both nodes hold, ascending. */
  shared(peer: NodeId): number[] {
    const { self, view } = this.#options
    const layout = view()
    if (!layout.isMember(peer)) return []
    const theirs = bitmapOf(layout.partitionsOf(peer))
    return layout.partitionsOf(self).filter((partition) => hasBit(theirs, partition))
  }

  /**
   * The digest of this node's registers and blocks of the partition, as it is in the index. EMPTY_DIGEST when there
   * are none. Damaged registers are not in it.
   */
  digestOf(partition: number): Uint8Array {
    const row = this.#options.store.get(digestRow(partition))
    return row === undefined ? EMPTY_DIGEST : row.slice()
  }

  /**
   * Digests of the partitions shared with `peer`, combined for each group of GROUP_PARTITIONS. Groups of which this
   * node has nothing are left out.
   */
  async groupDigests(peer: NodeId): Promise<Map<number, Uint8Array>> {
    const { store, clock } = this.#options
    const shared = bitmapOf(this.shared(peer))
    const groups = new Map<number, { partition: number; digest: Uint8Array }[]>()
    for await (const page of rowPages(store, clock, bytesOf('d'), bytesOf('e'))) {
      for (const { key, row: digest } of page) {
        const partition = readU16(byteString(key), 1)
        if (!hasBit(shared, partition) || isEmpty(digest)) continue
        const group = Math.floor(partition / GROUP_PARTITIONS)
        const list = groups.get(group)
        if (list === undefined) groups.set(group, [{ partition, digest }])
        else list.push({ partition, digest })
      }
    }
    return new Map([...groups].map(([group, list]) => [group, combineDigests(list)] as const))
  }

  /**
   * Level 0: a digest for each group of the partitions that both hold. Level 1: a digest for each partition of these
   * groups. BLOCKS_LEVEL: as level 1, with NO_WITNESS where this node may lack blocks. No digests at another epoch
   * than that of the request. Throws MessageError for groups out of range.
   */
  async digests(peer: NodeId, request: WireDigestRequest): Promise<WireDigestReply> {
    const { view } = this.#options
    const { epoch } = view()
    const groups = Math.ceil(view().partitions / GROUP_PARTITIONS)
    if (request.groups.length > GROUPS_MAX || request.groups.some((group) => group >= groups)) {
      throw new MessageError('groups out of range')
    }
    if (!this.#mayTell(peer, request.epoch)) return { epoch, digests: new Uint8Array(0) }
    if (request.level === 0) {
      const digests = new Uint8Array(groups * DIGEST_BYTES)
      const found = await this.groupDigests(peer)
      for (const [group, digest] of found) digests.set(digest, group * DIGEST_BYTES)
      // Digests begun in one epoch and ready in the next belong to neither (L6b).
      return { epoch: view().epoch === epoch ? epoch : 0, digests }
    }
    const layout = view()
    const isOfBlocks = request.level === BLOCKS_LEVEL
    const digests = new Uint8Array(request.groups.length * GROUP_PARTITIONS * DIGEST_BYTES)
    for (const [i, group] of request.groups.entries()) {
      for (let offset = 0; offset < GROUP_PARTITIONS; offset++) {
        const partition = group * GROUP_PARTITIONS + offset
        if (partition >= layout.partitions) break
        const at = (i * GROUP_PARTITIONS + offset) * DIGEST_BYTES
        if (isOfBlocks && this.#options.forgotten?.lacksBlocks(partition) === true) {
          digests.fill(0xff, at, at + DIGEST_BYTES)
        } else digests.set(this.digestOf(partition), at)
      }
    }
    return { epoch: layout.epoch, digests }
  }

  /**
   * Digests of these partitions (ascending), several at a time. Digests that are yielded together are of one moment. In
   * between, other work gets its turn.
   */
  async *contentsOf(
    partitions: readonly number[],
  ): AsyncGenerator<readonly (readonly [partition: number, contents: PartitionDigests])[]> {
    const turns = new Turns(this.#options.clock)
    let span = SPAN_FIRST
    for (let at = 0; at < partitions.length;) {
      const first = partitions[at]!
      const some: number[] = []
      for (; at < partitions.length && partitions[at]! < first + span; at++) {
        some.push(partitions[at]!)
      }
      const { rows, contents } = this.#contentsIn(first, some.at(-1)!)
      yield some.map((partition) => [partition, contents.get(partition) ?? NOTHING] as const)
      if (rows < SPAN_ROWS / 2) span = Math.min(2 * span, SPAN_MAX)
      else if (rows > 2 * SPAN_ROWS) span = Math.max(span >> 1, SPAN_MIN)
      await turns.took(LOOK_ROWS + rows)
    }
  }

  /** Digests of the partitions from the first to the last, as far as they contain anything. */
  #contentsIn(
    first: number,
    last: number,
  ): { readonly rows: number; readonly contents: ReadonlyMap<number, PartitionDigests> } {
    const found = new Map<
      number,
      { registers: PartitionDigests['registers']; minima: Uint8Array[]; floor: Ballot }
    >()
    let rows = 0
    const look = (letter: string, visit: (key: Uint8Array, row: Uint8Array) => void): void => {
      const end = bytesOf(endOfPartitionRows(letter + u16(last)))
      this.#options.store.range(bytesOf(letter + u16(first)), end, ROWS_MAX, (key, row) => {
        rows++
        visit(key, row)
      })
    }
    const of = (key: Uint8Array) => {
      const partition = key[1]! * 256 + key[2]!
      let each = found.get(partition)
      if (each === undefined) {
        found.set(partition, (each = { registers: NO_BYTES, minima: [], floor: ZERO_BALLOT }))
      }
      return each
    }
    look('d', (key, row) => {
      const registers = new Uint8Array(row.subarray(0, REGISTER_DIGEST_BYTES))
      if (!isEmpty(registers)) of(key).registers = registers
    })
    look('g', (key, row) => {
      of(key).minima.push(key.slice(3), encodeNumber(decodeNumber(row)))
    })
    look('f', (key, row) => {
      of(key).floor = floorOfRow(row)
    })
    const contents = new Map<number, PartitionDigests>()
    for (const [partition, { minima, ...rest }] of found) {
      contents.set(partition, { ...rest, minima: digestOfMinima(minima) })
    }
    return { rows, contents }
  }

  /** Digest of the minimum generations of buckets (T8). Equal digests mean equal minima. */
  minimaDigest(partition: number): Uint8Array<ArrayBuffer> {
    const prefix = `g${u16(partition)}`
    const parts: Uint8Array[] = []
    this.#options.store.range(
      bytesOf(prefix),
      bytesOf(endOfPartitionRows(prefix)),
      ROWS_MAX,
      (key, row) => {
        parts.push(key.slice(3), encodeNumber(decodeNumber(row)))
      },
    )
    return digestOfMinima(parts)
  }

  /**
   * What `peer`, which may have forgotten something, should know of the partitions that both hold, page by page (D8).
   *
   * @param votes whether this node votes on a partition: otherwise it is no witness and leaves it out
   */
  recall(
    peer: NodeId,
    { wanted, from: first }: WireRecallRequest,
    votes: (partition: number) => boolean,
  ): { partitions: WireRecalled[]; next: number } {
    const { store } = this.#options
    const partitions: WireRecalled[] = []
    for (const partition of this.shared(peer)) {
      if (partition < first || !hasBit(wanted, partition) || !votes(partition)) continue
      if (partitions.length === RECALLED_MAX) return { partitions, next: partition }
      partitions.push({
        partition,
        digest: new Uint8Array(this.digestOf(partition)),
        minima: this.minimaDigest(partition),
        floor: wireBallot(floorOfRow(store.get(floorRow(partition)))),
      })
    }
    return { partitions, next: 0 }
  }

  /**
   * Lists keys of one partition, only at the epoch that was asked for and for nodes that have a place in it. The contents
   * of another epoch prove nothing there, and may name nodes that the asker's layout does not know.
   */
  #mayTell(peer: NodeId, epoch: number): boolean {
    const view = this.#options.view()
    return view.epoch === epoch && view.role(peer) !== undefined
  }

  /**
   * A page of keys of one partition, in ascending order, after the key `after`. `more` says that others follow. At
   * another epoch than that of the request the page is empty; epoch 0 means that this node is no witness
   * (`ENUMERATE.names`, D8).
   */
  enumerate(peer: NodeId, request: WireEnumerateRequest): WireEnumerateReply {
    const limit = Math.min(Math.max(request.limit, 1), PAGE_MAX)
    const letter =
      request.what === ENUMERATE.registers ? 'r' : request.what === ENUMERATE.minima ? 'g' : 'b'
    const prefix = letter + u16(request.partition)
    const after = byteString(request.after)
    const start = after === '' ? prefix : `${letter}${after}\0`
    const reply: WireEnumerateReply = {
      epoch: this.#options.view().epoch,
      keys: [],
      ballots: [],
      generations: [],
      more: false,
    }
    if (!this.#mayTell(peer, request.epoch)) return reply
    if (
      request.what === ENUMERATE.names &&
      this.#options.forgotten?.lacksBlocks(request.partition)
    ) {
      return { ...reply, epoch: 0 }
    }
    const end = bytesOf(endOfPartitionRows(prefix))
    let sizeBytes = 0
    this.#options.store.range(bytesOf(start), end, limit + 1, (key, row) => {
      if (reply.keys.length === limit || sizeBytes >= PAGE_BYTES_MAX) {
        reply.more = true
        return false
      }
      sizeBytes += key.length + ENTRY_BYTES
      reply.keys.push(new Uint8Array(key.subarray(1)))
      if (letter === 'r') {
        const state = stateOfRow(row)
        reply.ballots.push(wireBallot(state === undefined ? ZERO_BALLOT : ballotOfState(state)))
      } else if (letter === 'g') {
        reply.generations.push(decodeNumber(row))
      }
      return true
    })
    return reply
  }
}

const NOTHING: PartitionDigests = { registers: NO_BYTES, minima: NO_BYTES, floor: ZERO_BALLOT }

/** @param parts bucket and generation of each minimum, in turn */
function digestOfMinima(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return parts.length === 0 ? NO_BYTES : blake3(...parts).slice(0, MINIMA_DIGEST_BYTES)
}

/** Whether the digest is that of a partition without registers and blocks. */
export function isEmpty(digest: Uint8Array): boolean {
  return digest.every((byte) => byte === 0)
}
