/** Whether any one node may fail now, for `shoal status`: an operator asks before switching a node off. */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { majority } from '../../protocol/register/quorum.ts'
import type { WireStatusReply } from '../../protocol/rpc/messages.js'
import { hasBit } from '../../protocol/keyspace/bitmap.ts'
import { nameOf, NAMES_MAX, someNames } from '../process/node-name.ts'

/** What is needed of a node's status. */
export type SpareReply = Pick<WireStatusReply, 'epoch' | 'behind' | 'unproven' | 'lacking'>

/** The answer, and why. */
export interface Spare {
  readonly canLoseANode: boolean
  /** One line for the operator, in both cases. */
  readonly why: string
}

/**
 * Whether any one node may fail now, whichever it is: each active set of each partition then keeps a
 * majority of replicas that are up, vote and are level, and at least one node keeps each block that
 * still moves.
 *
 * @param replies of the nodes that are up, this one included
 */
export function spareOf(view: LayoutView, replies: ReadonlyMap<NodeId, SpareReply>): Spare {
  const away = new Set<NodeId>()
  const mute = new Set<NodeId>()
  let few = 0
  let lagging = 0
  let scarce = 0
  const isUp = (node: NodeId): boolean => replies.has(node)
  const votes = (node: NodeId): boolean => {
    const reply = replies.get(node)
    return reply !== undefined && !reply.unproven && reply.epoch === view.epoch
  }
  const moved = view.sources.map((source) => ({ source, partitions: new Set(source.movedTo()) }))
  for (let partition = 0; partition < view.partitions; partition++) {
    let isShort = false
    for (const set of view.replicaSets(partition)) {
      const level = set.filter(
        (node) => votes(node) && !hasBit(replies.get(node)!.behind, partition),
      ).length
      if (level - 1 >= majority(set.length)) continue
      if (set.length - 1 < majority(set.length)) few = Math.max(few, set.length)
      for (const node of set) {
        if (!isUp(node)) away.add(node)
        else if (!votes(node)) mute.add(node)
        else if (hasBit(replies.get(node)!.behind, partition)) isShort = true
      }
    }
    if (isShort) lagging++
    const isScarce = moved.some(({ source, partitions }) => {
      if (!partitions.has(partition)) return false
      const holders = new Set(source.replicas(partition).filter(isUp))
      for (const node of view.replicas(partition)) {
        if (isUp(node) && !lacks(replies.get(node)!, source.epoch, partition)) holders.add(node)
      }
      return holders.size < 2
    })
    if (isScarce) scarce++
  }
  const reasons = [
    ...(few > 0 ? [fewText(few)] : []),
    ...(away.size > 0 ? [`${someNames(view, away)} ${are(away)} away`] : []),
    ...(mute.size > 0
      ? [`${someNames(view, mute)} ${mute.size === 1 ? 'does' : 'do'} not vote yet`]
      : []),
    ...(lagging > 0 ? [`${lagging} partitions have a replica that is not level yet`] : []),
    ...(scarce > 0
      ? [`only one node has some blocks of ${scarce} partitions until they have moved`]
      : []),
  ]
  if (reasons.length > 0) return { canLoseANode: false, why: reasons.join('; ') }
  return { canLoseANode: true, why: 'every partition keeps a majority of its replicas' }
}

/**
 * Counts the partitions that, without the node, have no majority of replicas that are up and vote. No
 * node that answers may have what was acknowledged last in these (L5). Asked before a node is removed
 * or replaced. `away` names the nodes whose return would help.
 */
export function partitionsLostBy(
  view: LayoutView,
  node: NodeId,
  replies: ReadonlyMap<NodeId, SpareReply>,
): { readonly partitions: number; readonly away: readonly string[] } {
  const away = new Set<NodeId>()
  let partitions = 0
  const { placement } = view
  for (const partition of placement.partitionsOf(node)) {
    const set = placement.replicas(partition)
    const rest = set.filter((each) => each !== node)
    const silent = rest.filter((each) => replies.get(each)?.unproven !== false)
    if (rest.length - silent.length >= majority(set.length)) continue
    partitions++
    for (const each of silent) away.add(each)
  }
  return { partitions, away: [...away].map((each) => nameOf(view, each)).sort() }
}

/**
 * What an operator can do about members that are away, one line for each of the first few. Members that the change under
 * way removes are not listed.
 */
export function awayLines(view: LayoutView, isAway: (node: NodeId) => boolean): readonly string[] {
  const stays = (node: NodeId): boolean =>
    view.entry.next === undefined || view.entry.next.some(({ nodeId }) => nodeId === node)
  const away = view.members.filter(({ nodeId }) => isAway(nodeId) && stays(nodeId))
  const lines = away.slice(0, NAMES_MAX).map(({ nodeId }) => {
    const name = nameOf(view, nodeId)
    return (
      `${name} is away: start it again. If its disk is lost, start an empty node in its place ` +
      `(shoal start --join-file FILE --replace ${name}), or remove it (shoal layout remove ${name})`
    )
  })
  if (away.length > NAMES_MAX) lines.push(`${away.length - NAMES_MAX} more of the members are away`)
  return lines
}

/** Whether the node may lack blocks of the partition that were written in the source's epoch. */
export function lacks(
  { lacking }: Pick<WireStatusReply, 'lacking'>,
  source: number,
  partition: number,
): boolean {
  return lacking.some(({ epoch, partitions }) => epoch === source && hasBit(partitions, partition))
}

/** Too few replicas for the loss of one, even when all are well. */
function fewText(replicas: number): string {
  if (replicas === 1) return 'there is one replica of each partition'
  return `there are ${replicas} replicas of a partition, and more than half of them must answer`
}

function are(nodes: ReadonlySet<NodeId>): string {
  return nodes.size === 1 ? 'is' : 'are'
}
