/**
 * Minima of buckets that are gone go away with them (T8).
 *
 * A minimum keeps out what carries an older generation of a bucket's record. Whoever knows a record of a bucket that
 * is gone could, without it, still be answered by the replicas. So each member of the layout is asked first
 * to drop what it knows of the bucket: neither a record in its cache nor an operation that is under way, nor a
 * read of the record that began before, counts any more (Buckets.bury). A record read later is another one's,
 * since an incarnation that is gone never comes back.
 *
 * Invariants:
 *   - only final minima are dropped: the bucket's own register has said that it is gone
 *   - only after every member has answered in one STABLE epoch, which is still the present one (L6b);
 *     a node that was no member meanwhile forgets all buckets by itself
 *   - how long a minimum has been final decides nothing: late messages of operations that are long over
 *     would only make another row, which stays
 */

import { byteString, bytesOf, readU16 } from '../../protocol/bytes.ts'
import { bucketId, type BucketId, type NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { rowPages } from '../log/row-pages.ts'
import type { Store } from '../log/store.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { isSoundRow } from '../replica/index-rows.ts'
import { decodeNumber } from '../replica/row-format.ts'
import { FINAL_GENERATION } from '../replica/minimum-records.ts'
import type { AcceptorHost } from '../replica/acceptor-host.ts'
import type { Peers } from '../quorum/peers.ts'

/** In one message. */
export const BURIED_MAX = 256
/** In one pass: the others wait for the next. */
const PASS_MAX = 10_000
const CALL_TIMEOUT_MS = 4_000

export interface MinimaOptions {
  readonly store: Pick<Store, 'range'>
  readonly host: Pick<AcceptorHost, 'dropMinima'>
  readonly peers: Pick<Peers, 'bury' | 'connected' | 'self'>
  readonly view: () => LayoutView
  readonly isMember: () => boolean
  readonly clock: Clock
  readonly logger: Logger
  /** Between two passes. */
  readonly pauseMs: number
}

export class Minima {
  /** Since the start. */
  dropped = 0
  readonly #options: MinimaOptions
  /** Final ones of the pass before. */
  #seen = new Set<string>()
  #cancel: (() => void) | undefined
  #stopped = false

  constructor(options: MinimaOptions) {
    this.#options = options
  }

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
          logger.debug({ error: String(error) }, 'space: minima are left for later')
        })
        .finally(() => this.#later())
    })
  }

  async pass(): Promise<void> {
    const { view, isMember, peers } = this.#options
    const layout = view()
    if (!isMember() || layout.state !== 'STABLE') return
    const due = await this.#due()
    for (const [partition, buckets] of due) {
      for (let at = 0; at < buckets.length; at += BURIED_MAX) {
        if (this.#stopped) return
        const everyone = layout.members.map(({ nodeId }) => nodeId)
        if (!everyone.every((node) => node === peers.self || peers.connected(node))) return
        await this.#drop(layout, everyone, partition, buckets.slice(at, at + BURIED_MAX))
      }
    }
  }

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
    if (answers.every((answer) => answer)) this.dropped += await host.dropMinima(partition, ids)
  }

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

  /** By partition: final since the pass before, so that messages that are under way do no more harm. */
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
