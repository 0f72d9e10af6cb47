/**
 * A change of the layout that keeps the members (join tokens, the cluster secret): one more entry, decided between two
 * changes of the members. A change of the members that is under way goes on meanwhile.
 */

import { entryHash, type LayoutEntry } from '../../protocol/layout/entry.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { ChangeDriver } from './change-driver.ts'
import { MembershipError } from './errors.ts'
import type { LayoutProposer } from './layout-proposer.ts'
import type { Timer } from './timer.ts'

const DECIDE_MS = 5_000

export interface EntryChange {
  /** The layout as this node knows it. An error ends the change. */
  readonly view: () => LayoutView
  /** Tokens may change while a change of the members is planned, too. */
  readonly alsoPlanned?: boolean | undefined
  /** The entry that follows this one. Called for each try. An error ends the change. */
  readonly entryAfter: (view: LayoutView) => LayoutEntry
  /** How long a change of the members may delay this one. */
  readonly waitMsMax: number
  readonly askAgainMs: number
}

/** Resolves with the entry that was decided. Rejects with MembershipError. */
export async function decideEntry(
  parts: {
    readonly proposer: LayoutProposer
    readonly driver: ChangeDriver
    readonly timer: Timer
  },
  { view, entryAfter, alsoPlanned = false, waitMsMax, askAgainMs }: EntryChange,
): Promise<LayoutEntry> {
  const { proposer, driver, timer } = parts
  const untilMs = timer.nowMs() + waitMsMax
  while (!timer.stopped) {
    const now = view()
    if (now.state === 'STABLE' || (alsoPlanned && now.state === 'PLANNED')) {
      const own = entryAfter(now)
      const decided = await proposer.decide(own, DECIDE_MS)
      if (entryHash(decided) === entryHash(own)) return decided
      continue
    }
    void driver.drive()
    if (timer.nowMs() >= untilMs) break
    await timer.sleep(timer.jittered(askAgainMs))
  }
  throw new MembershipError('no-answer', 'another change of the layout is under way: try again')
}
