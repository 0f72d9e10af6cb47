/**
 * The part of the admin port that shows the layout and changes it. It finds the members that a request names, and refuses
 * a change that would lose data or leave too few nodes before anything is proposed.
 */

import {
  LayoutRefusal,
  type LayoutChange,
  type LayoutChanged,
  type LayoutPlan,
  type LayoutTable,
  type PlannedChange,
} from '../../gateway/port/layout.ts'
import { StoreError } from '../../protocol/errors.ts'
import { nodeId, storageId, type NodeId } from '../../protocol/ids.ts'
import {
  nextReplicationOf,
  replicationOf,
  type LayoutEntry,
  type Member,
} from '../../protocol/layout/entry.ts'
import { planOf, type ChangePlan } from '../../protocol/layout/plan.ts'
import { diffOf } from '../../protocol/layout/layout-diff.ts'
import { nextOf, type MemberChange } from '../../protocol/layout/member-change.ts'
import { findMember } from '../../protocol/layout/member-names.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { WireStatusReply } from '../../protocol/rpc/messages.js'
import { abstainsLine, tableOf } from './layout-table.ts'
import type { Abstaining } from '../layout/abstention.ts'
import { MembershipError } from '../layout/errors.ts'
import { partitionsLostBy } from './spare-replicas.ts'

/** The id of a planned node that does not exist yet. */
const NEW_NODE = nodeId('NewNewNewNewNew')
const NEW_STORAGE = storageId('0'.repeat(24))

/** Makes changes of the layout (layout/change-office.ts). Throws MembershipError with a line for the operator. */
export interface LayoutChanges {
  apply(change: MemberChange, options: { readonly force: boolean }): Promise<LayoutEntry>
  cancel(): Promise<LayoutEntry>
  proceed(): Promise<LayoutEntry>
}

export interface LayoutAdminOptions {
  readonly self: NodeId
  readonly view: () => LayoutView
  /** Status of the nodes that are up. */
  readonly replies: (view: LayoutView) => Promise<ReadonlyMap<NodeId, WireStatusReply>>
  /** Makes a change, after this class has found that nothing speaks against it. */
  readonly changes: LayoutChanges
  /** For how long this node has not been connected to another one; 0 while it is. */
  readonly silentMs?: ((node: NodeId) => number) | undefined
  /** Which members do not vote on the next entry (D2); undefined when all do. */
  readonly abstaining?: (() => Abstaining | undefined) | undefined
}

/** Answers the admin port's questions about the layout. The admin port's backend has one (status.ts). */
export class LayoutAdmin {
  readonly #options: LayoutAdminOptions

  constructor(options: LayoutAdminOptions) {
    this.#options = options
  }

  /** The layout, with what each node has told of itself. Asks all nodes that are connected. */
  async table(): Promise<LayoutTable> {
    const { self, view: current, replies, silentMs, abstaining } = this.#options
    const view = current()
    const table = tableOf(view, self, await replies(view), changesOf(view.entry), silentMs)
    const now = abstaining?.()
    return now === undefined ? table : { ...table, abstains: abstainsLine(view, self, now) }
  }

  /**
   * What a change would move, and why it would be refused. Changes nothing. Throws LayoutRefusal: 404 when the request
   * names no member or more than one, 409 when the change can't be made.
   */
  async plan(planned: PlannedChange): Promise<LayoutPlan> {
    const view = this.#options.view()
    const replies = await this.#options.replies(view)
    const change = changeOf(view, planned)
    const { next: _, nodes, scarce, ...plan } = planFor(view, change, replies)
    const refusal = refusalOf(view, planned, change, replies)
    const unforced = isForced(planned) ? [] : scarce.map(orForce)
    return {
      ...plan,
      fits: plan.fits && unforced.length === 0,
      faults: [...plan.faults, ...unforced, ...(refusal === undefined ? [] : [refusal])],
      nodes: nodes.map(({ nodeId: node, ...rest }) => ({
        node: node === NEW_NODE ? 'new' : node,
        ...rest,
      })),
    }
  }

  /**
   * Begins a change: has its first entry decided by a majority of the members. Returns as soon as
   * that is decided; the change then goes on by itself.
   *
   * @throws LayoutRefusal: 404 when it names no member, 409 when it is refused; StoreError
   *   Unavailable when no majority answers
   */
  async apply(asked: LayoutChange): Promise<LayoutChanged> {
    const view = this.#options.view()
    const replies = await this.#options.replies(view)
    const change = changeOf(view, asked)
    const refusal = refusalOf(view, asked, change, replies)
    if (refusal !== undefined) throw new LayoutRefusal(409, refusal)
    const { faults, scarce } = planFor(view, change, replies)
    const force = isForced(asked)
    const [fault] = force ? faults : [...faults, ...scarce.map(orForce)]
    if (fault !== undefined) throw new LayoutRefusal(409, fault)
    const entry = await this.#options.changes.apply(change, { force }).catch(refused)
    return { ...changedBy(entry), ...nodesOf(change) }
  }

  /** Why a member that is away must not be removed automatically, in one line. Undefined when it may be removed. */
  async keptBecause(nodeId: NodeId): Promise<string | undefined> {
    const view = this.#options.view()
    const change: MemberChange = { kind: 'remove', nodeId }
    const replies = await this.#options.replies(view)
    const refusal = refusalOf(view, { kind: 'remove', node: nodeId }, change, replies)
    if (refusal !== undefined) return refusal
    const next = nextOf(view.entry.members, view.replication, [change])
    if ('fault' in next) return next.fault
    const { faults, scarce } = planFor(view, change, replies)
    return [...faults, ...scarce][0]
  }

  /** Gives up the change under way: the members stay as they were. Throws as `apply` does. */
  async cancel(): Promise<LayoutChanged> {
    return changedBy(await this.#options.changes.cancel().catch(refused))
  }

  /** Ends PLANNED without waiting for its learners. Throws as `apply` does. */
  async proceed(): Promise<LayoutChanged> {
    return changedBy(await this.#options.changes.proceed().catch(refused))
  }
}

/**
 * Whether the operator gave --force: the change may leave too few members or zones, and may remove a
 * node that answers.
 */
function isForced(asked: PlannedChange): boolean {
  return 'force' in asked && asked.force === true
}

/** A reason that --force overrules, with a word about it. */
function orForce(scarce: string): string {
  return `${scarce}; or give --force to make the change anyway`
}

/**
 * Computes the placement after the change. During a change it starts from the members that are
 * coming. Throws LayoutRefusal (409) for a change that can't be made.
 */
function planFor(
  view: LayoutView,
  change: MemberChange,
  replies: ReadonlyMap<NodeId, WireStatusReply>,
): ChangePlan {
  const { entry } = view
  const next = nextOf(entry.next ?? entry.members, nextReplicationOf(entry), [change])
  if ('fault' in next) throw new LayoutRefusal(409, next.fault)
  return planOf(view, next, (node) => replies.get(node)?.logBytes)
}

/** Finds the members that a request names. Throws LayoutRefusal (404). */
function changeOf(view: LayoutView, asked: PlannedChange): MemberChange {
  const { entry } = view
  const find = (text: string, among: readonly Member[] = entry.next ?? entry.members): Member => {
    const found = findMember(among, text)
    if ('fault' in found) throw new LayoutRefusal(404, found.fault)
    return found
  }
  switch (asked.kind) {
    case 'drain':
    case 'remove':
      return { kind: asked.kind, nodeId: find(asked.node).nodeId }
    case 'set': {
      const { name, zone, capacityBytes } = asked
      return { kind: 'set', nodeId: find(asked.node).nodeId, name, zone, capacityBytes }
    }
    case 'replication':
      return { kind: 'replication', replication: asked.replication }
    case 'add':
      return { kind: 'join', member: newNode(asked.zone, asked.capacityBytes) }
    case 'replace': {
      const old = find(asked.node)
      if (asked.by !== undefined) {
        const member = find(asked.by)
        if (member === old) throw new LayoutRefusal(400, 'a node can not replace itself')
        return { kind: 'replace', old: old.nodeId, member }
      }
      const { zone = old.zone, capacityBytes = old.capacityBytes } = asked as PlannedChange & {
        kind: 'replace'
        zone?: string
        capacityBytes?: number
      }
      return { kind: 'replace', old: old.nodeId, member: newNode(zone, capacityBytes) }
    }
  }
}

/** A member that does not exist yet, for a plan. */
function newNode(zone: string, capacityBytes: number): Member {
  return {
    nodeId: NEW_NODE,
    storageId: NEW_STORAGE,
    name: 'new',
    zone,
    capacityBytes,
    addresses: [],
  }
}

/** Why a node must not be removed now. Undefined when it may be removed. */
function refusalOf(
  view: LayoutView,
  asked: PlannedChange,
  change: MemberChange,
  replies: ReadonlyMap<NodeId, WireStatusReply>,
): string | undefined {
  if (change.kind !== 'remove' && change.kind !== 'replace') return undefined
  const node = change.kind === 'remove' ? change.nodeId : change.old
  const name = view.member(node)?.name ?? node
  if (replies.has(node) && !isForced(asked)) {
    const force =
      change.kind === 'remove' ? ', or give --force to remove it although it answers' : ''
    return (
      `${name} answers: \`shoal layout drain ${name}\` moves its data away and then lets it go` +
      `${force}; stop it first if its disk is lost`
    )
  }
  const lost = partitionsLostBy(view, node, replies)
  if (lost.partitions === 0) return undefined
  const help =
    lost.away.length > 0
      ? `start ${lost.away.join(', ')} again first`
      : `start ${name} again, let more nodes join, and drain it`
  return (
    `without ${name} ${lost.partitions} partitions have no majority of their replicas left, so what was written ` +
    `there last would be lost: ${help}`
  )
}

/**
 * The ids of the members that the request named: a client can then follow them, also after a change
 * of names.
 */
function nodesOf(change: MemberChange): { node?: NodeId; by?: NodeId } {
  switch (change.kind) {
    case 'drain':
    case 'remove':
    case 'set':
      return { node: change.nodeId }
    case 'replace':
      return { node: change.old, by: change.member.nodeId }
    case 'join':
    case 'replication':
      return {}
  }
}

/** The answer to a change, a cancellation or `proceed`. */
function changedBy(entry: LayoutEntry): LayoutChanged {
  return { epoch: entry.epoch, state: entry.state, changes: changesOf(entry) }
}

/** What the change under way does, one line for each part. */
function changesOf(entry: LayoutEntry): readonly string[] {
  const { members, next } = entry
  if (next === undefined) return []
  const before = { members, replication: replicationOf(entry) }
  return diffOf(before, { members: next, replication: nextReplicationOf(entry) })
}

/**
 * Turns an error of the layout's own into one of the admin port: Unavailable (503) when no majority
 * answers, otherwise a refusal (409). Other errors pass.
 */
export function refused(error: unknown): never {
  if (!(error instanceof MembershipError)) throw error
  if (error.code === 'no-answer' || error.code === 'stopped') {
    throw new StoreError('Unavailable', error.message)
  }
  throw new LayoutRefusal(409, error.message)
}
