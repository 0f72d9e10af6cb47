/**
 * The S3 face over HTTP: koa on node:http, the gate behind it. Also the gate alone, below HTTP, for
 * simulations (`handleS3`).
 *
 * Limits (F19, F26, F27): the size of heads, time for a head, connections (connections.ts), requests in
 * flight and memory of bodies gathered whole (admission.ts), minimum rates (watch.ts). Bodies that stream
 * hold one chunk.
 */

import { upperCase } from './http/ascii.ts'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import Koa from 'koa'
import { Admission, ADMISSION_LIMITS, type AdmissionLimits } from './overload/admission.ts'
import type { SigV2 } from './auth/auth.ts'
import type { Backend } from './port/backend.ts'
import { AccessLog } from './access-log.ts'
import { GatewayMetrics } from './admin/metrics.ts'
import type { GatewayClock } from './http/clock.ts'
import { CONNECTION_LIMITS, Connections, type ConnectionLimits } from './overload/connections.ts'
import { Exchange, type AbortCause } from './http/exchange.ts'
import { Gate } from './gate.ts'
import { type GatewayLogger } from './port/logger.ts'
import type { IamBackend } from './port/iam-backend.ts'
import { HttpExchange } from './http/http-exchange.ts'
import { NO_TUNNELS, refusalOf, sendPlain, type PlainRefusal } from './http/malformed.ts'
import { WorkQueue } from './http/work-queue.ts'
import { Refusals } from './overload/refusals.ts'
import { parseRequest, type S3Request } from './http/request.ts'
import type { S3Response } from './http/response.ts'
import { Watch, WATCH_LIMITS, type WatchLimits } from './overload/watch.ts'

export interface GatewayLimits extends AdmissionLimits, ConnectionLimits {
  readonly headBytesMax: number
  readonly headTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly watch: WatchLimits
}

export const GATEWAY_LIMITS: GatewayLimits = {
  ...ADMISSION_LIMITS,
  ...CONNECTION_LIMITS,
  headBytesMax: 16 * 1024,
  headTimeoutMs: 20_000,
  idleTimeoutMs: 65_000,
  watch: WATCH_LIMITS,
}

export interface GatewayOptions {
  readonly backend: Backend
  /** Answers IAM's and STS's query API on the same port. */
  readonly iam?: IamBackend | undefined
  readonly region: string
  /** Where requests may carry a signature of version 2. `presigned` when absent. */
  readonly sigv2?: SigV2 | undefined
  /** `s3.example.org`: buckets may then be named in the Host header. */
  readonly hostSuffixes: readonly string[]
  readonly clock: GatewayClock
  readonly randomBytes: (length: number) => Uint8Array
  readonly metrics: GatewayMetrics
  readonly logger: GatewayLogger
  /** Takes the access log, line by line (access-log.ts). Absent: there is none. */
  readonly accessLog?: ((line: string) => void) | undefined
  /** The logger shows `debug`: each failed request is told to it. */
  readonly debug?: boolean | undefined
  readonly limits?: Partial<GatewayLimits> | undefined
}

export interface Gateway {
  listen(address: { host: string; port: number }): Promise<{ url: string; port: number }>
  /** Below HTTP: the response record, its stream unread. */
  handleS3(request: S3Request): Promise<S3Response>
  /** No new connections; requests in flight have so long to finish. */
  close(options: { drainMs: number }): Promise<void>
}

export function createGateway(options: GatewayOptions): Gateway {
  return new HttpGateway(options)
}

/** How often connections are looked at whose heads may be late. */
const HEAD_LOOK_MS = 5_000
/** What a body that nobody reads may still send before the connection is cut. */
const LINGER_BYTES_MAX = 16 * 1024 * 1024
const LINGER_MS = 2_000

/**
 * Koa without its answer: `#serve` writes its own and never rejects, so that the listeners which koa
 * hangs on every response would only cost time.
 */
class LeanKoa extends Koa {
  handleRequest(context: Koa.Context, run: (context: Koa.Context) => Promise<void>): Promise<void> {
    return run(context)
  }
}

class HttpGateway implements Gateway {
  readonly #options: GatewayOptions
  readonly #limits: GatewayLimits
  readonly #gate: Gate
  readonly #watch: Watch
  readonly #access: AccessLog | undefined
  readonly #admission: Admission
  readonly #connections: Connections
  readonly #server: Server
  readonly #idPrefix: string
  /** The last request of each connection. */
  readonly #lastOf = new WeakMap<Duplex, HttpExchange>()
  #idCount = 0
  #draining = false
  #onIdle: (() => void) | undefined

  constructor(options: GatewayOptions) {
    this.#options = options
    this.#limits = { ...GATEWAY_LIMITS, ...options.limits }
    const hostId = Buffer.from(options.randomBytes(33)).toString('base64')
    this.#idPrefix = upperCase(Buffer.from(options.randomBytes(4)).toString('hex'))
    const { backend, iam, region, sigv2 = 'presigned', clock, logger } = options
    this.#connections = new Connections(clock, this.#limits)
    this.#admission = new Admission(clock, this.#limits, (exchange) =>
      this.#watch.abort(exchange, 'displaced'),
    )
    const refusals = new Refusals(clock, logger)
    options.metrics.refusedBy = refusals.byReason
    options.metrics.connections = this.#connections
    options.metrics.admission = this.#admission
    const admission = this.#admission
    const lane = new WorkQueue(clock)
    this.#gate = new Gate({
      backend,
      iam,
      region,
      sigv2,
      clock,
      logger,
      hostId,
      admission,
      refusals,
      lane,
    })
    this.#access = accessLogOf(options)
    this.#watch = new Watch(clock, this.#limits.watch, {
      abort: (exchange, cause) => this.#onAbort(exchange, cause),
      givenUp: (exchange) => this.#finish(exchange, 499),
    })
    this.#server = this.#makeServer()
  }

  #makeServer(): Server {
    const app = new LeanKoa()
    app.use((context) => this.#serve(context.req, context.res))
    const handle = app.callback()
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      this.#connections.serve(request.socket, response, () => handle(request, response))
    }
    const { headBytesMax, headTimeoutMs, idleTimeoutMs } = this.#limits
    const server = createServer(
      {
        noDelay: true,
        keepAlive: true,
        maxHeaderSize: headBytesMax,
        headersTimeout: headTimeoutMs,
        // Node looks every half a minute otherwise.
        connectionsCheckingInterval: Math.min(HEAD_LOOK_MS, headTimeoutMs),
        requestTimeout: 0,
        keepAliveTimeout: idleTimeoutMs,
        insecureHTTPParser: false,
        // Checked by parseRequest, so that its refusal has a request id.
        requireHostHeader: false,
      },
      listener,
    )
    // The head's size bounds them. Node would drop the 2,001st and all behind it without a word.
    server.maxHeadersCount = 0
    // The body is asked for only once its request has passed the gate.
    server.on('checkContinue', listener)
    // As AWS: any other expectation is passed over.
    server.on('checkExpectation', listener)
    server.on('clientError', (error, socket) => this.#onMalformed(error, socket))
    server.on('connect', (_request, socket) => this.#refusePlainly(socket, NO_TUNNELS))
    server.on('connection', (socket) => {
      if (!this.#connections.add(socket)) return
      socket.once('close', () => this.#onSocketClosed(socket))
    })
    return server
  }

  async listen({
    host,
    port,
  }: {
    host: string
    port: number
  }): Promise<{ url: string; port: number }> {
    const server = this.#server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port, backlog: 1024 }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    const bound = server.address() as AddressInfo
    const shown = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address
    return { url: `http://${shown}:${bound.port}`, port: bound.port }
  }

  async handleS3(request: S3Request): Promise<S3Response> {
    const exchange = new Exchange(this.#nextId(), this.#options.clock.monotonicMs())
    this.#watch.add(exchange)
    const response = await this.#gate.handle(request, exchange)
    this.#finish(exchange, response.status)
    return response
  }

  async close({ drainMs }: { drainMs: number }): Promise<void> {
    this.#draining = true
    const server = this.#server
    const closed = server.listening
      ? new Promise<void>((resolve) => server.close(() => resolve()))
      : Promise.resolve()
    server.closeIdleConnections()
    if (this.#watch.inFlight.size > 0) {
      await new Promise<void>((resolve) => {
        const cancel = this.#options.clock.after(drainMs, resolve)
        this.#onIdle = () => {
          cancel()
          resolve()
        }
      })
    }
    for (const exchange of this.#watch.inFlight) this.#watch.abort(exchange, 'closing')
    server.closeAllConnections()
    this.#watch.stop()
    await closed
  }

  async #serve(message: IncomingMessage, out: ServerResponse): Promise<void> {
    const exchange = new HttpExchange(
      this.#nextId(),
      this.#options.clock.monotonicMs(),
      message,
      out,
    )
    this.#lastOf.set(message.socket, exchange)
    const { metrics } = this.#options
    try {
      this.#admission.enter(exchange, message.socket.remoteAddress ?? '')
    } catch (error) {
      metrics.refused++
      const response = this.#gate.failure(error, undefined, exchange)
      await this.#sendWhole(exchange, response)
      this.#admission.leave(exchange)
      this.#access?.finished(exchange, response.status)
      return
    }
    this.#watch.add(exchange)
    metrics.inFlight = this.#watch.inFlight.size
    let request: S3Request | undefined
    let response: S3Response
    try {
      if (message.url === '*' && message.method === 'OPTIONS') {
        response = this.#gate.serverOptions(exchange)
      } else {
        request = parseRequest(message, this.#options)
        response = await this.#gate.handle(request, exchange)
      }
    } catch (error) {
      response = this.#gate.failure(error, undefined, exchange)
    }
    const status = await this.#send(exchange, request, response)
    this.#finish(exchange, exchange.aborted === 'client-gone' ? 499 : status)
  }

  /** The status that was sent in the end. Never rejects. */
  async #send(
    exchange: HttpExchange,
    request: S3Request | undefined,
    response: S3Response,
  ): Promise<number> {
    const { response: out } = exchange
    const { body } = response
    const isOver = out.headersSent || out.destroyed
    try {
      if (typeof body === 'object' && Symbol.asyncIterator in body) {
        this.#closeWhenNeeded(exchange, response)
        // Its first chunk is at hand already: so it gives back what it holds for that.
        if (isOver) await body[Symbol.asyncIterator]().return?.()
        else await exchange.sendStream(response, body)
      } else if (!isOver) {
        if (body !== undefined) this.#admission.answers(exchange, body.length)
        await this.#sendWhole(exchange, response)
      }
      return response.status
    } catch (error) {
      const failure = this.#gate.failure(error, request, exchange)
      if (out.headersSent) {
        const { operation, requestId } = exchange
        const why = String(error)
        this.#options.logger.warn({ error: why, operation, requestId }, 'an answer was cut short')
        out.destroy()
      } else {
        await this.#sendWhole(exchange, failure)
      }
      return failure.status
    }
  }

  /** Resolves when the answer has left, so that one which nobody reads keeps its place until then. */
  async #sendWhole(exchange: HttpExchange, { status, headers, body }: S3Response): Promise<void> {
    const whole = body as string | Uint8Array | undefined
    const unread = exchange.leavesBodyUnread
    if (unread || this.#draining) headers['Connection'] = 'close'
    if (unread && exchange.isSending && typeof whole === 'string')
      this.#linger(exchange, status, headers, whole)
    else await exchange.sendWhole(status, headers, whole)
  }

  #closeWhenNeeded(exchange: HttpExchange, response: S3Response): void {
    if (this.#draining || exchange.leavesBodyUnread) response.headers['Connection'] = 'close'
  }

  /**
   * The client is still sending a body that nobody will read. Closing at once would reset the
   * connection, and with it the answer: take some more first, and throw it away.
   */
  #linger(
    exchange: HttpExchange,
    status: number,
    headers: Record<string, string>,
    body: string,
  ): void {
    const { request, response } = exchange
    headers['Content-Length'] = String(Buffer.byteLength(body))
    exchange.sentBytes = Buffer.byteLength(body)
    response.writeHead(status, headers)
    response.write(body)
    let discarded = 0
    const end = (): void => {
      cancel()
      request.off('data', onData).off('end', end).off('close', end)
      if (!response.writableEnded) response.end()
    }
    const onData = (bytes: Uint8Array): void => {
      discarded += bytes.length
      if (discarded > LINGER_BYTES_MAX) end()
    }
    const cancel = this.#options.clock.after(LINGER_MS, end)
    request.on('error', () => {})
    request.on('data', onData).once('end', end).once('close', end)
    request.resume()
  }

  /** Once for each request, whoever comes first: its answer, or the watcher. */
  #finish(exchange: Exchange, status: number): void {
    const { metrics, clock } = this.#options
    if (!this.#watch.remove(exchange)) return
    this.#admission.leave(exchange)
    metrics.inFlight = this.#watch.inFlight.size
    const seconds = (clock.monotonicMs() - exchange.startedMs) / 1000
    metrics.of(exchange.operation).record(status, seconds, exchange.rounds)
    this.#access?.finished(exchange, status)
    this.#forget(exchange)
    if (this.#watch.inFlight.size === 0) this.#onIdle?.()
  }

  /** The store may be stuck: the client gets its answer all the same, while it can be given. */
  #onAbort(exchange: Exchange, cause: AbortCause): void {
    if (cause === 'client-gone') return
    const failure = this.#gate.failure(undefined, undefined, exchange)
    if (exchange instanceof HttpExchange) {
      const { response, request } = exchange
      if (response.headersSent) response.destroy()
      else {
        failure.headers['Connection'] = 'close'
        void exchange.sendWhole(failure.status, failure.headers, failure.body as string)
        response.once('close', () => request.destroy())
      }
    }
    this.#finish(exchange, failure.status)
  }

  /** An idle connection keeps nothing of its last request. */
  #forget(exchange: Exchange): void {
    if (!(exchange instanceof HttpExchange) || !exchange.request.complete) return
    const { socket } = exchange.request
    if (this.#lastOf.get(socket) === exchange) this.#lastOf.delete(socket)
  }

  #onMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
    const last = this.#lastOf.get(socket)
    // Sent ahead, while an answer is under way: another one can't be told from its bytes.
    const isAhead = last?.request.complete === true && this.#connections.isBusy(socket)
    if (isAhead && error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return
    // The client has ended its half of the connection in the middle of a body, and waits for an answer.
    const cut = error.code === 'HPE_INVALID_EOF_STATE' && last?.request.complete === false
    if (error.code === 'ECONNRESET' || isAhead) socket.destroy()
    else if (cut && this.#watch.inFlight.has(last)) this.#watch.abort(last, 'body-cut')
    else this.#refusePlainly(socket, refusalOf(error))
  }

  #refusePlainly(socket: Duplex, refusal: PlainRefusal): void {
    const last = this.#lastOf.get(socket)
    const inRequest = last?.request.complete === false
    if (inRequest) last.failure ??= refusal
    else this.#access?.malformed((socket as Socket).remoteAddress, refusal)
    sendPlain(socket, refusal, inRequest && last.response.headersSent)
  }

  #onSocketClosed(socket: Socket): void {
    // One request of a connection is in service at a time.
    const last = this.#lastOf.get(socket)
    if (last !== undefined && this.#watch.inFlight.has(last)) this.#watch.abort(last, 'client-gone')
  }

  /** 16 upper-case hex digits: drawn at start, then counted. */
  #nextId(): string {
    this.#idCount = (this.#idCount + 1) >>> 0
    return this.#idPrefix + upperCase(this.#idCount.toString(16)).padStart(8, '0')
  }
}

function accessLogOf(options: GatewayOptions): AccessLog | undefined {
  const { clock, accessLog, debug = false, logger } = options
  if (accessLog === undefined && !debug) return undefined
  return new AccessLog({
    clock,
    write: accessLog,
    logger: debug ? logger : undefined,
  })
}
