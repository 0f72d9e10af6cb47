/** Wires what this node holds and answers for by itself: acceptors, blocks, lists, attempts and readers. */

import type { BlockKey } from '../../protocol/ids.ts'
import type { Peers } from '../quorum/peers.ts'
import { DamagedRegisters } from '../repair/damaged-registers.ts'
import { SyncAnswers } from '../repair/sync-answers.ts'
import { AcceptorHost } from '../replica/acceptor-host.ts'
import { Attempts } from '../replica/attempts.ts'
import { BlockStore } from '../replica/blocks.ts'
import { DeadData } from '../replica/dead-data.ts'
import { ListService } from '../replica/list-service.ts'
import { Readers } from '../replica/readers.ts'
import type { NodeBase } from './node-base.ts'

/** Roles that are built later answer these. Nothing calls them before the node is built. */
export interface ReplicaNeeds {
  readonly peers: Peers
  /** The boot of this start, and whether the members know that it is its own (D2). */
  readonly boot: () => number
  readonly isProven: () => boolean
  /** What this node has of the partition is not left over from an earlier time (L9). */
  readonly serves: (partition: number) => boolean
  /** A block is damaged or missing here: fetch it from another replica. */
  readonly repairBlock: (key: BlockKey) => void
  /** A register of the partition is damaged here: fetch it from the other replicas. */
  readonly pullDamaged: (partition: number) => void
  readonly scrub: () => void
}

/**
 * What this node has on its own disk and in its own memory. Nothing in it asks other nodes, except
 * through `ReplicaNeeds`.
 */
export interface ReplicaParts {
  /** The acceptors of all registers of this node. */
  readonly host: AcceptorHost
  /** The blocks of this node. */
  readonly blocks: BlockStore
  /** Registers whose state is damaged, until they are repaired (D3). */
  readonly damaged: DamagedRegisters
  /** Answers to replicas that compare what they hold with this node. */
  readonly exchange: SyncAnswers
  /** Lists of what this node holds, for listings that ask a majority. */
  readonly lists: ListService
  /** Attempts to store data that this node has begun (G5). */
  readonly attempts: Attempts
  /** Data that no register names any more, which no late message may bring back (G5). */
  readonly dead: DeadData
  /** Readers that keep freed blocks for as long as they read. */
  readonly readers: Readers
  /** This node is a replica of the partition and may vote in it. */
  readonly votes: (partition: number) => boolean
}

/**
 * Builds the role. `votes` is the one place that decides whether this node may answer for a
 * partition.
 */
export function wireReplica(base: NodeBase, needs: ReplicaNeeds): ReplicaParts {
  const { self, store, layout, forgotten, view, epoch, isReplica, options } = base
  const { clock, disk } = base.env
  const votes = (partition: number): boolean =>
    isReplica(partition) &&
    needs.isProven() &&
    forgotten.votes(partition) &&
    needs.serves(partition)
  const blocks = new BlockStore(
    store,
    (key) => needs.repairBlock(key),
    disk,
    options.recentBytesMax,
  )
  const damaged = new DamagedRegisters({
    store,
    clock,
    isReplicated: (partition) =>
      view()
        .replicas(partition)
        .some((node) => node !== self),
    host: () => host,
    pull: (partition) => needs.pullDamaged(partition),
    scrub: () => needs.scrub(),
  })
  const host: AcceptorHost = new AcceptorHost({
    store,
    blocks,
    epoch,
    isReplica: votes,
    self,
    nowMs: () => clock.nowMs(),
    onFaulty: (key) => damaged.note(key),
  })
  const attempts = new Attempts(options.storageId, options.boot)
  attempts.hold(() => layout.isEstablished())
  return {
    host,
    blocks,
    damaged,
    exchange: new SyncAnswers({ store, self, view, forgotten, clock }),
    lists: new ListService({ store, host, epoch, isReplica: votes }),
    attempts,
    dead: new DeadData(),
    readers: new Readers({
      self,
      boot: () => needs.boot(),
      peers: needs.peers,
      view: () => layout.current(),
      clock,
    }),
    votes,
  }
}
