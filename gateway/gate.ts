/**
 * The gate that every S3 request passes, below HTTP. Called by server.ts.
 *
 *   form of IAM or STS? → query-call.ts
 *   preflight of a browser? → answered by the bucket's CORS rules, without authentication
 *   form that uploads a file? → its fields are read (upload-form.ts); its file is the body in what follows
 *   find the operation → authenticate → count the request for its caller → authorise
 *                      → refuse what is not implemented → check the expected owner → call the handler
 *
 * Invariants:
 *   - the body of an S3 request, or the file of a form, is not read before all of these have passed
 *   - a caller without the right is not told whether the bucket exists, or whether Shoal implements the operation
 *   - every failure of S3 becomes one of AWS's error documents, here and nowhere else
 */

import type { IncomingMessage } from 'node:http'
import { StoreError } from '../protocol/errors.ts'
import { slowDown, type Admission } from './overload/admission.ts'
import { auditLine } from './auth/audit.ts'
import { ANONYMOUS } from './auth/authorize.ts'
import type { Backend } from './port/backend.ts'
import type { GatewayClock } from './http/clock.ts'
import type { Client } from './http/client.ts'
import type { Face } from './http/face.ts'
import { errorXml, fromStoreError, S3Error } from './http/errors.ts'
import { reasonOf, type Refusals } from './overload/refusals.ts'
import { RequestAborted, type Exchange } from './http/exchange.ts'
import { GateCall } from './gate-call.ts'
import type { IamBackend } from './port/iam-backend.ts'
import { isQueryRequest } from './iam/query-api.ts'
import type { GatewayLogger } from './port/logger.ts'
import type { TurnBytes } from './http/turn-bytes.ts'
import { isMultipartForm } from './http/multipart.ts'
import type { WorkQueue } from './http/work-queue.ts'
import { QueryCall } from './query-call.ts'
import { parseRequest, type S3Request } from './http/request.ts'
import { httpDate, type ResponseHeaders, type S3Response } from './http/response.ts'
import { levelOf, methodsAt, route } from './routes/router.ts'
import type { AuthOptions, AuthResult, SigV2 } from './auth/auth.ts'
import { authenticate } from './auth/authenticate.ts'
import { verifyForm } from './auth/form/verify.ts'
import type { Identity } from './port/identity.ts'
import type { Operation } from './s3/operation.ts'
import { UploadForm } from './upload-form.ts'
import { checkSupported } from './routes/support.ts'
import { otherFormType } from './s3/post.ts'
import { isPreflight } from './s3/cross-origin.ts'
import { Origins } from './origins.ts'

export interface GateOptions {
  readonly backend: Backend
  /** Answers the query API of IAM and STS. Without it they are not served. */
  readonly iam?: IamBackend | undefined
  readonly region: string
  /** See GatewayOptions. */
  readonly hostSuffixes: readonly string[]
  readonly sigv2: SigV2
  readonly clock: GatewayClock
  readonly logger: GatewayLogger
  readonly admission: Admission
  /** Identifies the node in answers; the same until the process ends. */
  readonly hostId: string
  readonly refusals: Refusals
  readonly workQueue: WorkQueue
  readonly received: TurnBytes
  readonly randomBytes: (length: number) => Uint8Array
  readonly origins: Origins
}

const SERVER_METHODS = 'GET, HEAD, PUT, POST, DELETE, OPTIONS'

/** Error texts for requests that were ended before their answer. */
const ENDED = {
  'client-gone': 'The client disconnected.',
  deadline: 'The request took too long. Try again.',
  closing: 'This node is stopping. Try again.',
} as const

/** One for each gateway. It keeps no state of requests. */
export class Gate implements Face {
  readonly methods = SERVER_METHODS
  readonly options: GateOptions
  readonly #origins: Origins
  readonly #lookup: Pick<AuthOptions, 'lookup' | 'lookupSession' | 'region' | 'sigv2'>

  constructor(options: GateOptions) {
    this.options = options
    this.#origins = options.origins
    const { backend, region, sigv2 } = options
    this.#lookup = {
      lookup: (accessKeyId) => backend.credential(accessKeyId),
      lookupSession: (accessKeyId, token) => backend.sessionCredential(accessKeyId, token),
      region,
      sigv2,
    }
  }

  parse(message: IncomingMessage, client: Client): S3Request {
    return parseRequest(message, this.options, client)
  }

  /** Never throws: failures become answers. The first chunk of a stream may still fail. */
  async handle(request: S3Request, exchange: Exchange): Promise<S3Response> {
    exchange.parsed = request
    exchange.hostId = this.options.hostId
    try {
      const response = await this.#run(request, exchange)
      this.addCommonHeaders(response.headers, exchange.requestId)
      Object.assign(response.headers, exchange.crossOrigin)
      this.#addRegion(response.headers, request)
      return response
    } catch (error) {
      await this.#origins.findRules(error, request, exchange)
      return this.failure(error, request, exchange)
    }
  }

  /**
   * Answers one request, or throws S3Error, StoreError or what the store threw. The operation is looked up before the
   * signature is checked, so that metrics and logs name it also for requests that are refused.
   */
  async #run(request: S3Request, exchange: Exchange): Promise<S3Response> {
    const { iam, clock, admission, logger, workQueue } = this.options
    const nowMs = clock.nowMs()
    if (iam !== undefined && isQueryRequest(request)) {
      const authentication = { ...this.#lookup, nowMs }
      const log = (error: unknown): void => this.#log(error, exchange)
      const unavailable = (error: unknown): void => this.#unavailable(error, exchange)
      const about = { iam, admission, logger, workQueue, authentication, log, unavailable }
      return new QueryCall(exchange, about).answer(request)
    }
    if (isPreflight(request)) return this.#origins.preflight(request, exchange)
    const operation = route(request)
    if (operation !== undefined) exchange.operation = operation.name
    if (operation?.name === 'PostObject' && isMultipartForm(request.headers['content-type'])) {
      return this.#form(operation, request, exchange, nowMs)
    }
    const auth = await authenticate(request, { ...this.#lookup, nowMs })
    const identity = this.#identified(auth, exchange)
    // Only signed requests get 405 with the allowed methods.
    if (operation === undefined) {
      throw identity === ANONYMOUS ? new S3Error('AccessDenied') : notAllowed(request)
    }
    // A form of another type may be signed by fields that cannot be read. Whether the bucket exists is not looked up.
    const isForm = operation.name === 'PostObject' && request.headers['content-type'] !== undefined
    if (isForm && identity === ANONYMOUS) throw otherFormType()
    const call = new GateCall(operation, request, auth, identity, exchange, this.options, nowMs)
    await this.#origins.applyRules(request, exchange, () => call.access(call.bucket))
    if (operation.audited === true) return this.#audited(call)
    return this.#answer(call)
  }

  /** Counts the request for its caller from now on. Throws SlowDown. */
  #identified({ credential }: AuthResult, exchange: Exchange): Identity {
    exchange.credential = credential
    const identity = credential?.identity ?? ANONYMOUS
    this.options.admission.identified(exchange, identity)
    return identity
  }

  /** A form that uploads a file. Throws like the handler. */
  async #form(
    operation: Operation,
    request: S3Request,
    exchange: Exchange,
    nowMs: number,
  ): Promise<S3Response> {
    const { admission } = this.options
    const form = new UploadForm(request, operation)
    try {
      const fields = await form.readFields(exchange, admission)
      const auth = await verifyForm(fields, { ...this.#lookup, nowMs })
      const identity = this.#identified(auth, exchange)
      admission.gatheringEnded(exchange)
      const upload = form.upload(fields, nowMs)
      exchange.parsed = upload
      const call = new GateCall(operation, upload, auth, identity, exchange, this.options, nowMs)
      await this.#origins.applyRules(request, exchange, () => call.access(call.bucket))
      return await this.#answer(call)
    } finally {
      form.close()
    }
  }

  /** The steps after authentication: rights, support, owner, handler. Throws like the handler. */
  async #answer(call: GateCall): Promise<S3Response> {
    const { operation, request } = call
    if (operation.authorizedBy === 'gate') await call.authorizeTarget()
    else await call.refuseStrangers()
    // After the check of rights: which operations are missing is shown to callers who would have had the right.
    if (operation.run === undefined) {
      throw new S3Error('NotImplemented', `${operation.name} is not implemented`)
    }
    checkSupported(operation, request)
    const expected = request.headers['x-amz-expected-bucket-owner']
    if (expected !== undefined && request.bucket !== undefined) await call.checkOwner(expected)
    try {
      return await operation.run(call)
    } catch (error) {
      throw await call.shownFailure(error)
    }
  }

  /** Refused requests are audited too. */
  async #audited(call: GateCall): Promise<S3Response> {
    const { operation, identity, request, context } = call
    const line = (outcome: string): void => {
      const action = operation.action
      const target = call.target
      const { requestId } = context
      auditLine(this.options.logger, { identity, action, target, request, requestId, outcome })
    }
    try {
      const response = await this.#answer(call)
      line('done')
      return response
    } catch (error) {
      line(error instanceof S3Error || error instanceof StoreError ? error.code : 'InternalError')
      throw error
    }
  }

  /** `OPTIONS *` asks about the server, not about a resource (RFC 9110 9.3.7). */
  serverOptions(exchange: Exchange, methods: string): S3Response {
    exchange.operation = 'ServerOptions'
    const headers: ResponseHeaders = { Allow: methods }
    this.addCommonHeaders(headers, exchange.requestId)
    return { status: 200, headers, body: undefined }
  }

  /**
   * The answer to a failure: status, headers and XML document. `request` is undefined when it could not be parsed. Answers to
   * HEAD have no document.
   */
  failure(error: unknown, request: S3Request | undefined, exchange: Exchange): S3Response {
    const failed = this.failed(error, request, exchange)
    const headers: ResponseHeaders = { ...exchange.crossOrigin }
    if (failed.headers !== undefined) Object.assign(headers, failed.headers)
    this.addCommonHeaders(headers, exchange.requestId)
    this.#addRegion(headers, request)
    headers['Content-Type'] = 'application/xml'
    const body = errorXml(failed, {
      resource: request?.rawPath ?? '/',
      requestId: exchange.requestId,
      hostId: this.options.hostId,
    })
    return { status: failed.status, headers, body: request?.method === 'HEAD' ? undefined : body }
  }

  /**
   * The error that the client is told, with the names that AWS tells. Notes the cause for the access log, and the reason of a
   * 503 for the counters.
   */
  failed(error: unknown, request: S3Request | undefined, exchange: Exchange): S3Error {
    const failed = this.#asS3Error(error, request, exchange)
    const why = failed.status === 503 ? reasonOf(error, exchange) : failed.message
    if (failed.status === 503) this.options.refusals.note(why)
    // The first failure is the cause of later ones.
    exchange.failure ??= { code: failed.code, reason: why, details: failed.details }
    return withNames(failed, request)
  }

  /**
   * The error that the client is told. A request that was ended (by its client, the watcher or the node) fails for
   * that reason, whatever was thrown because of it. Unknown errors are logged and become InternalError without their
   * text.
   */
  #asS3Error(error: unknown, request: S3Request | undefined, exchange: Exchange): S3Error {
    if (exchange.aborted === 'body-cut') return new S3Error('IncompleteBody')
    if (exchange.aborted !== undefined) {
      if (exchange.aborted === 'displaced') return slowDown('')
      return exchange.aborted === 'too-slow'
        ? new S3Error('RequestTimeout')
        : new S3Error('ServiceUnavailable', ENDED[exchange.aborted])
    }
    if (error instanceof S3Error) return error
    if (error instanceof StoreError) {
      const { headers } = request ?? { headers: {} as S3Request['headers'] }
      const conditional =
        headers['if-match'] !== undefined || headers['if-none-match'] !== undefined
      if (error.code === 'DataLost') this.#log(error, exchange)
      return fromStoreError(error, { conditional })
    }
    if (error instanceof RequestAborted) return new S3Error('ServiceUnavailable')
    this.#log(error, exchange)
    return new S3Error('InternalError')
  }

  #unavailable(error: unknown, exchange: Exchange): void {
    this.options.refusals.note(reasonOf(error, exchange))
  }

  /** Only failures of Shoal itself, never those of callers: a client must not be able to fill the log. */
  #log(error: unknown, exchange: Exchange): void {
    const { operation, requestId } = exchange
    this.options.logger.error({ error, operation, requestId }, 's3 request failed')
  }

  /** As in AWS, refusals name the region too: an SDK that used another region tries again with this one. */
  #addRegion(headers: ResponseHeaders, request: S3Request | undefined): void {
    if (request?.bucket !== undefined) headers['x-amz-bucket-region'] = this.options.region
  }

  /** The headers of every answer, S3's or the query API's: request id, node, server, date. */
  addCommonHeaders(headers: ResponseHeaders, requestId: string): void {
    headers['x-amz-request-id'] = requestId
    headers['x-amz-id-2'] = this.options.hostId
    headers['Server'] = 'Shoal'
    headers['Date'] = httpDate(this.options.clock.nowMs())
  }
}

/** Errors in which AWS names the bucket. */
const NAMES_BUCKET = /^(?:NoSuchBucket|BucketNotEmpty$|BucketAlready|NoSuch[A-Za-z]+Configuration$)/

/** Adds the names of bucket and key to an error, except for copies, where the error may be about the source. */
function withNames(failed: S3Error, request: S3Request | undefined): S3Error {
  if (request === undefined || request.headers['x-amz-copy-source'] !== undefined) return failed
  const { bucket, key } = request
  const details: Record<string, string | number> = {}
  if (bucket !== undefined && NAMES_BUCKET.test(failed.code)) details['BucketName'] = bucket
  if (key !== undefined && failed.code === 'NoSuchKey') details['Key'] = key
  const { resource, headers, message, code } = failed
  return Object.keys(details).length === 0
    ? failed
    : new S3Error(code, message, { resource, headers, details: { ...details, ...failed.details } })
}

/** 405 with the methods that the path has (RFC 9110 15.5.6). */
function notAllowed(request: S3Request): S3Error {
  return new S3Error('MethodNotAllowed', undefined, {
    headers: { allow: methodsAt(levelOf(request)).join(', ') },
    details: { Method: request.method },
  })
}
