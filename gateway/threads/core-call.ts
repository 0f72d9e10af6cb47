/** One call of a gateway thread, as the core has it: the context that the backend sees, and the body that it reads. */

import type { RequestContext, RequestOrigin } from '../../protocol/context.ts'
import type { FinishedBody } from '../port/body.ts'
import type { StreamReceiver } from './stream-receiver.ts'

export class CoreCall implements RequestContext {
  readonly operation: string
  readonly origin: RequestOrigin | undefined
  rounds = 0
  /** The streamed body. It may hold a block until the call is over. */
  body: StreamReceiver | undefined
  /** What `finish` of the body returned in the thread; undefined when it threw there. */
  finished: FinishedBody | undefined
  /** Set while a completion waits for the thread. */
  answer: { resolve(finished: FinishedBody): void; reject(error: unknown): void } | undefined
  #roundsTold = 0
  #controller: AbortController | undefined
  #aborted: { readonly reason: Error } | undefined

  constructor(operation: string, origin?: RequestOrigin) {
    this.operation = operation
    this.origin = origin
  }

  /** Made on demand: most calls are over before anybody asks. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason)
    }
    return this.#controller.signal
  }

  abort(reason: Error): void {
    if (this.#aborted !== undefined) return
    this.#aborted = { reason }
    this.#controller?.abort(reason)
  }

  /** Rounds since this was last asked. */
  newRounds(): number {
    const added = this.rounds - this.#roundsTold
    this.#roundsTold = this.rounds
    return added
  }
}
