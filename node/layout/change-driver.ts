/**
 * Leads a change of the layout from step to step (L2, L5, L7, L8). Any voter may lead it. Several at once do no harm, because
 * each entry is decided once. planned-step.ts, joint-step.ts and moved-step.ts say which step comes next.
 */

import type { LayoutEntry } from '../../protocol/layout/entry.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Logger } from '../env/ports.ts'
import { JointStep, type JointStepParts } from './joint-step.ts'
import type { LayoutLog } from './layout-log.ts'
import { MovedStep } from './moved-step.ts'
import { PlannedStep } from './planned-step.ts'
import type { LayoutProposer } from './layout-proposer.ts'

/** How long the decision of one entry may take. Then this run ends, and ChangeWatch begins another one. */
const DECIDE_MS = 5_000

export interface ChangeDriverParts extends Omit<JointStepParts, 'epoch'> {
  readonly log: LayoutLog
  readonly proposer: LayoutProposer
  readonly logger: Logger
}

export class ChangeDriver {
  readonly #parts: ChangeDriverParts
  readonly #planned: PlannedStep
  readonly #joint: JointStep
  readonly #moved: MovedStep
  /** The run that is under way. Callers that come meanwhile share it. */
  #driving: Promise<void> | undefined

  constructor(parts: ChangeDriverParts) {
    const { poll, timer, logger, log } = parts
    this.#parts = parts
    this.#planned = new PlannedStep(poll, timer, logger)
    this.#joint = new JointStep({ ...parts, epoch: () => log.epoch })
    this.#moved = new MovedStep(poll, timer, logger)
  }

  get driving(): boolean {
    return this.#driving !== undefined
  }

  /** Whether this voter has something to lead: a change, or blocks that still move. */
  get isNeeded(): boolean {
    const { view, votes } = this.#parts.log
    return votes && view !== undefined && (view.state !== 'STABLE' || view.sources.length > 0)
  }

  /**
   * Leads the change as far as possible now: a JOINT to its end, a plan or a move of blocks until there is something to wait
   * for. Never rejects.
   */
  drive(): Promise<void> {
    this.#driving ??= this.#run()
      .catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error)
        this.#parts.logger.warn({ why }, 'the layout change is not finished yet')
      })
      .finally(() => {
        this.#driving = undefined
      })
    return this.#driving
  }

  /**
   * One step after the other. The layout is looked at again after every wait, because another voter may lead the same
   * change.
   */
  async #run(): Promise<void> {
    const { log, proposer, logger } = this.#parts
    while (this.isNeeded) {
      const view = log.view!
      const next = await this.#next(view)
      if (log.epoch !== view.epoch) continue
      if (next === undefined) return
      const { epoch, cause, state } = await proposer.decide(next, DECIDE_MS)
      if (state === 'STABLE' && view.state !== 'STABLE') {
        logger.info({ epoch, cause }, 'layout change finished')
      }
    }
  }

  #next(view: LayoutView): Promise<LayoutEntry | undefined> {
    const { epoch } = this.#parts.log.stable
    if (view.state === 'PLANNED') return this.#planned.next(view, epoch)
    return view.state === 'JOINT' ? this.#joint.next(view) : this.#moved.next(view)
  }
}
