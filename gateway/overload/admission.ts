/**
 * Admits requests: each needs a place among the requests in flight, and memory for a body that is gathered as a
 * whole (F27b and F27). Each caller has a limited share, and memory is taken only for bytes that have arrived.
 *
 *   a head has arrived       it gets a place, counted for its address
 *   its caller is known      the place counts for the caller instead
 *   a body is gathered       each piece takes its memory as it arrives. Bodies with a small announced size have a
 *                            reserve of their own, before they use the memory for all
 *   caller still unknown     only a few requests of an address may wait for their bodies: one more ends the one
 *                            that has waited longest, so a client that sends its body without delay is served
 */

import type { Identity } from '../port/identity.ts'
import { addressGroup, holdersOf, newcomer, stranger, type CallerShares } from './callers.ts'
import type { GatewayClock } from '../http/clock.ts'
import { S3Error } from '../http/errors.ts'
import type { Exchange } from '../http/exchange.ts'
import { remembering } from '../http/remembered.ts'
import { ownBudgets, type Budget, type Budgets, type Lease, type ShareHolder } from './shares.ts'

/**
 * Requests, bytes and milliseconds. All of them are for the whole process, whatever number of threads it has, except
 * `strangersGatheringMax`.
 */
export interface AdmissionLimits {
  /** Further requests get 503 SlowDown. */
  readonly requestsMax: number
  /** Memory for bodies and answers that are kept as a whole. Requests that need more get 503 SlowDown. */
  readonly bodyBytesMax: number
  /** Time for a body that is gathered, in addition to the time that its length may take. */
  readonly gatherTimeoutMs: number
  readonly gatherBytesPerSecond: number
  /**
   * Requests of one address that may wait for a body while their caller is not known. For each thread, since it can end
   * only requests of its own. The places and the memory that they hold count for the process.
   */
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

/** Bodies announced with at most this size may use the reserve. */
export const SMALL_BODY_BYTES = 64 * 1024
/** The part of the memory for bodies that only small ones use. */
const SMALL_SHARE = 0.25
/** How many addresses' names are kept. */
const NEWCOMERS_MAX = 4096

/** The reason for a 503, for the counters. The caller is only told SlowDown. */
export class Overload extends Error {
  override readonly name = 'Overload'
}

/** The 503 for a request that exceeds a limit. Clients repeat it after a second. */
export function slowDown(reason: string): S3Error {
  return new S3Error('SlowDown', undefined, {
    headers: { 'retry-after': '1' },
    cause: new Overload(reason),
  })
}

/** What a request holds. */
interface Standing {
  readonly address: string
  holders: readonly ShareHolder[]
  isStranger: boolean
  place: Lease | undefined
  body: Lease | undefined
  /** The reserve of a body with a small announced size, which is used first. */
  smallBody: Lease | undefined
  answer: Lease | undefined
  /** A body is being gathered whose caller is not known. */
  isGathering: boolean
}

/** One for each gateway. A request calls `enter`, maybe `identified`, `gather` and `gathered`, and always `leave`. */
export class Admission {
  readonly #clock: GatewayClock
  readonly #limits: AdmissionLimits
  readonly #end: (exchange: Exchange) => void
  readonly #places: Budget
  readonly #small: Budget
  readonly #bodies: Budget
  readonly #standings = new WeakMap<Exchange, Standing>()
  /** The names under which callers are counted, by address group and by identity: the same for all their requests. */
  readonly #newcomers: (address: string) => readonly ShareHolder[]
  readonly #callers = new WeakMap<Identity, readonly ShareHolder[]>()
  /** Requests whose body is gathered while their caller is not known: by address, the oldest first. */
  readonly #gathering = new Map<string, Set<Exchange>>()

  /** `end` ends a request that must make room for another one. */
  constructor(
    clock: GatewayClock,
    limits: AdmissionLimits,
    end: (exchange: Exchange) => void,
    budgets: Budgets = ownBudgets,
  ) {
    this.#clock = clock
    this.#limits = limits
    this.#end = end
    this.#newcomers = remembering(NEWCOMERS_MAX, (address) => newcomer(address, limits.shares))
    const smallBytes = Math.floor(limits.bodyBytesMax * SMALL_SHARE)
    this.#places = budgets('places', limits.requestsMax)
    this.#small = budgets('smallBodies', smallBytes)
    this.#bodies = budgets('bodies', limits.bodyBytesMax - smallBytes)
  }

  /** What the requests of this gateway hold. Gateways of other threads have their own. */
  get requests(): number {
    return this.#places.used
  }

  get bodyBytes(): number {
    return this.#small.used + this.#bodies.used
  }

  /** How many addresses send bodies that are gathered while their caller is not known. */
  get gatheringAddresses(): number {
    return this.#gathering.size
  }

  /** Call when a head has arrived, and always call `leave` later. Throws SlowDown. */
  enter(exchange: Exchange, remoteAddress: string): void {
    const address = addressGroup(remoteAddress)
    const standing: Standing = {
      address,
      holders: this.#newcomers(address),
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

  /** Call when the caller is known. Throws SlowDown when it already has too many places. */
  identified(exchange: Exchange, identity: Identity): void {
    const standing = this.#standings.get(exchange)
    if (standing === undefined) return
    this.#endGathering(exchange, standing)
    this.#become(standing, this.#holdersOf(identity, standing.address))
    standing.isStranger = identity.type === 'Anonymous'
  }

  /** Call before a body of at most `announcedBytes` is read and kept as a whole. Throws SlowDown. */
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

  /** Call for each piece of that body that has arrived. Throws SlowDown. */
  gathered(exchange: Exchange, count: number): void {
    const standing = this.#standings.get(exchange)
    if (standing === undefined) return
    const { smallBody, body } = standing
    if (smallBody?.grow(count) === true || body?.grow(count) === true) return
    throw slowDown('too much memory for bodies')
  }

  /** Call when what was gathered is needed no more, although the request goes on: the fields of a form. */
  gatheringEnded(exchange: Exchange): void {
    exchange.gatherUntilMs = Infinity
    const standing = this.#standings.get(exchange)
    if (standing === undefined) return
    standing.body?.giveBack()
    standing.smallBody?.giveBack()
    standing.body = undefined
    standing.smallBody = undefined
  }

  /** Call for an answer that is kept as a whole until its client has read it. Throws SlowDown. */
  answers(exchange: Exchange, sizeBytes: number): void {
    const standing = this.#standings.get(exchange)
    if (standing === undefined || sizeBytes <= SMALL_BODY_BYTES) return
    standing.answer = this.#bodies.take(standing.holders, sizeBytes)
    if (standing.answer === undefined) throw slowDown('too much memory for answers')
  }

  /** Gives back everything that the request holds. */
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

  /** Names of identities are kept as long as the backend keeps the identity. Unsigned requests count by address. */
  #holdersOf(identity: Identity, address: string): readonly ShareHolder[] {
    if (identity.type === 'Anonymous') return holdersOf(identity, address, this.#limits.shares)
    let holders = this.#callers.get(identity)
    if (holders === undefined) {
      holders = holdersOf(identity, address, this.#limits.shares)
      this.#callers.set(identity, holders)
    }
    return holders
  }

  #gatherFromStranger(exchange: Exchange, standing: Standing): void {
    const { address } = standing
    const waiting = this.#gathering.get(address) ?? new Set()
    for (const oldest of waiting) {
      if (waiting.size < this.#limits.strangersGatheringMax) break
      waiting.delete(oldest)
      if (oldest.waitsForClient()) this.#end(oldest)
    }
    // This may throw, so it comes first: addresses are remembered only for requests that wait.
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

  /** Counts everything that the request holds for other holders from now on. */
  #become(standing: Standing, holders: readonly ShareHolder[]): void {
    standing.holders = holders
    this.#takePlace(standing, 'too many requests of one caller at once')
    for (const lease of [standing.body, standing.smallBody]) {
      if (lease?.moveTo(holders) === false) throw slowDown('too much memory for bodies')
    }
  }

  /** Keeps the place that the request has, for its holders of now. */
  #takePlace(standing: Standing, reason: string): void {
    const { place, holders } = standing
    if (place?.moveTo(holders) === true) return
    standing.place = place === undefined ? this.#places.take(holders, 1) : undefined
    if (standing.place === undefined) throw slowDown(reason)
  }
}
