/**
 * Makes sure that every change comes to its end, even when the node that began it is gone: a JOINT or an accepted entry
 * that its proposer left, a plan, blocks that move. The first voter that is up looks often, the others now and then, in
 * case the first one does nothing. This is for liveness only: several nodes that lead a change at once do no harm.
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { ChangeDriver } from './change-driver.ts'
import type { LayoutLog } from './layout-log.ts'
import type { LayoutProposer } from './layout-proposer.ts'
import type { Timer } from './timer.ts'

/** A JOINT epoch, or an accepted proposal that is not decided, is taken over after about this. */
const TAKE_OVER_MS = 3_000
/** How often the first voter checks whether learners have caught up. */
const PLANNED_MS = 1_000
/** How often the first voter checks whether blocks have moved. */
const MOVED_MS = 5_000
/** The second voter waits this many times as long, the third twice that, and so on. */
const BEHIND = 10
const PAUSE_MS_MAX = 300_000
const DECIDE_MS = 5_000

export interface ChangeWatchParts {
  readonly log: LayoutLog
  readonly driver: ChangeDriver
  readonly proposer: LayoutProposer
  readonly timer: Timer
  readonly self: NodeId
  readonly connected: (node: NodeId) => boolean
}

export class ChangeWatch {
  readonly #parts: ChangeWatchParts
  /** A pause, or what follows it, is under way. At its end `look` is called again. */
  #watching = false

  constructor(parts: ChangeWatchParts) {
    this.#parts = parts
  }

  /** Called after each entry, after each vote, and now and then. */
  look(): void {
    if (this.#watching || !this.#isUnfinished()) return
    this.#watching = true
    void this.#run()
      .catch(() => undefined)
      .finally(() => {
        this.#watching = false
        if (!this.#parts.timer.stopped) this.look()
      })
  }

  /** Waits, and then takes over what is unfinished, unless the layout has moved on meanwhile. */
  async #run(): Promise<void> {
    const { log, driver, proposer, timer } = this.#parts
    const { epoch } = log
    await timer.sleep(timer.jittered(this.#pauseMs()))
    if (log.epoch !== epoch || !this.#isUnfinished()) return
    const { undecided } = log
    if (undecided !== undefined) await proposer.decide(undecided, DECIDE_MS)
    await driver.drive()
  }

  #isUnfinished(): boolean {
    const { log, driver } = this.#parts
    return log.votes && (driver.isNeeded || log.undecided !== undefined)
  }

  /**
   * A JOINT or an undecided entry is urgent for every voter alike. Otherwise the first of the voters that are up, by
   * node id, waits the shortest time, and each further one much longer (BEHIND).
   */
  #pauseMs(): number {
    const { log, self, connected } = this.#parts
    if (log.undecided !== undefined || log.view?.state === 'JOINT') return TAKE_OVER_MS
    const up = log.voters.filter((node) => node === self || connected(node))
    const rank = up.toSorted().indexOf(self)
    const pauseMs = log.view?.state === 'PLANNED' ? PLANNED_MS : MOVED_MS
    return Math.min(pauseMs * Math.max(1, BEHIND * rank), PAUSE_MS_MAX)
  }
}
