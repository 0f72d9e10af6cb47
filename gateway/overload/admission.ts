/**
 * Who gets a place among the requests in flight, and memory for a body that is gathered whole (F27b and
 * F27). Nobody holds more than a share, and nothing is reserved that has not arrived.
 *
 *   a head has come          a place, counted for its address
 *   its caller is known      the place counts for the caller instead
 *   a body is gathered       each piece takes its memory as it comes. Bodies that can be small at most have a
 *                            reserve of their own, before they use what is there for all
 *   nobody knows the caller  only so many of an address may wait for their bodies: one more ends the one
 *                            that has waited longest, so that who sends at once is always served
 */

import type { Identity } from '../port/identity.ts'
import { addressGroup, holdersOf, newcomer, stranger, type CallerShares } from './callers.ts'
import type { GatewayClock } from '../http/clock.ts'
import { S3Error } from '../http/errors.ts'
import type { Exchange } from '../http/exchange.ts'
import { SharedBudget, type ShareHolder, type Lease } from './shares.ts'

export interface AdmissionLimits {
  /** More are answered 503 SlowDown. */
  readonly requestsMax: number
  /** Memory for bodies and answers that are kept as a whole. More are answered 503 SlowDown. */
  readonly bodyBytesMax: number
  /** Time for a body that is gathered, beside what its length may take. */
  readonly gatherTimeoutMs: number
  readonly gatherBytesPerSecond: number
  /** Requests of one address that wait for a body while nobody knows who sends it. */
  readonly strangersGatheringMax: number
  readonly shares: CallerShares
}

export const ADMISSION_LIMITS: AdmissionLimits = {
  requestsMax: 4096,
  bodyBytesMax: 256 * 1024 * 1024,
  gatherTimeoutMs: 60_000,
  gatherBytesPerSecond: 16 * 1024,
  strangersGatheringMax: 128,
  shares: { address: 0.25, caller: 0.5 },
}

export const SMALL_BODY_BYTES = 64 * 1024
/** Of the memory for bodies: for small ones alone. */
const SMALL_SHARE = 0.25

/** Why it was 503: for the counters. The caller is told no more than SlowDown. */
export class Overload extends Error {
  override readonly name = 'Overload'
}

export function slowDown(reason: string): S3Error {
  return new S3Error('SlowDown', undefined, {
    headers: { 'retry-after': '1' },
    cause: new Overload(reason),
  })
}

/** What admission keeps about one request. */
interface Standing {
  readonly address: string
  holders: readonly ShareHolder[]
  isStranger: boolean
  place: Lease | undefined
  body: Lease | undefined
  /** Of a body that can be small at most: taken from first. */
  smallBody: Lease | undefined
  answer: Lease | undefined
  /** A body is gathered from a caller whom nobody knows. */
  isGathering: boolean
}

export class Admission {
  readonly #clock: GatewayClock
  readonly #limits: AdmissionLimits
  readonly #end: (exchange: Exchange) => void
  readonly #places: SharedBudget
  readonly #small: SharedBudget
  readonly #bodies: SharedBudget
  readonly #standings = new WeakMap<Exchange, Standing>()
  /** By address; the oldest first. */
  readonly #gathering = new Map<string, Set<Exchange>>()

  /** `end`: ends a request that has to make room for another one. */
  constructor(clock: GatewayClock, limits: AdmissionLimits, end: (exchange: Exchange) => void) {
    this.#clock = clock
    this.#limits = limits
    this.#end = end
    const smallBytes = Math.floor(limits.bodyBytesMax * SMALL_SHARE)
    this.#places = new SharedBudget(limits.requestsMax)
    this.#small = new SharedBudget(smallBytes)
    this.#bodies = new SharedBudget(limits.bodyBytesMax - smallBytes)
  }

  get requests(): number {
    return this.#places.used
  }

  get bodyBytes(): number {
    return this.#small.used + this.#bodies.used
  }

  /** From which strangers send bodies that are kept as a whole. */
  get gatheringAddresses(): number {
    return this.#gathering.size
  }

  /** A head has come. Throws SlowDown. `leave` is called in any case. */
  enter(exchange: Exchange, remoteAddress: string): void {
    const address = addressGroup(remoteAddress)
    const standing: Standing = {
      address,
      holders: newcomer(address, this.#limits.shares),
      isStranger: true,
      place: undefined,
      body: undefined,
      smallBody: undefined,
      answer: undefined,
      isGathering: false,
    }
    this.#standings.set(exchange, standing)
    this.#takePlace(standing, 'too many requests at once')
  }

  /** Who sends the request. Throws SlowDown when it has too many places already. */
  identified(exchange: Exchange, identity: Identity): void {
    const standing = this.#standings.get(exchange)
    if (standing === undefined) return
    this.#endGathering(exchange, standing)
    const holders = holdersOf(identity, standing.address, this.#limits.shares)
    this.#become(standing, holders)
    standing.isStranger = identity.type === 'Anonymous'
  }

  /** The request's body, of `announcedBytes` at most, is read and kept as a whole. Throws SlowDown. */
  gather(exchange: Exchange, announcedBytes: number): void {
    const { gatherTimeoutMs, gatherBytesPerSecond } = this.#limits
    exchange.gatherUntilMs =
      this.#clock.monotonicMs() + gatherTimeoutMs + (announcedBytes / gatherBytesPerSecond) * 1_000
    const standing = this.#standings.get(exchange)
    if (standing === undefined) return
    if (standing.isStranger) this.#gatherFromStranger(exchange, standing)
    standing.body = this.#bodies.take(standing.holders, 0)
    if (announcedBytes <= SMALL_BODY_BYTES) {
      standing.smallBody = this.#small.take(standing.holders, 0)
    }
  }

  /** So much of it has come. Throws SlowDown. */
  gathered(exchange: Exchange, count: number): void {
    const standing = this.#standings.get(exchange)
    if (standing === undefined) return
    const { smallBody, body } = standing
    if (smallBody?.grow(count) === true || body?.grow(count) === true) return
    throw slowDown('too much memory for bodies')
  }

  /** An answer that is kept as a whole until its client has taken it. Throws SlowDown. */
  answers(exchange: Exchange, sizeBytes: number): void {
    const standing = this.#standings.get(exchange)
    if (standing === undefined || sizeBytes <= SMALL_BODY_BYTES) return
    standing.answer = this.#bodies.take(standing.holders, sizeBytes)
    if (standing.answer === undefined) throw slowDown('too much memory for answers')
  }

  /** Gives back all that the request holds. */
  leave(exchange: Exchange): void {
    const standing = this.#standings.get(exchange)
    if (standing === undefined) return
    this.#standings.delete(exchange)
    this.#endGathering(exchange, standing)
    standing.place?.giveBack()
    standing.body?.giveBack()
    standing.smallBody?.giveBack()
    standing.answer?.giveBack()
  }

  #gatherFromStranger(exchange: Exchange, standing: Standing): void {
    const { address } = standing
    const waiting = this.#gathering.get(address) ?? new Set()
    for (const oldest of waiting) {
      if (waiting.size < this.#limits.strangersGatheringMax) break
      waiting.delete(oldest)
      if (oldest.waitsForClient()) this.#end(oldest)
    }
    // Throws: an address is remembered only for those who wait.
    this.#become(standing, stranger(address, this.#limits.shares))
    standing.isGathering = true
    this.#gathering.set(address, waiting.add(exchange))
  }

  #endGathering(exchange: Exchange, standing: Standing): void {
    if (!standing.isGathering) return
    standing.isGathering = false
    const group = this.#gathering.get(standing.address)
    group?.delete(exchange)
    if (group?.size === 0) this.#gathering.delete(standing.address)
  }

  /** What it holds counts for others from now on. */
  #become(standing: Standing, holders: readonly ShareHolder[]): void {
    standing.place?.giveBack()
    standing.holders = holders
    this.#takePlace(standing, 'too many requests of one caller at once')
    standing.body = this.#moved(this.#bodies, standing.body, holders)
    standing.smallBody = this.#moved(this.#small, standing.smallBody, holders)
  }

  #takePlace(standing: Standing, reason: string): void {
    standing.place = this.#places.take(standing.holders, 1)
    if (standing.place === undefined) throw slowDown(reason)
  }

  #moved(
    budget: SharedBudget,
    lease: Lease | undefined,
    holders: readonly ShareHolder[],
  ): Lease | undefined {
    if (lease === undefined) return undefined
    const { held } = lease
    lease.giveBack()
    const moved = budget.take(holders, held)
    if (moved === undefined) throw slowDown('too much memory for bodies')
    return moved
  }
}
