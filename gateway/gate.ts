/**
 * The gate that every S3 request passes, below HTTP: find its operation, authenticate, authorise,
 * refuse what is not understood, dispatch; failures become AWS's error documents. Nothing of a
 * request's body is read before it has passed.
 */

import { StoreError } from '../protocol/errors.ts'
import { authorize } from './authorize.ts'
import type { Backend, Identity, RequestContext } from './backend.ts'
import type { GatewayClock } from './clock.ts'
import { errorXml, fromStoreError, S3Error } from './errors.ts'
import { RequestAborted, type BodyBudget, type Exchange } from './exchange.ts'
import type { Call, Operation } from './operation.ts'
import type { S3Request } from './request.ts'
import { httpDate, type ResponseHeaders, type S3Response } from './response.ts'
import { checkSupported, levelOf, methodsAt, route } from './router.ts'
import { authenticate, type AuthResult } from './sigv4/verify.ts'

export interface GatewayLogger {
  debug(fields: Record<string, unknown>, message: string): void
  info(fields: Record<string, unknown>, message: string): void
  warn(fields: Record<string, unknown>, message: string): void
  error(fields: Record<string, unknown>, message: string): void
}

export interface GateOptions {
  readonly backend: Backend
  readonly region: string
  readonly clock: GatewayClock
  readonly logger: GatewayLogger
  readonly budget: BodyBudget
  /** Says which node answered; the same for the life of a process. */
  readonly hostId: string
}

export class Gate {
  readonly options: GateOptions
  readonly #lookup: Backend['credential']

  constructor(options: GateOptions) {
    this.options = options
    this.#lookup = (accessKeyId) => options.backend.credential(accessKeyId)
  }

  /** Never throws: what goes wrong is an answer. A stream's first chunk may still fail. */
  async handle(request: S3Request, exchange: Exchange): Promise<S3Response> {
    try {
      const response = await this.#run(request, exchange)
      this.addCommonHeaders(response.headers, exchange.requestId)
      return response
    } catch (error) {
      return this.failure(error, request, exchange)
    }
  }

  async #run(request: S3Request, exchange: Exchange): Promise<S3Response> {
    const operation = route(request)
    if (operation !== undefined) exchange.operation = operation.name
    const { backend, clock, region } = this.options
    const nowMs = clock.nowMs()
    const auth = await authenticate(request, { lookup: this.#lookup, nowMs, region })
    const identity = auth.credential?.identity
    if (identity === undefined) throw new S3Error('AccessDenied')
    if (operation === undefined) throw notAllowed(request)
    const call = new GateCall(operation, request, auth, identity, exchange, this.options, nowMs)
    if (operation.authorizedBy === 'gate') call.authorizeTarget()
    if (operation.run === undefined) {
      throw new S3Error('NotImplemented', `${operation.name} is not implemented`)
    }
    checkSupported(operation, request)
    const expected = request.headers['x-amz-expected-bucket-owner']
    if (
      expected !== undefined &&
      request.bucket !== undefined &&
      operation.name !== 'CreateBucket'
    ) {
      const { ownerAccount } = await backend.headBucket(exchange, request.bucket)
      if (ownerAccount !== expected) throw new S3Error('AccessDenied')
    }
    return operation.run(call)
  }

  /** The answer to a failure. `request` is absent when it could not even be parsed. */
  failure(error: unknown, request: S3Request | undefined, exchange: Exchange): S3Response {
    const failed = this.#asS3Error(error, request, exchange)
    const headers: ResponseHeaders = {}
    if (failed.headers !== undefined) Object.assign(headers, failed.headers)
    this.addCommonHeaders(headers, exchange.requestId)
    if (failed.code === 'NoSuchBucket' || failed.code === 'AccessDenied') {
      headers['x-amz-bucket-region'] = this.options.region
    }
    headers['Content-Type'] = 'application/xml'
    const body = errorXml(failed, {
      resource: request?.rawPath ?? '/',
      requestId: exchange.requestId,
      hostId: this.options.hostId,
    })
    return { status: failed.status, headers, body: request?.method === 'HEAD' ? undefined : body }
  }

  #asS3Error(error: unknown, request: S3Request | undefined, exchange: Exchange): S3Error {
    if (exchange.aborted !== undefined) {
      return exchange.aborted === 'too-slow'
        ? new S3Error('RequestTimeout')
        : new S3Error('SlowDown')
    }
    if (error instanceof S3Error) return error
    if (error instanceof StoreError) {
      const { headers } = request ?? { headers: {} as S3Request['headers'] }
      const conditional =
        headers['if-match'] !== undefined || headers['if-none-match'] !== undefined
      if (error.code === 'DataLost') this.#log(error, exchange)
      return fromStoreError(error, { conditional })
    }
    if (error instanceof RequestAborted) return new S3Error('SlowDown')
    this.#log(error, exchange)
    return new S3Error('InternalError')
  }

  #log(error: unknown, exchange: Exchange): void {
    const { operation, requestId } = exchange
    this.options.logger.error({ error, operation, requestId }, 's3 request failed')
  }

  addCommonHeaders(headers: ResponseHeaders, requestId: string): void {
    headers['x-amz-request-id'] = requestId
    headers['x-amz-id-2'] = this.options.hostId
    headers['Server'] = 'Shoal'
    headers['Date'] = httpDate(this.options.clock.nowMs())
  }
}

function notAllowed(request: S3Request): S3Error {
  return new S3Error('MethodNotAllowed', undefined, {
    headers: { allow: methodsAt(levelOf(request)).join(', ') },
    details: { Method: request.method },
  })
}

class GateCall implements Call {
  readonly operation: Operation
  readonly request: S3Request
  readonly auth: AuthResult
  readonly identity: Identity
  readonly context: RequestContext
  readonly store: Backend
  readonly region: string
  readonly bucket: string
  readonly key: string
  readonly nowMs: number
  readonly #exchange: Exchange
  readonly #budget: BodyBudget

  constructor(
    operation: Operation,
    request: S3Request,
    auth: AuthResult,
    identity: Identity,
    exchange: Exchange,
    options: GateOptions,
    nowMs: number,
  ) {
    this.operation = operation
    this.request = request
    this.auth = auth
    this.identity = identity
    this.context = exchange
    this.store = options.backend
    this.region = options.region
    this.bucket = request.bucket ?? ''
    this.key = request.key ?? ''
    this.nowMs = nowMs
    this.#exchange = exchange
    this.#budget = options.budget
  }

  wantBody(maxGatheredBytes: number): void {
    const { contentLength } = this.request
    const sizeBytes = Math.min(contentLength ?? maxGatheredBytes, maxGatheredBytes)
    if (!this.#budget.take(sizeBytes)) throw new S3Error('SlowDown')
    this.#exchange.reservedBytes += sizeBytes
    this.#exchange.sendContinue()
  }

  onBytes(count: number): void {
    this.#exchange.bytesMoved += count
  }

  authorizeTarget(): void {
    const { resource, versionAction } = this.operation
    const { bucket, key } = this
    const action =
      versionAction !== undefined && this.request.query.has('versionId')
        ? versionAction
        : this.operation.action
    authorize(this.identity, { action, resource, bucket, key }, this)
  }

  async authorize(action: string, bucket: string, key: string): Promise<void> {
    authorize(this.identity, { action, resource: 'object', bucket, key }, this)
  }
}
