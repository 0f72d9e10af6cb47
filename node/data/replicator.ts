/**
 * Blocks across nodes: written to the whole replica set, acknowledged by a majority of each active
 * set (P7), read from any verified replica (R4).
 */

import { StoreError } from '../../protocol/errors.ts'
import type { BlockKey, NodeId } from '../../protocol/ids.ts'
import type { BlockOwner } from '../../protocol/keyspace/owner.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { Quorum } from '../../protocol/register/quorum.ts'
import type { RequestContext } from '../../gateway/backend.ts'
import type { Clock } from '../env/ports.ts'
import type { Placement } from '../metadata/registers.ts'
import { BLOCK_RESULT, type Peers } from '../rpc/peers.ts'
import type { OwnedBlock } from './blocks.ts'

const WRITE_TIMEOUT_MS = 15_000
const READ_TIMEOUT_MS = 8_000
/** A block that does not come within this is asked from another replica as well. */
const HEDGE_AFTER_MS = 250
const EPOCH_RETRIES = 3

export interface ReplicatorOptions {
  readonly peers: Peers
  readonly placement: Placement
  readonly clock: Clock
  readonly onGap: (peer: NodeId, partition: number) => void
}

/** `acknowledged`: a majority has it on disk. `settled`: every replica has answered or failed; true:
 * nobody uses the bytes any more. After a time-out they may still wait in a connection to a peer that
 * is slow: written over, they would arrive as another block's. */
export interface BlockWrite {
  readonly acknowledged: Promise<void>
  readonly settled: Promise<boolean>
}

export class Replicator {
  readonly #options: ReplicatorOptions

  constructor(options: ReplicatorOptions) {
    this.#options = options
  }

  write(key: BlockKey, bytes: Uint8Array, owner: BlockOwner): BlockWrite {
    const users: Promise<boolean>[] = []
    const acknowledged = this.#write({ key, bytes, owner }, users, EPOCH_RETRIES)
    const settled = acknowledged
      .catch(() => {})
      .then(() => Promise.all(users))
      .then((answered) => answered.every((free) => free))
    return { acknowledged, settled }
  }

  async #write(block: OwnedBlock, users: Promise<boolean>[], retries: number): Promise<void> {
    const { peers, placement, onGap } = this.#options
    const partition = partitionOfKey(block.key)
    const sets = placement.sets(partition)
    const epoch = placement.epoch()
    const quorum = new Quorum(sets)
    let noRoom = false
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
        const written = peers.putBlock(node, block, epoch, { timeoutMs: WRITE_TIMEOUT_MS }).then(
          async (reply) => {
            if (reply.result === BLOCK_RESULT.ok) {
              quorum.add(node)
              if (quorum.reached) resolve(false)
            } else if (reply.result === BLOCK_RESULT.staleEpoch) {
              await placement.observe(reply.epoch, node)
              resolve(true)
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
    })
    if (!stale) return
    if (retries === 0) throw new StoreError('Unavailable', 'the layout keeps changing')
    await this.#write(block, users, retries - 1)
  }

  /** Verified bytes from the nearest replica that has them; undefined when none has. */
  async read(
    context: RequestContext,
    key: BlockKey,
    into?: Uint8Array,
  ): Promise<Uint8Array | undefined> {
    return (await this.readOwned(context, key, into))?.bytes
  }

  async readOwned(
    context: RequestContext,
    key: BlockKey,
    into?: Uint8Array,
  ): Promise<OwnedBlock | undefined> {
    const { peers, placement } = this.#options
    const partition = partitionOfKey(key)
    const replicas = [...new Set(placement.sets(partition).flat())]
    if (replicas.includes(peers.self)) {
      const options = { timeoutMs: READ_TIMEOUT_MS }
      const block = await peers.getOwnedBlock(peers.self, key, options, into)
      if (block !== undefined) return block
      // This replica missed it, or its copy is damaged.
      this.#options.onGap(peers.self, partition)
    }
    const others = replicas.filter((node) => node !== peers.self)
    others.sort((a, b) => Number(peers.connected(b)) - Number(peers.connected(a)))
    return this.#hedged(context, key, others)
  }

  #hedged(
    context: RequestContext,
    key: BlockKey,
    replicas: readonly NodeId[],
  ): Promise<OwnedBlock | undefined> {
    const { peers, clock } = this.#options
    return new Promise((resolve) => {
      let next = 0
      let open = 0
      let done = false
      let cancel = (): void => {}
      const finish = (block: OwnedBlock | undefined): void => {
        done = true
        cancel()
        resolve(block)
      }
      const ask = (): void => {
        cancel()
        if (done) return
        const node = replicas[next++]
        if (node === undefined) {
          if (open === 0) finish(undefined)
          return
        }
        open++
        peers.getOwnedBlock(node, key, { timeoutMs: READ_TIMEOUT_MS, signal: context.signal }).then(
          (block) => {
            open--
            if (done) return
            if (block === undefined) ask()
            else finish(block)
          },
          () => {
            open--
            if (!done) ask()
          },
        )
        if (next < replicas.length) cancel = clock.after(HEDGE_AFTER_MS, ask)
      }
      ask()
    })
  }
}
