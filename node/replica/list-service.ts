/** Answers the list requests of coordinators: ordered intervals of registers with their covered end (T1). */

import { byteString, EMPTY_BYTES, grown } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { fenceOfWire, MessageError } from '../../protocol/rpc/message.ts'
import {
  ListRows,
  RowPacker,
  type ListInterval,
  type ListReply,
} from '../../protocol/rpc/list-reply.ts'
import type { WireListRequest } from '../../protocol/rpc/messages.js'
import type { Store } from '../log/store.ts'
import { isSoundState, STATE_AT } from './row-format.ts'
import type { AcceptorHost } from './acceptor-host.ts'

export const LIST_RESULT = { ok: 0, staleEpoch: 1, staleFence: 2, notAReplica: 3 } as const

/** Rows of all intervals of one reply, at most. */
const ROWS_MAX = 4_096
/** About how many bytes of keys and states a reply has at most: a register with many versions has 4 KiB, and a reply must
 * fit into a message. */
export const LIST_REPLY_BYTES_MAX = 640 << 10
/** Each interval may exceed its share by a row. When all together have reached this size, the remaining ones are answered as
 * "nothing covered yet", and the coordinator asks again. */
const REPLY_BYTES_END = 800 << 10
/** What an interval takes in a message besides its rows and its end. */
const INTERVAL_BYTES = 16

/** An interval ends after so many rows, or with the row that reaches so many bytes of keys and states. */
interface IntervalEnd {
  readonly limit: number
  readonly sizeBytesMax: number
}

export interface ListServiceOptions {
  readonly store: Store
  readonly host: AcceptorHost
  readonly epoch: () => number
  /** Whether this node votes in the partition, by the layout of the moment. */
  readonly isReplica: (partition: number) => boolean
}

const NOTHING: ListReply = { kind: LIST_RESULT.ok, epoch: 0, generation: 0, intervals: [] }

export class ListService {
  readonly #options: ListServiceOptions
  /** Memory for the rows of one interval, which are gathered in one go. */
  readonly #packer = new RowPacker()
  /** The same for what their digest is made of. */
  readonly #digest = new ListDigest()

  constructor(options: ListServiceOptions) {
    this.#options = options
  }

  /**
   * Answers one request for some intervals. Throws MessageError for a malformed request, and LogError when a minimum
   * generation can't be flushed.
   *
   * The answer comes from one epoch and one generation: after a flush everything is looked at again (L6b, T8).
   */
  async list(request: WireListRequest): Promise<ListReply> {
    const { epoch, isReplica, host } = this.#options
    if (request.epoch !== epoch()) {
      return { ...NOTHING, kind: LIST_RESULT.staleEpoch, epoch: epoch() }
    }
    if (request.limit < 1 || request.intervals.length > 4096) {
      throw new MessageError('list request out of range')
    }
    const fence = fenceOfWire(request.fenceBucket, request.fenceGeneration)
    if (fence === undefined) throw new MessageError('a list names its bucket')
    const partitions: number[] = []
    for (const { start } of request.intervals) {
      const partition = partitionOfKey(byteString(start) as RegisterKey)
      if (!isReplica(partition)) return { ...NOTHING, kind: LIST_RESULT.notAReplica }
      const minimum = host.generations.current(partition, fence)
      if (minimum > fence.generation) {
        return { ...NOTHING, kind: LIST_RESULT.staleFence, generation: minimum }
      }
      partitions.push(partition)
    }
    if (
      partitions.some((partition) => host.generations.flushed(partition, fence) < fence.generation)
    ) {
      await host.generations.raise(fence, partitions)
      // Epoch, membership and generation may have moved on (L6b).
      return this.list(request)
    }
    const limit = Math.min(request.limit, Math.ceil(ROWS_MAX / request.intervals.length) + 16)
    const sizeBytesMax = Math.min(
      request.intervalBytesMax || Infinity,
      Math.ceil(LIST_REPLY_BYTES_MAX / request.intervals.length),
    )
    const end: IntervalEnd = { limit, sizeBytesMax }
    let totalBytes = 0
    const intervals = request.intervals.map(({ start, end: behind, digestOnly }) => {
      if (totalBytes >= REPLY_BYTES_END) return uncovered(start)
      const reply = this.#interval(start, behind, end, digestOnly, request.alone)
      totalBytes += reply.rows.encoded().length + reply.coveredEnd.length + INTERVAL_BYTES
      return reply
    })
    return { ...NOTHING, intervals }
  }

  /**
   * The registers of one interval, up to a limit of rows and bytes, and where the answer ends. `digestOnly`: their
   * digest without the rows. `alone`: without a digest, because no other replica is asked.
   */
  #interval(
    start: Uint8Array,
    end: Uint8Array,
    { limit, sizeBytesMax }: IntervalEnd,
    digestOnly: boolean,
    alone: boolean,
  ): ListInterval {
    const rows = digestOnly ? undefined : this.#packer.clear()
    const digest = alone ? undefined : this.#digest.clear()
    let count = 0
    let last: Uint8Array | undefined
    // Replicas that send only a digest must stop at the same row: equal states have equal sizes.
    let sizeBytes = 0
    this.#options.store.scan(
      prefixed(start),
      prefixed(end),
      limit,
      (key, keyBytes, row, rowBytes) => {
        // A damaged state has no ballot: the digests then differ, and the key is read by quorum (D3).
        const isSound = isSoundState(row, rowBytes)
        const stateEnd = isSound ? rowBytes : STATE_AT
        digest?.add(key, KEY_AT, keyBytes)
        // Counter and proposer, as the state has them (codec/state.ts).
        if (isSound) digest?.add(row, STATE_AT + 2, Math.min(STATE_AT + 26, rowBytes))
        rows?.add(key, KEY_AT, keyBytes, row, STATE_AT, stateEnd)
        count++
        sizeBytes += keyBytes - KEY_AT + stateEnd - STATE_AT
        const goes = sizeBytes < sizeBytesMax
        if (!goes || count === limit) last = key.slice(KEY_AT, keyBytes)
        return goes
      },
    )
    return {
      rows: rows?.finish() ?? ListRows.none,
      digest: digest?.finish() ?? EMPTY_BYTES,
      coveredEnd: last === undefined ? end : successor(last),
    }
  }
}

/** "Nothing known yet": the covered end is the start. */
function uncovered(start: Uint8Array): ListInterval {
  return { rows: ListRows.none, digest: EMPTY_BYTES, coveredEnd: start.slice() }
}

/** Where a register's key begins in the key of its row. */
const KEY_AT = 1

/**
 * Gathers bytes to be hashed, so that a page needs one call of the hash only. It keeps its memory from one interval to the
 * next.
 */
class ListDigest {
  #bytes = new Uint8Array(4_096)
  #length = 0

  /** Forgets what was gathered. */
  clear(): this {
    this.#length = 0
    return this
  }

  add(from: Uint8Array, start: number, end: number): void {
    const length = this.#length + end - start
    if (length > this.#bytes.length) this.#bytes = grown(this.#bytes, this.#length, end - start)
    const into = this.#bytes
    for (let i = start, at = this.#length; i < end; i++, at++) into[at] = from[i]!
    this.#length = length
  }

  /** 16 bytes. */
  finish(): Uint8Array<ArrayBuffer> {
    return blake3(this.#bytes.subarray(0, this.#length)).slice(0, 16)
  }
}

/** The row key of a register's key. */
function prefixed(key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(key.length + 1)
  bytes[0] = 0x72 // 'r'
  bytes.set(key, 1)
  return bytes
}

/** The least key above this one. */
function successor(key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(key.length + 1)
  bytes.set(key)
  return bytes
}
