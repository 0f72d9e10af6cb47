/** Bytes of an object on their way into a gateway thread. Nothing is asked of the core before the first chunk is. */

import type { RequestContext } from '../../protocol/context.ts'
import type { ObjectReader } from '../port/objects.ts'
import type { BlockHolder, SharedBlocks } from './blocks.ts'
import type { Message, PieceBytes } from './messages.ts'
import { StreamReceiver } from './stream-receiver.ts'
import { decodeError, type WireError } from './wire-errors.ts'

export interface ObjectDownloadOptions {
  readonly id: number
  readonly context: RequestContext
  /** Held for as long as this is: the core keeps what it reads from until the thread has lost it. */
  readonly reader: ObjectReader
  readonly blocks: SharedBlocks
  readonly owner: BlockHolder
  readonly post: (message: Message) => void
  /** Asks the core to read. */
  readonly begin: () => void
  readonly aborted: (reason: unknown) => void
  readonly over: () => void
}

export class ObjectDownload {
  readonly receiver: StreamReceiver
  readonly #options: ObjectDownloadOptions

  constructor(options: ObjectDownloadOptions) {
    const { id, context, blocks, owner, post, begin, over } = options
    this.#options = options
    this.receiver = new StreamReceiver({
      id,
      blocks,
      owner,
      post,
      begin: () => {
        context.signal.throwIfAborted()
        begin()
        context.signal.addEventListener('abort', this)
      },
      over: () => {
        context.signal.removeEventListener('abort', this)
        over()
      },
    })
  }

  /** Called by the request's signal. */
  handleEvent(): void {
    this.#options.aborted(this.#options.context.signal.reason)
  }

  take(rounds: number, bytes: PieceBytes): void {
    this.#options.context.rounds += rounds
    this.receiver.take(bytes)
  }

  end(rounds: number): void {
    this.#options.context.rounds += rounds
    this.receiver.end()
  }

  fail(rounds: number, error: WireError): void {
    const { context } = this.#options
    context.rounds += rounds
    this.receiver.fail(decodeError(error, context.signal.reason))
  }
}
