/**
 * A port on which S3 or websites are served: node:http or node:https with koa in front of the gateway (server.ts), and everything on a
 * connection that is not a request: malformed HTTP, CONNECT, a client that goes away (F19, F26, F34).
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import Koa from 'koa'
import type { AccessLog } from './access-log.ts'
import { Certificates, tlsOptionsOf, type TlsCertificate } from './http/certificates.ts'
import type { Exchange } from './http/exchange.ts'
import { HttpExchange } from './http/http-exchange.ts'
import type { GatewayClock } from './http/clock.ts'
import { listening } from './http/listening.ts'
import { NO_TUNNELS, refusalOf, sendPlain, type PlainRefusal } from './http/malformed.ts'
import type { GatewayLimits } from './limits.ts'
import type { ConnectionPeer, Connections } from './overload/connections.ts'
import type { Watch } from './overload/watch.ts'
import { receiveProxyHeader, type Proxies } from './proxies.ts'
import { checkUnused } from './unused-address.ts'

export interface ListenerOptions {
  readonly limits: Pick<GatewayLimits, 'headBytesMax' | 'headTimeoutMs' | 'idleTimeoutMs'>
  readonly connections: Connections
  readonly watch: Watch
  readonly access: AccessLog | undefined
  /** With certificates the port speaks TLS only. */
  readonly certificates?: readonly TlsCertificate[] | undefined
  readonly proxies: Proxies
  readonly clock: GatewayClock
  /** Answers one request, and calls `began` of this listener. Never rejects. */
  serve(message: IncomingMessage, out: ServerResponse, listener: Listener): Promise<void>
}

export interface GatewayAddress {
  readonly host: string
  /** 0 takes any free one. */
  readonly port: number
  /**
   * Several threads of this process listen on the port, and the system shares new connections out among them. The first
   * one says `begin`, the others `join`. Rejects with ENOTSUP or the like where the system cannot do that.
   */
  readonly sharing?: 'begin' | 'join' | undefined
}

/** How often Node looks for connections whose heads are late. Its own default is half a minute. */
const HEAD_LOOK_MS = 5_000

/**
 * Koa without its context and its response handling: `serve` reads Node's request, writes its own answers and never
 * rejects, so the objects and listeners that koa makes for every request would only cost time.
 */
class LeanKoa extends Koa {
  override createContext(req: IncomingMessage, res: ServerResponse): Koa.ParameterizedContext {
    return { req, res } as Koa.ParameterizedContext
  }

  handleRequest(context: Koa.Context, run: (context: Koa.Context) => Promise<void>): Promise<void> {
    return run(context)
  }
}

/** One for each port of a gateway, made before it listens. */
export class Listener {
  readonly #options: ListenerOptions
  /** Undefined without TLS. */
  #certificates: Certificates | undefined
  readonly #server: Server | TlsServer
  /** Connections below TLS, also before their handshakes, and those whose header of the PROXY protocol is not there yet. */
  readonly #belowHttp = new Set<Socket>()
  /** The last request of each connection. */
  readonly #lastOf = new WeakMap<Duplex, HttpExchange>()

  /** Throws what Certificates throws. */
  constructor(options: ListenerOptions) {
    this.#options = options
    this.#certificates = options.certificates && new Certificates(options.certificates)
    this.#server = this.#makeServer()
  }

  /** Rejects when the address cannot be bound. The URL has the address that was bound. */
  async listen({ host, port, sharing }: GatewayAddress): Promise<{ url: string; port: number }> {
    const server = this.#server
    if (sharing === 'begin') await checkUnused(host, port)
    await listening(server, { host, port, backlog: 1024, reusePort: sharing !== undefined })
    const bound = server.address() as AddressInfo
    const shown = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address
    const scheme = this.#certificates === undefined ? 'http' : 'https'
    return { url: `${scheme}://${shown}:${bound.port}`, port: bound.port }
  }

  /**
   * New connections get these certificates. Connections that are there keep theirs, so no request is cut. Throws what
   * Certificates throws, and then nothing changes.
   */
  replaceCertificates(certificates: readonly TlsCertificate[]): void {
    const next = new Certificates(certificates)
    if (!('setSecureContext' in this.#server)) throw new Error('the port was opened without TLS')
    this.#certificates = next
    this.#server.setSecureContext(next.fallback)
  }

  /** Accepts no more connections and closes idle ones. The promise resolves when the last one has ended. */
  stopAccepting(): { readonly closed: Promise<void> } {
    const server = this.#server
    const closed = server.listening
      ? new Promise<void>((resolve) => server.close(() => resolve()))
      : Promise.resolve()
    server.closeIdleConnections()
    return { closed }
  }

  /** Ends all connections, also those in the middle of an answer. */
  cutConnections(): void {
    this.#server.closeAllConnections()
    for (const socket of this.#belowHttp) socket.destroy()
  }

  /**
   * Call when a request begins. From now on, what happens to the connection is about this request: a malformed body,
   * or the client going away.
   */
  began(exchange: HttpExchange): void {
    this.#lastOf.set(exchange.request.socket, exchange)
  }

  /** An idle connection keeps nothing of its last request. */
  finished(exchange: Exchange): void {
    if (!(exchange instanceof HttpExchange) || !exchange.request.complete) return
    const { socket } = exchange.request
    if (this.#lastOf.get(socket) === exchange) this.#lastOf.delete(socket)
  }

  /**
   * The server with its limits and events. Only time-outs of heads and idle connections are Node's; those of bodies
   * and answers are the watcher's (watch.ts), because an honest upload may take hours.
   */
  #makeServer(): Server | TlsServer {
    const app = new LeanKoa()
    app.use((context) => this.#options.serve(context.req, context.res, this))
    const handle = app.callback()
    const { connections } = this.#options
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      connections.serve(request.socket, response, () => handle(request, response))
    }
    const { headBytesMax, headTimeoutMs, idleTimeoutMs } = this.#options.limits
    const http = {
      noDelay: true,
      keepAlive: true,
      maxHeaderSize: headBytesMax,
      headersTimeout: headTimeoutMs,
      connectionsCheckingInterval: Math.min(HEAD_LOOK_MS, headTimeoutMs),
      requestTimeout: 0,
      keepAliveTimeout: idleTimeoutMs,
      insecureHTTPParser: false,
      // Checked by parseRequest, so that its refusal has a request id.
      requireHostHeader: false,
    }
    const certificates = this.#certificates
    // A client has as much time for its handshake as for a head. A reload only replaces certificates.
    const server = certificates
      ? createTlsServer(
          { ...http, ...tlsOptionsOf(() => this.#certificates ?? certificates, headTimeoutMs) },
          listener,
        )
      : createServer(http, listener)
    // The size of the head bounds their number. With a limit, Node silently drops all headers after it.
    server.maxHeadersCount = 0
    // `100 Continue` is sent only once the request has passed the gate.
    server.on('checkContinue', listener)
    // AWS ignores every other expectation too.
    server.on('checkExpectation', listener)
    server.on('clientError', (error, socket) => this.#onMalformed(error, socket))
    server.on('connect', (_request, socket) => this.#refusePlainly(socket, NO_TUNNELS))
    server.on('connection', (socket: Socket) => this.#onConnection(socket))
    server.on('secureConnection', (socket: TLSSocket) => {
      this.#options.proxies.secured(socket)
      this.#takeBytesAsEvents(socket)
      this.#serveConnection(socket)
    })
    if (this.#options.proxies.areFirstToSpeak) this.#readProxyHeaders(server)
    return server
  }

  /**
   * Makes Node give the bytes of a TLS connection to its parser as 'data' events. Without a listener of its own the parser
   * takes them from the handle. It is paused when a request comes before Node has noted that the last answer is
   * sent, but TLS goes on handing over what it has decrypted, and Node 24 then ends the connection: "Parse Error: Paused" (sim/e2e/certificates.ts meets it).
   */
  #takeBytesAsEvents(socket: TLSSocket): void {
    socket.on('data', () => {})
  }

  /** Node's own listeners have got the connection before. */
  #onConnection(socket: Socket): void {
    const { connections, proxies } = this.#options
    const known = proxies.areFirstToSpeak || connections.admit(socket, this.#peerOf(socket))
    if (!known) return
    if (this.#certificates === undefined) return this.#serveConnection(socket)
    this.#keepBelowHttp(socket)
  }

  /**
   * Nothing of the server gets a connection of a trusted proxy before the header of the PROXY protocol is read. Without
   * one, the connection is closed.
   */
  #readProxyHeaders(server: Server | TlsServer): void {
    const { connections, proxies, clock, access, limits } = this.#options
    const further = server.listeners('connection')
    const serve = (socket: Socket): void => {
      for (const listener of further) listener.call(server, socket)
    }
    server.removeAllListeners('connection')
    server.on('connection', (socket: Socket) => {
      const peer = this.#peerOf(socket)
      if (!connections.admit(socket, peer)) return
      if (!peer.isProxy) return serve(socket)
      this.#keepBelowHttp(socket)
      receiveProxyHeader(socket, { clock, deadlineMs: limits.headTimeoutMs }, (received) => {
        if (received.type === 'refused') {
          const reason = `header of the PROXY protocol: ${received.why}`
          access?.malformed(peer.address, { status: 400, code: 'PROXY_HEADER', reason })
          return void socket.destroy()
        }
        this.#belowHttp.delete(socket)
        const { client } = received
        if (client !== undefined) {
          proxies.named(socket, client)
          if (!connections.admitAgain(socket, this.#peerOf(socket))) return
        }
        serve(socket)
        // TLS takes the bytes that have arrived out of the socket itself.
        if (this.#certificates === undefined) socket.resume()
      })
    })
  }

  #keepBelowHttp(socket: Socket): void {
    this.#belowHttp.add(socket)
    socket.once('close', () => this.#belowHttp.delete(socket))
  }

  #peerOf(socket: Socket): ConnectionPeer {
    const { proxies } = this.#options
    const { address } = proxies.peerOf(socket)
    return { address, isProxy: proxies.trusts(address) }
  }

  /** The connection may carry requests now: of TLS, its handshake is done. */
  #serveConnection(socket: Socket): void {
    this.#options.connections.opened(socket, this.#peerOf(socket))
    socket.once('close', () => this.#onSocketClosed(socket))
  }

  /**
   * Called for bytes that are not HTTP, a head that came too late, or a broken connection (F34):
   *
   *   sent ahead, while an earlier request is being answered   the connection is cut
   *   the end in the middle of a body                          its request fails with IncompleteBody
   *   anything else                                            a plain answer without a request id, then close
   */
  #onMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
    const { connections, watch } = this.#options
    // A handshake has failed: nothing that is written would be understood.
    if (!connections.isOpen(socket)) return void socket.destroy()
    // The head may have come in this very turn.
    connections.startNow(socket)
    const last = this.#lastOf.get(socket)
    // The bytes were sent ahead while an answer is under way: a second answer would look like part of the first.
    const isAhead = last?.request.complete === true && connections.isBusy(socket)
    if (isAhead && error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return
    // The client has ended its half of the connection in the middle of a body and waits for an answer.
    const cut = error.code === 'HPE_INVALID_EOF_STATE' && last?.request.complete === false
    if (error.code === 'ECONNRESET' || isAhead) socket.destroy()
    else if (cut && watch.inFlight.has(last)) watch.abort(last, 'body-cut')
    else this.#refusePlainly(socket, refusalOf(error))
  }

  /**
   * Answers on the bare socket. Within a request this is its failure; else it gets a line of its own in the access
   * log.
   */
  #refusePlainly(socket: Duplex, refusal: PlainRefusal): void {
    const last = this.#lastOf.get(socket)
    const inRequest = last?.request.complete === false
    if (inRequest) last.failure ??= refusal
    else this.#options.access?.malformed(this.#options.proxies.peerOf(socket).address, refusal)
    sendPlain(socket, refusal, inRequest && last.response.headersSent)
  }

  /** The client has disconnected. Its request in flight is ended, so that the store can stop working for it. */
  #onSocketClosed(socket: Socket): void {
    const { watch } = this.#options
    // Only one request of a connection is served at a time.
    const last = this.#lastOf.get(socket)
    if (last !== undefined && watch.inFlight.has(last)) watch.abort(last, 'client-gone')
  }
}
