/**
 * Which entry may follow which (L2): STABLE(P) → JOINT(P, P′) → STABLE(P′), or back to STABLE(P). A STABLE entry
 * with the same members follows another one when join tokens are issued or revoked, or the cluster secret is rotated.
 */

import type { Cause, LayoutEntry, Member } from './entry.ts'
import { entryHash, orderedMembers } from './entry.ts'
import { rotationFault, type SecretRecord } from './secret.ts'
import { issueFault, redemptionFault, type TokenRecord } from './tokens.ts'

/** JOINT(P, next) behind STABLE(P). `tokens`: with the joiners entered in theirs. */
export function jointEntry(
  stable: LayoutEntry,
  next: readonly Member[],
  cause: Cause,
  tokens: readonly TokenRecord[] | undefined = stable.tokens,
): LayoutEntry {
  return {
    epoch: stable.epoch + 1,
    previousHash: entryHash(stable),
    state: 'JOINT',
    cause,
    genesis: stable.genesis,
    members: stable.members,
    next: orderedMembers(next),
    tokens,
    secret: stable.secret,
  }
}

/** STABLE(P) behind STABLE(P), with other join tokens. */
export function tokensEntry(stable: LayoutEntry, tokens: readonly TokenRecord[]): LayoutEntry {
  return {
    epoch: stable.epoch + 1,
    previousHash: entryHash(stable),
    state: 'STABLE',
    cause: 'token',
    genesis: stable.genesis,
    members: stable.members,
    tokens,
    secret: stable.secret,
  }
}

/** STABLE(P) behind STABLE(P), with the next cluster secret. No token of before admits anybody. */
export function secretEntry(stable: LayoutEntry, secret: SecretRecord): LayoutEntry {
  return { ...tokensEntry(stable, []), cause: 'secret', secret }
}

/** STABLE behind a JOINT: forward to P′ when `cause` is 'synced', else back to P (L8). */
export function stableEntry(joint: LayoutEntry, cause: Cause): LayoutEntry {
  return {
    epoch: joint.epoch + 1,
    previousHash: entryHash(joint),
    state: 'STABLE',
    cause,
    genesis: joint.genesis,
    members: cause === 'synced' ? (joint.next ?? joint.members) : joint.members,
    tokens: joint.tokens,
    secret: joint.secret,
  }
}

/** Why `entry` can't follow `previous`, or undefined when it can. */
export function transitionFault(previous: LayoutEntry, entry: LayoutEntry): string | undefined {
  if (entry.epoch !== previous.epoch + 1) {
    return `epoch ${entry.epoch} does not follow ${previous.epoch}`
  }
  if (entry.previousHash !== entryHash(previous)) return 'entry follows another one'
  if (entry.genesis.clusterId !== previous.genesis.clusterId) return 'entry of another cluster'
  // What the entry before determines is built again and compared as bytes.
  let expected: LayoutEntry
  if (previous.state === 'STABLE' && entry.cause === 'token') {
    const fault = issueFault(previous.tokens ?? [], entry.tokens ?? [])
    if (fault !== undefined) return fault
    expected = tokensEntry(previous, entry.tokens ?? [])
  } else if (previous.state === 'STABLE' && entry.cause === 'secret') {
    const fault = rotationFault(previous.secret, entry.secret)
    if (fault !== undefined || entry.secret === undefined) return fault
    expected = secretEntry(previous, entry.secret)
  } else if (previous.state === 'STABLE') {
    if (entry.next === undefined) return 'STABLE follows STABLE'
    if (entry.cause !== 'join') return 'cause does not fit'
    if (sameMembers(entry.next, previous.members)) return 'entry changes nothing'
    const renewed = entry.next.find((member) => renews(previous.members, member))
    if (renewed !== undefined) return `${renewed.nodeId} comes with another storage id`
    const fault = redemptionFault(previous, entry)
    if (fault !== undefined) return fault
    expected = jointEntry(previous, entry.next, entry.cause, entry.tokens)
  } else {
    if (entry.cause !== 'synced' && entry.cause !== 'holds-data' && entry.cause !== 'no-answer') {
      return 'cause does not fit'
    }
    expected = stableEntry(previous, entry.cause)
  }
  return entryHash(expected) === entryHash(entry) ? undefined : 'entry is no step from the last one'
}

/** A join never swaps the storage id of a node (D1): that is a replacement (D2). */
function renews(members: readonly Member[], candidate: Member): boolean {
  return members.some(
    (member) => (member.nodeId === candidate.nodeId) !== (member.storageId === candidate.storageId),
  )
}

function sameMembers(a: readonly Member[], b: readonly Member[]): boolean {
  const text = (members: readonly Member[]): string => JSON.stringify(orderedMembers(members))
  return text(a) === text(b)
}
