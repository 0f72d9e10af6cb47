/**
 * What the steps that may wait for a long time share (planned-step.ts, moved-step.ts): whom they ask, who is gone, and
 * a log line now and then. The state is that of one driver, and no safety depends on it.
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { Absences } from './absences.ts'
import type { Polled, ProgressPoll } from './progress-poll.ts'
import type { Timer } from './timer.ts'

export class StepWatch {
  readonly #poll: ProgressPoll
  readonly #timer: Timer
  readonly #sayAgainMs: number
  readonly #absences: Absences
  /** When the step last logged that it waits. */
  #saidMs = Number.NEGATIVE_INFINITY

  /** @param sayAgainMs how long a step that still waits logs nothing more about it */
  constructor(poll: ProgressPoll, timer: Timer, sayAgainMs: number) {
    this.#poll = poll
    this.#timer = timer
    this.#sayAgainMs = sayAgainMs
    this.#absences = new Absences(timer)
  }

  /** Called when the step waits for something new: a node that was away before may be here for this. */
  forgetAbsences(): void {
    this.#absences.reset()
  }

  /** Lets the next wait be logged at once. */
  forgetSaid(): void {
    this.#saidMs = Number.NEGATIVE_INFINITY
  }

  /** Asks these nodes how far they have come. Never rejects: a node that does not answer is not in the result. */
  ask(view: LayoutView, nodes: readonly NodeId[]): Promise<Polled> {
    return this.#poll.ask(view, nodes)
  }

  /** Those of the asked nodes that have not answered for GONE_MS or longer. Called once after each `ask`. */
  gone(nodes: readonly NodeId[], { answered }: Polled): ReadonlySet<NodeId> {
    return this.#absences.gone(nodes, answered)
  }

  /** Whether it is time for a line in the log. The caller then writes one: the next comes after `sayAgainMs`. */
  isTimeToSay(): boolean {
    const nowMs = this.#timer.nowMs()
    if (nowMs - this.#saidMs < this.#sayAgainMs) return false
    this.#saidMs = nowMs
    return true
  }
}
