/**
 * Says whether a change of the members may begin now. One change is under way at a time. Changes that are asked for within
 * FOLD_MS of the plan go into the plan.
 */

import type { LayoutEntry } from '../../protocol/layout/entry.ts'
import { nextReplicationOf, replicationOf, SOURCES_MAX } from '../../protocol/layout/entry.ts'
import { diffOf } from '../../protocol/layout/layout-diff.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Timer } from './timer.ts'

export const FOLD_MS = 3_000
/** How many of its changes the line that refuses another change names. */
const NAMED_MAX = 3

export class ChangeGate {
  readonly #timer: Timer
  /** When this node learned of the plan under way. */
  #plannedMs: number | undefined

  constructor(timer: Timer) {
    this.#timer = timer
  }

  /** Called with each entry that this node adopts. */
  adopted({ state }: LayoutView): void {
    if (state === 'PLANNED') this.#plannedMs ??= this.#timer.nowMs()
    else this.#plannedMs = undefined
  }

  /**
   * Why no other change may begin now, in one line. Undefined when one may.
   *
   * @param movesNothing whether the change moves no data, so that it does not wait for blocks
   */
  refusal(entry: LayoutEntry, movesNothing: () => boolean = () => false): string | undefined {
    const sources = entry.sources?.length ?? 0
    if (entry.state === 'STABLE') {
      if (sources < SOURCES_MAX || movesNothing()) return undefined
      return `blocks of ${sources} earlier changes are still being moved: try again when one of them has ended`
    }
    const isFresh = this.#plannedMs !== undefined && this.#timer.nowMs() - this.#plannedMs < FOLD_MS
    if (entry.state === 'PLANNED' && isFresh) return undefined
    return (
      `another change is under way: ${changeSummary(entry)}: wait for it (shoal layout show --wait), ` +
      'or give it up (shoal layout cancel)'
    )
  }
}

/** What the change under way does, in a few words. */
export function changeSummary(entry: LayoutEntry): string {
  const before = { members: entry.members, replication: replicationOf(entry) }
  const after = { members: entry.next ?? [], replication: nextReplicationOf(entry) }
  const lines = diffOf(before, after)
  const rest = lines.length > NAMED_MAX ? `, and ${lines.length - NAMED_MAX} more` : ''
  return `${lines.slice(0, NAMED_MAX).join(', ')}${rest}`
}
