/**
 * The connections of the S3 port: how many an address may have open, and one request of each in service at a
 * time. HTTP lets a client send ahead without an end, and Node starts a handler for each request that it
 * has read: they wait here, as heads, in a bounded number.
 */

import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { addressGroup, type CallerShares } from './callers.ts'
import type { GatewayClock } from '../http/clock.ts'
import { SharedBudget, type Lease } from './shares.ts'
import { Starts } from './starts.ts'

export interface ConnectionLimits {
  readonly connectionsMax: number
  /** Requests that may wait behind the one in service. A client that sends more ahead is cut off. */
  readonly waitingMax: number
  /** The same of all connections together. */
  readonly waitingMaxAll: number
  readonly shares: CallerShares
}

export const CONNECTION_LIMITS: ConnectionLimits = {
  connectionsMax: 16_384,
  waitingMax: 512,
  waitingMaxAll: 8_192,
  shares: { address: 0.25, caller: 0.5 },
}

interface Waiting {
  readonly serve: () => void
  readonly lease: Lease
}

interface Connection {
  readonly address: string
  busy: boolean
  readonly waiting: Waiting[]
}

export class Connections {
  readonly #limits: ConnectionLimits
  readonly #starts: Starts
  readonly #open: SharedBudget
  readonly #waiting: SharedBudget
  readonly #connections = new WeakMap<Duplex, Connection>()
  /** Closed at once because their address had too many, and cut off for sending too much ahead. */
  refused = 0
  cut = 0

  constructor(clock: Pick<GatewayClock, 'after'>, limits: ConnectionLimits) {
    this.#limits = limits
    this.#starts = new Starts(clock)
    this.#open = new SharedBudget(limits.connectionsMax)
    this.#waiting = new SharedBudget(limits.waitingMaxAll)
  }

  get open(): number {
    return this.#open.used
  }

  /** Requests that wait for the one before them. */
  get waiting(): number {
    return this.#waiting.used
  }

  /** False: it was closed. */
  add(socket: Socket): boolean {
    const address = addressGroup(socket.remoteAddress ?? '')
    const lease = this.#open.take([{ name: address, share: this.#limits.shares.address }], 1)
    if (lease === undefined) {
      this.refused++
      socket.destroy()
      return false
    }
    const connection: Connection = { address, busy: false, waiting: [] }
    this.#connections.set(socket, connection)
    socket.once('close', () => {
      lease.giveBack()
      for (const each of connection.waiting.splice(0)) each.lease.giveBack()
    })
    return true
  }

  /** Serves a request when those before it on its connection are over and their answers have left. */
  serve(socket: Socket, response: ServerResponse, handle: () => Promise<unknown>): void {
    const connection = this.#connections.get(socket)
    if (connection === undefined) return
    const serve = (): void => {
      connection.busy = true
      this.#starts.run(() => {
        if (!socket.destroyed) void this.#run(socket, connection, response, handle)
      })
    }
    if (!connection.busy) return serve()
    const { waitingMax, shares } = this.#limits
    const holders = [{ name: connection.address, share: shares.address }]
    const full = connection.waiting.length >= waitingMax
    const lease = full ? undefined : this.#waiting.take(holders, 1)
    if (lease === undefined) {
      this.cut++
      socket.destroy()
      return
    }
    connection.waiting.push({ serve, lease })
  }

  /** An answer is under way on this connection, or requests wait for theirs. */
  isBusy(socket: Duplex): boolean {
    return this.#connections.get(socket)?.busy === true
  }

  async #run(
    socket: Socket,
    connection: Connection,
    response: ServerResponse,
    handle: () => Promise<unknown>,
  ): Promise<void> {
    const closed = new Promise<void>((resolve) => response.once('close', () => resolve()))
    await handle()
    await closed
    // What was sent behind the last request of a connection would get no answer (RFC 9112 9.6).
    if (socket.writableEnded || socket.destroyed) return
    connection.busy = false
    const next = connection.waiting.shift()
    if (next === undefined) return
    next.lease.giveBack()
    next.serve()
  }
}
