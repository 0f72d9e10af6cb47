/**
 * The sending end of a body: takes chunks from a source, gathers them into pieces, and sends these while the receiver has
 * room.
 *
 *   1. the receiver wants the body: `start`
 *   2. bytes are copied into a shared block, or when none is free into a piece of 64 KiB that the message carries
 *   3. a piece leaves when it is full and fewer than WINDOW pieces are with the receiver, or at once when none is
 *   4. the receiver is done with a piece: `taken`
 *
 * So a fast source fills whole blocks, a slow one never keeps a block waiting for its client, and a slow receiver stops the
 * source: the next chunk is asked for only when the last one has found room.
 */

import type { FinishedBody } from '../port/body.ts'
import type { BlockHolder, SharedBlocks } from './blocks.ts'
import { BROKEN, END, PIECE, type Message, type PieceBytes } from './messages.ts'
import type { WireError } from './wire-errors.ts'

/** Pieces that the receiver may hold: it works on one while the next one is on its way. */
export const WINDOW = 2
/** Bytes of a piece that travels inside its message. */
export const SMALL_PIECE_BYTES = 64 * 1024

export interface StreamSenderOptions {
  readonly id: number
  readonly source: AsyncIterable<Uint8Array>
  readonly blocks: SharedBlocks
  readonly sender: BlockHolder
  readonly receiver: BlockHolder
  readonly post: (message: Message) => void
  /** Rounds since this was last asked. */
  readonly rounds: () => number
  /** Called after the last chunk. Its result goes with the end. */
  readonly finish: () => FinishedBody | undefined
  /** How the receiver is told of what the source threw. */
  readonly encode: (error: unknown) => WireError
  /** The end, a failure, or nothing because of `stop`: the stream is over on this side. */
  readonly over: () => void
}

export class StreamSender {
  readonly #options: StreamSenderOptions
  #chunks: AsyncIterator<Uint8Array> | undefined
  #isOver = false
  /** What is being gathered. `#block` is undefined when it is to travel inside its message. */
  #piece: Uint8Array | undefined
  #block: number | undefined
  #filled = 0
  /** Pieces that the receiver has not let go of. */
  #away = 0
  #roomFound: (() => void) | undefined

  constructor(options: StreamSenderOptions) {
    this.#options = options
  }

  /** The receiver asked for the first chunk. */
  start(): void {
    if (this.#chunks === undefined && !this.#isOver) void this.#run()
  }

  /** The receiver has let go of one piece. */
  taken(): void {
    this.#away--
    if (this.#away === 0) this.#send()
    this.#roomFound?.()
  }

  /** Nobody wants the rest. Ends the source, and gives the block back that is being gathered. */
  stop(): void {
    if (this.#isOver) return
    this.#end()
    this.#chunks?.return?.().then(undefined, () => {})
  }

  async #run(): Promise<void> {
    const { id, source, post, rounds, encode, finish } = this.#options
    try {
      this.#chunks = source[Symbol.asyncIterator]()
      for (;;) {
        const next = await this.#chunks.next()
        if (this.#isOver) return
        if (next.done === true) break
        await this.#add(next.value)
        if (this.#isOver) return
      }
      if (this.#filled > 0) await this.#room()
      if (this.#isOver) return
      this.#send()
      post([END, id, rounds(), finish()])
    } catch (error) {
      if (this.#isOver) return
      post([BROKEN, id, rounds(), encode(error)])
    }
    this.#end()
  }

  /** Resolves when all of the chunk is copied, so that the source may reuse its memory. */
  async #add(chunk: Uint8Array): Promise<void> {
    let at = 0
    while (at < chunk.length) {
      const piece = (this.#piece ??= this.#begin())
      const count = Math.min(chunk.length - at, piece.length - this.#filled)
      const isWhole = at === 0 && count === chunk.length
      piece.set(isWhole ? chunk : chunk.subarray(at, at + count), this.#filled)
      this.#filled += count
      at += count
      if (this.#filled === piece.length) {
        await this.#room()
        if (this.#isOver) return
        this.#send()
      }
    }
    // The receiver has nothing to do: it shall not wait until the source has filled a block.
    if (this.#away === 0) this.#send()
  }

  /** Takes a block, or memory of its own. A stream that already has one away leaves half of the pool to others. */
  #begin(): Uint8Array {
    const { blocks, sender } = this.#options
    this.#block = blocks.take(sender, this.#away === 0 ? 0 : blocks.count / 2)
    if (this.#block === undefined) return new Uint8Array(SMALL_PIECE_BYTES)
    return blocks.view(this.#block, sender)
  }

  /** Waits until the receiver may hold one piece more. */
  async #room(): Promise<void> {
    while (this.#away >= WINDOW && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#roomFound = resolve
      })
    }
    this.#roomFound = undefined
  }

  #send(): void {
    const { id, blocks, sender, receiver, post, rounds } = this.#options
    if (this.#filled === 0 || this.#piece === undefined) return
    let bytes: PieceBytes
    if (this.#block === undefined) {
      const isFull = this.#filled === this.#piece.length
      bytes = isFull ? this.#piece : this.#piece.slice(0, this.#filled)
    } else {
      bytes = [this.#block, this.#filled]
      blocks.pass(this.#block, sender, receiver)
    }
    this.#block = undefined
    this.#piece = undefined
    this.#filled = 0
    this.#away++
    post([PIECE, id, rounds(), bytes])
  }

  #end(): void {
    const { blocks, sender, over } = this.#options
    this.#isOver = true
    if (this.#block !== undefined) blocks.give(this.#block, sender)
    this.#block = undefined
    this.#piece = undefined
    this.#filled = 0
    this.#roomFound?.()
    over()
  }
}
