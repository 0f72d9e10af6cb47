/**
 * Object bodies: on the way in, one packed block or blocks of 1 MiB on a majority of their replicas;
 * on the way out, verified blocks in order (block-reader.ts).
 */

import { byteString, bytesOf, EMPTY_BYTES } from '../../protocol/bytes.ts'
import type { StorageRecord } from '../../protocol/codec/versioned.ts'
import { dataId, type DataId } from '../../protocol/ids.ts'
import { blockKey, blockPartition } from '../../protocol/keyspace/block-key.ts'
import type { BlockOwner } from '../../protocol/keyspace/owner.ts'
import { BLOCK_BYTES, PACKED_BYTES_MAX } from '../../protocol/limits.ts'
import { plainSizeOf } from '../../protocol/object/pieces.ts'
import type { ObjectBody, FinishedBody, SmallBody } from '../../gateway/port/body.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Clock } from '../env/ports.ts'
import type { WriteAttempt, Attempts } from '../replica/attempts.ts'
import { readBlocks, type Piece } from './block-reader.ts'
import { BufferPool } from '../tools/buffer-pool.ts'
import { READ_ROOM_BYTES, ReadRoom } from './read-room.ts'
import type { BlockWrite, Replicator } from './replicator.ts'
import { WRITE_ROOM_BYTES } from './write-room.ts'

/**
 * Blocks of one body that are being written at the same time. While the log flushes one batch the next one gathers, so that
 * blocks wait for up to two of them. With fewer blocks on their way than arrive meanwhile, the client waits too.
 */
const WRITES_AHEAD = 8
/** The same while blocks wait for room: then each more is only memory. */
const WRITES_AHEAD_CROWDED = 2
/** Free buffers for blocks that are kept between writes: as many as the write room lets be written. */
const WRITE_BUFFERS = WRITE_ROOM_BYTES / BLOCK_BYTES
/** When no body was written for this long, most of them are returned to the system. */
const IDLE_MS = 10_000
/** Bytes that a block's record needs besides the block: header, key, padding. */
const READ_BUFFER_BYTES = BLOCK_BYTES + 16_384

/** A body that is stored, or ready to be stored with the change that names it. */
export interface WrittenBody {
  /** ETag and checksums. */
  readonly finished: FinishedBody
  /** Where the bytes are: at most one entry, none for an empty body. */
  readonly storage: StorageRecord[]
  /** Of the plain bytes: fewer than are stored when they are encrypted. */
  readonly sizeBytes: number
  /** The bytes of the one packed block, which ride with the register's state. */
  readonly packed?: Uint8Array | undefined
  /** Must be ended when the change that names the data is over, whatever its outcome (G5). */
  readonly attempt: WriteAttempt
}

export interface BodiesOptions {
  readonly replicator: Replicator
  readonly attempts: Attempts
  readonly partitionBits: () => number
  readonly clock: Clock
  /** Room for what all readers hold at once. */
  readonly readBytesMax?: number | undefined
  /** Told which data is being read, for as long as it is. */
  readonly reading?: ((ids: readonly DataId[]) => () => void) | undefined
}

/** Called by node/objects: once for each PUT or part, and for each GET. */
export class Bodies {
  readonly #options: BodiesOptions
  readonly #writePool = new BufferPool(BLOCK_BYTES, WRITE_BUFFERS)
  /** Bodies that are being written, and whether a timer will look for there being none. */
  #writing = 0
  #resting = false
  /** As many buffers as the read room has blocks, so that repeated reads allocate nothing. */
  readonly #readPool: BufferPool

  /** What all readers of this node hold together. */
  readonly readRoom: ReadRoom

  constructor(options: BodiesOptions) {
    this.#options = options
    const { clock, readBytesMax = READ_ROOM_BYTES } = options
    this.#readPool = new BufferPool(READ_BUFFER_BYTES, readBytesMax / READ_BUFFER_BYTES)
    this.readRoom = new ReadRoom(clock, READ_BUFFER_BYTES, readBytesMax, () =>
      this.#readPool.trim(),
    )
  }

  /**
   * An attempt to store data: its id belongs to it alone, and names node, boot and number (G5). Throws Unavailable
   * while this node may not begin any (Attempts.begin).
   */
  begin(): WriteAttempt {
    return this.#options.attempts.begin()
  }

  /**
   * Stores a body. Resolves when a majority has flushed every block (P7) and the body has the announced size. A body of
   * at most 64 KiB is not sent: the change takes it along.
   *
   * Throws what the body throws, InsufficientStorage, and Unavailable. Then the attempt is over.
   */
  async write(
    context: RequestContext,
    body: ObjectBody | SmallBody,
    owner: BlockOwner,
  ): Promise<WrittenBody> {
    if ('bytes' in body) return this.#packed(body.bytes, body.finish())
    const attempt = this.begin()
    this.#writing++
    try {
      return await this.#stream(context, body, owner, attempt)
    } catch (error) {
      attempt.end()
      throw error
    } finally {
      this.#writing--
      this.#restWhenIdle()
    }
  }

  #restWhenIdle(): void {
    if (this.#writing > 0 || this.#resting) return
    this.#resting = true
    this.#options.clock.after(IDLE_MS, () => {
      this.#resting = false
      if (this.#writing === 0) this.#writePool.trim()
    })
  }

  /** Reads the body once, in order. At most WRITES_AHEAD blocks are on their way, and one is being filled. */
  async #stream(
    context: RequestContext,
    body: ObjectBody,
    owner: BlockOwner,
    attempt: WriteAttempt,
  ): Promise<WrittenBody> {
    const { id } = attempt
    const writes = new BlockWriter(this.#options, this.#writePool, id, owner)
    try {
      for await (const chunk of body.chunks) {
        let at = 0
        while (at < chunk.length) at += await writes.take(chunk, at)
      }
      if (writes.sizeBytes <= PACKED_BYTES_MAX) {
        const bytes = writes.whole()
        writes.abandon()
        return this.#packed(bytes, body.finish(), attempt)
      }
      await writes.end()
      writes.abandon()
    } catch (error) {
      writes.abandon()
      throw error
    }
    context.rounds++
    const finished = body.finish()
    return { finished, ...placed(id, writes.sizeBytes, false, finished), attempt }
  }

  #packed(bytes: Uint8Array, finished: FinishedBody, attempt = this.begin()): WrittenBody {
    if (bytes.length === 0) return { finished, storage: [], sizeBytes: 0, attempt }
    return { finished, ...placed(attempt.id, bytes.length, true, finished), packed: bytes, attempt }
  }

  /**
   * Verified bytes [start, end) of the storages, in order. A chunk is valid until the next one is asked for. Throws
   * MissingBlockError, and what the context's signal throws.
   * @param partition the register's, which holds packed blocks
   */
  read(
    context: RequestContext,
    storage: readonly StorageRecord[],
    partition: number,
    start: number,
    end: number,
  ): AsyncGenerator<Uint8Array> {
    const { replicator, reading, partitionBits } = this.#options
    return readBlocks(piecesOf(storage, partition, start, end, partitionBits()), {
      room: this.readRoom,
      pool: this.#readPool,
      signal: context.signal,
      fetch: (key) => replicator.read(context, key, this.#readPool),
      begin: () => {
        context.rounds++
        return reading?.(idsOf(storage))
      },
    })
  }
}

/** Where the bytes of a body are, and how many the client sent. */
function placed(
  id: DataId,
  storedBytes: number,
  packed: boolean,
  { salt }: FinishedBody,
): Pick<WrittenBody, 'storage' | 'sizeBytes'> {
  const storage = { dataId: bytesOf(id), sizeBytes: storedBytes, packed }
  if (salt === undefined) return { storage: [storage], sizeBytes: storedBytes }
  const own = new Uint8Array(salt)
  return { storage: [{ ...storage, salt: own }], sizeBytes: plainSizeOf(storedBytes) }
}

/** Data ids of what is not empty. */
function idsOf(storage: readonly StorageRecord[]): DataId[] {
  return storage
    .filter(({ sizeBytes }) => sizeBytes > 0)
    .map((each) => dataId(byteString(each.dataId)))
}

/**
 * Which bytes of which blocks make up [start, end). Packed data is one block beside the register; other data is cut
 * into blocks of 1 MiB, each in a partition of its own.
 */
function* piecesOf(
  storage: readonly StorageRecord[],
  partition: number,
  start: number,
  end: number,
  bits: number,
): Generator<Piece> {
  let base = 0
  for (const { dataId: bytes, sizeBytes, packed } of storage) {
    const from = Math.max(start - base, 0)
    const to = Math.min(end - base, sizeBytes)
    base += sizeBytes
    if (from >= to) continue
    const id = dataId(byteString(bytes))
    if (packed) {
      yield { key: blockKey(partition, id, 0), from, to }
      continue
    }
    for (let index = Math.floor(from / BLOCK_BYTES); index * BLOCK_BYTES < to; index++) {
      const blockStart = index * BLOCK_BYTES
      yield {
        key: blockKey(blockPartition(id, index, bits), id, index),
        from: Math.max(from - blockStart, 0),
        to: Math.min(to - blockStart, BLOCK_BYTES),
      }
    }
  }
}

/** Cuts a stream into blocks and writes a few of them at the same time. */
class BlockWriter {
  readonly #options: BodiesOptions
  readonly #pool: BufferPool
  readonly #id: DataId
  readonly #owner: BlockOwner
  /** Blocks on their way, the oldest first. */
  readonly #writes: BlockWrite[] = []
  /** Undefined once it is being written: the write owns it then. */
  #buffer: Uint8Array<ArrayBuffer> | undefined
  #filled = 0
  #index = 0
  /** The first failure of a write. It ends the body at the next block. */
  #failed: unknown
  sizeBytes = 0

  constructor(options: BodiesOptions, pool: BufferPool, id: DataId, owner: BlockOwner) {
    this.#options = options
    this.#pool = pool
    this.#id = id
    this.#owner = owner
  }

  /** Copies as much of the chunk as fits, and returns how many bytes that is. */
  async take(chunk: Uint8Array, at: number): Promise<number> {
    // A full block is sent only when more bytes follow, so that a packed body is never sent as a block.
    if (this.#filled === BLOCK_BYTES) await this.#send()
    const count = Math.min(chunk.length - at, BLOCK_BYTES - this.#filled)
    this.#buffer ??= this.#pool.take()
    this.#buffer.set(
      at === 0 && count === chunk.length ? chunk : chunk.subarray(at, at + count),
      this.#filled,
    )
    this.#filled += count
    this.sizeBytes += count
    return count
  }

  /** A copy of a body that fits one packed block. */
  whole(): Uint8Array {
    return this.#buffer?.slice(0, this.#filled) ?? EMPTY_BYTES
  }

  /** Sends the last block and waits for all. Throws the first failure. */
  async end(): Promise<void> {
    if (this.#filled > 0) await this.#send()
    for (const write of this.#writes) await write.acknowledged
    if (this.#failed !== undefined) throw this.#failed as Error
  }

  /** Gives the present buffer back. Blocks that are being written give theirs back when their writes have ended. */
  abandon(): void {
    if (this.#buffer !== undefined) this.#pool.give(this.#buffer)
    this.#buffer = undefined
  }

  /** Hands the buffer to a write, which gives it back to the pool when no replica uses it any more. */
  async #send(): Promise<void> {
    const { replicator, partitionBits } = this.#options
    const buffer = this.#buffer!
    this.#buffer = undefined
    const partition = blockPartition(this.#id, this.#index, partitionBits())
    const key = blockKey(partition, this.#id, this.#index++)
    const write = replicator.write(key, buffer.subarray(0, this.#filled), this.#owner)
    write.acknowledged.catch((error: unknown) => (this.#failed ??= error))
    void write.settled.then((reusable) => {
      if (reusable) this.#pool.give(buffer)
    })
    this.#writes.push(write)
    this.#filled = 0
    // The oldest block must be on disk before another one is gathered. This slows the client down.
    while (this.#writes.length >= (replicator.room.isCrowded ? WRITES_AHEAD_CROWDED : WRITES_AHEAD))
      await this.#writes.shift()!.acknowledged
    if (this.#failed !== undefined) throw this.#failed as Error
  }
}
