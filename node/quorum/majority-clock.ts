/**
 * What time it is by a majority of the members' wall clocks. For work that must not begin too early because the clock of
 * one node is wrong: lifecycles delete by it.
 *
 * `nowMs` is an instant that a majority of all members has reached by their own clocks, so clocks that are ahead count
 * only when they are a majority. Clocks that are behind, and members that do not answer, can only make it earlier or
 * unknown. Members are asked at most once in a while; the monotonic clock counts on from their answers.
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Clock } from '../env/ports.ts'
import type { Peers } from './peers.ts'

/** For how long the answers are counted on from. */
const KEPT_MS = 30_000
const ASK_TIMEOUT_MS = 2_000

export interface MajorityClockOptions {
  readonly peers: Pick<Peers, 'self' | 'connected' | 'clock'>
  readonly view: () => LayoutView
  readonly clock: Clock
}

export class MajorityClock {
  readonly #options: MajorityClockOptions
  /** The members' wall clocks less the monotonic clock of this node, and when they were asked. */
  #known: { readonly sinceMs: number; readonly offsetMs: number } | undefined
  #asking: Promise<void> | undefined

  constructor(options: MajorityClockOptions) {
    this.#options = options
  }

  /** Undefined when too few members have answered. Never rejects. */
  async nowMs(): Promise<number | undefined> {
    const { clock } = this.#options
    if (this.#known === undefined || clock.monotonicMs() - this.#known.sinceMs > KEPT_MS) {
      this.#known = undefined
      this.#asking ??= this.#ask().finally(() => (this.#asking = undefined))
      await this.#asking
    }
    // Assigned by `ask`, which the compiler does not follow.
    const known = this.#known as { readonly offsetMs: number } | undefined
    return known && Math.floor(known.offsetMs + clock.monotonicMs())
  }

  /** What this node's own clock says, which counts as one of several. */
  ownMs(): number {
    return this.#options.clock.nowMs()
  }

  async #ask(): Promise<void> {
    const { view, clock } = this.#options
    const sinceMs = clock.monotonicMs()
    const { members } = view()
    const answers = await Promise.all(members.map(({ nodeId }) => this.#offsetOf(nodeId)))
    const offsetMs = majorityOf(answers)
    this.#known = offsetMs === undefined ? undefined : { sinceMs, offsetMs }
  }

  /** Its answer was on its way for a while, so the clock is behind by that. */
  async #offsetOf(node: NodeId): Promise<number | undefined> {
    const { peers, clock } = this.#options
    if (node === peers.self) return this.ownMs() - clock.monotonicMs()
    if (!peers.connected(node)) return undefined
    try {
      const nowMs = await peers.clock(node, { timeoutMs: ASK_TIMEOUT_MS })
      return nowMs - clock.monotonicMs()
    } catch {
      // It is away, or runs a program that does not know the question.
      return undefined
    }
  }
}

/** The highest value that a majority of all has reached. Undefined when fewer than a majority have one. */
export function majorityOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined).sort((a, b) => b - a)
  return known[Math.floor(values.length / 2)]
}
