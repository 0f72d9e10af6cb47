/**
 * The S3 face: requests over HTTP, answered by the gate (gate.ts). Simulations call the gate alone, below
 * HTTP (`handleS3`).
 *
 * Every request is finished exactly once, either by its answer or by the watcher (watch.ts); only then does
 * it give up its place and its memory, and only then is it counted and logged.
 *
 * Limits (F19, F26, F27): limits.ts.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { upperCase } from './http/ascii.ts'
import { AccessLog } from './access-log.ts'
import type { GatewayMetrics } from './admin/metrics.ts'
import type { SigV2 } from './auth/auth.ts'
import { BucketLogs } from './bucket-logs.ts'
import type { TlsCertificate } from './http/certificates.ts'
import { Gate } from './gate.ts'
import type { Face } from './http/face.ts'
import type { AfterTurn, GatewayClock } from './http/clock.ts'
import { Exchange, type AbortCause } from './http/exchange.ts'
import { HttpExchange } from './http/http-exchange.ts'
import { byTimer } from './http/next-turn.ts'
import type { S3Request } from './http/request.ts'
import type { S3Response } from './http/response.ts'
import { RECEIVED_BYTES_PER_TURN, SENT_BYTES_PER_TURN, TurnBytes } from './http/turn-bytes.ts'
import { WorkQueue } from './http/work-queue.ts'
import { GATEWAY_LIMITS, type GatewayLimits } from './limits.ts'
import { Listener, type GatewayAddress } from './listener.ts'
import { Admission } from './overload/admission.ts'
import { Connections } from './overload/connections.ts'
import { budgetsOf } from './overload/process-budget.ts'
import { Refusals } from './overload/refusals.ts'
import { Watch } from './overload/watch.ts'
import type { Backend } from './port/backend.ts'
import type { IamBackend } from './port/iam-backend.ts'
import type { GatewayLogger } from './port/logger.ts'
import { Proxies, type ProxyOptions } from './proxies.ts'
import { Origins } from './origins.ts'
import { Sender } from './sender.ts'
import { WebsiteGate } from './website-gate.ts'

export interface GatewayOptions {
  readonly backend: Backend
  /** Answers IAM's and STS's query API on the same port. Without it they are not served. */
  readonly iam?: IamBackend | undefined
  readonly region: string
  /** Where requests may carry a signature of version 2. Default: `presigned`. */
  readonly sigv2?: SigV2 | undefined
  /** With `s3.example.org`, buckets may be named in the Host header. */
  readonly hostSuffixes: readonly string[]
  /**
   * For the website port: with `web.example.org`, the host `bucket.web.example.org` is the website of a bucket. Every other
   * host is the name of a bucket itself.
   */
  readonly websiteDomains?: readonly string[] | undefined
  readonly clock: GatewayClock
  /** When the requests of a turn start (overload/starts.ts). Default: a timer of the clock. */
  readonly afterTurn?: AfterTurn | undefined
  /** With certificates the ports speak TLS only (listener.ts). */
  readonly certificates?: readonly TlsCertificate[] | undefined
  /** Who may say from which client a request is. Default: none. */
  readonly proxies?: ProxyOptions | undefined
  /** For the id of the node in answers, the prefix of request ids, and keys of encrypted objects. */
  readonly randomBytes: (length: number) => Uint8Array
  readonly metrics: GatewayMetrics
  readonly logger: GatewayLogger
  /** Takes the access log, line by line (access-log.ts). Without it none is written. */
  readonly accessLog?: ((line: string) => void) | undefined
  /** How long a line of a bucket's own access log waits at most before it is stored (bucket-logs.ts). Default: a minute. */
  readonly bucketLogIntervalMs?: number | undefined
  /** The logger shows `debug`: log each failed request there. */
  readonly debug?: boolean | undefined
  /** Replaces single limits of limits.ts. */
  readonly limits?: Partial<GatewayLimits> | undefined
  /** Where gateways on several threads count together (`createLimitsMemory`). Without it each counts for itself. */
  readonly sharedLimits?: SharedArrayBuffer | undefined
}

const BUCKET_LOG_MS = 60_000
/** How long a stop waits for the last lines of buckets' access logs. */
const BUCKET_LOG_DRAIN_MS = 2_000

/** The S3 port of one node, and its website port. */
export interface Gateway {
  listen(address: GatewayAddress): Promise<{ url: string; port: number }>
  /** Call it at most once, and only with `websiteDomains`. */
  listenForWebsites(address: GatewayAddress): Promise<{ url: string; port: number }>
  /** For connections that are opened from now on. Throws when one is not valid, and then nothing changes. */
  replaceCertificates(certificates: readonly TlsCertificate[]): void
  /** Below HTTP: returns the response record, its stream unread. */
  handleS3(request: S3Request): Promise<S3Response>
  /** Accepts no more connections. Requests in flight have `drainMs` to finish, then they are cut. */
  close(options: { drainMs: number }): Promise<void>
}

/** Does not listen yet: call `listen`. Throws when a certificate is not valid. */
export function createGateway(options: GatewayOptions): Gateway {
  return new HttpGateway(options)
}

class HttpGateway implements Gateway {
  readonly #options: GatewayOptions
  readonly #gate: Gate
  readonly #watch: Watch
  readonly #access: AccessLog | undefined
  readonly #bucketLogs: BucketLogs
  readonly #admission: Admission
  readonly #s3: Listener
  readonly #websites: Listener
  readonly #sender: Sender
  readonly #proxies: Proxies
  /** Keeps the request ids of two nodes, and of two runs of one node, apart. */
  readonly #idPrefix: string
  #idCount = 0
  /** Set while `close` waits: called when the last request in flight is finished. */
  #onIdle: (() => void) | undefined

  constructor(options: GatewayOptions) {
    this.#options = options
    const { backend, iam, region, sigv2 = 'presigned', clock, logger, metrics } = options
    const { afterTurn = byTimer(clock) } = options
    const limits = { ...GATEWAY_LIMITS, ...options.limits }
    const hostId = Buffer.from(options.randomBytes(33)).toString('base64')
    this.#idPrefix = upperCase(Buffer.from(options.randomBytes(4)).toString('hex'))
    const budgets = budgetsOf(options.sharedLimits)
    const connections = new Connections(afterTurn, limits, budgets)
    const displace = (exchange: Exchange): void => this.#watch.abort(exchange, 'displaced')
    const admission = new Admission(clock, limits, displace, budgets)
    const refusals = new Refusals(clock, logger)
    metrics.refusedBy = refusals.byReason
    metrics.connections = connections
    metrics.admission = admission
    const workQueue = new WorkQueue(clock)
    this.#admission = admission
    this.#gate = new Gate({
      backend,
      iam,
      region,
      hostSuffixes: options.hostSuffixes,
      sigv2,
      clock,
      logger,
      hostId,
      randomBytes: options.randomBytes,
      admission,
      refusals,
      workQueue,
      received: new TurnBytes(clock, RECEIVED_BYTES_PER_TURN),
      origins: new Origins({ backend, admission, workQueue }),
    })
    const websites = new WebsiteGate(this.#gate, options.websiteDomains ?? [])
    this.#access = accessLogOf(options)
    const { bucketLogIntervalMs: intervalMs = BUCKET_LOG_MS } = options
    this.#bucketLogs = new BucketLogs({ gate: this.#gate.options, clock, logger, intervalMs })
    this.#watch = new Watch(clock, limits.watch, {
      abort: (exchange, cause) => this.#onAbort(exchange, cause),
      givenUp: (exchange) => this.#finish(exchange, 499),
    })
    this.#sender = new Sender({
      admission,
      turns: new TurnBytes(clock, SENT_BYTES_PER_TURN),
      clock,
      logger,
    })
    this.#proxies = new Proxies(options.proxies)
    const listenerOf = (face: Face): Listener =>
      new Listener({
        limits,
        connections,
        watch: this.#watch,
        access: this.#access,
        certificates: options.certificates,
        proxies: this.#proxies,
        clock,
        serve: (message, out, listener) => this.#serve(face, listener, message, out),
      })
    this.#s3 = listenerOf(this.#gate)
    this.#websites = listenerOf(websites)
  }

  listen(address: GatewayAddress): Promise<{ url: string; port: number }> {
    return this.#s3.listen(address)
  }

  listenForWebsites(address: GatewayAddress): Promise<{ url: string; port: number }> {
    return this.#websites.listen(address)
  }

  replaceCertificates(certificates: readonly TlsCertificate[]): void {
    for (const listener of this.#listeners) listener.replaceCertificates(certificates)
  }

  get #listeners(): readonly Listener[] {
    return [this.#s3, this.#websites]
  }

  async handleS3(request: S3Request): Promise<S3Response> {
    const exchange = new Exchange(this.#nextId(), this.#options.clock.monotonicMs())
    this.#watch.add(exchange)
    const response = await this.#gate.handle(request, exchange)
    this.#finish(exchange, response.status)
    return response
  }

  async close({ drainMs }: { drainMs: number }): Promise<void> {
    this.#sender.draining = true
    const closed = this.#listeners.map((listener) => listener.stopAccepting().closed)
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
    for (const listener of this.#listeners) listener.cutConnections()
    await this.#bucketLogs.close(Math.min(drainMs, BUCKET_LOG_DRAIN_MS))
    this.#watch.stop()
    await Promise.all(closed)
  }

  /**
   * Serves one request of HTTP: place, parse, gate, answer, count. Never rejects. A request that gets no place is
   * answered and logged, but was never in flight: the watcher does not know it.
   */
  async #serve(
    face: Face,
    listener: Listener,
    message: IncomingMessage,
    out: ServerResponse,
  ): Promise<void> {
    const { metrics, clock } = this.#options
    const { client, problem } = this.#proxies.clientOf(message)
    const startedMs = clock.monotonicMs()
    const exchange = new HttpExchange(this.#nextId(), startedMs, message, out, client, face)
    listener.began(exchange)
    try {
      this.#admission.enter(exchange, client.address)
    } catch (error) {
      metrics.refused++
      const response = face.failure(error, undefined, exchange)
      await this.#sender.sendWhole(exchange, response)
      this.#admission.leave(exchange)
      this.#access?.finished(exchange, response.status)
      return
    }
    this.#watch.add(exchange)
    metrics.inFlight = this.#watch.inFlight.size
    let request: S3Request | undefined
    let response: S3Response
    try {
      if (problem !== undefined) throw problem
      if (message.url === '*' && message.method === 'OPTIONS') {
        response = this.#gate.serverOptions(exchange, face.methods)
      } else {
        request = face.parse(message, client)
        response = await face.handle(request, exchange)
      }
    } catch (error) {
      response = face.failure(error, undefined, exchange)
    }
    const status = await this.#sender.send(exchange, request, response)
    this.#finish(exchange, exchange.aborted === 'client-gone' ? 499 : status)
  }

  /** Called by the answer and by the watcher; only the first call counts. */
  #finish(exchange: Exchange, status: number): void {
    const { metrics, clock } = this.#options
    if (!this.#watch.remove(exchange)) return
    this.#admission.leave(exchange)
    metrics.inFlight = this.#watch.inFlight.size
    const seconds = (clock.monotonicMs() - exchange.startedMs) / 1000
    metrics.of(exchange.operation).record(status, seconds, exchange.rounds)
    this.#access?.finished(exchange, status)
    if (exchange.logged !== undefined) this.#bucketLogs.finished(exchange, status)
    for (const listener of this.#listeners) listener.finished(exchange)
    if (this.#watch.inFlight.size === 0) this.#onIdle?.()
  }

  /** Does not wait for the store, which may hang: the client gets its answer as long as none was begun. */
  #onAbort(exchange: Exchange, cause: AbortCause): void {
    if (cause === 'client-gone') return
    const face = exchange instanceof HttpExchange ? exchange.face : this.#gate
    const failure = face.failure(undefined, undefined, exchange)
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

  /** 16 upper-case hex digits: a prefix drawn at start, then a counter. */
  #nextId(): string {
    this.#idCount = (this.#idCount + 1) >>> 0
    return this.#idPrefix + upperCase(this.#idCount.toString(16)).padStart(8, '0')
  }
}

/** Undefined when neither an access log nor `debug` is wanted: then requests cost nothing here. */
function accessLogOf(options: GatewayOptions): AccessLog | undefined {
  const { clock, accessLog, debug = false, logger } = options
  if (accessLog === undefined && !debug) return undefined
  return new AccessLog({
    clock,
    write: accessLog,
    logger: debug ? logger : undefined,
  })
}
