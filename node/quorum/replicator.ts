/**
 * Blocks across nodes: written to the whole replica set, acknowledged by a majority of each active set (P7), read
 * from any replica that has a good copy (R4).
 */

import { StoreError } from '../../protocol/errors.ts'
import type { BlockKey, NodeId } from '../../protocol/ids.ts'
import type { BlockOwner } from '../../protocol/keyspace/owner.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { Quorum } from '../../protocol/register/quorum.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { WireBlockReply } from '../../protocol/rpc/messages.js'
import type { Clock, NetworkError } from '../env/ports.ts'
import { sleep } from '../tools/sleep.ts'
import { blockHolders, type ReplicaPlacement } from './replica-placement.ts'
import { firstAnswer } from './first-answer.ts'
import { BLOCK_RESULT, type Peers } from './peers.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import type { BufferPool } from '../tools/buffer-pool.ts'
import { WriteRoom } from './write-room.ts'

/** For one replica to store a block, retries included. */
const WRITE_TIMEOUT_MS = 15_000
/** For one replica to send a block. */
const READ_TIMEOUT_MS = 8_000
/** How often a write begins again because the layout has changed. */
const EPOCH_RETRIES = 3
/**
 * How long a replica that cannot be reached is asked again while there is no majority without it: its link is being
 * replaced, or it restarts. Registers do the same.
 */
const PATIENCE_MS = 2_500
const PATIENCE_POLL_MS = 60
/** How long a block keeps its room after the majority, to wait for the other replicas. */
const STRAGGLER_MS = 300

export interface ReplicatorOptions {
  readonly peers: Peers
  readonly placement: ReplicaPlacement
  readonly clock: Clock
  /** A replica may lack a block of this partition (P7). */
  readonly onGap: (peer: NodeId, partition: number) => void
}

/**
 * A write that is under way.
 *
 * `acknowledged`: a majority has it on disk. It rejects with InsufficientStorage or Unavailable.
 *
 * `settled`: every replica has answered or failed. It is true when the bytes are no longer used: after a time-out they
 * may still wait in a connection to a slow peer, and would arrive as another block's if they were overwritten.
 */
export interface BlockWrite {
  readonly acknowledged: Promise<void>
  readonly settled: Promise<boolean>
}

export class Replicator {
  readonly #options: ReplicatorOptions
  /** Bounds the bytes of all blocks that are being written. */
  readonly room: WriteRoom

  constructor(options: ReplicatorOptions) {
    this.#options = options
    this.room = new WriteRoom(options.clock)
  }

  /**
   * Sends a block to every replica once there is room. `bytes` must not change before `settled` has resolved with true.
   */
  write(key: BlockKey, bytes: Uint8Array, owner: BlockOwner): BlockWrite {
    const users: Promise<boolean>[] = []
    const acknowledged = this.room
      .take(bytes.length)
      .then(() =>
        this.#write({ key, bytes, owner }, users, EPOCH_RETRIES).finally(() =>
          this.#giveRoom(bytes.length, users),
        ),
      )
    const settled = acknowledged
      .catch(() => {})
      .then(() => Promise.all(users))
      .then((answered) => answered.every((free) => free))
    return { acknowledged, settled }
  }

  /** Resolves when the last replica has the block, so that a replica that is a little slower sets the pace. A silent
   * replica does not. */
  #giveRoom(bytes: number, users: readonly Promise<boolean>[]): void {
    let given = false
    const give = (): void => {
      if (given) return
      given = true
      cancel()
      this.room.give(bytes)
    }
    const cancel = this.#options.clock.after(STRAGGLER_MS, give)
    void Promise.all(users).then(give)
  }

  /**
   * One round in one epoch, then another one when a replica was in a later epoch (L4). Rejects when no majority can
   * come together any more.
   */
  async #write(block: OwnedBlock, users: Promise<boolean>[], retries: number): Promise<void> {
    const { placement, onGap } = this.#options
    const partition = partitionOfKey(block.key)
    const sets = placement.sets(partition)
    const epoch = placement.epoch()
    const quorum = new Quorum(sets)
    let noRoom = false
    let over = false
    const stale = await new Promise<boolean>((resolve, reject) => {
      const refuse = (node: NodeId): void => {
        onGap(node, partition)
        quorum.fail(node)
        if (!quorum.impossible) return
        reject(
          noRoom
            ? new StoreError('InsufficientStorage', 'no room left on a majority of the replicas')
            : new StoreError('Unavailable', 'no majority of the replicas stored the block in time'),
        )
      }
      for (const node of new Set(sets.flat())) {
        const written = this.#put(node, block, epoch, () => over).then(
          async (reply) => {
            if (reply.result === BLOCK_RESULT.ok) {
              quorum.add(node)
              if (quorum.reached) resolve(false)
            } else if (reply.result === BLOCK_RESULT.staleEpoch) {
              // When the later layout can't be fetched, this replica has refused, so that the write ends in any case.
              await placement.observe(reply.epoch, node).then(
                () => resolve(true),
                () => refuse(node),
              )
            } else {
              noRoom ||= reply.result === BLOCK_RESULT.noRoom
              refuse(node)
            }
            return true
          },
          (error: unknown) => {
            const { code, maybeDelivered } = error as { code?: string; maybeDelivered?: boolean }
            noRoom ||= code === 'DISK_FULL'
            refuse(node)
            return maybeDelivered === false
          },
        )
        users.push(written.catch(() => false))
      }
    }).finally(() => (over = true))
    if (!stale) return
    if (retries === 0) throw new StoreError('Unavailable', 'the layout keeps changing')
    await this.#write(block, users, retries - 1)
  }

  /**
   * Sends the block to one replica, and again for a while when that could not be reached and its vote is still wanted.
   */
  async #put(
    node: NodeId,
    block: OwnedBlock,
    epoch: number,
    isOver: () => boolean,
  ): Promise<WireBlockReply> {
    const { peers, clock } = this.#options
    const startedMs = clock.monotonicMs()
    let maybeDelivered = false
    for (;;) {
      const agoMs = clock.monotonicMs() - startedMs
      try {
        return await peers.putBlock(node, block, epoch, { timeoutMs: WRITE_TIMEOUT_MS - agoMs })
      } catch (error) {
        const failure = error as Partial<NetworkError>
        maybeDelivered ||= failure.maybeDelivered !== false
        const mayAsk = failure.code === 'UNREACHABLE' && agoMs < PATIENCE_MS && !isOver()
        if (mayAsk) await sleep(clock, PATIENCE_POLL_MS)
        if (mayAsk && !isOver()) continue
        // An earlier call may still use the bytes.
        throw Object.assign(error as Error, { maybeDelivered })
      }
    }
  }

  /** Verified bytes from the nearest replica, or source of an earlier layout, that has them; undefined when none has.
   * Bytes that this node read itself are in a buffer of `pool`, which the caller gives back. */
  read(context: RequestContext, key: BlockKey, pool?: BufferPool): Promise<Uint8Array | undefined> {
    return this.readOwned(context, key, pool).then((block) => block?.bytes)
  }

  /**
   * As `read`, with the block's owner. Undefined when no replica or source that answered has a good copy.
   *
   * A nearly full source may drop the block once a replica has fetched it that was asked before that (L8). Then the
   * replicas have it, so they are asked again.
   */
  readOwned(
    context: RequestContext,
    key: BlockKey,
    pool?: BufferPool,
  ): Promise<OwnedBlock | undefined> {
    const { placement } = this.#options
    const partition = partitionOfKey(key)
    const { present, sources } = blockHolders(placement, partition)
    if (sources.length === 0) return this.#readFrom(present, context, key, pool)
    return this.#readFrom([...present, ...sources], context, key, pool).then((block) => {
      if (block !== undefined || context.signal.aborted) return block
      // Looked up once more: the layout may have changed meanwhile.
      return this.#readFrom(blockHolders(placement, partition).present, context, key, pool)
    })
  }

  /** This node's disk is one of the replicas: when it is slow, another one is asked as well (D11). */
  #readFrom(
    nodes: readonly NodeId[],
    context: RequestContext,
    key: BlockKey,
    pool: BufferPool | undefined,
  ): Promise<OwnedBlock | undefined> {
    const { peers, clock } = this.#options
    const partition = partitionOfKey(key)
    const replicas = peers.preferred(nodes, 'block')
    const ask = (node: NodeId, isOver: () => boolean): Promise<OwnedBlock | undefined> =>
      node === peers.self
        ? this.#readHere(key, partition, pool, isOver)
        : peers.getOwnedBlock(node, key, { timeoutMs: READ_TIMEOUT_MS, signal: context.signal })
    return firstAnswer({ clock, health: peers.health, kind: 'block' }, replicas, ask)
  }

  async #readHere(
    key: BlockKey,
    partition: number,
    pool: BufferPool | undefined,
    isLate: () => boolean,
  ): Promise<OwnedBlock | undefined> {
    const { peers } = this.#options
    const into = pool?.take()
    // Not before the disk has answered, even after the deadline: the disk uses the buffer until then.
    const giveBack = (): void => {
      if (into !== undefined) pool?.give(into)
    }
    const settled = (kept: boolean): void => {
      if (!kept) giveBack()
    }
    const block = await peers.readOwnBlock(key, { timeoutMs: READ_TIMEOUT_MS, settled }, into)
    // While blocks move, a block that is not here yet is no gap.
    const isMoving = (this.#options.placement.sources?.(partition) ?? []).length > 0
    if (block === undefined) {
      if (!isMoving) this.#options.onGap(peers.self, partition)
    } else if (isLate()) giveBack()
    return block
  }
}
