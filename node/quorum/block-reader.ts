/**
 * The blocks of one answer, verified and in order, within the room that the node has for all readers (read-room.ts). Called by
 * body.ts.
 *
 * Invariants:
 *   - a buffer of the pool is given back once: after its block was taken, or when the reader ends early
 *   - room that was taken is given back whatever happens, also for blocks that are still being read then
 */

import type { BlockKey } from '../../protocol/ids.ts'
import type { BufferPool } from '../tools/buffer-pool.ts'
import { MissingBlockError } from './missing-block.ts'
import { QUICK_MS, type ReadRoom } from './read-room.ts'

/** Blocks read ahead for a client that is quick. */
const AHEAD_MAX = 2
/** A client that takes a whole block within this time is quick. */
const QUICK_BLOCK_MS = 200

/** Bytes [start, end) of one block. */
export interface Piece {
  readonly key: BlockKey
  /** Offsets within the block. */
  readonly from: number
  readonly to: number
}

export interface BlockReaderOptions {
  readonly room: ReadRoom
  readonly pool: BufferPool
  readonly signal: AbortSignal
  /** Undefined when no replica has the block. A block in a buffer of the pool is given back to the pool. */
  readonly fetch: (key: BlockKey) => Promise<Uint8Array | undefined>
  /** Called when the first chunk is asked for. What it returns is called when the reader is over. */
  readonly begin?: () => (() => void) | undefined
}

/** A block that is being read, or was read and is not taken yet. */
interface Read {
  readonly piece: Piece
  readonly bytes: Promise<Uint8Array | undefined>
}

/**
 * The bytes of the pieces, in order. A chunk is valid until the next one is asked for. Throws MissingBlockError when no
 * replica has a block or it is too short, and what `fetch` throws.
 */
export async function* readBlocks(
  pieces: Iterator<Piece>,
  options: BlockReaderOptions,
): AsyncGenerator<Uint8Array> {
  const { room, pool } = options
  /** Blocks that were read ahead. Each has room for a whole block until it is given back. */
  const ahead: Read[] = []
  const copies = new PieceCopies(room)
  const begin = (piece: Piece): Read => {
    const bytes = room.reading(options.signal, () => options.fetch(piece.key))
    bytes.catch(() => {})
    return { piece, bytes }
  }
  /** How many blocks to read ahead: none before the client has shown that it is quick. */
  let aheadMax = 0
  const letGo = options.begin?.()
  try {
    for (;;) {
      if (ahead.length === 0) {
        const next = pieces.next()
        if (next.done === true) return
        if (!room.takeWhole()) {
          yield* readInTurns(next.value, options, copies)
          continue
        }
        ahead.push(begin(next.value))
      }
      const { piece, bytes: reading } = ahead[0] as Read
      const bytes = checked(await reading, piece)
      while (ahead.length <= aheadMax && room.takeWholeAhead()) {
        const next = pieces.next()
        if (next.done === true) {
          room.giveWhole()
          break
        }
        ahead.push(begin(next.value))
      }
      const sinceMs = room.nowMs()
      yield bytes.subarray(piece.from, piece.to)
      aheadMax = room.nowMs() - sinceMs < QUICK_BLOCK_MS ? AHEAD_MAX : 0
      ahead.shift()
      pool.give(bytes)
      room.giveWhole()
    }
  } finally {
    for (const { bytes } of ahead) {
      void bytes
        .then(
          (read) => read !== undefined && pool.give(read),
          () => {},
        )
        .finally(() => room.giveWhole())
    }
    letGo?.()
  }
}

/** Yields copies of the block's parts. When the client is not quick, the block is given back and read again later. */
async function* readInTurns(
  piece: Piece,
  options: BlockReaderOptions,
  copies: PieceCopies,
): AsyncGenerator<Uint8Array> {
  const { room } = options
  room.enterTurns()
  try {
    let isQuick = true
    for (let at = piece.from; at < piece.to;) {
      await room.takeTurn(options.signal)
      const turn = new Turn(options)
      try {
        const bytes = checked(await turn.read(piece.key), piece)
        while (!turn.isOver && at < piece.to) {
          const copy = copies.of(bytes, at, piece.to)
          at += copy.length
          if (!isQuick || at === piece.to) turn.end()
          else turn.endAfter(QUICK_MS)
          const sinceMs = room.nowMs()
          yield copy
          isQuick = room.nowMs() - sinceMs < QUICK_MS
          turn.goOn()
        }
      } finally {
        turn.end()
      }
    }
  } finally {
    room.leaveTurns()
  }
}

/**
 * The one buffer into which an answer's pieces are copied, one after the other. With an allocation for each piece, a few
 * hundred slow readers make the collector walk the whole heap several times a second.
 */
class PieceCopies {
  readonly #room: ReadRoom
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(0)

  constructor(room: ReadRoom) {
    this.#room = room
  }

  /** The first bytes of [from, to), as many as a piece may have now. Valid until the next call. */
  of(bytes: Uint8Array, from: number, to: number): Uint8Array {
    const sizeBytes = this.#room.pieceBytes()
    if (this.#buffer.length !== sizeBytes) this.#buffer = new Uint8Array(sizeBytes)
    const end = Math.min(to, from + sizeBytes)
    this.#buffer.set(bytes.subarray(from, end))
    return this.#buffer.subarray(0, end - from)
  }
}

/** One of the places for readers in turns, and the block that was read into it. */
class Turn {
  readonly #options: BlockReaderOptions
  #bytes: Uint8Array | undefined
  #cancel: (() => void) | undefined
  isOver = false

  constructor(options: BlockReaderOptions) {
    this.#options = options
  }

  async read(key: BlockKey): Promise<Uint8Array | undefined> {
    const { room, signal, fetch } = this.#options
    this.#bytes = await room.reading(signal, () => fetch(key))
    return this.#bytes
  }

  /** The place is given back unless the client takes the piece within this time. */
  endAfter(delayMs: number): void {
    this.#cancel = this.#options.room.after(delayMs, () => this.end())
  }

  /** The client has taken the piece in time. */
  goOn(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** Gives block and place back. A second call does nothing. */
  end(): void {
    this.goOn()
    if (this.isOver) return
    this.isOver = true
    const { pool, room } = this.#options
    if (this.#bytes !== undefined) pool.give(this.#bytes)
    this.#bytes = undefined
    room.giveTurn()
  }
}

/** The block, if it is there and as long as the register says. */
function checked(bytes: Uint8Array | undefined, piece: Piece): Uint8Array {
  if (bytes === undefined || bytes.length < piece.to) {
    throw new MissingBlockError(piece.key, 'a block')
  }
  return bytes
}
