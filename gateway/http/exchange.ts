/**
 * One request in flight: what backends see of it (RequestContext), and what the watcher judges it by
 * (watch.ts). Made for each request, so it costs little: the signal exists only once asked for.
 */

import type { Credential } from '../port/identity.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { S3Request } from './request.ts'

export type AbortCause =
  'client-gone' | 'body-cut' | 'deadline' | 'too-slow' | 'displaced' | 'closing'

export class RequestAborted extends Error {
  override readonly name = 'AbortError'

  constructor(cause: AbortCause) {
    super(`request aborted: ${cause}`)
  }
}

/** Why a request failed, for the access log. */
export interface Failed {
  readonly code: string
  readonly reason: string
  readonly details?: Readonly<Record<string, string | number>> | undefined
}

export class Exchange implements RequestContext {
  operation = 'Unknown'
  rounds = 0
  readonly requestId: string
  readonly startedMs: number
  /** Raw bytes of the body that came, and of the answer that went. */
  bytesMoved = 0
  /** Watcher's: bytesMoved when it last looked, and for how many looks in a row it was too little. */
  bytesSeen = 0
  slowLooks = 0
  lastProgressMs: number
  /** For the access log: the request once it could be parsed, who sent it once that is proven. */
  parsed: S3Request | undefined
  credential: Credential | undefined
  failure: Failed | undefined
  /** Bytes of the answer's body. */
  sentBytes = 0
  /** By then a body that is gathered whole must have come (admission.ts). */
  gatherUntilMs = Infinity
  aborted: AbortCause | undefined
  #controller: AbortController | undefined

  constructor(requestId: string, nowMs: number) {
    this.requestId = requestId
    this.startedMs = nowMs
    this.lastProgressMs = nowMs
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.aborted !== undefined) this.#controller.abort(new RequestAborted(this.aborted))
    }
    return this.#controller.signal
  }

  abort(cause: AbortCause): void {
    if (this.aborted !== undefined) return
    this.aborted = cause
    this.#controller?.abort(new RequestAborted(cause))
  }

  /** Bytes of the body that were read. */
  get receivedBytes(): number {
    return this.bytesMoved
  }

  /** All bytes moved so far, those of a write under way too. Never falls. */
  progressBytes(): number {
    return this.bytesMoved
  }

  /** True while the request waits for bytes of its client; the server's exchanges know. */
  waitsForClient(): boolean {
    return false
  }

  /** True from the first byte of its answer on: its body waits for nothing any more. */
  get isAnswering(): boolean {
    return false
  }

  /** `100 Continue`, where the client waits for it. */
  sendContinue(): void {}
}
