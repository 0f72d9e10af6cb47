/**
 * Changes of the members: what they make of the layout (`nextOf`), and what that would cost (`planOf`). Pure, so that
 * "what would it move" and the change itself are the same computation.
 *
 * A fault is one line for the operator that says what to do instead.
 */

import { place, type Placement } from '../keyspace/placement.ts'
import { shortId, type NodeId } from '../ids.ts'
import { formatSize } from '../size.ts'
import { orderedMembers, placeOf, REPLICATION_MAX, type Member } from './entry.ts'
import { nextFault, type NextLayout } from './transition.ts'
import type { LayoutView } from './view.ts'

/** A node whose disk is filled to this share counts as full. */
const FULL_SHARE = 0.9

export type MemberChange =
  | { readonly kind: 'join'; readonly member: Member }
  /** Of a node that still runs: it serves and is copied from until nothing needs it. */
  | { readonly kind: 'drain'; readonly nodeId: NodeId }
  /** Of a node that is lost. */
  | { readonly kind: 'remove'; readonly nodeId: NodeId }
  /** The new node gets the place and the share of the old one, so that only the partitions of that one move. */
  | { readonly kind: 'replace'; readonly old: NodeId; readonly member: Member }
  | SetChange
  | { readonly kind: 'replication'; readonly replication: number }

export interface SetChange {
  readonly kind: 'set'
  readonly nodeId: NodeId
  readonly zone?: string | undefined
  readonly capacityBytes?: number | undefined
  readonly addresses?: readonly string[] | undefined
  readonly name?: string | undefined
}

export interface PlanFault {
  readonly fault: string
}

export interface PlannedShare {
  readonly nodeId: NodeId
  /** As people call it. */
  readonly name: string
  readonly zone: string
  readonly change: 'stays' | 'joins' | 'leaves'
  /** Afterwards; of a node that leaves, as it was. */
  readonly capacityBytes: number
  /** Estimated where the node did not say. */
  readonly usedBytes: number
  readonly usedBytesAfter: number
  /** While blocks move: with what it gains, before it has given anything away. */
  readonly usedBytesMost: number
  /** Of objects and blocks, as all partitions below. */
  readonly partitions: number
  readonly partitionsAfter: number
  readonly gained: number
  readonly lost: number
}

export interface ChangePlan {
  readonly next: NextLayout
  /** Lines of `diffOf`. */
  readonly changes: readonly string[]
  /** Those of system registers included. */
  readonly partitions: number
  /** Partitions that other nodes will hold than do now. */
  readonly partitionsMoved: number
  readonly nodes: readonly PlannedShare[]
  /** Estimate: every partition has the same size. */
  readonly movedBytes: number
  /** What any placement would have to move under which each node ends up with as many partitions as under this one:
   * the sum of what nodes hold afterwards beyond what they hold now. Joiners and the inheritors of a node that
   * leaves are in it. It takes the new number of partitions of each node as given, and knows nothing of zones:
   * where only zones change, every move counts as more than the least. */
  readonly leastBytes: number
  /** `movedBytes` against `leastBytes`. Undefined where nothing has to move. */
  readonly ratio: number | undefined
  readonly fits: boolean
  /** Why it must not be done. */
  readonly faults: readonly string[]
  /** Why the change needs --force: it would leave too few members or zones for the replicas. A line each. */
  readonly scarce: readonly string[]
  /** What the operator should know before. */
  readonly warnings: readonly string[]
}

/** A member as people call it. */
export function shownName({ nodeId, name }: Pick<Member, 'nodeId' | 'name'>): string {
  return name ?? shortId(nodeId)
}

/** By its name, or by a suffix of its id that no other member has. Names come first. */
export function findMember(members: readonly Member[], text: string): Member | PlanFault {
  const suffix = text.replace(/^…/, '')
  const named = members.filter(({ name }) => name === text)
  const found =
    named.length > 0 || suffix === ''
      ? named
      : members.filter(({ nodeId }) => nodeId.endsWith(suffix))
  if (found.length === 1) return found[0]!
  if (found.length === 0) {
    const some = members.slice(0, 8).map(shownName).join(', ')
    const more = members.length > 8 ? ', …' : ''
    return { fault: `no member is called ${text}: the members are ${some}${more}` }
  }
  const ids = found.map(({ nodeId }) => shortId(nodeId)).join(', ')
  return { fault: `${text} may be any of ${ids}: say more of the id` }
}

/** What the changes together make of the layout. */
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
  // Who leaves first: a place that becomes free can be used.
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
  return { ...next, members: orderedMembers(next.members) }
}

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
      // One that is a member already gives up its own place.
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
        // A larger disk gets the same share: what it has beyond that is a change of its own.
        capacityBytes: Math.min(capacityBytes, old.capacityBytes),
        place: placeOf(old) === nodeId ? undefined : placeOf(old),
      }
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

/** What the member has of that already, in words, when that is all. */
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

function joinFault(members: readonly Member[], joiner: Member): string | undefined {
  const known = members.find(({ nodeId }) => nodeId === joiner.nodeId)
  if (known?.storageId === joiner.storageId) {
    return `${shownName(known)} is a member already: only a node that is none can come in`
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

/** In its own place, unless another node has taken that while this one was away: then in the one that became
 * free by this. */
function withFreePlace(members: readonly Member[], joiner: Member): Member {
  let free = joiner.nodeId
  for (;;) {
    const holder = members.find((member) => placeOf(member) === free)
    if (holder === undefined) break
    free = holder.nodeId
  }
  return { ...joiner, place: free === joiner.nodeId ? undefined : free }
}

/**
 * What it would take to go from the layout of `view` to `next`. `usedBytes`: of a node's disk, undefined where that is
 * not known.
 */
export function planOf(
  view: LayoutView,
  next: NextLayout,
  usedBytes: (nodeId: NodeId) => number | undefined,
): ChangePlan {
  const before = { members: view.entry.members, replication: view.replication }
  const { genesis, partitions } = view
  const old = view.placement
  const placement = place(next.members, { ...genesis, replication: next.replication })
  const dataPartitions = 1 << genesis.partitionBits
  const { gained, lost, partitionsMoved } = compare(old, placement, partitions, dataPartitions)

  const held = (of: Placement, nodeId: NodeId): number =>
    of.partitionsOf(nodeId).filter((partition) => partition < dataPartitions).length
  const partitionBytes = bytesOfPartition(before.members, (nodeId) => held(old, nodeId), usedBytes)
  const nodeOf = (member: Member, change: PlannedShare['change']): PlannedShare => {
    const { nodeId, zone, capacityBytes } = member
    const [now, after] = [held(old, nodeId), held(placement, nodeId)]
    const used = change === 'joins' ? 0 : (usedBytes(nodeId) ?? now * partitionBytes)
    const gains = gained.get(nodeId) ?? 0
    const losses = lost.get(nodeId) ?? 0
    return {
      nodeId,
      name: shownName(member),
      zone,
      change,
      capacityBytes,
      usedBytes: Math.round(used),
      usedBytesAfter: Math.max(0, Math.round(used + (gains - losses) * partitionBytes)),
      usedBytesMost: Math.round(used + gains * partitionBytes),
      partitions: now,
      partitionsAfter: after,
      gained: gains,
      lost: losses,
    }
  }
  const was = new Map(before.members.map((member) => [member.nodeId, member]))
  const stays = new Set(next.members.map(({ nodeId }) => nodeId))
  const leavers = before.members.filter(({ nodeId }) => !stays.has(nodeId))
  const nodes = [
    ...next.members.map((member) => nodeOf(member, was.has(member.nodeId) ? 'stays' : 'joins')),
    ...leavers.map((member) => nodeOf(member, 'leaves')),
  ]

  const sum = (counts: Iterable<number>): number => [...counts].reduce((all, one) => all + one, 0)
  const movedBytes = Math.round(sum(gained.values()) * partitionBytes)
  const least = sum(nodes.map((node) => Math.max(0, node.partitionsAfter - node.partitions)))
  const leastBytes = Math.round(least * partitionBytes)
  const shareBefore = (node: PlannedShare): number =>
    node.usedBytes / (was.get(node.nodeId)?.capacityBytes ?? node.capacityBytes)
  const fullestBefore = Math.max(...nodes.map(shareBefore))
  const tooFull = nodes.filter((node) =>
    isTooFull(node, node.change === 'joins' ? fullestBefore : shareBefore(node)),
  )
  const faults = [nextFault(view.entry, next), ...fitFault(tooFull)]
  return {
    next,
    changes: diffOf(before, next),
    partitions,
    partitionsMoved,
    nodes,
    movedBytes,
    leastBytes,
    ratio: least === 0 ? undefined : sum(gained.values()) / least,
    fits: tooFull.length === 0,
    faults: faults.filter((fault) => fault !== undefined),
    scarce: scarceOf(before, next),
    warnings: warningsOf(before, next, nodes),
  }
}

/** Why the change leaves too few members or zones for the replicas. A cluster that grows may have too few before it. */
function scarceOf(before: NextLayout, next: NextLayout): string[] {
  const [count, was] = [next.members.length, before.members.length]
  const { replication } = next
  const scarce: string[] = []
  if (count < replication && (count < was || replication > before.replication)) {
    const lower = replication > before.replication ? [] : [replicationHint(count)]
    scarce.push(
      `${countOf(count, 'member')} for ${replication} replicas: ` +
        [`let ${replication - count} more join first`, ...lower].join(', or '),
    )
  }
  const replicas = Math.min(replication, count)
  const [zones, zonesWere] = [zonesOf(next), zonesOf(before)]
  if (zones < replicas && zones < zonesWere) {
    scarce.push(
      `${countOf(zones, 'zone')} instead of ${zonesWere} for ${replicas} replicas, so that a zone would hold ` +
        'more than one replica of something: let a node join in another zone first',
    )
  }
  return scarce
}

function replicationHint(count: number): string {
  return `say that fewer replicas are enough (shoal layout replication ${count})`
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function zonesOf({ members }: NextLayout): number {
  return new Set(members.map(({ zone }) => zone)).size
}

/** Replicas of objects and blocks that each node gains and loses, and partitions with other nodes, of all. */
function compare(
  old: Placement,
  next: Placement,
  partitions: number,
  dataPartitions: number,
): { gained: Map<NodeId, number>; lost: Map<NodeId, number>; partitionsMoved: number } {
  const gained = new Map<NodeId, number>()
  const lost = new Map<NodeId, number>()
  const count = (of: Map<NodeId, number>, nodes: readonly NodeId[]): void => {
    for (const node of nodes) of.set(node, (of.get(node) ?? 0) + 1)
  }
  let partitionsMoved = 0
  for (let partition = 0; partition < partitions; partition++) {
    const [from, to] = [old.replicas(partition), next.replicas(partition)]
    const added = to.filter((node) => !from.includes(node))
    const removed = from.filter((node) => !to.includes(node))
    if (added.length + removed.length > 0) partitionsMoved++
    if (partition >= dataPartitions) continue
    count(gained, added)
    count(lost, removed)
  }
  return { gained, lost, partitionsMoved }
}

/** Mean over the nodes whose used bytes are known: keys are hashes, so partitions are about equal. */
function bytesOfPartition(
  members: readonly Member[],
  held: (nodeId: NodeId) => number,
  usedBytes: (nodeId: NodeId) => number | undefined,
): number {
  let [bytes, replicas] = [0, 0]
  for (const { nodeId } of members) {
    const used = usedBytes(nodeId)
    if (used === undefined) continue
    bytes += used
    replicas += held(nodeId)
  }
  return replicas === 0 ? 0 : bytes / replicas
}

/** Only where the change makes it worse: a cluster that is too full may grow, and have a lost node replaced. */
function isTooFull(node: PlannedShare, shareBefore: number): boolean {
  if (node.change === 'leaves') return false
  const share = node.usedBytesAfter / node.capacityBytes
  return share > FULL_SHARE && share > shareBefore
}

function fitFault(tooFull: readonly PlannedShare[]): string[] {
  const share = (node: PlannedShare): number => node.usedBytesAfter / node.capacityBytes
  const [worst] = [...tooFull].sort((a, b) => share(b) - share(a))
  if (worst === undefined) return []
  const { name, usedBytesAfter, capacityBytes } = worst
  const others = tooFull.length > 1 ? ` and ${tooFull.length - 1} more are too small` : ''
  return [
    `it does not fit: ${name} would hold ${formatSize(usedBytesAfter)} of ${formatSize(capacityBytes)} ` +
      `(${Math.round(share(worst) * 100)} %; ${FULL_SHARE * 100} % is full)${others}: ` +
      'let another node join first',
  ]
}

function warningsOf(
  before: NextLayout,
  next: NextLayout,
  nodes: readonly PlannedShare[],
): readonly string[] {
  const warnings: string[] = []
  const [count, zones] = [next.members.length, zonesOf(next)]
  const replicas = Math.min(next.replication, count)
  if (count < next.replication) {
    const kept = count === 1 ? '1 replica' : `${count} replicas`
    warnings.push(`${kept} of everything instead of ${next.replication}: there are too few members`)
  }
  // A cluster of one zone has never been told of any.
  if (zones < replicas && (zones > 1 || zonesOf(before) > 1)) {
    warnings.push(
      `${zones} ${zones === 1 ? 'zone' : 'zones'} for ${replicas} replicas: ` +
        'losing one zone may take more than one replica of something',
    )
  }
  if (replicas === 2) warnings.push('2 replicas: losing either one stops reads and writes')
  if (next.replication < before.replication) {
    warnings.push(`replication ${before.replication} → ${next.replication}: less can be lost`)
  }
  const tight = nodes.find((node) => node.usedBytesMost > node.capacityBytes)
  if (tight !== undefined) {
    warnings.push(
      `${tight.name} needs ${formatSize(tight.usedBytesMost)} of ${formatSize(tight.capacityBytes)} ` +
        'while blocks move: it gives away its own only when the others have them',
    )
  }
  return warnings
}

/** What is different, a line for each thing, for people. */
export function diffOf(before: NextLayout, after: NextLayout): readonly string[] {
  const lines: string[] = []
  const was = new Map(before.members.map((member) => [member.nodeId, member]))
  const byPlace = new Map(before.members.map((member) => [placeOf(member), member]))
  const is = new Set(after.members.map(({ nodeId }) => nodeId))
  const replaced = new Set<NodeId>()
  for (const member of after.members) {
    const old = was.get(member.nodeId)
    const holder = byPlace.get(placeOf(member))
    if (old !== undefined) {
      const inherits = holder !== undefined && !is.has(holder.nodeId)
      if (inherits) {
        replaced.add(holder.nodeId)
        lines.push(`${shownName(old)} replaces ${shownName(holder)}`)
      }
      const settings = settingsDiff(old, inherits ? { ...member, place: old.place } : member)
      if (settings.length > 0) lines.push(`${shownName(old)}: ${settings.join(', ')}`)
      continue
    }
    const where = `zone ${member.zone}, ${formatSize(member.capacityBytes)}`
    if (holder !== undefined && !is.has(holder.nodeId)) {
      replaced.add(holder.nodeId)
      lines.push(`${shownName(member)} replaces ${shownName(holder)}: ${where}`)
    } else {
      lines.push(`${shownName(member)} joins: ${where}`)
    }
  }
  for (const member of before.members) {
    if (is.has(member.nodeId) || replaced.has(member.nodeId)) continue
    lines.push(`${shownName(member)} leaves`)
  }
  if (before.replication !== after.replication) {
    lines.push(`replication ${before.replication} → ${after.replication}`)
  }
  return lines
}

function settingsDiff(old: Member, member: Member): string[] {
  const parts: string[] = []
  const note = (what: string, from: string, to: string): void => {
    if (from !== to) parts.push(`${what} ${from} → ${to}`)
  }
  note('name', shownName(old), shownName(member))
  note('zone', old.zone, member.zone)
  if (old.capacityBytes !== member.capacityBytes) {
    parts.push(`capacity ${formatSize(old.capacityBytes)} → ${formatSize(member.capacityBytes)}`)
  }
  note('addresses', old.addresses.join(' '), member.addresses.join(' '))
  note('place', shortId(placeOf(old)), shortId(placeOf(member)))
  return parts
}
