/**
 * Which nodes hold which partition: a function of the member set alone (docs/architecture.md), never of who
 * is connected or alive, nor of the order in which members are listed.
 *
 * For each partition, walk all tokens by XOR distance from the partition's point (its bits, then
 * zeros) and take the first R distinct nodes
 *
 *   1. in zones not yet taken, passing over nodes that are at their bound;
 *   2. in zones not yet taken, full or not, so that zones differ whenever they can;
 *   3. when no zone is left, in any zone, passing over nodes at their bound; then any.
 *
 * Where the tokens lie: token.ts, and share-token.ts in clusters whose genesis record says `placement: 2` or `3`.
 *
 * The bound keeps the fullest node within 1.15 of its fair share (consistent hashing with bounded
 * loads). It is dithered by node id (or place): without that, a join that lowers the whole-numbered bound by
 * one makes every node at its bound shed a partition at once (4.2 instead of 1.1 times the ideal
 * movement at 1,000 nodes).
 *
 * System partitions, where the cluster has them, are placed by the same walk among themselves, with 2R − 1
 * replicas: R nodes that are away take a majority of R nodes, but of 2R − 1 only when they are all among them.
 */

import { assert } from '../assert.ts'
import { utf8 } from '../bytes.ts'
import { blake3 } from '../hash.ts'
import type { NodeId } from '../ids.ts'
import { checkInput } from '../input.ts'
import { fairClaims, fairShares, zoneSlack } from './fair-share.ts'
import { partitionCount, type Keyspace } from './key.ts'
import { shareTokens } from './share-token.ts'
import { TOKEN_BITS, tokenCount, tokensOf } from './token.ts'

/** The fullest node holds at most this many times its fair share. */
export const LOAD_BOUND = 1.15
/** Room above the fair share that stays where partitions a node are so few that 1.15 gives none. */
const LOAD_BOUND_MIN = 1.02

export interface PlacementMember {
  readonly nodeId: NodeId
  /** Failure domain. */
  readonly zone: string
  readonly capacityBytes: number
  /** The node whose tokens it uses instead of its own. */
  readonly place?: NodeId | undefined
}

/** Which placement function a new cluster uses. */
export const PLACEMENT = 3
/** A cluster keeps the version that it was founded with: another one would move nearly all of its data. */
export type PlacementVersion = 2 | typeof PLACEMENT

export interface PlacementOptions extends Keyspace {
  readonly replication: number
  /** Absent in clusters of earlier programs: tokens at random points. 2: share-token.ts. 3: as 2, but a
   * zone of several nodes may be a little off its share (fair-share.ts). */
  readonly placement?: PlacementVersion | undefined
}

/** Options for the data partitions, or for the system partitions. */
type OnePlacement = Pick<PlacementOptions, 'replication' | 'partitionBits' | 'placement'>

export interface Placement {
  readonly partitions: number
  /** Replicas of every partition of objects and blocks: min(replication, members). */
  readonly replication: number
  /** The replica set, nearest first. */
  replicas(partition: number): readonly NodeId[]
  /** Partitions that a node holds, ascending. Empty for a stranger. */
  partitionsOf(nodeId: NodeId): readonly number[]
}

export function place(members: readonly PlacementMember[], options: PlacementOptions): Placement {
  const { replication, systemPartitionBits, placement } = options
  const data = placeAll(members, options)
  if (systemPartitionBits === undefined) return data
  const system = placeAll(members, {
    replication: systemReplication(replication),
    partitionBits: systemPartitionBits,
    placement,
  })
  return new JoinedPlacement(partitionCount(options), data, system)
}

/** Replicas of a system register, where there are so many members. */
export function systemReplication(replication: number): number {
  return 2 * replication - 1
}

function placeAll(members: readonly PlacementMember[], options: OnePlacement): Placement {
  const { replication, partitionBits } = options
  // Sorted by place: a node that takes another one's place has that one's position, in each tie too.
  const sorted = [...members].sort((a, b) => (tokensName(a) < tokensName(b) ? -1 : 1))
  checkInput(new Set(members.map(({ nodeId }) => nodeId)).size === members.length, 'a member once')
  for (const [i, member] of sorted.entries()) {
    const after = sorted[i + 1]
    checkInput(after === undefined || tokensName(member) !== tokensName(after), 'a place for each')
    checkInput(member.capacityBytes > 0, 'a member has a capacity')
  }
  const partitions = 1 << partitionBits
  const take = Math.min(replication, sorted.length)
  const table = chooseReplicas(sorted, options)
  return new TablePlacement(
    sorted.map((member) => member.nodeId),
    partitions,
    take,
    table,
  )
}

class TablePlacement implements Placement {
  readonly partitions: number
  readonly replication: number
  readonly #nodes: readonly NodeId[]
  /** Node number of each replica: partition × replication + rank. */
  readonly #table: Int32Array
  /** Made when first asked for, so that replica sets are compared and kept by reference. */
  readonly #sets: (readonly NodeId[] | undefined)[]
  #held: Map<NodeId, readonly number[]> | undefined

  constructor(
    nodes: readonly NodeId[],
    partitions: number,
    replication: number,
    table: Int32Array,
  ) {
    assert(table.length === partitions * replication, 'a table has every replica')
    this.#nodes = nodes
    this.partitions = partitions
    this.replication = replication
    this.#table = table
    this.#sets = Array.from({ length: partitions }, () => undefined)
  }

  replicas(partition: number): readonly NodeId[] {
    checkInput(partition >= 0 && partition < this.partitions, 'no such partition')
    let set = this.#sets[partition]
    if (set === undefined) {
      const at = partition * this.replication
      set = Array.from(this.#table.subarray(at, at + this.replication), (n) => this.#nodes[n]!)
      this.#sets[partition] = set
    }
    return set
  }

  partitionsOf(nodeId: NodeId): readonly number[] {
    this.#held ??= this.#byNode()
    return this.#held.get(nodeId) ?? []
  }

  /** Partitions of all nodes, computed at once: a table or a plan asks for each node. */
  #byNode(): Map<NodeId, readonly number[]> {
    const held = this.#nodes.map((): number[] => [])
    for (let at = 0; at < this.#table.length; at++) {
      held[this.#table[at]!]!.push(Math.floor(at / this.replication))
    }
    return new Map(this.#nodes.map((node, n) => [node, held[n]!]))
  }
}

/** The partitions of objects and blocks, then those of system registers. */
class JoinedPlacement implements Placement {
  readonly partitions: number
  readonly replication: number
  readonly #data: Placement
  readonly #system: Placement

  constructor(partitions: number, data: Placement, system: Placement) {
    assert(data.partitions + system.partitions === partitions, 'system partitions come last')
    this.partitions = partitions
    this.replication = data.replication
    this.#data = data
    this.#system = system
  }

  replicas(partition: number): readonly NodeId[] {
    const first = this.#data.partitions
    return partition < first
      ? this.#data.replicas(partition)
      : this.#system.replicas(partition - first)
  }

  partitionsOf(nodeId: NodeId): readonly number[] {
    const first = this.#data.partitions
    const system = this.#system.partitionsOf(nodeId).map((partition) => first + partition)
    return [...this.#data.partitionsOf(nodeId), ...system]
  }
}

/** Tokens of all nodes by XOR-walkable buckets: bucket b holds those whose first bits are b. */
interface TokenTable {
  /** Bucket b is owners[starts[b] … starts[b + 1]), by ascending token. */
  readonly starts: Int32Array
  readonly owners: Int32Array
}

function chooseReplicas(members: readonly PlacementMember[], options: OnePlacement): Int32Array {
  const { replication, partitionBits } = options
  const partitions = 1 << partitionBits
  const take = Math.min(replication, members.length)
  const table = new Int32Array(partitions * take)
  // Without members there is nothing to take, and one member has every partition: node number 0 is all over the table.
  if (members.length <= 1) return table
  const { starts, owners } = tokenTable(memberTokens(members, options), partitionBits)
  const bounds = loadBounds(members, replication, partitions)
  const zoneNames = [...new Set(members.map((member) => member.zone))]
  const zoneOf = Int32Array.from(members, (member) => zoneNames.indexOf(member.zone))
  const zonesWanted = Math.min(take, zoneNames.length)

  const load = new Int32Array(members.length)
  // The partition (plus one) that a node or zone was last taken for: a set that needs no clearing.
  const nodeTaken = new Int32Array(members.length)
  const zoneTaken = new Int32Array(zoneNames.length)

  for (const partition of shuffled(partitionBits)) {
    const mark = partition + 1
    const at = partition * take
    let chosen = 0
    const walk = (wanted: number, newZone: boolean, bounded: boolean): void => {
      for (let d = 0; d < partitions && chosen < wanted; d++) {
        const bucket = partition ^ d
        const end = starts[bucket + 1]!
        for (let t = starts[bucket]!; t < end && chosen < wanted; t++) {
          const n = owners[t]!
          if (nodeTaken[n] === mark) continue
          if (newZone && zoneTaken[zoneOf[n]!] === mark) continue
          if (bounded && load[n]! >= bounds[n]!) continue
          nodeTaken[n] = mark
          zoneTaken[zoneOf[n]!] = mark
          load[n]!++
          table[at + chosen] = n
          chosen++
        }
      }
    }
    walk(zonesWanted, true, true)
    walk(zonesWanted, true, false)
    walk(take, false, true)
    walk(take, false, false)
    assert(chosen === take, 'every partition has all its replicas')
  }
  return table
}

/** The tokens of each member, in the order of `members`. */
export function memberTokens(
  members: readonly PlacementMember[],
  { replication, partitionBits, placement }: OnePlacement,
): Float64Array[] {
  if (placement !== undefined) {
    const each = (2 ** partitionBits * replication) / members.length
    const claims = fairClaims(members, replication, placement === 2 ? 0 : zoneSlack(each))
    return members.map((m, i) => shareTokens(tokensName(m), claims[i]!, partitionBits))
  }
  let capacitySum = 0
  for (const member of members) capacitySum += member.capacityBytes
  const mean = capacitySum / members.length
  return members.map((m) => tokensOf(tokensName(m), tokenCount(m.capacityBytes, mean)))
}

function tokenTable(tokens: readonly Float64Array[], partitionBits: number): TokenTable {
  const partitions = 1 << partitionBits
  const sliceSize = 2 ** (TOKEN_BITS - partitionBits)
  const starts = new Int32Array(partitions + 1)
  for (const own of tokens) {
    for (const token of own) starts[Math.floor(token / sliceSize) + 1]!++
  }
  for (let b = 0; b < partitions; b++) starts[b + 1]! += starts[b]!

  const count = starts[partitions]!
  const values = new Float64Array(count)
  const owners = new Int32Array(count)
  const ends = starts.slice(0, partitions)
  // Every node's first token, then every node's second …: with share tokens nearly the order in each slice.
  const most = tokens.reduce((most, own) => Math.max(most, own.length), 0)
  for (let k = 0; k < most; k++) {
    for (let owner = 0; owner < tokens.length; owner++) {
      const token = tokens[owner]![k]
      if (token === undefined) continue
      const slice = Math.floor(token / sliceSize)
      const start = starts[slice]!
      let at = ends[slice]!++
      while (at > start) {
        const before = values[at - 1]!
        if (before < token || (before === token && owners[at - 1]! <= owner)) break
        values[at] = before
        owners[at] = owners[at - 1]!
        at--
      }
      values[at] = token
      owners[at] = owner
    }
  }
  return { starts, owners }
}

function tokensName({ nodeId, place }: PlacementMember): NodeId {
  return place ?? nodeId
}

/** The most partitions that each node may hold, in the order of `members`. */
export function loadBounds(
  members: readonly PlacementMember[],
  replication: number,
  partitions: number,
): Int32Array {
  const shares = fairShares(members, replication)
  return Int32Array.from(members, (member, i) => {
    const fair = shares[i]! * partitions
    const dither = blake3(utf8(`bound ${tokensName(member)}`))[0]! / 256
    const bound = Math.floor(LOAD_BOUND * fair - 1 + dither)
    return Math.min(partitions, Math.max(bound, Math.ceil(LOAD_BOUND_MIN * fair)))
  })
}

/** All partitions in a fixed order without pattern, so that no region meets only full nodes. */
function* shuffled(bits: number): Generator<number> {
  const mask = (1 << bits) - 1
  // An odd multiplier and an odd increment walk all residues of 2^bits.
  let partition = 0
  for (let i = 0; i <= mask; i++) {
    yield partition
    partition = (partition + 0x9e37_79b1) & mask
  }
}
