/**
 * Changes of the members that an operator asks for: planning one, making it, going back.
 *
 *   plan(change)    what would move, without changing anything
 *   apply(change)   STABLE → PLANNED; the driver leads it on. A plan that is at most FOLD_MS old takes the change in
 *   dropSources()   STABLE with sources → STABLE, although blocks are missing
 *   proceed()       PLANNED → JOINT, without waiting for learners
 *   cancel()        back to P, as long as the change has not come through (L8)
 *
 * All reject with a MembershipError whose message is one line for the operator.
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutEntry } from '../../protocol/layout/entry.ts'
import { entryHash, nextReplicationOf, replicationOf } from '../../protocol/layout/entry.ts'
import { planOf, type ChangePlan } from '../../protocol/layout/plan.ts'
import { nextOf, type MemberChange } from '../../protocol/layout/member-change.ts'
import { shownName } from '../../protocol/layout/member-names.ts'
import {
  isSamePlaces,
  movedEntry,
  planEntry,
  plannedJointEntry,
  replanEntry,
  stableEntry,
  transitionFault,
  type NextLayout,
} from '../../protocol/layout/transition.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { ChangeDriver } from './change-driver.ts'
import type { ChangeGate } from './change-gate.ts'
import { MembershipError, stillUp } from './errors.ts'
import type { LayoutLog } from './layout-log.ts'
import { hasMajorities } from './planned-step.ts'
import type { LayoutProposer } from './layout-proposer.ts'
import type { Timer } from './timer.ts'

const DECIDE_MS = 5_000
/** How long other entries may come first before the change fails. */
const APPLY_MS = 15_000
const ASK_AGAIN_MS = 100
const COME_THROUGH = 'the change has come through already: ask for the opposite one'

export interface ChangeOfficeParts {
  readonly log: LayoutLog
  readonly proposer: LayoutProposer
  readonly driver: ChangeDriver
  readonly gate: ChangeGate
  readonly timer: Timer
  readonly connected: (node: NodeId) => boolean
}

export class ChangeOffice {
  readonly #parts: ChangeOfficeParts

  constructor(parts: ChangeOfficeParts) {
    this.#parts = parts
  }

  /** Rejects when the change cannot be made at all. The plan names smaller faults. */
  plan(
    change: MemberChange,
    usedBytes: (node: NodeId) => number | undefined = () => undefined,
  ): Promise<ChangePlan> {
    try {
      const view = this.#votersView()
      const next = this.#nextAfter(view.entry, change)
      return Promise.resolve(planOf(view, next, usedBytes))
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /**
   * Resolves with the entry that plans the change, once it is decided.
   *
   * @param force remove a node although it is up
   */
  async apply(change: MemberChange, { force = false } = {}): Promise<LayoutEntry> {
    const { proposer, driver, timer } = this.#parts
    const untilMs = timer.nowMs() + APPLY_MS
    for (;;) {
      const { entry } = this.#votersView()
      if (!force) this.#mustBeDown(entry, change)
      const own = this.#entryAfter(entry, change)
      const decided = await proposer.decide(own, DECIDE_MS)
      if (entryHash(decided) === entryHash(own)) {
        void driver.drive()
        return decided
      }
      // Another entry came first: the change is tried again after that one.
      if (timer.nowMs() >= untilMs) {
        throw new MembershipError('no-answer', 'other changes of the layout came first: try again')
      }
      await timer.sleep(timer.jittered(ASK_AGAIN_MS))
    }
  }

  /**
   * Ends PLANNED because the operator says so. Resolves with the JOINT entry. Slow learners fetch the rest in JOINT, which
   * goes back when it makes no progress. Rejects while some partition has no majority of its new holders up: in JOINT both
   * sets have to answer (L3), so its keys could be neither read nor written.
   */
  async proceed(): Promise<LayoutEntry> {
    const { proposer, driver, connected } = this.#parts
    const view = this.#votersView()
    if (view.state !== 'PLANNED') {
      throw bad('no change of the layout is planned: there are no learners to wait for')
    }
    const next = view.entry.next ?? []
    const up = new Set(next.map(({ nodeId }) => nodeId).filter(connected))
    if (!hasMajorities(view, up)) {
      const away = next.filter(({ nodeId }) => !up.has(nodeId)).map(shownName)
      throw bad(
        `start ${away.sort().join(', ')} first: too few of the new holders of some partitions are up, so these could ` +
          'be neither read nor written',
      )
    }
    const own = plannedJointEntry(view.entry)
    const decided = await proposer.decide(own, DECIDE_MS)
    void driver.drive()
    if (entryHash(decided) === entryHash(own)) return decided
    throw new MembershipError('under-way', 'another entry of the layout came first: try again')
  }

  /**
   * Ends sources because the operator says so. Blocks that only their nodes may have then count as lost. Resolves once the
   * layout has none of these sources.
   *
   * @param epoch the layout that the operator has seen; rejects with 'under-way' when there is a later one
   * @param sources epochs with which the sources began
   */
  async dropSources(epoch: number, sources: readonly number[]): Promise<void> {
    const { proposer } = this.#parts
    if (this.#votersView().epoch !== epoch) {
      throw new MembershipError(
        'under-way',
        'the layout has changed meanwhile: look at the report again',
      )
    }
    for (;;) {
      const view = this.#votersView()
      if (view.state !== 'STABLE') {
        throw new MembershipError(
          'under-way',
          'another change of the layout came first: look at the report again',
        )
      }
      const next = view.sources.find((source) => sources.includes(source.epoch))
      if (next === undefined) return
      await proposer.decide(movedEntry(view.entry, next.epoch), DECIDE_MS)
    }
  }

  /** Goes back to the layout before the change. Resolves once it is in force. */
  async cancel(): Promise<LayoutEntry> {
    const { proposer, log } = this.#parts
    const { epoch, state, sources } = this.#votersView()
    if (state === 'STABLE' && sources.length > 0) throw bad(COME_THROUGH)
    if (state === 'STABLE') throw bad('no change of the layout is under way')
    for (;;) {
      const { entry } = this.#votersView()
      const end = log.entriesAfter(epoch).find(({ entry: later }) => later.state === 'STABLE')
      if (end !== undefined) {
        if (end.entry.cause !== 'synced') return end.entry
        throw bad(COME_THROUGH)
      }
      await proposer.decide(stableEntry(entry, 'abandoned'), DECIDE_MS)
    }
  }

  /** The layout after the change. Throws when the change cannot be made. */
  #nextAfter(entry: LayoutEntry, change: MemberChange): NextLayout {
    const members = entry.next ?? entry.members
    const next = nextOf(members, nextReplicationOf(entry), [change])
    if ('fault' in next) throw bad(next.fault)
    return next
  }

  #entryAfter(entry: LayoutEntry, change: MemberChange): LayoutEntry {
    const refusal = this.#parts.gate.refusal(entry, () =>
      isSamePlaces(
        { members: entry.members, replication: replicationOf(entry) },
        this.#nextAfter(entry, change),
      ),
    )
    if (refusal !== undefined) throw new MembershipError('under-way', refusal)
    const next = this.#nextAfter(entry, change)
    const own = entry.state === 'PLANNED' ? replanEntry(entry, next) : planEntry(entry, next)
    const fault = transitionFault(entry, own)
    if (fault !== undefined) throw bad(fault)
    return own
  }

  #mustBeDown({ members }: LayoutEntry, change: MemberChange): void {
    if (change.kind !== 'remove' && change.kind !== 'replace') return
    const [node, what] =
      change.kind === 'remove'
        ? ([change.nodeId, 'removed'] as const)
        : ([change.old, 'replaced'] as const)
    const member = members.find(({ nodeId }) => nodeId === node)
    if (member !== undefined && this.#parts.connected(node)) throw bad(stillUp(member, what))
  }

  #votersView(): LayoutView {
    const { log } = this.#parts
    if (log.view !== undefined && log.votes) return log.view
    throw new MembershipError('no-answer', 'this node is no member of the cluster (any more)')
  }
}

function bad(why: string): MembershipError {
  return new MembershipError('bad-change', why)
}
