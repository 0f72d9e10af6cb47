/**
 * One request in flight: what backends see of it (RequestContext), and what the watcher needs to know about
 * it (watch.ts). One is made for each request, so it must be cheap: its abort signal is made on demand.
 */

import type { BucketAccess } from '../port/buckets.ts'
import type { Credential } from '../port/identity.ts'
import type { RequestContext, RequestOrigin } from '../../protocol/context.ts'
import { plainAddress } from './address.ts'
import type { S3Request } from './request.ts'

/** Why a request was ended: by its client, by a limit, or by the node. */
export type AbortCause =
  'client-gone' | 'body-cut' | 'deadline' | 'too-slow' | 'displaced' | 'closing'

/** The reason of a signal that was aborted. */
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

/** A request below HTTP, as simulations send it. HttpExchange is one over HTTP. */
export class Exchange implements RequestContext {
  operation = 'Unknown'
  rounds = 0
  readonly requestId: string
  readonly startedMs: number
  /** Raw bytes of the body that were received, and of the answer that were sent. */
  bytesMoved = 0
  /** Belongs to the watcher: bytesMoved when it last looked, and how many looks in a row found it too little. */
  bytesSeen = 0
  slowLooks = 0
  lastProgressMs: number
  /** For the access log: the request once it is parsed, and who sent it once that is proven. */
  parsed: S3Request | undefined
  credential: Credential | undefined
  failure: Failed | undefined
  /** The node, as answers name it. Set by the gate. */
  hostId = ''
  /** The headers of CORS that every answer gets from now on. Empty when no rule matches; undefined before the look-up. */
  crossOrigin: Readonly<Record<string, string>> | undefined
  /** The bucket of the request, when it keeps an access log and its record was read. */
  logged: BucketAccess | undefined
  /** Bytes of the answer's body that were sent. */
  sentBytes = 0
  /** When a body that is gathered as a whole must have arrived (admission.ts). */
  gatherUntilMs = Infinity
  aborted: AbortCause | undefined
  #controller: AbortController | undefined

  constructor(requestId: string, nowMs: number) {
    this.requestId = requestId
    this.startedMs = nowMs
    this.lastProgressMs = nowMs
  }

  /** Call when the record of the request's bucket was read. */
  served(access: BucketAccess): void {
    if (access.settings.logging !== undefined) this.logged = access
  }

  /** Made on demand: only writes of objects are asked for it. */
  get origin(): RequestOrigin {
    const { credential, parsed, requestId, hostId } = this
    const principalId = credential?.identity.principalId ?? 'Anonymous'
    const address = plainAddress(parsed?.remoteAddress ?? '')
    return { principalId, address, requestId, hostId }
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

  /** Bytes of the request's body that were read. */
  get receivedBytes(): number {
    return this.bytesMoved
  }

  /** All bytes moved so far, including those of a write under way. Never decreases. */
  progressBytes(): number {
    return this.bytesMoved
  }

  /** True while the request waits for its client. Only HttpExchange can tell. */
  waitsForClient(): boolean {
    return false
  }

  /** True once the answer has begun. */
  get isAnswering(): boolean {
    return false
  }

  /** Sends `100 Continue` if the client waits for it. */
  sendContinue(): void {}
}
