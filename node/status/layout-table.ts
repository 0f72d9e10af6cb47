/** The layout as a table: every node of it, what each holds, and what is under way. What `shoal layout show` prints. */

import type { LayoutNode, LayoutTable, Move, NodeState } from '../../gateway/port/layout.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { nextReplicationOf, type Member } from '../../protocol/layout/entry.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { majority } from '../../protocol/register/quorum.ts'
import type { WireStatusReply } from '../../protocol/rpc/messages.js'
import type { Abstaining } from '../layout/abstention.ts'
import { heldUp, type HeldPartitions } from '../layout/held-up.ts'
import { nameOf, someNames } from '../process/node-name.ts'
import { hasBit } from '../../protocol/keyspace/bitmap.ts'
import { lacks } from './spare-replicas.ts'
import { formatDuration, formatSize } from '../tools/units.ts'

/** Shown instead of what is under way: this node is not told any more. */
const LEFT =
  'this node has left the cluster: what it shows may be old, ask a member (--data, --admin)'

/** For how many milliseconds this node has not been connected to another one; 0 while it is connected. */
export type SilentMs = (node: NodeId) => number

/**
 * The table as `GET /layout` answers it.
 *
 * @param self the node that answers
 * @param replies of the nodes that are up, this one included
 * @param changes what the change under way does, one line for each part
 */
export function tableOf(
  view: LayoutView,
  self: NodeId,
  replies: ReadonlyMap<NodeId, WireStatusReply>,
  changes: readonly string[],
  silentMs: SilentMs = () => 0,
): LayoutTable {
  const { entry } = view
  const nodes = view.known
    .map((member) => nodeOf(view, member, self, replies.get(member.nodeId)))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  const total = nodes.reduce((sum, { partitions }) => sum + partitions, 0)
  const table = {
    cluster: view.clusterId,
    epoch: view.epoch,
    state: view.state,
    cause: entry.cause,
    replication: view.replication,
    ...(entry.next !== undefined &&
      nextReplicationOf(entry) !== view.replication && {
        nextReplication: nextReplicationOf(entry),
      }),
    partitions: view.partitions,
    sources: view.sources.length,
    changes,
    move: sumOf(nodes.flatMap(({ move }) => (move === undefined ? [] : [move]))),
    nodes: nodes.map((node) => ({ ...node, share: total === 0 ? 0 : node.partitions / total })),
  }
  const hasLeft = nodes.every((node) => !node.self)
  const held = heldOf(view, replies, silentMs)
  const underWay = `${underWayLine(table)}${held === undefined ? '' : `; ${held.line}`}`
  return { ...table, underWay: hasLeft ? LEFT : underWay }
}

/** One row: the node as it is now, and as it will be where that differs. */
function nodeOf(
  view: LayoutView,
  known: Member,
  self: NodeId,
  reply: WireStatusReply | undefined,
): LayoutNode {
  const { entry } = view
  const { nodeId } = known
  // During a change `known` is the member as it will be.
  const now = entry.members.find((member) => member.nodeId === nodeId)
  const next = entry.next?.find((member) => member.nodeId === nodeId)
  const member = now ?? known
  const learning = view.learning(nodeId).length
  return {
    node: nodeId,
    name: nameOf(view, nodeId),
    zone: member.zone,
    capacityBytes: member.capacityBytes,
    addresses: member.addresses,
    state: stateOf(view, nodeId),
    up: reply !== undefined,
    self: nodeId === self,
    partitions: view.placement.partitionsOf(nodeId).length,
    share: 0,
    ...(view.nextPlacement !== undefined && {
      nextPartitions: view.nextPlacement.partitionsOf(nodeId).length,
    }),
    ...(next !== undefined && next.zone !== member.zone && { nextZone: next.zone }),
    ...(next !== undefined &&
      next.capacityBytes !== member.capacityBytes && { nextCapacityBytes: next.capacityBytes }),
    usedBytes: reply?.logBytes,
    freeBytes: reply?.freeBytes,
    ...(learning > 0 && {
      learning: { total: learning, done: Math.min(learning, reply?.learningDone ?? 0) },
    }),
    ...(reply !== undefined && { move: moveOf(reply) }),
  }
}

/**
 * What the node is in this step of the change. A source is no member any more, and others still fetch
 * blocks from it.
 */
function stateOf(view: LayoutView, node: NodeId): NodeState {
  const { members, next } = view.entry
  const isOld = members.some(({ nodeId }) => nodeId === node)
  const isNew = next === undefined ? isOld : next.some(({ nodeId }) => nodeId === node)
  if (isOld) return isNew ? 'member' : 'leaving'
  if (!isNew) return 'source'
  return view.state === 'JOINT' ? 'joining' : 'learner'
}

function moveOf(reply: WireStatusReply): Move {
  const { movePendingBytes, moveDoneBytes, moveBytesPerSecond } = reply
  return withTime(movePendingBytes, moveDoneBytes, moveBytesPerSecond)
}

/** Adds the time left, where a rate is known. */
function withTime(pendingBytes: number, doneBytes: number, bytesPerSecond: number): Move {
  const isMoving = pendingBytes > 0 && bytesPerSecond > 0
  return {
    pendingBytes,
    doneBytes,
    bytesPerSecond,
    ...(isMoving && { secondsLeft: Math.ceil(pendingBytes / bytesPerSecond) }),
  }
}

/**
 * The work of all nodes together. They move at the same time, so the time left is that of the slowest
 * one. It is left out when a node has something to move and no rate is known.
 */
function sumOf(moves: readonly Move[]): Move {
  let pendingBytes = 0
  let doneBytes = 0
  let bytesPerSecond = 0
  let secondsLeft = 0
  let isStuck = false
  for (const move of moves) {
    pendingBytes += move.pendingBytes
    doneBytes += move.doneBytes
    bytesPerSecond += move.bytesPerSecond
    secondsLeft = Math.max(secondsLeft, move.secondsLeft ?? 0)
    if (move.pendingBytes > 0 && move.secondsLeft === undefined) isStuck = true
  }
  return {
    pendingBytes,
    doneBytes,
    bytesPerSecond,
    ...(secondsLeft > 0 && !isStuck && { secondsLeft }),
  }
}

/** One line about the step of the change, for people. */
function underWayLine(table: Omit<LayoutTable, 'underWay'>): string {
  const what = table.changes.length === 0 ? 'a change' : table.changes.join('; ')
  switch (table.state) {
    case 'PLANNED':
      return `PLANNED: ${what}; ${learningText(table.nodes)}${awayText(table.nodes)}`
    case 'JOINT':
      return `JOINT: ${what}; the nodes of the new set compare what they hold${awayText(table.nodes)}`
    case 'STABLE':
      if (table.sources === 0) return 'nothing is under way'
      return `STABLE: blocks move to where the layout has them: ${movingText(table.move)}`
  }
}

/** How much of what they will hold the learners have copied, all together. */
function learningText(nodes: readonly LayoutNode[]): string {
  let total = 0
  let done = 0
  for (const { learning } of nodes) {
    total += learning?.total ?? 0
    done += learning?.done ?? 0
  }
  if (total === 0) return 'nothing to learn'
  return `learners ${Math.floor((100 * done) / total)} % caught up`
}

/** Names nodes that are away: the most common reason why a change waits. */
function awayText(nodes: readonly LayoutNode[]): string {
  const away = nodes.filter(({ up, state }) => !up && state !== 'leaving' && state !== 'source')
  if (away.length === 0) return ''
  return `; ${away.map(({ name }) => name).join(', ')} ${away.length === 1 ? 'is' : 'are'} away`
}

/**
 * Why the change under way does not move on. Undefined when it does, or when there is no change. The
 * line says what the change waits for, on which nodes and since when, and what an operator can do.
 * Also used by the layout manager, which logs it, and by `shoal status`.
 *
 * @param replies of the nodes that are up, this one included
 */
export function heldOf(
  view: LayoutView,
  replies: ReadonlyMap<NodeId, WireStatusReply>,
  silentMs: SilentMs = () => 0,
): HeldPartitions | undefined {
  const isLacking = (source: number, partition: number): boolean =>
    view.placement.replicas(partition).some((node) => {
      const reply = replies.get(node)
      return reply !== undefined && lacks(reply, source, partition)
    })
  const held = heldUp(view, (node) => replies.get(node)?.unproven === false, isLacking, {
    registers: (node, partition) => !hasBit(replies.get(node)!.untold, partition),
    blocks: (node, partition) => !hasBit(replies.get(node)!.thin, partition),
  })
  const unread = view.state === 'JOINT' || view.sources.length === 0 ? 0 : unreadableIn(replies)
  if (held === undefined && unread === 0) return undefined
  const { partitions, nodes, mute = [] } = held ?? { partitions: 0, nodes: [] }
  const isOfSource = view.state === 'STABLE'
  const parts: string[] = []
  if (partitions > 0) {
    const count = partitions === 1 ? '1 partition waits' : `${partitions} partitions wait`
    if (nodes.length > 0) {
      const since = Math.max(...nodes.map(silentMs))
      const away = since < 1_000 ? '' : ` (away for ${formatDuration(Math.floor(since / 1_000))})`
      parts.push(`${count} for ${someNames(view, nodes)}${away}: too few of their holders answer`)
    } else parts.push(`${count} for ${someNames(view, mute)}`)
  }
  if (mute.length > 0) parts.push(muteText(view, replies, mute))
  if (unread > 0) {
    const count = unread === 1 ? '1 block is' : `${unread} blocks are`
    parts.push(`${count} listed, but no node that answers can give ${unread === 1 ? 'it' : 'them'}`)
  }
  const gone = nodes.length > 0 || unread > 0
  if (gone) {
    const what =
      nodes.length > 0 ? `start ${someNames(view, nodes)}` : 'start the nodes that are away'
    const giveUp = '; if that is impossible, `shoal layout accept-loss` lists what is lost'
    parts.push(`${what}${isOfSource ? giveUp : ''}`)
  }
  return { partitions, nodes, ...(mute.length > 0 && { mute }), line: parts.join('; ') }
}

/**
 * Which members do not vote on the next entry, and what ends that, in one line. A member abstains
 * when its vote file is lost or may be old (D2).
 */
export function abstainsLine(
  view: LayoutView,
  self: NodeId,
  { epoch, nodes, voters, isDecidable }: Abstaining,
): string {
  const isOwn = nodes.length === 1 && nodes[0] === self
  const who = isOwn ? 'this node' : someNames(view, nodes)
  const what =
    nodes.length === 1
      ? `${who} lost its vote file, or is an old copy that was put back`
      : `${nodes.length} of ${voters} members (${who}) lost their vote files, or are old copies that were put back`
  if (!isDecidable) {
    return (
      `${what}: no majority can decide epoch ${epoch}, so the layout can’t change any more; reads and writes ` +
      'go on: see “A lost vote file” in docs/operations.md'
    )
  }
  const waits =
    view.state === 'STABLE'
      ? `${majority(voters)} others decide an entry that changes nothing, which takes seconds once they are up`
      : 'the next step of the change that is under way is decided'
  return (
    `${what}, and can’t vote on epoch ${epoch} of the layout. That ends when ${waits}; until then do not ` +
    'lose another member for good'
  )
}

/** How many blocks are listed but can't be read: the count of the node that knows of most. */
function unreadableIn(replies: ReadonlyMap<NodeId, WireStatusReply>): number {
  const each = [...replies.values()].map(({ stuck }) =>
    stuck.reduce((sum, { unreadable }) => sum + unreadable, 0),
  )
  return Math.max(0, ...each)
}

/** Why nodes that are up can't tell what they have. */
function muteText(
  view: LayoutView,
  replies: ReadonlyMap<NodeId, WireStatusReply>,
  mute: readonly NodeId[],
): string {
  const damaged = mute.filter((node) => (replies.get(node)?.damagedRegisters ?? 0) > 0)
  const count = damaged.reduce((sum, node) => sum + replies.get(node)!.damagedRegisters, 0)
  if (count === 0)
    return `${someNames(view, mute)} may have forgotten something, and must be compared with others first`
  const registers = count === 1 ? '1 damaged register' : `${count} damaged registers`
  return (
    `${someNames(view, damaged)} ${damaged.length === 1 ? 'has' : 'have'} ${registers}: \`shoal scrub\` there repairs what it can, and ` +
    '`shoal layout accept-loss` there lists the rest'
  )
}

/** How many bytes are left to fetch, at which rate. */
function movingText({ pendingBytes, bytesPerSecond, secondsLeft }: Move): string {
  if (pendingBytes === 0) return 'nothing is left to fetch, and the nodes are recording that'
  const left = secondsLeft === undefined ? '' : `, ${formatDuration(secondsLeft)} left`
  return `${formatSize(pendingBytes)} to come at ${formatSize(Math.round(bytesPerSecond))}/s${left}`
}
