/**
 * Decides the entry of the next epoch: prepare, accept, certificate (L1). Any member of the last
 * STABLE entry may propose; of several proposals exactly one is decided, and all proposers learn it.
 *
 *   1. Promise the ballot to itself, durably, so that no counter is used twice (P1).
 *   2. Send prepare to the others. With a majority of promises, propose the entry accepted at the highest ballot, or else
 *      its own entry.
 *   3. Accept the entry itself, and then send accept to the others. A majority of signatures at this ballot is the
 *      certificate.
 *   4. On a conflict, take a higher ballot than the one seen, after a randomised delay that grows (P6).
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { AcceptedEntry } from '../../protocol/layout/acceptor.ts'
import { bindingEntry } from '../../protocol/layout/acceptor.ts'
import type { LayoutBallot } from '../../protocol/layout/ballot.ts'
import { voteBytes } from '../../protocol/layout/certificate.ts'
import type { LayoutEntry } from '../../protocol/layout/entry.ts'
import { entryHash } from '../../protocol/layout/entry.ts'
import { majority } from '../../protocol/register/quorum.ts'
import type { Signer } from '../env/ports.ts'
import { MembershipError } from './errors.ts'
import type { LayoutLog } from './layout-log.ts'
import type { LayoutPeers } from './layout-peers.ts'
import type { VoteAnswer } from './messages.ts'
import { acceptMessage, LAYOUT_RPC, prepareMessage, voteAnswer } from './messages.ts'
import type { Timer } from './timer.ts'

const BACKOFF_MS_MIN = 20
const BACKOFF_MS_MAX = 1_000

export class LayoutProposer {
  readonly #log: LayoutLog
  readonly #signer: Signer
  readonly #peers: LayoutPeers
  readonly #timer: Timer
  readonly #catchUp: (epoch: number, from: NodeId) => Promise<void>
  /**
   * The highest counter that this node has used or heard of since its start. One that it used in an earlier life is
   * refused by its own promise, which is durable, and so becomes known (P1).
   */
  #counter = 0

  constructor(
    log: LayoutLog,
    signer: Signer,
    peers: LayoutPeers,
    timer: Timer,
    catchUp: (epoch: number, from: NodeId) => Promise<void>,
  ) {
    this.#log = log
    this.#signer = signer
    this.#peers = peers
    this.#timer = timer
    this.#catchUp = catchUp
  }

  /**
   * Resolves with the entry that was decided for that epoch, which may be another one, once it is adopted here. Rejects with
   * MembershipError 'no-answer' at the deadline.
   */
  async decide(entry: LayoutEntry, timeoutMs: number): Promise<LayoutEntry> {
    const deadlineMs = this.#timer.nowMs() + timeoutMs
    let backoffMs = BACKOFF_MS_MIN
    for (;;) {
      const known = this.#log.entriesAfter(entry.epoch - 1)[0]
      if (known !== undefined) return known.entry
      await this.#round(entry)
      if (this.#log.epoch >= entry.epoch) continue
      if (this.#timer.nowMs() >= deadlineMs) {
        throw new MembershipError('no-answer', 'no majority of the members answers')
      }
      await this.#timer.sleep(this.#timer.jittered(backoffMs))
      backoffMs = Math.min(2 * backoffMs, BACKOFF_MS_MAX)
    }
  }

  /**
   * One ballot, from prepare to the certificate. Ends early where no majority agrees; then `decide` takes a higher
   * ballot. An entry that is decided is adopted here before this resolves.
   */
  async #round(own: LayoutEntry): Promise<void> {
    const { epoch } = own
    const { voters } = this.#log
    if (!voters.includes(this.#peers.self)) {
      throw new MembershipError('bad-layout', 'only a voter proposes')
    }
    const needed = majority(voters.length)
    const others = voters.filter((node) => node !== this.#peers.self)
    const ballot: LayoutBallot = { counter: this.#counter + 1, nodeId: this.#peers.self }
    this.#counter = ballot.counter

    const promises: (AcceptedEntry | undefined)[] = []
    const promised = (_from: NodeId, answer: VoteAnswer): void => {
      if (answer.type === 'promised') promises.push(answer.accepted)
    }
    const prepare = prepareMessage.encode(epoch, ballot)
    const enoughPromises = (): boolean => promises.length >= needed
    await this.#ask([this.#peers.self], LAYOUT_RPC.prepare, prepare, promised, enoughPromises)
    if (promises.length === 0) return
    await this.#ask(others, LAYOUT_RPC.prepare, prepare, promised, enoughPromises)
    if (!enoughPromises()) return

    const entry = bindingEntry(promises) ?? own
    const bytes = voteBytes(entry.genesis.clusterId, epoch, ballot, entryHash(entry))
    const signatures: { nodeId: NodeId; signature: Uint8Array }[] = []
    const accepted = (from: NodeId, answer: VoteAnswer): void => {
      if (answer.type !== 'accepted') return
      if (!this.#signer.verify(from, bytes, answer.signature)) return
      signatures.push({ nodeId: from, signature: answer.signature })
    }
    const accept = acceptMessage.encode(ballot, entry)
    const enoughSignatures = (): boolean => signatures.length >= needed
    await this.#ask([this.#peers.self], LAYOUT_RPC.accept, accept, accepted, enoughSignatures)
    if (signatures.length === 0) return
    await this.#ask(others, LAYOUT_RPC.accept, accept, accepted, enoughSignatures)
    if (!enoughSignatures()) return
    // Later answers must not change the entry that is signed.
    const certificate = { ballot, signatures: signatures.slice(0, needed) }
    await this.#log.adopt([{ entry, certificate }])
  }

  /** Gathers answers, and learns from them of higher ballots and of decided epochs. */
  async #ask(
    nodes: readonly NodeId[],
    type: number,
    body: Uint8Array,
    taken: (from: NodeId, answer: VoteAnswer) => void,
    enough: () => boolean,
  ): Promise<void> {
    const ahead: { from: NodeId; epoch: number }[] = []
    await this.#peers.gather(
      nodes,
      type,
      body,
      (from, bytes) => {
        const answer = voteAnswer.decode(bytes)
        if (answer.type === 'conflict') {
          this.#counter = Math.max(this.#counter, answer.seen.counter)
        } else if (answer.type === 'epoch' && answer.epoch > this.#log.epoch) {
          ahead.push({ from, epoch: answer.epoch })
        }
        taken(from, answer)
      },
      enough,
    )
    for (const { from, epoch } of ahead) {
      await this.#catchUp(epoch, from).catch(() => undefined)
    }
  }
}
