/**
 * Hinted handoff: tells replicas which partitions they may have missed a write of (P7). Called by Resync.
 *
 * A hint is durable from soon after the gap was seen until the peer was told. No write waits for it: should this node die
 * first, the peer is compared with every other replica once this node is back.
 *
 * Invariants:
 *   - a gap that is seen while a hint is on its way is a hint of its own: the peer may have looked already
 *   - a hint is dropped only when its peer was told, or is no member any more
 */

import { bytesOf } from '../../protocol/bytes.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Store } from '../log/store.ts'
import type { Peers } from '../quorum/peers.ts'
import { hintRow, hintOfRow } from '../replica/index-rows.ts'
import { RECORD } from '../replica/record-types.ts'
import type { JitteredTimers } from './jittered-timers.ts'

const CALL_TIMEOUT_MS = 10_000
const RETRY_MS = 1_000
/** Gaps of this time go into one message. */
const HINT_DELAY_MS = 300
/** Hints read at the start, at most. No gap depends on a hint, so more are not needed. */
const ROWS_MAX = 1_000_000

export interface HintsOptions {
  readonly store: Pick<Store, 'range' | 'get' | 'append'>
  readonly peers: Pick<Peers, 'connected' | 'hint'>
  readonly view: () => Pick<LayoutView, 'epoch' | 'isMember'>
  readonly timers: JitteredTimers
}

export class Hints {
  readonly #options: HintsOptions
  /** By peer, the partitions that it is still to be told of. */
  readonly #owed = new Map<NodeId, Set<number>>()
  /** A message is on its way, or a timer is set for one. What is owed meanwhile is sent after it. */
  #isSending = false

  constructor(options: HintsOptions) {
    this.#options = options
    options.store.range(bytesOf('y'), bytesOf('z'), ROWS_MAX, (key) => {
      const { peer, partition } = hintOfRow(key)
      this.#owedTo(peer).add(partition)
    })
  }

  /** How many hints are still to give. */
  get count(): number {
    let count = 0
    for (const partitions of this.#owed.values()) count += partitions.size
    return count
  }

  /** Notes that the peer may have missed a write of the partition. */
  add(peer: NodeId, partition: number): void {
    const owed = this.#owedTo(peer)
    if (owed.has(partition)) return
    owed.add(partition)
    this.#record(RECORD.duty, peer, partition)
    this.sendLater()
  }

  /** Sends what is owed after a short delay, and again until nothing is owed. */
  sendLater(): void {
    const { timers } = this.#options
    if (this.#isSending || timers.stopped) return
    this.#isSending = true
    timers.after(HINT_DELAY_MS, () => {
      this.#send()
        .catch(() => {})
        .finally(() => {
          this.#isSending = false
          if (this.#owed.size > 0) timers.after(RETRY_MS, () => this.sendLater())
        })
    })
  }

  async #send(): Promise<void> {
    const { peers, view } = this.#options
    // A copy: hints that are owed again are for the next time.
    const owed = [...this.#owed]
    for (const [peer, partitions] of owed) {
      if (!view().isMember(peer)) {
        this.#owed.delete(peer)
        continue
      }
      if (!peers.connected(peer)) continue
      // A gap that shows from here on is a hint of its own.
      this.#owed.delete(peer)
      try {
        await peers.hint(peer, [...partitions], view().epoch, { timeoutMs: CALL_TIMEOUT_MS })
      } catch {
        for (const partition of partitions) this.#owedTo(peer).add(partition)
        continue
      }
      for (const partition of partitions) {
        if (this.#owed.get(peer)?.has(partition) === true) continue
        this.#record(RECORD.dutyDone, peer, partition)
      }
    }
  }

  /** Writes a hint, or the end of one, without waiting for it. A hint that was never written has no end to write. */
  #record(type: number, peer: NodeId, partition: number): void {
    const { store } = this.#options
    if (type === RECORD.dutyDone && store.get(hintRow(peer, partition)) === undefined) return
    store
      .append([{ type, partition, key: peer, body: new Uint8Array(0) }], { urgent: true })
      .catch(() => {})
  }

  #owedTo(peer: NodeId): Set<number> {
    let owed = this.#owed.get(peer)
    if (owed === undefined) {
      owed = new Set()
      this.#owed.set(peer, owed)
    }
    return owed
  }
}
