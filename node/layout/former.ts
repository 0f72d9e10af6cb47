/** Nodes that were members once: what the chain of entries and the log lines say of them. */

import type { LayoutEntry, Member } from '../../protocol/layout/entry.ts'
import type { LayoutLog } from './layout-log.ts'
import { FEATURES } from './join-messages.ts'

type Identity = Pick<Member, 'nodeId' | 'storageId'>

/** The epoch since which a node is no member any more. Undefined when it was never one, or is one. */
export function droppedIn(log: LayoutLog, { nodeId, storageId }: Identity): number | undefined {
  return log.leftEpoch(nodeId, storageId)
}

export function removedLine(epoch: number): string {
  return `this node was removed from the cluster in epoch ${epoch}: empty its data directory to join again`
}

/** The log line of the node itself. */
export function leftLine(epoch: number): string {
  return (
    `this node has left the cluster (epoch ${epoch}): it may be switched off, and its data directory deleted. ` +
    'It joins again only with an empty one'
  )
}

/** What a program must be able to read to follow this cluster's layout. */
export function featuresOf(log: LayoutLog): number {
  return log.hasEntry(isNew) ? FEATURES : 1
}

/** Whether earlier programs refuse the entry. */
function isNew(entry: LayoutEntry): boolean {
  const { state, cause, members, next = [] } = entry
  if (state === 'PLANNED' || cause === 'abandoned' || cause === 'moved') return true
  if (entry.sources !== undefined && entry.sources.length > 0) return true
  const { genesis, replication = genesis.replication, nextReplication = replication } = entry
  if (replication !== genesis.replication || nextReplication !== genesis.replication) return true
  return [...members, ...next].some(({ name, place }) => name !== undefined || place !== undefined)
}
