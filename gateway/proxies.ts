/**
 * Trusted proxies: who in front of the S3 port may say from which client a request or a connection is, and how they say it.
 * What others say about that is ignored (F33).
 *
 * With the PROXY protocol a trusted proxy says it once, at the start of each connection. With headers it says it in
 * each request (http/forwarded.ts).
 */

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { inIpRange, parseIp, parseIpRange, type IpRange } from '../protocol/iam/ip.ts'
import { clientOfSocket, type Client } from './http/client.ts'
import type { GatewayClock } from './http/clock.ts'
import { forwardedClient, type ForwardedKind } from './http/forwarded.ts'
import { readProxyHeader } from './http/proxy-protocol.ts'
import { remembering } from './http/remembered.ts'

/** Plain data: it is sent to gateway threads. */
export interface ProxyOptions {
  /** Addresses and CIDR ranges. */
  readonly trusted: readonly string[]
  /** How they name the client. Only this one is read. */
  readonly header: ForwardedKind | 'proxy-protocol'
}

const NO_PROXIES: ProxyOptions = { trusted: [], header: 'x-forwarded' }

/** One for each gateway. */
export class Proxies {
  readonly #ranges: readonly IpRange[]
  readonly #header: ProxyOptions['header']
  /** Clients of connections that began with a header of the PROXY protocol. */
  readonly #clients = new WeakMap<Duplex, Client>()
  /** The same by both ends of the connection, because TLS makes another socket. */
  readonly #byEnds = new Map<string, Client>()
  readonly #isListed: (address: string) => boolean

  constructor({ trusted, header }: ProxyOptions = NO_PROXIES) {
    this.#ranges = trusted.flatMap((text) => parseIpRange(text) ?? [])
    this.#header = header
    this.#isListed = remembering(1024, (address) => {
      const bytes = parseIp(address.split('%')[0] ?? '')
      return bytes !== undefined && this.#ranges.some((range) => inIpRange(range, bytes))
    })
  }

  trusts(address: string): boolean {
    return this.#ranges.length > 0 && this.#isListed(address)
  }

  /** Whether trusted proxies begin each connection with a header of the PROXY protocol. */
  get areFirstToSpeak(): boolean {
    return this.#header === 'proxy-protocol' && this.#ranges.length > 0
  }

  /** Who is at the other end of a connection: its client where the PROXY protocol names it, else what the socket says. */
  peerOf(socket: Duplex | null | undefined): Client {
    const client = socket && this.#clients.get(socket)
    return client ?? clientOfSocket(socket)
  }

  /** Who sends the request. `problem` is what is wrong with a trusted proxy's header: then the client is not known. */
  clientOf({ socket, headers }: IncomingMessage): {
    readonly client: Client
    readonly problem?: unknown
  } {
    const peer = this.peerOf(socket)
    if (this.#header === 'proxy-protocol' || !this.trusts(peer.address)) return { client: peer }
    try {
      const trusts = (address: string): boolean => this.trusts(address)
      return { client: forwardedClient(this.#header, headers, peer, trusts) }
    } catch (problem) {
      return { client: peer, problem }
    }
  }

  /** Remembers what the header at the start of this connection says, until it closes. */
  named(socket: Socket, client: Client): void {
    const ends = endsOf(socket)
    this.#clients.set(socket, client)
    this.#byEnds.set(ends, client)
    socket.once('close', () => {
      if (this.#byEnds.get(ends) === client) this.#byEnds.delete(ends)
    })
  }

  /** The TLS of a connection is up: what was said about the connection holds for this socket too. */
  secured(socket: Socket): void {
    if (this.#byEnds.size === 0) return
    const client = this.#byEnds.get(endsOf(socket))
    if (client !== undefined) this.#clients.set(socket, { ...client, secure: true })
  }
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}

/** What came of waiting for the header. `client` is undefined when the proxy speaks for itself. */
export type ReceivedHeader =
  | { readonly type: 'whole'; readonly client: Client | undefined }
  | { readonly type: 'refused'; readonly why: string }

/**
 * Reads the PROXY protocol's header at the start of a connection, and leaves the bytes after it in the socket. Calls
 * `done` once, unless the socket closes before. Until then nothing else may listen to the socket.
 */
export function receiveProxyHeader(
  socket: Socket,
  { clock, deadlineMs }: { readonly clock: GatewayClock; readonly deadlineMs: number },
  done: (received: ReceivedHeader) => void,
): void {
  let bytes: Buffer = Buffer.alloc(0)
  const finish = (received: ReceivedHeader): void => {
    stop()
    done(received)
  }
  const onData = (chunk: Buffer): void => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    const header = readProxyHeader(bytes)
    if (header.type === 'incomplete') return
    if (header.type === 'malformed') return finish({ type: 'refused', why: header.why })
    socket.pause()
    const rest = bytes.subarray(header.sizeBytes)
    if (rest.length > 0) socket.unshift(rest)
    finish({ type: 'whole', client: header.client })
  }
  const onEnd = (): void => finish({ type: 'refused', why: 'the connection ended within it' })
  const onError = (): void => {
    // The socket closes after it. The listener stays, because a socket that is refused may still fail.
  }
  const cancel = clock.after(deadlineMs, () =>
    finish({ type: 'refused', why: 'it did not come in time' }),
  )
  const stop = (): void => {
    cancel()
    socket.off('data', onData).off('end', onEnd).off('close', stop)
  }
  socket.on('error', onError).on('data', onData).on('end', onEnd).on('close', stop)
}
