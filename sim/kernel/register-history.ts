/** What the checker knows of one register: every proposal, which of them are chosen, and how they follow each other. */

import type { BlockKey } from '../../protocol/ids.ts'

export interface Proposal {
  readonly ballot: number
  readonly operation: string
  readonly tombstone: boolean
  readonly blocks: readonly BlockKey[]
  readonly epoch: number
  /** 0: the register was absent. */
  readonly base: number
  readonly proposedAt: number
  /** Bit mask of nodes that have flushed it. */
  acceptedBy: number
  /** -1 until it is chosen. */
  chosenAt: number
  /** How often the register had been collected and begun again. */
  life: number
}

export interface RegisterHistory {
  readonly proposals: Map<number, Proposal>
  /** By ballot, of the present life. */
  chosen: Proposal[]
  /** Tombstones that replicas have collected in this life, and when. */
  collections: { readonly ballot: number; readonly at: number }[]
  life: number
  bornAt: number
  /** Operations in the order in which they took effect. */
  readonly applied: Set<string>
  lastApplied: string
  /** When the latest chosen state became one that is not a tombstone; -1 when it is none or a tombstone. */
  liveSince: number
}

export function emptyHistory(): RegisterHistory {
  return {
    proposals: new Map(),
    chosen: [],
    collections: [],
    life: 0,
    bornAt: 0,
    applied: new Set(),
    lastApplied: '',
    liveSince: -1,
  }
}

/**
 * Follows the bases from `to` back to `from`. The path has the proposals on the way, `to` first; `joined` says whether
 * it ends at `from`, or at an absent register when there is no `from`.
 */
export function pathBack(
  register: RegisterHistory,
  from: Proposal | undefined,
  to: Proposal,
): { path: Proposal[]; joined: boolean } {
  const floor = from ? from.ballot : 0
  const path: Proposal[] = []
  let at: Proposal | undefined = to
  while (at && at.ballot > floor) {
    path.push(at)
    at = register.proposals.get(at.base)
  }
  return { path, joined: from ? at === from : at === undefined }
}

/**
 * Whether a proposal begins a new life of the register. Its bases lead back to an absence, which was found after
 * replicas had begun to collect the latest chosen state, a tombstone. They collected it as it was chosen, or as an
 * identity change that reached only a minority wrote it again.
 */
export function beginsAgain(register: RegisterHistory, proposal: Proposal): boolean {
  const top = register.chosen.at(-1)
  if (!top?.tombstone) return false
  let root = proposal
  while (root.base !== 0) {
    const base = register.proposals.get(root.base)
    if (!base) return false
    root = base
  }
  return register.collections.some(
    ({ ballot, at }) => at <= root.proposedAt && isRewritten(register, top, ballot),
  )
}

/** The state at `ballot` is the chosen one, or the same written again above it. */
function isRewritten(register: RegisterHistory, chosen: Proposal, ballot: number): boolean {
  let at = register.proposals.get(ballot)
  while (at && at.ballot > chosen.ballot && at.operation === chosen.operation) {
    at = register.proposals.get(at.base)
  }
  return at === chosen
}
