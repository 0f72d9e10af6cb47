/**
 * This node's vote on layout entries (L1): promises, and accepts with a signature. Called by LayoutAnswers.
 *
 * Invariants:
 *   - a promise or an accept is flushed before the answer leaves (A1)
 *   - an entry that is no legal step from the last one is never accepted, and neither is one that names a cluster secret
 *     which this node does not have
 */

import type { NodeId } from '../../protocol/ids.ts'
import { acceptVote, prepareVote } from '../../protocol/layout/acceptor.ts'
import { voteBytes } from '../../protocol/layout/certificate.ts'
import { entryHash, type LayoutEntry } from '../../protocol/layout/entry.ts'
import { transitionFault } from '../../protocol/layout/transition.ts'
import type { Signer } from '../env/ports.ts'
import { MembershipError } from './errors.ts'
import type { LayoutLog } from './layout-log.ts'
import type { VoteAnswer } from './messages.ts'
import { acceptMessage, prepareMessage, voteAnswer } from './messages.ts'

export class Voter {
  readonly #log: LayoutLog
  readonly #signer: Signer
  readonly #catchUp: (epoch: number, from: NodeId) => Promise<void>
  readonly #mayAccept: (entry: LayoutEntry) => boolean

  /** @param catchUp fetches and adopts entries that `from` knows, up to an epoch; it may fail (L4) */
  constructor(
    log: LayoutLog,
    signer: Signer,
    catchUp: (epoch: number, from: NodeId) => Promise<void>,
    mayAccept: (entry: LayoutEntry) => boolean,
  ) {
    this.#mayAccept = mayAccept
    this.#log = log
    this.#signer = signer
    this.#catchUp = catchUp
  }

  /**
   * Handler of LAYOUT_RPC.prepare. Resolves with an encoded VoteAnswer once a promise is flushed. A voter at an
   * earlier epoch first fetches the entries that it lacks from the asker.
   */
  async prepare(from: NodeId, body: Uint8Array): Promise<Uint8Array> {
    const { epoch, ballot } = prepareMessage.decode(body)
    await this.#reach(epoch - 1, from)
    const reply = await this.#log.vote(epoch, (vote) => prepareVote(vote, epoch, ballot))
    if (reply === undefined) return voteAnswer.encode(this.#elsewhere(epoch))
    if (reply.type === 'accepted') throw new MembershipError('bad-layout', 'accepted a prepare')
    return voteAnswer.encode(reply)
  }

  /**
   * Handler of LAYOUT_RPC.accept, as `prepare`. The answer has this node's signature, which is its vote in the
   * certificate. Rejects with 'bad-layout' for an entry that is no legal step.
   */
  async accept(from: NodeId, body: Uint8Array): Promise<Uint8Array> {
    const { ballot, entry } = acceptMessage.decode(body)
    if (!this.#mayAccept(entry)) return voteAnswer.encode({ type: 'no-vote' })
    await this.#reach(entry.epoch - 1, from)
    const reply = await this.#log.vote(entry.epoch, (vote, last) => {
      const fault = transitionFault(last, entry)
      if (fault !== undefined) throw new MembershipError('bad-layout', fault)
      return acceptVote(vote, entry.epoch, ballot, entry)
    })
    if (reply === undefined) return voteAnswer.encode(this.#elsewhere(entry.epoch))
    if (reply.type !== 'accepted') return voteAnswer.encode(reply)
    const bytes = voteBytes(entry.genesis.clusterId, entry.epoch, ballot, entryHash(entry))
    return voteAnswer.encode({ type: 'accepted', signature: this.#signer.sign(bytes) })
  }

  /** Why there was no vote: this node has none on that epoch, or it is at another epoch than the asker believes. */
  #elsewhere(epoch: number): VoteAnswer {
    return this.#log.epoch + 1 === epoch
      ? { type: 'no-vote' }
      : { type: 'epoch', epoch: this.#log.epoch }
  }

  async #reach(epoch: number, from: NodeId): Promise<void> {
    if (this.#log.epoch >= epoch || from === this.#signer.nodeId) return
    // When catching up fails, the answer names this node's earlier epoch.
    await this.#catchUp(epoch, from).catch(() => undefined)
  }
}
