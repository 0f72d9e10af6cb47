/**
 * The receiving end of a body. It is an iterable of chunks that is read once, by one reader.
 *
 * Invariants:
 *   - nothing is asked of the sender before the first chunk is
 *   - a chunk is valid until the next one is asked for or the reader ends; then its block is free
 *   - a stream that is ended or has failed holds no block but the one that its reader looks at
 */

import { assert } from '../../protocol/assert.ts'
import type { BlockHolder, SharedBlocks } from './blocks.ts'
import { STOP, TAKEN, type Message, type PieceBytes } from './messages.ts'

export interface StreamReceiverOptions {
  readonly id: number
  readonly blocks: SharedBlocks
  readonly owner: BlockHolder
  readonly post: (message: Message) => void
  /** Asks the sender to begin. May throw, which the reader gets. */
  readonly begin: () => void
  /** The reader needs no more messages of this stream. Called once, if `begin` was. */
  readonly over: () => void
}

type Step = IteratorResult<Uint8Array, undefined>
const DONE: Step = { done: true, value: undefined }

export class StreamReceiver implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array> {
  readonly #options: StreamReceiverOptions
  readonly #arrived: PieceBytes[] = []
  #state: 'new' | 'open' | 'ended' = 'new'
  /** Set with 'ended' when the stream failed. The reader gets it after the pieces that arrived. */
  #failure: { readonly error: unknown } | undefined
  /** The block that the reader looks at. */
  #shown: number | undefined
  #isShowing = false
  #waiting: { resolve: (step: Step) => void; reject: (error: unknown) => void } | undefined

  constructor(options: StreamReceiverOptions) {
    this.#options = options
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this
  }

  async next(): Promise<Step> {
    assert(this.#waiting === undefined, 'the chunks of a body are asked for one at a time')
    this.#letGo()
    if (this.#state === 'new') {
      this.#options.begin()
      this.#state = 'open'
    }
    const step = this.#step()
    if (step !== undefined) return step
    return new Promise<Step>((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  /** The reader wants no more. */
  return(): Promise<Step> {
    this.#letGo()
    const wasOpen = this.#state === 'open'
    this.#state = 'ended'
    this.#dropArrived()
    this.#waiting?.resolve(DONE)
    this.#waiting = undefined
    if (wasOpen) {
      this.#options.post([STOP, this.#options.id])
      this.#options.over()
    }
    return Promise.resolve(DONE)
  }

  /** A piece has arrived. */
  take(piece: PieceBytes): void {
    if (this.#state !== 'open') {
      this.#free(piece)
      return
    }
    this.#arrived.push(piece)
    this.#wake()
  }

  /** The sender has sent everything. */
  end(): void {
    this.#close(undefined)
  }

  /** The sender has failed: the reader gets `error` after what arrived before it. */
  fail(error: unknown): void {
    this.#close({ error })
  }

  /**
   * The other side is gone: what arrived is dropped, and the reader gets `error` now. Also when the end has arrived: a
   * reader that does not get all pieces must not take the rest for the whole.
   */
  cut(error: unknown): void {
    this.#dropArrived()
    if (this.#state === 'ended') this.#failure ??= { error }
    else this.#close({ error })
  }

  /** Whether the reader looks at this block now. */
  shows(block: number): boolean {
    return this.#shown === block
  }

  #close(failure: { readonly error: unknown } | undefined): void {
    if (this.#state === 'ended') return
    const wasOpen = this.#state === 'open'
    this.#state = 'ended'
    this.#failure = failure
    this.#wake()
    if (wasOpen) this.#options.over()
  }

  #wake(): void {
    if (this.#waiting === undefined) return
    const { resolve, reject } = this.#waiting
    this.#waiting = undefined
    try {
      resolve(this.#step() ?? DONE)
    } catch (error) {
      reject(error)
    }
  }

  /** The next step, if it is known. Throws the failure of the stream once. */
  #step(): Step | undefined {
    const { blocks, owner } = this.#options
    const piece = this.#arrived.shift()
    if (piece !== undefined) {
      this.#isShowing = true
      if (piece instanceof Uint8Array) return { done: false, value: piece }
      const [block, length] = piece
      this.#shown = block
      return { done: false, value: blocks.view(block, owner).subarray(0, length) }
    }
    if (this.#state !== 'ended') return undefined
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.error
    return DONE
  }

  /** The reader is done with its chunk. */
  #letGo(): void {
    const { id, blocks, owner, post } = this.#options
    if (!this.#isShowing) return
    this.#isShowing = false
    if (this.#shown !== undefined) blocks.give(this.#shown, owner)
    this.#shown = undefined
    if (this.#state === 'open') post([TAKEN, id])
  }

  #dropArrived(): void {
    for (const piece of this.#arrived.splice(0)) this.#free(piece)
  }

  #free(piece: PieceBytes): void {
    const { blocks, owner } = this.#options
    if (!(piece instanceof Uint8Array)) blocks.give(piece[0], owner)
  }
}
