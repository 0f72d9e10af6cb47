/** Plans which nodes `shoal cluster` runs, on which ports, and which of them must join first. Pure. */

import type { NodeId } from '../../protocol/ids.ts'
import { UsageError } from '../tools/usage-error.ts'

const NODES_DEFAULT = 3
const NODES_MAX = 100
const BASE_PORT_DEFAULT = 9000
/** Three are used; ten make the ports of node i easy to tell. */
const PORTS_PER_NODE = 10

/** What the directory DATA/node-i holds. */
export interface ExistingNode {
  /** The i of 'node-i'. */
  readonly index: number
  /** It founded a cluster or was admitted to one. Also true when damage will make its start fail. */
  readonly isMember: boolean
  /** Where it last served, such as '127.0.0.1:9000'. */
  readonly s3Address?: string | undefined
  /** Undefined when node.json is missing or damaged. */
  readonly nodeId?: NodeId | undefined
}

/** A member of the latest layout that any of the directories has. */
export interface KnownMember {
  readonly nodeId: NodeId
  /** The port of its setting `listen`. */
  readonly port?: number | undefined
}

/** One node as `shoal cluster` is to run it. */
export interface PlannedNode {
  readonly index: number
  /** Such as 'node-0'. */
  readonly name: string
  /** '127.0.0.1:9000', and the two ports after it for `admin` and `listen`. */
  readonly s3: string
  readonly admin: string
  readonly listen: string
  /** It starts at once, without a token. False for nodes that have to join or to found. */
  readonly isMember: boolean
  /** The layout has this node, but its directory is missing or empty. It is not started, and no new node joins for it. */
  readonly lost?: NodeId | undefined
}

/** What `shoal cluster` does. */
export interface ClusterPlan {
  /** By index, without gaps. */
  readonly nodes: readonly PlannedNode[]
  /** No node is a member of a cluster, so node 0 founds one. */
  readonly founds: boolean
}

/**
 * Decides how many nodes there are, and on which ports. Without options it goes on with the nodes and
 * the ports that the directory has. Throws UsageError. `existing` may be in any order.
 *
 * @param members those that do not run elsewhere: see `membersNotRunning`
 */
export function planCluster(
  options: { readonly nodes?: number | undefined; readonly basePort?: number | undefined },
  existing: readonly ExistingNode[],
  members: readonly KnownMember[] = [],
): ClusterPlan {
  const base = options.basePort ?? rememberedBase(existing) ?? BASE_PORT_DEFAULT
  const lost = lostNodes(existing, members, base)
  const known = Math.max(-1, ...existing.map(({ index }) => index), ...lost.keys()) + 1
  const count = options.nodes ?? (known > 0 ? known : NODES_DEFAULT)
  if (!Number.isInteger(count) || count < 1 || count > NODES_MAX) {
    throw new UsageError(`--nodes: a number from 1 to ${NODES_MAX}`)
  }
  if (count < known) {
    throw new UsageError(
      `--nodes ${count}: this directory holds ${known} nodes, and leaving one out does not remove it`,
    )
  }
  const last = base + PORTS_PER_NODE * (count - 1) + 2
  if (!Number.isInteger(base) || base < 1 || last > 65_535) {
    throw new UsageError(
      `--base-port ${base}: ports ${base} to ${last} are not all between 1 and 65535`,
    )
  }
  const present = new Set(existing.filter(({ isMember }) => isMember).map(({ index }) => index))
  const nodes = Array.from({ length: count }, (_, index): PlannedNode => {
    const port = base + PORTS_PER_NODE * index
    return {
      index,
      name: `node-${index}`,
      s3: `127.0.0.1:${port}`,
      admin: `127.0.0.1:${port + 1}`,
      listen: `/ip4/127.0.0.1/tcp/${port + 2}`,
      isMember: present.has(index),
      lost: lost.get(index),
    }
  })
  return { nodes, founds: present.size === 0 }
}

/** Members without a directory here. Each gets the index that belongs to its port, or else the first free one. */
function lostNodes(
  existing: readonly ExistingNode[],
  members: readonly KnownMember[],
  base: number,
): Map<number, NodeId> {
  const present = new Set(existing.filter(({ isMember }) => isMember).map(({ index }) => index))
  const ids = new Set(existing.map(({ nodeId }) => nodeId))
  const lost = new Map<number, NodeId>()
  const isFree = (index: number): boolean => !present.has(index) && !lost.has(index)
  for (const { nodeId, port = Number.NaN } of members.filter((each) => !ids.has(each.nodeId))) {
    let index = (port - base - 2) / PORTS_PER_NODE
    if (!Number.isInteger(index) || index < 0 || index >= NODES_MAX || !isFree(index)) {
      index = 0
      while (!isFree(index)) index++
    }
    lost.set(index, nodeId)
  }
  return lost
}

/**
 * The base port of an earlier run. It is computed from any node's port, so that it is known even when
 * node 0's directory is gone.
 */
function rememberedBase(existing: readonly ExistingNode[]): number | undefined {
  for (const { index, s3Address } of existing) {
    const port = Number(/:(\d+)$/.exec(s3Address ?? '')?.[1] ?? Number.NaN)
    if (port > PORTS_PER_NODE * index) return port - PORTS_PER_NODE * index
  }
  return undefined
}
