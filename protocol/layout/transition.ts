/**
 * Which entry may follow which (L2).
 *
 *   from            to               cause          what it does
 *   STABLE(P)       PLANNED(P → P′)  plan           learners begin to copy; joiners redeem their tokens
 *   PLANNED         PLANNED          replan         another P′: a learner is dropped, another change comes along
 *   PLANNED         JOINT(P, P′)     joint          the learners have caught up
 *   STABLE(P)       JOINT(P, P′)     join           the short way, while no node holds anything
 *   JOINT           STABLE(P′)       synced         P becomes a source, or not when there is nothing to move
 *   PLANNED, JOINT  STABLE(P)        abandoned      back, always allowed (L8). Behind a JOINT also, in chains of
 *                                                   earlier programs: holds-data, no-answer
 *   STABLE(P)       STABLE(P)        moved          one source fewer
 *   STABLE, PLANNED the same         token          join tokens are issued or revoked
 *   STABLE(P)       STABLE(P)        secret         the cluster secret is rotated
 *
 * Sources, tokens and the secret go on into the next entry wherever nothing else is said.
 */

import { assert } from '../assert.ts'
import type { Cause, LayoutEntry, Member, Source } from './entry.ts'
import {
  entryHash,
  nextReplicationOf,
  orderedMembers,
  placeOf,
  replicationOf,
  SOURCES_MAX,
  unlessDefault,
} from './entry.ts'
import { rotationFault, type SecretRecord } from './secret.ts'
import { issueFault, redemptionFault } from './tokens.ts'
import { type TokenRecord } from './token-record.ts'

/** What a change of the layout makes of the members. The order of the members does not matter. */
export interface NextLayout {
  readonly members: readonly Member[]
  readonly replication: number
}

/** PLANNED(P → P′) behind STABLE(P). `tokens`: with the joiners entered in theirs. */
export function planEntry(
  stable: LayoutEntry,
  next: NextLayout,
  tokens: readonly TokenRecord[] | undefined = stable.tokens,
): LayoutEntry {
  assert(stable.state === 'STABLE', 'a plan follows STABLE (L2)')
  return { ...follow(stable, 'PLANNED', 'plan'), ...nextFields(stable, next), tokens }
}

/** PLANNED behind PLANNED, with another P′. */
export function replanEntry(
  planned: LayoutEntry,
  next: NextLayout,
  tokens: readonly TokenRecord[] | undefined = planned.tokens,
): LayoutEntry {
  assert(planned.state === 'PLANNED', 'another plan follows PLANNED (L2)')
  return { ...follow(planned, 'PLANNED', 'replan'), ...nextFields(planned, next), tokens }
}

/** JOINT(P, P′) behind PLANNED(P → P′). */
export function plannedJointEntry(planned: LayoutEntry): LayoutEntry {
  assert(planned.state === 'PLANNED' && planned.next !== undefined, 'a plan has next members (L2)')
  const next = { members: planned.next, replication: nextReplicationOf(planned) }
  return { ...follow(planned, 'JOINT', 'joint'), ...nextFields(planned, next) }
}

/** JOINT(P, next) behind STABLE(P). `tokens`: with the joiners entered in theirs. */
export function jointEntry(
  stable: LayoutEntry,
  next: readonly Member[],
  cause: Cause,
  tokens: readonly TokenRecord[] | undefined = stable.tokens,
  replication: number = replicationOf(stable),
): LayoutEntry {
  assert(stable.state === 'STABLE', 'the short way to JOINT begins at STABLE (L2)')
  return {
    ...follow(stable, 'JOINT', cause),
    ...nextFields(stable, { members: next, replication }),
    tokens,
  }
}

/** The same layout with other join tokens, behind STABLE or PLANNED. */
export function tokensEntry(before: LayoutEntry, tokens: readonly TokenRecord[]): LayoutEntry {
  const { next, nextReplication } = before
  return { ...follow(before, before.state, 'token'), next, nextReplication, tokens }
}

/** STABLE(P) behind STABLE(P), with the next cluster secret. No token of before admits anybody. */
export function secretEntry(stable: LayoutEntry, secret: SecretRecord): LayoutEntry {
  assert(stable.state === 'STABLE', 'the secret changes in STABLE (L2)')
  return { ...follow(stable, 'STABLE', 'secret'), tokens: [], secret }
}

/**
 * STABLE behind a JOINT: forward to P′ when `cause` is 'synced'. Any other cause leads back to P, from PLANNED
 * too (L8). `becomesSource`: blocks of P are still to be moved (L5). False when no node held any, or no replica
 * set has changed.
 */
export function stableEntry(before: LayoutEntry, cause: Cause, becomesSource = false): LayoutEntry {
  const back = follow(before, 'STABLE', cause)
  if (cause !== 'synced') return back
  assert(before.state === 'JOINT' && before.next !== undefined, 'only JOINT leads forward (L2)')
  const source: Source = {
    epoch: back.epoch,
    members: before.members,
    replication: replicationOf(before),
  }
  return {
    ...back,
    members: before.next,
    replication: unlessDefault(nextReplicationOf(before), before.genesis.replication),
    sources: becomesSource ? [...(before.sources ?? []), source] : before.sources,
  }
}

/** STABLE(P) behind STABLE(P), without a source whose blocks have all arrived (L5). */
export function movedEntry(stable: LayoutEntry, sourceEpoch: number): LayoutEntry {
  assert(stable.state === 'STABLE', 'sources end in STABLE (L5)')
  const sources = (stable.sources ?? []).filter(({ epoch }) => epoch !== sourceEpoch)
  return { ...follow(stable, 'STABLE', 'moved'), sources: sources.length > 0 ? sources : undefined }
}

/** Why `entry` can't follow `previous`, or undefined when it can. */
export function transitionFault(previous: LayoutEntry, entry: LayoutEntry): string | undefined {
  if (entry.epoch !== previous.epoch + 1) {
    return `epoch ${entry.epoch} does not follow ${previous.epoch}`
  }
  if (entry.previousHash !== entryHash(previous)) return 'entry follows another one'
  if (entry.genesis.clusterId !== previous.genesis.clusterId) return 'entry of another cluster'
  // What the entry before determines is built again and compared as bytes.
  const expected = expectedEntry(previous, entry)
  if (typeof expected === 'string') return expected
  return entryHash(expected) === entryHash(entry) ? undefined : 'entry is no step from the last one'
}

/** The only entry that may follow with what is free in `entry`, or why none may. */
function expectedEntry(previous: LayoutEntry, entry: LayoutEntry): LayoutEntry | string {
  const next = entry.next && { members: entry.next, replication: nextReplicationOf(entry) }
  const step = `${previous.state} ${entry.cause} ${entry.state}`
  switch (step) {
    case 'STABLE token STABLE':
    case 'PLANNED token PLANNED': {
      const fault = issueFault(previous.tokens ?? [], entry.tokens ?? [])
      return fault ?? tokensEntry(previous, entry.tokens ?? [])
    }
    case 'STABLE secret STABLE': {
      const fault = rotationFault(previous.secret, entry.secret)
      if (fault !== undefined) return fault
      return secretEntry(previous, entry.secret!)
    }
    case 'STABLE plan PLANNED':
      return changeFault(previous, entry) ?? planEntry(previous, next!, entry.tokens)
    case 'PLANNED replan PLANNED':
      return changeFault(previous, entry) ?? replanEntry(previous, next!, entry.tokens)
    case 'STABLE join JOINT':
      return (
        changeFault(previous, entry) ??
        jointEntry(previous, next!.members, 'join', entry.tokens, next!.replication)
      )
    case 'PLANNED joint JOINT':
      return plannedJointEntry(previous)
    case 'JOINT synced STABLE': {
      const sources = (layout: LayoutEntry): number => layout.sources?.length ?? 0
      if (sources(entry) > SOURCES_MAX) return `${sources(entry)} sources are too many`
      return stableEntry(previous, 'synced', sources(entry) > sources(previous))
    }
    case 'PLANNED abandoned STABLE':
    case 'JOINT abandoned STABLE':
    case 'JOINT holds-data STABLE':
    case 'JOINT no-answer STABLE':
      return stableEntry(previous, entry.cause)
    case 'STABLE moved STABLE': {
      const kept = new Set(entry.sources?.map(({ epoch }) => epoch))
      const dropped = previous.sources?.find(({ epoch }) => !kept.has(epoch))
      return dropped === undefined ? 'no source is dropped' : movedEntry(previous, dropped.epoch)
    }
    default:
      return `${entry.state} follows ${previous.state}: the cause "${entry.cause}" does not fit`
  }
}

/**
 * Why the members must not become those of `entry`: the plan is the same as before, the layout forbids it, or a
 * joiner has no token.
 */
function changeFault(previous: LayoutEntry, entry: LayoutEntry): string | undefined {
  const next = { members: entry.next ?? [], replication: nextReplicationOf(entry) }
  if (previous.next !== undefined) {
    const planned = { members: previous.next, replication: nextReplicationOf(previous) }
    if (isSame(planned, next)) return 'entry plans what is planned already'
  }
  return nextFault(previous, next) ?? redemptionFault(previous, entry)
}

/** Why the layout of `previous` must not become `next`, whatever tokens the joiners have. */
export function nextFault(previous: LayoutEntry, next: NextLayout): string | undefined {
  const now = { members: previous.members, replication: replicationOf(previous) }
  if (isSame(now, next)) return 'this is what the layout says already: nothing to change'
  const sources = previous.sources ?? []
  if (sources.length >= SOURCES_MAX && !isSamePlaces(now, next)) {
    return (
      `blocks of ${sources.length} earlier changes are still being moved, which is the most at a time: ` +
      'try again when one of them is through (shoal layout show)'
    )
  }
  // A source is asked for what it has by node id: a node that lost it must not answer for it.
  const known = [previous.members, ...sources.map(({ members }) => members)].flat()
  const renewed = next.members.find((member) => renews(known, member))
  return renewed && `${renewed.nodeId} comes with another storage id`
}

/** A change never swaps the storage id of a node (D1): a replacement is another node (D2). */
function renews(members: readonly Member[], candidate: Member): boolean {
  return members.some(
    (member) => (member.nodeId === candidate.nodeId) !== (member.storageId === candidate.storageId),
  )
}

/** Nothing differs at all: neither who holds what, nor names and addresses. */
function isSame(a: NextLayout, b: NextLayout): boolean {
  const labels = ({ members }: NextLayout): string =>
    JSON.stringify(orderedMembers(members).map(({ addresses, name }) => [addresses, name ?? null]))
  return isSamePlaces(a, b) && labels(a) === labels(b)
}

/** Every node holds what it held: only names and addresses may differ. No blocks move, so there is no source. */
export function isSamePlaces(a: NextLayout, b: NextLayout): boolean {
  const places = ({ members }: NextLayout): string =>
    JSON.stringify(
      orderedMembers(members).map((member) => [
        member.nodeId,
        member.storageId,
        member.zone,
        member.capacityBytes,
        placeOf(member),
      ]),
    )
  return a.replication === b.replication && places(a) === places(b)
}

/** STABLE, PLANNED or JOINT behind `before`, with all that goes on, and without P′. */
function follow(before: LayoutEntry, state: LayoutEntry['state'], cause: Cause): LayoutEntry {
  return {
    epoch: before.epoch + 1,
    previousHash: entryHash(before),
    state,
    cause,
    genesis: before.genesis,
    members: before.members,
    replication: before.replication,
    sources: before.sources,
    tokens: before.tokens,
    secret: before.secret,
  }
}

/** P′ as an entry has it: in node order, and without a replication that says the same as that of P. */
function nextFields(
  before: LayoutEntry,
  { members, replication }: NextLayout,
): Pick<LayoutEntry, 'next' | 'nextReplication'> {
  return {
    next: orderedMembers(members),
    nextReplication: unlessDefault(replication, replicationOf(before)),
  }
}
