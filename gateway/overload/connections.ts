/**
 * The connections of the S3 port: limits how many an address may have open, and serves one request of each
 * connection at a time. HTTP lets clients send any number of requests ahead, and Node starts a handler for each one
 * that it has read. A bounded number of them waits here.
 */

import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { addressGroup, type CallerShares } from './callers.ts'
import type { AfterTurn } from '../http/clock.ts'
import { ownBudgets, type Budget, type Budgets, type Lease, type ShareHolder } from './shares.ts'
import { Starts } from './starts.ts'

/** For the whole process, whatever number of threads it has, except `waitingMax`, which is for a connection. */
export interface ConnectionLimits {
  /** Open connections. An address may have its share of them. */
  readonly connectionsMax: number
  /** Requests that may wait for the one being served. A client that sends more ahead is cut off. */
  readonly waitingMax: number
  /** Requests that may wait on all connections together. An address may use its share of them. */
  readonly waitingMaxAll: number
  readonly shares: CallerShares
}

export const CONNECTION_LIMITS: ConnectionLimits = {
  connectionsMax: 16_384,
  waitingMax: 512,
  waitingMaxAll: 8_192,
  shares: { address: 0.25, caller: 0.5 },
}

/** A request that waits for the earlier ones on its connection, and its part of `waitingMaxAll`. */
interface Waiting {
  readonly start: () => void
  readonly lease: Lease
}

/** Who is at the other end of a connection. */
export interface ConnectionPeer {
  readonly address: string
  /** A trusted proxy, which has connections for many clients. */
  readonly isProxy: boolean
}

/** `busy`: a request is being served, or is about to start: then `due` starts it. `waiting`: those behind it, in order. */
interface Connection {
  readonly holder: ShareHolder
  busy: boolean
  due: (() => void) | undefined
  readonly waiting: Waiting[]
}

/** One for each gateway. listener.ts tells it about every connection and request. */
export class Connections {
  readonly #limits: ConnectionLimits
  readonly #starts: Starts
  readonly #open: Budget
  readonly #waiting: Budget
  readonly #connections = new WeakMap<Duplex, Connection>()
  /** What each open connection holds. */
  readonly #leases = new WeakMap<Socket, Lease>()
  /** Connections closed because their address had too many, and connections cut for sending too much ahead. */
  refused = 0
  cut = 0

  constructor(afterTurn: AfterTurn, limits: ConnectionLimits, budgets: Budgets = ownBudgets) {
    this.#limits = limits
    this.#starts = new Starts(afterTurn)
    this.#open = budgets('connections', limits.connectionsMax)
    this.#waiting = budgets('waiting', limits.waitingMaxAll)
  }

  /** Those of this gateway. Gateways of other threads have their own. */
  get open(): number {
    return this.#open.used
  }

  /** How many requests wait for the one before them. */
  get waiting(): number {
    return this.#waiting.used
  }

  /** Counts a connection until it closes. Returns false when it closed the connection, because there are too many. */
  admit(socket: Socket, peer: ConnectionPeer): boolean {
    const lease = this.#open.take([this.#holderOf(peer)], 1)
    if (lease === undefined) {
      this.#refuse(socket)
      return false
    }
    this.#leases.set(socket, lease)
    socket.once('close', () => lease.giveBack())
    return true
  }

  /** As `admit`, once a proxy has said whose connection it is. */
  admitAgain(socket: Socket, peer: ConnectionPeer): boolean {
    if (this.#leases.get(socket)?.moveTo([this.#holderOf(peer)]) === true) return true
    this.#refuse(socket)
    return false
  }

  #refuse(socket: Socket): void {
    this.refused++
    socket.destroy()
  }

  /** A trusted proxy may have all connections, because they are those of many clients. */
  #holderOf({ address, isProxy }: ConnectionPeer): ShareHolder {
    const name = addressGroup(address)
    return isProxy
      ? { name: `proxy ${name}`, share: 1 }
      : { name, share: this.#limits.shares.address }
  }

  /**
   * From now on the connection may carry requests. Of TLS this is the socket of plain bytes, another one than that which
   * was admitted.
   */
  opened(socket: Socket, peer: ConnectionPeer): void {
    this.#starts.connected()
    const holder = this.#holderOf(peer)
    const connection: Connection = { holder, busy: false, due: undefined, waiting: [] }
    this.#connections.set(socket, connection)
    socket.once('close', () => {
      for (const each of connection.waiting.splice(0)) each.lease.giveBack()
    })
  }

  /** Whether the connection may carry requests. */
  isOpen(socket: Duplex): boolean {
    return this.#connections.has(socket)
  }

  /** Serves a request once the earlier ones on its connection have been answered completely. */
  serve(socket: Socket, response: ServerResponse, handle: () => Promise<unknown>): void {
    const connection = this.#connections.get(socket)
    if (connection === undefined) return
    const start = (): void => {
      if (!socket.destroyed && !socket.writableEnded)
        this.#run(socket, connection, response, handle)
    }
    if (!connection.busy) {
      this.#startSoon(connection, start)
      return
    }
    const full = connection.waiting.length >= this.#limits.waitingMax
    const lease = full ? undefined : this.#waiting.take([connection.holder], 1)
    if (lease === undefined) {
      this.cut++
      socket.destroy()
      return
    }
    connection.waiting.push({ start, lease })
  }

  /** Starts a request that is about to start. Call it when something has happened to the connection that is about it. */
  startNow(socket: Duplex): void {
    const connection = this.#connections.get(socket)
    if (connection !== undefined) this.#startDue(connection)
  }

  /** Whether a request of this connection is being served or is waiting. */
  isBusy(socket: Duplex): boolean {
    return this.#connections.get(socket)?.busy === true
  }

  /**
   * Serves one request to its end, then starts the next one that waits. The end is when the request was handled and
   * the answer has been sent or the connection is gone, since the next answer must not begin before that.
   */
  #run(
    socket: Socket,
    connection: Connection,
    response: ServerResponse,
    handle: () => Promise<unknown>,
  ): void {
    let missing = 2
    const over = (): void => {
      missing--
      if (missing === 0) this.#startNext(socket, connection)
    }
    response.once('close', over)
    void handle().then(over)
  }

  #startNext(socket: Socket, connection: Connection): void {
    // A request sent after the last one of a connection would get no answer (RFC 9112 9.6).
    if (socket.writableEnded || socket.destroyed) return
    connection.busy = false
    const next = connection.waiting.shift()
    if (next === undefined) return
    next.lease.giveBack()
    this.#startSoon(connection, next.start)
  }

  #startSoon(connection: Connection, start: () => void): void {
    connection.busy = true
    connection.due = start
    this.#starts.run(() => this.#startDue(connection))
  }

  #startDue(connection: Connection): void {
    const { due } = connection
    connection.due = undefined
    due?.()
  }
}
