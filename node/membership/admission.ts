/**
 * A member's half of joining: checks the token's proof, gathers joiners that come at the same time, and
 * proposes one JOINT entry for all of them, in which their tokens are redeemed. Who is a member gets the cluster
 * secret; who only shows a token does not.
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutEntry, Member } from '../../protocol/layout/entry.ts'
import { admits, redeemed } from '../../protocol/layout/tokens.ts'
import { jointEntry } from '../../protocol/layout/transition.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Clock, Logger } from '../env/ports.ts'
import type { ChangeDriver } from './change-driver.ts'
import { chunkOfEntries } from './entry-transfer.ts'
import { HOLDS_DATA } from './errors.ts'
import type { JoinReply, JoinRequest } from './join-messages.ts'
import { joinReply, joinRequest } from './join-messages.ts'
import type { LayoutLog } from './layout-log.ts'
import type { LayoutPeers } from './layout-peers.ts'
import { epochMessage, LAYOUT_RPC, readyMessage } from './messages.ts'
import type { Proposer } from './proposer.ts'
import type { Timer } from './timer.ts'
import { equalSecrets, tokenProof } from './token-codec.ts'

/** How long the first joiner waits for others, so that they enter in one epoch. */
const BATCH_MS = 50
const DECIDE_MS = 5_000
/** Anybody may ask and be refused: one line says how many were. */
const REFUSALS_EVERY_MS = 10_000
/** Joiners in one entry. */
const BATCH_MAX = 256
const GONE = 'the join token is not valid: it was revoked, or has expired'
const USED = 'the join token was used already; ask for a new one: shoal token'

export interface AdmissionParts {
  readonly log: LayoutLog
  readonly peers: LayoutPeers
  readonly proposer: Proposer
  readonly driver: ChangeDriver
  readonly timer: Timer
  readonly clock: Clock
  readonly logger: Logger
  readonly clusterSecret: () => Uint8Array | undefined
}

interface Waiting {
  readonly member: Member
  readonly tokenId: string
  readonly answer: (reply: JoinReply) => void
}

export class Admission {
  readonly #parts: AdmissionParts
  #batch: Waiting[] = []
  #admitting = false
  /** Refused since the last line in the log. */
  #refused = 0
  #saidMs = Number.NEGATIVE_INFINITY

  constructor(parts: AdmissionParts) {
    this.#parts = parts
  }

  /** Whether a batch is being gathered or proposed. */
  get busy(): boolean {
    return this.#admitting
  }

  /** Handler of JOIN_PROTOCOL. `from` is what the handshake proved. */
  async serve(from: NodeId, bytes: Uint8Array): Promise<Uint8Array> {
    const request = joinRequest.decode(bytes)
    const reply = await this.#answer(from, request)
    if (reply.status === 'refused') this.#sayRefused(from, reply.code)
    return joinReply.encode(reply)
  }

  #sayRefused(peer: NodeId, code: string): void {
    const { clock, logger } = this.#parts
    this.#refused++
    if (clock.monotonicMs() - this.#saidMs < REFUSALS_EVERY_MS) return
    logger.warn({ peer, code, refused: this.#refused }, 'refused a joiner')
    this.#refused = 0
    this.#saidMs = clock.monotonicMs()
  }

  async #answer(from: NodeId, request: JoinRequest): Promise<JoinReply> {
    const { log } = this.#parts
    const view = log.view
    const clusterSecret = this.#parts.clusterSecret()
    if (view === undefined || clusterSecret === undefined) return busy('no member of a cluster yet')
    if (request.clusterId !== view.clusterId) {
      return refused('other-cluster', 'the join token is for another cluster')
    }
    const { member } = request
    if (member.nodeId !== from) return refused('bad-token', 'the join token is not valid')
    const known = view.member(from)
    if (known === undefined) return this.#answerStranger(view, request)
    // The handshake has proved which member asks: it needs no token.
    if (known.storageId !== member.storageId) {
      return refused(
        'replaced',
        'this node is known with other data: its data directory was replaced',
      )
    }
    if (request.kind === 'entries') {
      return { status: 'entries', chunk: chunkOfEntries(log, request.after, request.offset) }
    }
    const { epoch } = log
    return view.state === 'STABLE'
      ? { status: 'admitted', epoch, clusterSecret }
      : { status: 'admitted', epoch }
  }

  /** Only who stands in the layout may read it: anybody else may join. */
  async #answerStranger(
    view: LayoutView,
    { kind, claim, ...shown }: JoinRequest,
  ): Promise<JoinReply> {
    if (kind === 'entries') return busy('not admitted')
    const { member } = shown
    const token = view.entry.tokens?.find(({ id }) => id === claim.id)
    if (token === undefined) {
      if (claim.epoch > view.epoch) return busy('this member does not know the join token yet')
      return refused('bad-token', GONE)
    }
    const proof = tokenProof(token.verifier, member.nodeId, member.storageId)
    if (!equalSecrets(proof, shown.proof)) {
      return refused('bad-token', 'the join token is not valid')
    }
    if (this.#parts.clock.nowMs() > token.expiresMs) {
      return refused('expired-token', 'the join token has expired; ask for a new one: shoal token')
    }
    if (!admits(token, member.nodeId)) return refused('used-token', USED)
    if (view.members.some((other) => other.storageId === member.storageId)) {
      return refused('replaced', 'this data directory is a copy of the one of another member')
    }
    return this.#enqueue(member, token.id)
  }

  #enqueue(member: Member, tokenId: string): Promise<JoinReply> {
    return new Promise((answer) => {
      const same = this.#batch.findIndex(
        (other) =>
          other.member.nodeId === member.nodeId || other.member.storageId === member.storageId,
      )
      if (same >= 0 || this.#batch.length >= BATCH_MAX) {
        answer(busy('already waiting'))
        return
      }
      this.#batch.push({ member, tokenId, answer })
      if (!this.#admitting) void this.#admit()
    })
  }

  /** Never rejects. */
  async #admit(): Promise<void> {
    this.#admitting = true
    let batch: Waiting[] = []
    try {
      await this.#parts.timer.sleep(BATCH_MS)
      batch = this.#batch
      this.#batch = []
      await this.#propose(batch)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      for (const { answer } of batch) answer(busy(why))
    } finally {
      this.#admitting = false
      if (this.#batch.length > 0) {
        if (this.#parts.timer.stopped)
          for (const { answer } of this.#batch) answer(busy('stopping'))
        else void this.#admit()
      }
    }
  }

  async #propose(batch: readonly Waiting[]): Promise<void> {
    const { log, proposer, driver } = this.#parts
    const all = (reply: JoinReply): void => {
      for (const { answer } of batch) answer(reply)
    }
    const view = log.view
    if (view === undefined || !log.votes) return all(busy('not a voter at the moment'))
    if (view.state !== 'STABLE' || log.undecided !== undefined) {
      return all(busy('another change of the layout is under way'))
    }
    if (await this.#holdsData(view)) return all(refused('holds-data', HOLDS_DATA))

    // What one of the batch takes, the next one can't have.
    let tokens = view.entry.tokens ?? []
    const joiners: Waiting[] = []
    for (const waiting of batch) {
      const { member, tokenId, answer } = waiting
      const after = redeemed(tokens, { nodeId: member.nodeId, tokenId })
      if (after === undefined) {
        const isThere = tokens.some(({ id }) => id === tokenId)
        answer(isThere ? refused('used-token', USED) : refused('bad-token', GONE))
        continue
      }
      tokens = after
      joiners.push(waiting)
    }
    if (joiners.length === 0) return
    const next = [...view.entry.members, ...joiners.map(({ member }) => member)]
    const decided = await proposer.decide(jointEntry(view.entry, next, 'join', tokens), DECIDE_MS)
    void driver.drive()
    for (const { member, answer } of joiners) answer(outcomeOf(decided, member))
  }

  /** A look before the change, so that a cluster with data need not go through JOINT to say no. Only
   * the driver's look in JOINT decides. */
  async #holdsData(view: LayoutView): Promise<boolean> {
    let holds = false
    const nodes = view.members.map((member) => member.nodeId)
    await this.#parts.peers.gather(
      nodes,
      LAYOUT_RPC.ready,
      epochMessage.encode(view.epoch),
      (_from, bytes) => {
        if (readyMessage.decode(bytes).holds) holds = true
      },
      () => holds,
    )
    return holds
  }
}

function outcomeOf(decided: LayoutEntry, member: Member): JoinReply {
  const listed = decided.next?.find((other) => other.nodeId === member.nodeId)
  if (listed?.storageId !== member.storageId) return busy('another change of the layout came first')
  return { status: 'admitted', epoch: decided.epoch }
}

function busy(reason: string): JoinReply {
  return { status: 'busy', reason }
}

function refused(code: (JoinReply & { status: 'refused' })['code'], reason: string): JoinReply {
  return { status: 'refused', code, reason }
}
