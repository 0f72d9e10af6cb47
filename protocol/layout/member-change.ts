/**
 * Changes of the members and what they make of the layout. A fault is one line for the operator that says what to do
 * instead.
 */

import { assert } from '../assert.ts'
import { shortId, type NodeId } from '../ids.ts'
import { formatSize } from '../size.ts'
import { orderedMembers, placeOf, REPLICATION_MAX, type Member } from './entry.ts'
import { type PlanFault, shownName } from './member-names.ts'
import type { NextLayout } from './transition.ts'

/**
 * One change that an operator or a joiner asks for. It is not part of an entry: the entry holds the members that
 * `nextOf` makes of it.
 */
export type MemberChange =
  | { readonly kind: 'join'; readonly member: Member }
  /** For a node that still runs: it serves, and others copy from it, until nothing needs it any more. */
  | { readonly kind: 'drain'; readonly nodeId: NodeId }
  /** For a node that is lost. */
  | { readonly kind: 'remove'; readonly nodeId: NodeId }
  /** The new node gets the place and the share of the old one, so that only the partitions of the old one move. */
  | { readonly kind: 'replace'; readonly old: NodeId; readonly member: Member }
  | SetChange
  | { readonly kind: 'replication'; readonly replication: number }

/** New settings of a member. Those that are not set stay as they are. */
export interface SetChange {
  readonly kind: 'set'
  readonly nodeId: NodeId
  readonly zone?: string | undefined
  readonly capacityBytes?: number | undefined
  readonly addresses?: readonly string[] | undefined
  readonly name?: string | undefined
}

/**
 * What the changes together make of the layout, members in node order. A fault when one of them cannot be made, when
 * two of them name the same node, or when no member would be left. Tokens, sources and free space are no concern of
 * this (transition.ts, plan.ts).
 *
 * @param members those of P or, where a plan takes the changes in, of P′
 */
export function nextOf(
  members: readonly Member[],
  replication: number,
  changes: readonly MemberChange[],
): NextLayout | PlanFault {
  const named = new Set<string>()
  for (const change of changes) {
    for (const name of namesIn(change)) {
      if (named.has(name)) {
        return { fault: `${name} is in two changes at once: make them one after the other` }
      }
      named.add(name)
    }
  }
  // Nodes leave before others join, so that joiners can use the places that become free.
  const order: MemberChange['kind'][] = ['drain', 'remove', 'replace', 'set', 'replication', 'join']
  const sorted = [...changes].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
  let next: NextLayout = { members, replication }
  for (const change of sorted) {
    const after = changed(next, change)
    if ('fault' in after) return after
    next = after
  }
  if (next.members.length === 0) {
    return { fault: 'the last member holds everything and stays: let another node join first' }
  }
  const nodes = new Set(next.members.map(({ nodeId }) => nodeId))
  assert(nodes.size === next.members.length, 'a node is a member once')
  return { ...next, members: orderedMembers(next.members) }
}

/** What the change is about. Two changes at once must not share a name. */
function namesIn(change: MemberChange): string[] {
  switch (change.kind) {
    case 'join':
      return [change.member.nodeId]
    case 'replace':
      return [change.old, change.member.nodeId]
    case 'replication':
      return ['the replication']
    case 'drain':
    case 'remove':
    case 'set':
      return [change.nodeId]
  }
}

/** The layout after one change. The members are in no particular order. */
function changed(
  { members, replication }: NextLayout,
  change: MemberChange,
): NextLayout | PlanFault {
  switch (change.kind) {
    case 'join': {
      const fault = joinFault(members, change.member)
      if (fault !== undefined) return { fault }
      return { members: [...members, withFreePlace(members, change.member)], replication }
    }
    case 'drain':
    case 'remove': {
      const left = members.filter(({ nodeId }) => nodeId !== change.nodeId)
      if (left.length === members.length) return unknown(change.nodeId)
      return { members: left, replication }
    }
    case 'replace': {
      const old = members.find(({ nodeId }) => nodeId === change.old)
      if (old === undefined) return unknown(change.old)
      // A node that is a member already gives up its own place.
      const known = members.find(
        ({ nodeId, storageId }) =>
          nodeId === change.member.nodeId && storageId === change.member.storageId,
      )
      const left = members.filter((member) => member !== old && member !== known)
      const fault = known === undefined ? joinFault(members, change.member) : undefined
      if (fault !== undefined) return { fault }
      const { nodeId, capacityBytes } = change.member
      const heir: Member = {
        ...(known ?? change.member),
        // A larger disk gets the same share. Using the rest of it is a change of its own.
        capacityBytes: Math.min(capacityBytes, old.capacityBytes),
        place: placeOf(old) === nodeId ? undefined : placeOf(old),
      }
      assert(
        !left.some((member) => placeOf(member) === placeOf(heir)),
        'no two members have the same place',
      )
      return { members: [...left, heir], replication }
    }
    case 'set':
      return withSettings({ members, replication }, change)
    case 'replication': {
      const wanted = change.replication
      if (!Number.isInteger(wanted) || wanted < 1 || wanted > REPLICATION_MAX) {
        return { fault: `replication is from 1 to ${REPLICATION_MAX}, not ${wanted}` }
      }
      if (wanted === replication) {
        return { fault: `replication is ${wanted} already: nothing to change` }
      }
      return { members, replication: wanted }
    }
  }
}

/**
 * Refuses settings that change nothing, so that an operator who repeats a command learns that it was done already.
 */
function withSettings(
  { members, replication }: NextLayout,
  change: SetChange,
): NextLayout | PlanFault {
  const member = members.find(({ nodeId }) => nodeId === change.nodeId)
  if (member === undefined) return unknown(change.nodeId)
  const { zone, capacityBytes, addresses, name } = change
  if (capacityBytes !== undefined && !(Number.isSafeInteger(capacityBytes) && capacityBytes > 0)) {
    return { fault: 'a capacity is a whole number of bytes above 0, such as 1TiB' }
  }
  const namesake = members.find((other) => other !== member && other.name === name)
  if (name !== undefined && namesake !== undefined) {
    return { fault: `${shortId(namesake.nodeId)} is called ${name}: choose another name` }
  }
  const same = sameSettings(member, change)
  if (same !== undefined) {
    return { fault: `${shownName(member)} already has ${same}: nothing to change` }
  }
  const after: Member = {
    ...member,
    ...(zone !== undefined && { zone }),
    ...(capacityBytes !== undefined && { capacityBytes }),
    ...(addresses !== undefined && { addresses }),
    ...(name !== undefined && { name }),
  }
  return { members: members.map((other) => (other === member ? after : other)), replication }
}

/** The settings that are asked for, in words, when the member has all of them already. */
function sameSettings(member: Member, change: SetChange): string | undefined {
  const { name, zone, capacityBytes, addresses } = change
  const addressText = addresses?.join(' ')
  const isSame =
    (name === undefined || name === member.name) &&
    (zone === undefined || zone === member.zone) &&
    (capacityBytes === undefined || capacityBytes === member.capacityBytes) &&
    (addressText === undefined || addressText === member.addresses.join(' '))
  if (!isSame) return undefined
  const parts = [
    name !== undefined && `name ${name}`,
    zone !== undefined && `zone ${zone}`,
    capacityBytes !== undefined && `capacity ${formatSize(capacityBytes)}`,
    addresses !== undefined && 'these addresses',
  ].filter((part) => part !== false)
  return parts.length === 0 ? 'these settings' : parts.join(' and ')
}

function unknown(nodeId: NodeId): PlanFault {
  return { fault: `${nodeId} is no member: shoal layout show lists them` }
}

/**
 * Why the node must not join. A node that lost its disk must not come back under its id, because other members would
 * take it for the one that still has its data (D1).
 */
function joinFault(members: readonly Member[], joiner: Member): string | undefined {
  const known = members.find(({ nodeId }) => nodeId === joiner.nodeId)
  if (known?.storageId === joiner.storageId) {
    return `${shownName(known)} is a member already: only a node that is not can join`
  }
  if (known !== undefined) {
    return (
      `${shownName(known)} has lost its data and kept its id: ` +
      'start it with an empty data directory, so that it gets an id of its own, and replace the old one'
    )
  }
  const original = members.find(({ storageId }) => storageId === joiner.storageId)
  return (
    original &&
    `the data directory is a copy of the one of ${shownName(original)}: start with an empty one`
  )
}

/** The joiner gets its own place. When another node took that while this one was away, it gets the place that the other left. */
function withFreePlace(members: readonly Member[], joiner: Member): Member {
  let free = joiner.nodeId
  for (;;) {
    const holder = members.find((member) => placeOf(member) === free)
    if (holder === undefined) break
    free = holder.nodeId
  }
  return { ...joiner, place: free === joiner.nodeId ? undefined : free }
}
