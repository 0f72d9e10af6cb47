/**
 * Drops the minimum generations of buckets that are deleted for good (T8).
 *
 * A minimum keeps out requests that carry an older generation of a bucket's record. Without it, the replicas would still
 * answer a node that knows a record of the deleted bucket. So each member of the layout is first asked to drop what it knows
 * of the bucket: records in its cache, operations under way, and reads of the record that began before (Buckets.bury).
 * A record that is read later belongs to another incarnation, because a deleted incarnation never comes back.
 *
 * Invariants:
 *   - only final minima are dropped: the bucket's own register has said that the bucket is deleted
 *   - only after every member has answered in one STABLE epoch, which is still the present one (L6b);
 *     a node that was no member meanwhile forgets all buckets by itself
 *   - safety does not depend on how long a minimum has been final: a late message of an operation that has ended
 *     would only make another row, which stays
 */

import { batchesOf } from '../tools/in-batches.ts'
import { byteString, bytesOf, readU16 } from '../../protocol/bytes.ts'
import { bucketId, type BucketId, type NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { rowPages } from '../log/row-pages.ts'
import type { Store } from '../log/store.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { isSoundRow } from '../replica/index-rows.ts'
import { decodeNumber } from '../replica/row-format.ts'
import { FINAL_GENERATION } from '../replica/minimum-generation-records.ts'
import type { AcceptorHost } from '../replica/acceptor-host.ts'
import type { Peers } from '../quorum/peers.ts'

/** Buckets in one message. */
export const BURIED_MAX = 256
/** Buckets in one pass. The others wait for the next one. */
const PASS_MAX = 10_000
const CALL_TIMEOUT_MS = 4_000

export interface GenerationSweeperOptions {
  readonly store: Pick<Store, 'range'>
  readonly host: Pick<AcceptorHost, 'generations'>
  readonly peers: Pick<Peers, 'bury' | 'connected' | 'self'>
  readonly view: () => LayoutView
  readonly isMember: () => boolean
  readonly clock: Clock
  readonly logger: Logger
  /** Between two passes. */
  readonly pauseMs: number
}

export class GenerationSweeper {
  /** Minima dropped since the start. */
  dropped = 0
  readonly #options: GenerationSweeperOptions
  /** Final minima that the pass before found. */
  #seen = new Set<string>()
  #cancel: (() => void) | undefined
  #stopped = false

  constructor(options: GenerationSweeperOptions) {
    this.#options = options
  }

  /** Begins the passes, the first one after a pause. */
  start(): void {
    this.#later()
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  #later(): void {
    if (this.#stopped) return
    const { clock, logger, pauseMs } = this.#options
    this.#cancel = clock.after(pauseMs, () => {
      this.pass()
        .catch((error: unknown) => {
          logger.debug(
            { error: String(error) },
            'space: minimum generations are left to the next pass',
          )
        })
        .finally(() => this.#later())
    })
  }

  /**
   * One look at all minimum generations of this node. Does nothing unless this node is a member in a STABLE epoch. Ends
   * early when a member is not connected: all of them have to answer.
   */
  async pass(): Promise<void> {
    const { view, isMember, peers } = this.#options
    const layout = view()
    if (!isMember() || layout.state !== 'STABLE') return
    const due = await this.#due()
    for (const [partition, buckets] of due) {
      for (const some of batchesOf(buckets, BURIED_MAX)) {
        if (this.#stopped) return
        const everyone = layout.members.map(({ nodeId }) => nodeId)
        if (!everyone.every((node) => node === peers.self || peers.connected(node))) return
        await this.#drop(layout, everyone, partition, some)
      }
    }
  }

  /**
   * Asks every member to drop what it knows of the buckets. Only when all have, in this very epoch, their minimum
   * generations go.
   */
  async #drop(
    layout: LayoutView,
    everyone: readonly NodeId[],
    partition: number,
    ids: readonly BucketId[],
  ): Promise<void> {
    const { host, view } = this.#options
    const answers = await Promise.all(
      everyone.map((node) => this.#ask(node, layout.epoch, partition, ids)),
    )
    const now = view()
    if (now.epoch !== layout.epoch || now.state !== 'STABLE') return
    if (answers.every((answer) => answer))
      this.dropped += await host.generations.drop(partition, ids)
  }

  /** Whether the node has dropped what it knew of these buckets, at exactly this epoch. */
  async #ask(
    node: NodeId,
    epoch: number,
    partition: number,
    ids: readonly BucketId[],
  ): Promise<boolean> {
    const request = { epoch, partition, buckets: ids.map((id) => bytesOf(id)) }
    try {
      const reply = await this.#options.peers.bury(node, request, { timeoutMs: CALL_TIMEOUT_MS })
      return reply.result === 0 && reply.epoch === epoch
    } catch {
      return false
    }
  }

  /** By partition, the buckets whose minima were final in the pass before, too: messages under way have arrived since. */
  async #due(): Promise<Map<number, BucketId[]>> {
    const { store, clock } = this.#options
    const due = new Map<number, BucketId[]>()
    const seen = new Set<string>()
    for await (const page of rowPages(store, clock, bytesOf('g'), bytesOf('h'))) {
      if (this.#stopped || seen.size >= PASS_MAX) break
      for (const { key, row } of page) {
        if (!isSoundRow(key, row) || decodeNumber(row) !== FINAL_GENERATION) continue
        const name = byteString(key.subarray(1))
        seen.add(name)
        if (!this.#seen.has(name)) continue
        const partition = readU16(name, 0)
        const list = due.get(partition)
        if (list === undefined) due.set(partition, [bucketId(name.slice(2))])
        else list.push(bucketId(name.slice(2)))
      }
    }
    this.#seen = seen
    return due
  }
}
