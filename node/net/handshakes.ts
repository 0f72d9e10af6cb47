/**
 * Limits inbound connections until their peers are known: which of them get a place (places.ts), how many may come
 * from one address, and how much one may send.
 *
 * A member always finds a place at once: the newest connection never waits for older ones, and addresses of members
 * are the last to lose their places. Among connections of one address, silent ones lose their places before those
 * that have begun with TLS.
 */

import type { Clock } from '../env/ports.ts'
import {
  ADDRESS_CONNECTS,
  ADDRESSES_MAX,
  HANDSHAKE_BYTES_MAX,
  HANDSHAKES_MAX,
  HANDSHAKES_MAX_ADDRESS,
  OPENING_BYTES_MAX,
  STRANGER_CONNECTS,
  STRANGER_TLS_PAUSE_MS,
} from './limits.ts'
import { Places } from './places.ts'
import type { Occupant } from './places.ts'
import { TokenBucket } from './token-bucket.ts'

/** One for each network, used by port-guard.ts. */
export class Handshakes {
  readonly #clock: Clock
  readonly #isMembersAddress: (group: string) => boolean
  readonly #places: Places
  readonly #strangers: TokenBucket
  /** When the next handshake of a stranger may begin. */
  #nextTlsMs = 0
  /** By group, in the order of their last use. */
  readonly #rates = new Map<string, TokenBucket>()

  constructor(clock: Clock, isMembersAddress: (group: string) => boolean) {
    this.#clock = clock
    this.#isMembersAddress = isMembersAddress
    this.#places = new Places({
      max: HANDSHAKES_MAX,
      groupMax: HANDSHAKES_MAX_ADDRESS,
      favours: isMembersAddress,
    })
    this.#strangers = new TokenBucket(clock, STRANGER_CONNECTS)
  }

  get size(): number {
    return this.#places.size
  }

  /**
   * Takes a place. Undefined when too many connections come from the address. The caller calls the returned
   * function when the peer is known or the connection is closed.
   */
  begin(occupant: Occupant): (() => void) | undefined {
    const { group } = occupant
    if (!this.#isMembersAddress(group) && !this.#mayConnect(group)) return undefined
    return this.#places.take(occupant)
  }

  /** Resolves when the TLS handshake of a connection from there may begin. */
  turn(group: string): Promise<void> {
    if (this.#isMembersAddress(group)) return Promise.resolve()
    const nowMs = this.#clock.monotonicMs()
    const atMs = Math.max(nowMs, this.#nextTlsMs)
    this.#nextTlsMs = atMs + STRANGER_TLS_PAUSE_MS
    if (atMs === nowMs) return Promise.resolve()
    return new Promise((resolve) => {
      this.#clock.after(atMs - nowMs, resolve)
    })
  }

  /** Counts a connection against the rate of its address, and against that of all strangers. */
  #mayConnect(group: string): boolean {
    const rate = this.#rates.get(group) ?? new TokenBucket(this.#clock, ADDRESS_CONNECTS)
    this.#rates.delete(group)
    this.#rates.set(group, rate)
    if (this.#rates.size > ADDRESSES_MAX) {
      const [longestUnused] = this.#rates.keys()
      if (longestUnused !== undefined) this.#rates.delete(longestUnused)
    }
    return rate.take() && this.#strangers.take()
  }
}

const TLS_LINE = '/tls/1.0.0\n'

/**
 * Limits what one peer may send before it is known. multistream-select answers any number of lines, so the line
 * that asks for TLS must be among the first bytes.
 */
export class Opening {
  #bytes = 0
  #start = ''
  #isTls = false

  /** Whether the peer has asked for TLS. Peers that only hold a place do not. */
  get isTls(): boolean {
    return this.#isTls
  }

  /** Throws when the peer sends more than it may. */
  take(chunks: Uint8Array | Iterable<Uint8Array>): void {
    for (const chunk of chunks instanceof Uint8Array ? [chunks] : chunks) {
      this.#bytes += chunk.length
      if (this.#bytes > HANDSHAKE_BYTES_MAX) throw new Error('a handshake is too long')
      if (!this.#isTls) this.#look(chunk)
    }
  }

  #look(chunk: Uint8Array): void {
    const added = chunk.subarray(0, OPENING_BYTES_MAX - this.#start.length)
    this.#start += Buffer.from(added).toString('latin1')
    this.#isTls = this.#start.includes(TLS_LINE)
    if (!this.#isTls && this.#start.length >= OPENING_BYTES_MAX)
      throw new Error('the peer did not ask for TLS')
  }
}
