/** One call on its way to the core, as the gateway thread has it. */

import type { RequestContext } from '../../protocol/context.ts'
import type { FinishedBody } from '../port/body.ts'
import type { PartInfo, UploadInfo } from '../port/uploads.ts'
import type { StreamSender } from './stream-sender.ts'
import { decodeError, THROWN_BY_THREAD, type WireError } from './wire-errors.ts'

export interface ThreadCallOptions {
  readonly context: RequestContext | undefined
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  /** The request's signal was aborted while the call was not over. */
  readonly aborted: (reason: unknown) => void
}

export class ThreadCall {
  readonly #options: ThreadCallOptions
  /** The streamed body. */
  sender: StreamSender | undefined
  admit: ((upload: UploadInfo) => void) | undefined
  finish:
    | ((parts: readonly PartInfo[], upload: UploadInfo) => FinishedBody | Promise<FinishedBody>)
    | undefined
  /** What the body or a callback threw first. The core only knows that there is something. */
  #thrown: { readonly error: unknown } | undefined

  constructor(options: ThreadCallOptions) {
    this.#options = options
    options.context?.signal.addEventListener('abort', this)
  }

  /** Called by the request's signal. */
  handleEvent(): void {
    this.#options.aborted(this.#options.context?.signal.reason)
  }

  threw(error: unknown): void {
    this.#thrown ??= { error }
  }

  get hasThrown(): boolean {
    return this.#thrown !== undefined
  }

  succeed(rounds: number, value: unknown): void {
    this.#end(rounds)
    this.#options.resolve(value)
  }

  /** The caller gets the error itself when it was thrown in this thread, and the reason of its signal when that ended it. */
  fail(rounds: number, error: WireError): void {
    const { context, reject } = this.#options
    this.#end(rounds)
    if (error !== THROWN_BY_THREAD) reject(decodeError(error, context?.signal.reason))
    else if (this.#thrown !== undefined) reject(this.#thrown.error)
    else reject(new Error('the store finished a body that it had not read to its end'))
  }

  /** Without an answer of the core. */
  failWith(error: unknown): void {
    this.#end(0)
    this.#options.reject(error)
  }

  #end(rounds: number): void {
    const { context } = this.#options
    if (context !== undefined) {
      context.rounds += rounds
      context.signal.removeEventListener('abort', this)
    }
    this.sender?.stop()
  }
}
