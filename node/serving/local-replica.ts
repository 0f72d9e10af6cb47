/**
 * What this node does as a replica, for itself and for its peers alike: lists, bucket generations, blocks, freed data and
 * forgotten registers. Called by Service for the messages of peers, and by Peers directly for this node itself.
 *
 * Invariants:
 *   - work that began in one epoch is not answered as if it belonged to the next one      (L6b)
 *   - a block of dead data is never stored                                                (G5)
 *   - a register is forgotten only under a STABLE layout at the epoch of the request      (G2)
 */

import { EMPTY_BYTES, byteString } from '../../protocol/bytes.ts'
import { BUCKET_ID_BYTES, bucketId, type BlockKey, type BucketId } from '../../protocol/ids.ts'
import { dataIdOf } from '../../protocol/keyspace/block-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import {
  ballotOfWire,
  blockKeyOfWire,
  fenceOfWire,
  MessageError,
  registerKeyOfWire,
} from '../../protocol/rpc/message.ts'
import type { ListReply } from '../../protocol/rpc/list-reply.ts'
import type {
  WireBlockReply,
  WireBuryReply,
  WireBuryRequest,
  WireCollectReply,
  WireCollectRequest,
  WireFreeReply,
  WireFreeRequest,
  WireListRequest,
  WireRaiseReply,
  WireRaiseRequest,
} from '../../protocol/rpc/messages.js'
import { LogError } from '../log/errors.ts'
import { BLOCK_RESULT, type LocalService } from '../quorum/peers.ts'
import { FREED_MAX } from '../reclaim/free-queue.ts'
import { BURIED_MAX } from '../reclaim/generation-sweeper.ts'
import type { AcceptorHost } from '../replica/acceptor-host.ts'
import type { BlockStore, OwnedBlock } from '../replica/blocks.ts'
import type { DeadData } from '../replica/dead-data.ts'
import type { KeptBlocks } from '../replica/kept-blocks.ts'
import type { ListService } from '../replica/list-service.ts'
import { TOMBSTONE, TOMBSTONES_ASKED_MAX } from '../replica/tombstones.ts'

export interface LocalReplicaOptions {
  readonly host: AcceptorHost
  readonly blocks: BlockStore
  readonly lists: ListService
  readonly dead: DeadData
  /** Blocks of dead data that a request still reads. */
  readonly kept: () => KeptBlocks
  /** Drops from memory all that this node knows of these buckets, which are deleted for good (T8). */
  readonly bury: (ids: ReadonlySet<BucketId>) => void
  readonly epoch: () => number
  /** No change of the layout is under way. */
  readonly isStable: () => boolean
  readonly isReplica: (partition: number) => boolean
  /** This node is a replica of the partition and has forgotten nothing of it (D8). */
  readonly votes: (partition: number) => boolean
}

/**
 * `raise`, `bury` and `collect` answer with result 0 only when the node was at the epoch of the request from the
 * check to the end of the work. Result 1: the node is at another epoch, which the answer names. They reject with
 * MessageError when a request exceeds its bounds.
 */
export class LocalReplica implements LocalService {
  readonly host: AcceptorHost
  readonly blocks: BlockStore
  /** Blocks of dead data that this node dropped, since its start. */
  freedBlocks = 0
  freedBytes = 0
  /** Registers that were forgotten because all replicas held the same tombstone (G2), since the start. */
  registersCollected = 0
  readonly #options: LocalReplicaOptions

  constructor(options: LocalReplicaOptions) {
    this.#options = options
    this.host = options.host
    this.blocks = options.blocks
  }

  list(request: WireListRequest): Promise<ListReply> {
    return this.#options.lists.list(request)
  }

  /** Raises what this node takes as the least generation of a bucket. The result is durable when 0 (T8). */
  async raise(request: WireRaiseRequest): Promise<WireRaiseReply> {
    const { epoch, host, isReplica } = this.#options
    if (request.epoch !== epoch()) return { result: 1, epoch: epoch() }
    const fence = fenceOfWire(request.bucket, request.generation)
    if (fence === undefined) throw new MessageError('a raise must name its bucket')
    if (request.partitions.some((partition) => !isReplica(partition))) {
      throw new MessageError('this node does not hold the partition')
    }
    try {
      await host.generations.raise(fence, request.partitions)
      // In the next epoch this node may have reported its minima before this one was flushed (L6b).
      return { result: request.epoch === epoch() ? 0 : 1, epoch: epoch() }
    } catch (error) {
      if (error instanceof LogError) return { result: 2, epoch: epoch() }
      throw error
    }
  }

  /** Drops what this node knows of buckets that are deleted for good (T8). */
  async bury({ epoch: asked, partition, buckets }: WireBuryRequest): Promise<WireBuryReply> {
    const { epoch, isStable, isReplica, host, bury } = this.#options
    if (buckets.length > BURIED_MAX) throw new MessageError('too many buckets in one message')
    if (buckets.some((bytes) => bytes.length !== BUCKET_ID_BYTES)) {
      throw new MessageError('a bucket id has 16 bytes')
    }
    const ids = buckets.map((bytes) => bucketId(byteString(bytes)))
    if (asked !== epoch() || !isStable()) return { result: 1, epoch: epoch() }
    if (isReplica(partition)) {
      await host.generations.finalise(partition, ids).catch((error: unknown) => {
        // The sender asks again.
        if (!(error instanceof LogError)) throw error
      })
    }
    bury(new Set(ids))
    return { result: asked === epoch() && isStable() ? 0 : 1, epoch: epoch() }
  }

  /** Frees blocks of dead data, at any epoch: dead data stays dead (G5). */
  async free(request: WireFreeRequest): Promise<WireFreeReply> {
    if (request.keys.length > FREED_MAX) throw new MessageError('too many blocks in one message')
    const keys = request.keys.map(blockKeyOfWire)
    // From now on nothing brings them back: neither a copy from a replica that missed this message nor a late put.
    for (const key of keys) this.#options.dead.add(dataIdOf(key))
    return { freed: await this.forget(this.#options.kept().keep(keys)) }
  }

  /** Drops blocks of dead data that no request reads. Resolves with how many of them were here. */
  async forget(keys: readonly BlockKey[]): Promise<number> {
    const { blocks, bytes } = await this.blocks.forget(keys)
    this.freedBlocks += blocks
    this.freedBytes += bytes
    return blocks
  }

  /** Says which tombstones this node holds at exactly these ballots, and forgets the registers if asked to (G2). */
  async collect(request: WireCollectRequest): Promise<WireCollectReply> {
    const { epoch, isStable, votes, host } = this.#options
    const { keys, ballots, forget } = request
    if (keys.length > TOMBSTONES_ASKED_MAX || keys.length !== ballots.length) {
      throw new MessageError('a collection must name one ballot for each of at most 256 registers')
    }
    const isCurrent = (): boolean => request.epoch === epoch() && isStable()
    const states: number[] = []
    for (const [i, bytes] of keys.entries()) {
      const key = registerKeyOfWire(bytes)
      const ballot = ballotOfWire(ballots[i])
      if (!isCurrent() || !votes(partitionOfKey(key))) {
        return { result: 1, epoch: epoch(), states: [] }
      }
      states.push(TOMBSTONE[host.removals.tombstoneState(key, ballot)])
    }
    if (forget) {
      const gone = keys.map((bytes, i) =>
        host.removals.collect(registerKeyOfWire(bytes), ballotOfWire(ballots[i]), isCurrent),
      )
      for (const each of await Promise.all(gone)) if (each) this.registersCollected++
      if (!isCurrent()) return { result: 1, epoch: epoch(), states: [] }
    }
    return { result: 0, epoch: epoch(), states }
  }

  /**
   * Stores a block. The answer belongs to the epoch that the sender named (L6b). A block of dead data is refused
   * (G5). `noRoom` for a full disk, `damaged` for any other failure of the log.
   */
  async putBlock(block: OwnedBlock, asked: number): Promise<WireBlockReply> {
    const { epoch, isReplica, dead } = this.#options
    const isOver = (): boolean => asked !== epoch() || !isReplica(partitionOfKey(block.key))
    const answer = (result: number): WireBlockReply => ({
      result,
      epoch: epoch(),
      owner: EMPTY_BYTES,
    })
    if (isOver()) return answer(BLOCK_RESULT.staleEpoch)
    // A late message: its write has ended, and no one waits for the answer.
    if (dead.has(dataIdOf(block.key))) return answer(BLOCK_RESULT.dead)
    try {
      await this.blocks.put(block)
      return answer(isOver() ? BLOCK_RESULT.staleEpoch : BLOCK_RESULT.ok)
    } catch (error) {
      if (!(error instanceof LogError)) throw error
      return answer(error.code === 'DISK_FULL' ? BLOCK_RESULT.noRoom : BLOCK_RESULT.damaged)
    }
  }
}
