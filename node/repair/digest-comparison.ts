/**
 * Finds the shared partitions in which this node and a peer differ: first by digests of groups of partitions, then by
 * digests of the partitions of the groups that differ. Called by Resync.
 *
 * While the layout changes, partitions that move are left to node/rebalance: in JOINT they are not compared at all, and
 * while their blocks are on the way only their registers are.
 *
 * Invariant: all digests of one comparison belong to one epoch.
 */

import { batchesOf } from '../tools/in-batches.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { DIGEST_BYTES, REGISTER_DIGEST_BYTES } from '../../protocol/sync/digest.ts'
import type { Peers } from '../quorum/peers.ts'
import { GROUP_PARTITIONS, GROUPS_MAX, type SyncAnswers } from './sync-answers.ts'

const CALL_TIMEOUT_MS = 10_000
const NO_DIGEST = new Uint8Array(DIGEST_BYTES)

export interface DigestComparisonOptions {
  readonly self: NodeId
  readonly peers: Pick<Peers, 'digests'>
  readonly exchange: Pick<SyncAnswers, 'shared' | 'digestOf' | 'groupDigests'>
  readonly view: () => LayoutView
}

export class DigestComparison {
  readonly #options: DigestComparisonOptions

  constructor(options: DigestComparisonOptions) {
    this.#options = options
  }

  /**
   * Resolves with the shared partitions whose digests differ, ascending. Rejects when the peer does not answer at
   * this epoch, or the epoch ends meanwhile: digests of two epochs prove nothing. It changes nothing on either node.
   */
  async differing(peer: NodeId): Promise<number[]> {
    const { peers, exchange, view } = this.#options
    const options = { timeoutMs: CALL_TIMEOUT_MS }
    const epoch = view().epoch
    const theirs = await peers.digests(peer, { epoch, level: 0, groups: [] }, options)
    const mustBe = (other: number): void => {
      if (other !== epoch || view().epoch !== epoch) throw new Error('the epoch is over')
    }
    mustBe(theirs.epoch)
    const mine = await exchange.groupDigests(peer)
    mustBe(epoch)
    const groups: number[] = []
    for (let group = 0; group * DIGEST_BYTES < theirs.digests.length; group++) {
      const digest = theirs.digests.subarray(group * DIGEST_BYTES, (group + 1) * DIGEST_BYTES)
      if (!equalBytes(digest, mine.get(group) ?? NO_DIGEST)) groups.push(group)
    }
    if (groups.length === 0) return []
    const { shared, registersOnly } = this.#comparable(peer)
    const differing: number[] = []
    for (const some of batchesOf(groups, GROUPS_MAX)) {
      const reply = await peers.digests(peer, { epoch, level: 1, groups: some }, options)
      mustBe(reply.epoch)
      for (let i = 0; (i + 1) * DIGEST_BYTES <= reply.digests.length; i++) {
        const group = some[Math.floor(i / GROUP_PARTITIONS)]!
        const partition = group * GROUP_PARTITIONS + (i % GROUP_PARTITIONS)
        if (!shared.has(partition)) continue
        const bytes = registersOnly.has(partition) ? REGISTER_DIGEST_BYTES : DIGEST_BYTES
        const digest = reply.digests.subarray(i * DIGEST_BYTES, i * DIGEST_BYTES + bytes)
        if (!equalBytes(digest, exchange.digestOf(partition).subarray(0, bytes))) {
          differing.push(partition)
        }
      }
    }
    return differing
  }

  /** The shared partitions that resync has to look at, and those of which it compares registers only. */
  #comparable(peer: NodeId): { shared: Set<number>; registersOnly: Set<number> } {
    const { exchange, view, self } = this.#options
    const layout = view()
    const shared = new Set(exchange.shared(peer))
    if (layout.state === 'JOINT') for (const partition of layout.moved()) shared.delete(partition)
    const registersOnly = new Set([...layout.waiting(self), ...layout.waiting(peer)])
    return { shared, registersOnly }
  }
}
