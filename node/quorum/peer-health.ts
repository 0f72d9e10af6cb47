/**
 * How well peers answer, this node among them: which one to ask last, and how long to wait before another one is
 * asked as well. It decides who is asked and when, never what counts as an answer (G4).
 *
 *   - a peer is slow while calls to it have waited for some time without any answer, and for a while after a call ran
 *     into its deadline, longer each time. Its first answer ends that
 *   - kinds of calls are kept apart: a peer whose disk hangs still answers what it has in memory
 *   - calls that hedge around a slow peer are free. Other hedges are at most a tenth of all calls, so that hedges
 *     never make an overload worse
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { Clock } from '../env/ports.ts'

/**
 * `value`, `block`: usually need the peer's disk. `write`: waits for a flush. A peer whose writes hang lacks what the
 * others have, so it is asked last for its data too.
 */
export type CallKind = 'vote' | 'value' | 'list' | 'block' | 'write' | 'other'

/** A peer is slow when calls to it have waited this long without any answer. */
const SILENT_MS = 300
/** How long a peer counts as slow after a call that ran into its deadline. Doubled with each such call in a row. */
const SUSPECT_MS_MIN = 5_000
const SUSPECT_MS_MAX = 40_000
const HEDGE_MS_MIN = 40
const HEDGE_MS_MAX = 250
/** Used before anything was measured. */
const HEDGE_MS_FIRST = 80
/** The share of all calls that may be hedges. */
const HEDGE_SHARE = 0.1
const HEDGES_SAVED_MAX = 40

interface Waiting {
  outstanding: number
  /** Since when calls have waited without an answer. Meaningless when none is outstanding. */
  sinceMs: number
  missed: number
  suspectUntilMs: number
}

/** Mean and mean deviation of the durations of one kind of call, computed as TCP does for its round trips. */
interface Latency {
  meanMs: number
  deviationMs: number
}

/** Ends the record of a call: 'silent' when its deadline passed or the peer had no room for it, 'none' when it
 * never reached the peer. */
export type Ended = (how: 'answered' | 'silent' | 'none') => void

export class PeerHealth {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #waiting = new Map<NodeId, Map<CallKind | 'any', Waiting>>()
  readonly #latencies = new Map<CallKind, Latency>()
  readonly #own: { readonly node: NodeId; readonly diskSilentMs: () => number } | undefined
  #savedHedges = HEDGES_SAVED_MAX
  /** Hedges so far, and hedges that were not made because there were too many. */
  hedges = 0
  hedgesRefused = 0

  /** `own`: this node, and for how long its disk has not answered reads. */
  constructor(
    clock: Pick<Clock, 'monotonicMs'>,
    own?: { readonly node: NodeId; readonly diskSilentMs: () => number },
  ) {
    this.#clock = clock
    this.#own = own
  }

  /** Records that a call has begun. The result must be called when it ends. */
  began(peer: NodeId, kind: CallKind): Ended {
    const startedMs = this.#clock.monotonicMs()
    this.#savedHedges = Math.min(HEDGES_SAVED_MAX, this.#savedHedges + HEDGE_SHARE)
    const records = [this.#record(peer, kind), this.#record(peer, 'any')]
    for (const record of records) {
      if (record.outstanding++ === 0) record.sinceMs = startedMs
    }
    return (how) => {
      const nowMs = this.#clock.monotonicMs()
      if (how === 'answered') this.#measured(kind, nowMs - startedMs)
      for (const record of records) {
        record.outstanding--
        if (how === 'answered') {
          record.sinceMs = nowMs
          record.missed = 0
          record.suspectUntilMs = 0
        } else if (how === 'silent' && record.sinceMs <= startedMs) {
          // Many calls that were lost together count as one.
          if (record.suspectUntilMs <= nowMs) record.missed++
          const forMs = SUSPECT_MS_MIN * 2 ** Math.min(record.missed - 1, 8)
          record.suspectUntilMs = nowMs + Math.min(SUSPECT_MS_MAX, forMs)
        }
      }
    }
  }

  /** Should this peer be asked last? It does not answer at present, or did not lately. */
  isSlow(peer: NodeId, kind: CallKind): boolean {
    if (peer === this.#own?.node && (kind === 'value' || kind === 'block')) {
      if (this.#own.diskSilentMs() > SILENT_MS) return true
    }
    const records = this.#waiting.get(peer)
    if (records === undefined) return false
    const nowMs = this.#clock.monotonicMs()
    const isStale = kind === 'value' || kind === 'block' || kind === 'list'
    return (
      isSlow(records.get(kind), nowMs) ||
      isSlow(records.get('any'), nowMs) ||
      (isStale && isSlow(records.get('write'), nowMs))
    )
  }

  /** After this time a call is one of the slowest of its kind. */
  hedgeAfterMs(kind: CallKind): number {
    const latency = this.#latencies.get(kind)
    if (latency === undefined) return HEDGE_MS_FIRST
    const usualMs = latency.meanMs + 4 * latency.deviationMs
    return Math.min(HEDGE_MS_MAX, Math.max(HEDGE_MS_MIN, usualMs))
  }

  /** Asked before another peer is called because `peer` has not answered yet. */
  mayHedge(peer: NodeId, kind: CallKind): boolean {
    if (!this.isSlow(peer, kind)) {
      if (this.#savedHedges < 1) {
        this.hedgesRefused++
        return false
      }
      this.#savedHedges--
    }
    this.hedges++
    return true
  }

  #record(peer: NodeId, kind: CallKind | 'any'): Waiting {
    let records = this.#waiting.get(peer)
    if (records === undefined) this.#waiting.set(peer, (records = new Map()))
    let record = records.get(kind)
    if (record === undefined) {
      record = { outstanding: 0, sinceMs: 0, missed: 0, suspectUntilMs: 0 }
      records.set(kind, record)
    }
    return record
  }

  #measured(kind: CallKind, tookMs: number): void {
    const known = this.#latencies.get(kind)
    if (known === undefined) {
      this.#latencies.set(kind, { meanMs: tookMs, deviationMs: tookMs / 2 })
      return
    }
    // A late answer must not make every later call wait as long.
    const off = Math.min(tookMs, 4 * HEDGE_MS_MAX) - known.meanMs
    known.meanMs += off / 8
    known.deviationMs += (Math.abs(off) - known.deviationMs) / 4
  }
}

function isSlow(record: Waiting | undefined, nowMs: number): boolean {
  if (record === undefined) return false
  if (record.suspectUntilMs > nowMs) return true
  return record.outstanding > 0 && nowMs - record.sinceMs > SILENT_MS
}
