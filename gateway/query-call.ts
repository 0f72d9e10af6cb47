/**
 * One request of the query API of IAM and STS (iam/query-api.ts): its body, signature, rights and audit line.
 * query-api.ts knows the protocol and calls back here for everything that the gate has: limits of memory, keys,
 * policies, logs.
 */

import { auditLine, auditedNames } from './auth/audit.ts'
import { ANONYMOUS, authorize } from './auth/authorize.ts'
import type { Identity } from './port/identity.ts'
import { ConditionValues, type Circumstances } from './auth/condition-values.ts'
import { decodeBody } from './body/decode.ts'
import { S3Error } from './http/errors.ts'
import type { Admission } from './overload/admission.ts'
import type { Exchange } from './http/exchange.ts'
import type { GatewayLogger } from './port/logger.ts'
import type { IamBackend, QueryRecord } from './port/iam-backend.ts'
import { answerQuery, type QueryGate } from './iam/query-api.ts'
import { IAM_ACTIONS } from './iam/operations.ts'
import type { WorkQueue } from './http/work-queue.ts'
import type { InTurns } from './port/in-turns.ts'
import type { S3Request } from './http/request.ts'
import type { S3Response } from './http/response.ts'
import type { AuthOptions, AuthResult } from './auth/auth.ts'
import { authenticate } from './auth/authenticate.ts'

export interface QueryCallOptions {
  readonly iam: IamBackend
  readonly admission: Admission
  readonly logger: GatewayLogger
  readonly workQueue: WorkQueue
  /** Keys, sessions, region and time. */
  readonly authentication: AuthOptions
  /** Call for failures that are not the caller's. */
  log(error: unknown): void
  /** Call for answers of 503. */
  unavailable(error: unknown): void
}

/** How the body is decoded before its sender is known. */
const UNREAD: AuthResult = {
  credential: undefined,
  method: 'anonymous',
  payload: { type: 'unsigned' },
  signing: undefined,
}

/** Made by gate.ts for each request of this API. */
export class QueryCall implements QueryGate {
  readonly iam: IamBackend
  readonly nowMs: number
  readonly context: Exchange
  readonly requestId: string
  readonly inTurns: InTurns
  readonly #options: QueryCallOptions
  /** For the audit line: who asked, once that is proven; the action, once it is known; what it was about. */
  #identity: Identity = ANONYMOUS
  #action = ''
  #target = ''
  #names: Readonly<Record<string, string>> = {}

  constructor(exchange: Exchange, options: QueryCallOptions) {
    this.iam = options.iam
    this.nowMs = options.authentication.nowMs
    this.context = exchange
    this.requestId = exchange.requestId
    this.inTurns = (work) => options.workQueue.run(work, exchange)
    this.#options = options
  }

  /** Never throws. Changes of identities are audited, even refused ones. */
  async answer(request: S3Request): Promise<S3Response> {
    const response = await answerQuery(request, this)
    const { failure } = this.context
    if (failure !== undefined) this.context.failure = { ...failure, code: outcomeOf(response) }
    const definition = IAM_ACTIONS.get(this.#action)
    if (definition?.mutating === true) {
      auditLine(this.#options.logger, {
        identity: this.#identity,
        action: definition.action,
        target: this.#target,
        names: this.#names,
        request,
        requestId: this.requestId,
        outcome: outcomeOf(response),
      })
    }
    return response
  }

  /**
   * Gathers the form. The signature is not verified yet, so its memory counts for the address (admission.ts). Throws
   * MaxMessageLengthExceeded, SlowDown, IncompleteBody.
   */
  readBody(request: S3Request, maxBytes: number): Promise<Uint8Array> {
    const sizeBytes = request.contentLength ?? maxBytes
    if (sizeBytes > maxBytes) throw new S3Error('MaxMessageLengthExceeded')
    const { admission } = this.#options
    admission.gather(this.context, sizeBytes)
    this.context.sendContinue()
    return decodeBody(request, UNREAD, (count) => {
      this.context.bytesMoved += count
      admission.gathered(this.context, count)
    }).gather()
  }

  async authenticate(
    request: S3Request,
    form: { readBody(): Promise<Uint8Array> },
  ): Promise<AuthResult> {
    const auth = await authenticate(request, { ...this.#options.authentication, form })
    this.context.credential = auth.credential
    this.#identity = auth.credential?.identity ?? ANONYMOUS
    this.#options.admission.identified(this.context, this.#identity)
    return auth
  }

  authorize(
    action: string,
    resource: string,
    request: S3Request,
    auth: AuthResult,
    known: ReadonlyMap<string, readonly string[]>,
  ): void | Promise<void> {
    this.#target = resource
    const { inTurns } = this
    return authorize({ action, resource }, { ...this.#about(request, auth), known, inTurns })
  }

  conditions(request: S3Request, auth: AuthResult): ConditionValues {
    return new ConditionValues(this.#about(request, auth))
  }

  found(action: string, form: QueryRecord): void {
    this.#action = action
    this.#names = auditedNames(form)
    this.context.operation = action
  }

  /** Keeps the cause for the access log. `answer` adds the code that the client was told. */
  failed(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    const details = error instanceof S3Error ? error.details : undefined
    this.context.failure = { code: '', reason, details }
  }

  log(error: unknown): void {
    this.#options.log(error)
  }

  unavailable(error: unknown): void {
    this.#options.unavailable(error)
  }

  #about(request: S3Request, auth: AuthResult): Circumstances {
    const { region } = this.#options.authentication
    return { request, auth, identity: this.#identity, region, nowMs: this.nowMs }
  }
}

/** `done`, or the code in the error document, which is all that is left of the error here. */
function outcomeOf({ status, body }: S3Response): string {
  if (status < 400) return 'done'
  const code = typeof body === 'string' ? /<Code>([^<]{1,100})<\/Code>/.exec(body)?.[1] : undefined
  return code ?? 'failed'
}
