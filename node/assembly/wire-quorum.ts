/** Wires how this node asks a majority of replicas: register client, replicator, bodies and lists. */

import { byteString, bytesOfHex, u32 } from '../../protocol/bytes.ts'
import { proposerId, type NodeId } from '../../protocol/ids.ts'
import { LossCheck } from '../objects/loss-check.ts'
import { Pages } from '../objects/pages.ts'
import { Bodies } from '../quorum/body.ts'
import { Lister } from '../quorum/lister.ts'
import { LostBlocks } from '../quorum/lost-blocks.ts'
import type { Peers } from '../quorum/peers.ts'
import { RegisterClient } from '../quorum/register-client.ts'
import { Replicator } from '../quorum/replicator.ts'
import type { SelfCheck } from '../repair/self-check.ts'
import type { NodeBase } from './node-base.ts'
import type { ReplicaParts } from './wire-replica.ts'

/** What this role needs besides the base and the replica. */
export interface QuorumNeeds {
  readonly peers: Peers
  readonly selfCheck: SelfCheck
  /** The peer may have missed a write of the partition. */
  readonly onGap: (peer: NodeId, partition: number) => void
}

/** The ways to ask other nodes. Every role that changes or reads data uses them. */
export interface QuorumParts {
  readonly peers: Peers
  readonly selfCheck: SelfCheck
  /** Finds out whether any node still has a block. */
  readonly loss: LossCheck
  /** Blocks that no replica has any more, so that no accept waits for them (A5). */
  readonly lost: LostBlocks
  /** Changes and reads registers: the proposer and the reader. */
  readonly registers: RegisterClient
  /** Sends and reads blocks. */
  readonly replicator: Replicator
  /** Pages of an object's versions. */
  readonly pages: Pages
  /** Bodies of objects, cut into blocks and put together again. */
  readonly bodies: Bodies
  /** Lists registers of a shard from a majority. */
  readonly lister: Lister
}

/**
 * Builds the role. It proposes only as a member whose boot is proven (D2): the proposer's id has the
 * boot in it, and no id is used by two lives of a node (P1).
 */
export function wireQuorum(
  base: NodeBase,
  { attempts, readers }: Pick<ReplicaParts, 'attempts' | 'readers'>,
  { peers, selfCheck, onGap }: QuorumNeeds,
): QuorumParts {
  const { layout, placement, partitionBits, options } = base
  const { clock, random } = base.env
  const storage = byteString(bytesOfHex(options.storageId))
  const loss = new LossCheck({ peers, placement })
  const lost = new LostBlocks((key) => loss.isLost(key))
  const registers = new RegisterClient({
    peers,
    placement,
    lost,
    clock,
    random,
    proposer: () => proposerId(storage + u32(selfCheck.boot)),
    mayPropose: () => layout.isMember() && selfCheck.isProven,
    onGap,
    observer: options.observer,
  })
  const replicator = new Replicator({ peers, placement, clock, onGap })
  return {
    peers,
    selfCheck,
    loss,
    lost,
    registers,
    replicator,
    pages: new Pages(replicator),
    bodies: new Bodies({
      replicator,
      attempts,
      partitionBits,
      clock,
      readBytesMax: options.readBytesMax,
      reading: (ids) => readers.begin(ids),
    }),
    lister: new Lister({ peers, placement, registers, clock }),
  }
}
