/**
 * A member's half of joining. It checks the token's proof, gathers joiners that come at the same time, and proposes one entry
 * for all of them, in which their tokens are redeemed. In an empty cluster that is JOINT at once; where there is data to
 * copy first, it is a plan. A joiner gets the cluster secret once it is a member; a token alone does not get it.
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutEntry, Member } from '../../protocol/layout/entry.ts'
import { nextReplicationOf } from '../../protocol/layout/entry.ts'
import { nextOf, type MemberChange } from '../../protocol/layout/member-change.ts'
import { findMember } from '../../protocol/layout/member-names.ts'
import { admits, redeemed } from '../../protocol/layout/tokens.ts'
import {
  jointEntry,
  planEntry,
  replanEntry,
  type NextLayout,
} from '../../protocol/layout/transition.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Clock, Logger } from '../env/ports.ts'
import type { ChangeDriver } from './change-driver.ts'
import type { ChangeGate } from './change-gate.ts'
import { chunkOfEntries } from './entry-transfer.ts'
import { stillUp, TOO_OLD } from './errors.ts'
import { droppedIn, featuresOf, removedLine } from './former.ts'
import { holdsData } from './holds-data.ts'
import type { JoinReply, JoinRequest } from './join-messages.ts'
import { FEATURES, joinReply, joinRequest } from './join-messages.ts'
import type { LayoutLog } from './layout-log.ts'
import type { LayoutPeers } from './layout-peers.ts'
import type { LayoutProposer } from './layout-proposer.ts'
import type { Timer } from './timer.ts'
import { equalSecrets, tokenVerifier } from './token-codec.ts'

/** How long the first joiner waits for others, so that they enter in one epoch. */
const BATCH_MS = 50
const DECIDE_MS = 5_000
/** Any stranger may ask and be refused, so one log line counts the refusals of this time. */
const REFUSALS_EVERY_MS = 10_000
/** Joiners in one entry. */
const BATCH_MAX = 256
const GONE = 'the join token is not valid: it was revoked, or has expired'
const USED = 'the join token was used already; ask for a new one: shoal token'

export interface AdmissionParts {
  readonly log: LayoutLog
  readonly peers: LayoutPeers
  readonly proposer: LayoutProposer
  readonly driver: ChangeDriver
  readonly timer: Timer
  readonly clock: Clock
  readonly logger: Logger
  /** Undefined while this node has not been given the secret in force. It then admits no node. */
  readonly clusterSecret: () => Uint8Array | undefined
  readonly gate: ChangeGate
  readonly connected: (node: NodeId) => boolean
}

interface Waiting {
  readonly member: Member
  readonly tokenId: string
  /** What its program can do (join-messages.ts). */
  readonly features: number
  /** Node id or name of the member whose place it takes. */
  readonly replace: string | undefined
  readonly answer: (reply: JoinReply) => void
}

export class JoinAdmission {
  readonly #parts: AdmissionParts
  /** Joiners that wait for the next entry. */
  #batch: Waiting[] = []
  /** A batch is being gathered or proposed. Joiners that come while it is proposed go into the next one. */
  #admitting = false
  /** Joiners refused since the last line in the log. */
  #refused = 0
  #saidMs = Number.NEGATIVE_INFINITY

  constructor(parts: AdmissionParts) {
    this.#parts = parts
  }

  /**
   * Handler of JOIN_PROTOCOL: resolves with the encoded JoinReply. Rejects with ShapeError when the request is
   * malformed.
   *
   * @param from what the handshake proved
   */
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

  /**
   * Answers by what the layout knows of the one who asks. A stranger needs a token. A member, a learner and a node of
   * a source are known by the handshake and need none. A former member may only read the entries that say that it has
   * left.
   */
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
    const known = view.knownMember(from)
    const isFormer = known === undefined || view.role(from) === 'source'
    const left = isFormer ? droppedIn(log, member) : undefined
    if (known === undefined && left === undefined) return this.#answerStranger(view, request)
    // The handshake has proved which member or former member asks, so it needs no token.
    if (known !== undefined && known.storageId !== member.storageId) {
      return refused(
        'replaced',
        'this node is known with other data: its data directory was replaced',
      )
    }
    if (request.kind === 'entries') {
      return { status: 'entries', chunk: chunkOfEntries(log, request.after, request.offset) }
    }
    if (left !== undefined) return refused('removed', removedLine(left))
    const { epoch } = log
    // In JOINT the node may or may not become a member. A learner is none yet.
    return view.state !== 'JOINT' && view.isMember(from)
      ? { status: 'admitted', epoch, clusterSecret }
      : { status: 'admitted', epoch }
  }

  /** Checks the token. Only nodes in the layout may read it; other nodes may only join. */
  async #answerStranger(
    view: LayoutView,
    { kind, claim, features = 1, replace, ...shown }: JoinRequest,
  ): Promise<JoinReply> {
    if (kind === 'entries') return busy('not admitted')
    const { member } = shown
    const token = view.entry.tokens?.find(({ id }) => id === claim.id)
    if (token === undefined) {
      if (claim.epoch > view.epoch) return busy('this member does not know the join token yet')
      return refused('bad-token', GONE)
    }
    if (!equalSecrets(tokenVerifier(shown.proof), token.verifier)) {
      return refused('bad-token', 'the join token is not valid')
    }
    if (this.#parts.clock.nowMs() > token.expiresMs) {
      return refused('expired-token', 'the join token has expired; ask for a new one: shoal token')
    }
    if (!admits(token, member.nodeId)) return refused('used-token', USED)
    if (view.known.some((other) => other.storageId === member.storageId)) {
      return refused('replaced', 'this data directory is a copy of the one of another member')
    }
    // Earlier joiners know this code.
    if (features < featuresOf(this.#parts.log)) return refused('holds-data', TOO_OLD)
    return this.#enqueue({ member, tokenId: token.id, features, replace })
  }

  /**
   * Resolves once the entry of the joiner's batch is decided, or the joiner is refused. One that waits already, and
   * one too many, is told at once to come again.
   */
  #enqueue(joiner: Omit<Waiting, 'answer'>): Promise<JoinReply> {
    const { member } = joiner
    return new Promise((answer) => {
      const same = this.#batch.findIndex(
        (other) =>
          other.member.nodeId === member.nodeId || other.member.storageId === member.storageId,
      )
      if (same >= 0 || this.#batch.length >= BATCH_MAX) {
        answer(busy('already waiting'))
        return
      }
      this.#batch.push({ ...joiner, answer })
      if (!this.#admitting) void this.#admit()
    })
  }

  /**
   * Gathers joiners for BATCH_MS and proposes one entry for them. Every joiner of the batch gets an answer, whatever
   * happens. Never rejects.
   */
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

  /**
   * Refuses the joiners that cannot enter and proposes one entry for the others. The entry that is decided may be
   * another one: `outcomeOf` looks whether the joiner is in it.
   */
  async #propose(batch: readonly Waiting[]): Promise<void> {
    const { log, proposer, driver, gate } = this.#parts
    const all = (reply: JoinReply): void => {
      for (const { answer } of batch) answer(reply)
    }
    const view = log.view
    if (view === undefined || !log.votes) return all(busy('not a voter at the moment'))
    if (log.undecided !== undefined) return all(busy('another change of the layout is under way'))
    const refusal = gate.refusal(view.entry)
    if (refusal !== undefined) return all(busy(refusal))
    const holds = view.state === 'PLANNED' || (await holdsData(this.#parts.peers, view))
    // The short way: in an empty cluster there is nothing to copy.
    const isShort = !holds && batch.every(({ replace }) => replace === undefined)

    // A token use that one of the batch takes is not there for the next one.
    let tokens = view.entry.tokens ?? []
    let next: NextLayout = {
      members: view.entry.next ?? view.entry.members,
      replication: nextReplicationOf(view.entry),
    }
    const joiners: Waiting[] = []
    for (const waiting of batch) {
      const { member, tokenId, answer } = waiting
      if (next.members.some(({ storageId }) => storageId === member.storageId)) {
        // Another member has admitted the joiner meanwhile.
        answer({ status: 'admitted', epoch: view.epoch })
        continue
      }
      const after = redeemed(tokens, { nodeId: member.nodeId, tokenId })
      if (after === undefined) {
        const isThere = tokens.some(({ id }) => id === tokenId)
        answer(isThere ? refused('used-token', USED) : refused('bad-token', GONE))
        continue
      }
      const joined = this.#with(view, next, waiting)
      if ('status' in joined) {
        answer(joined)
        continue
      }
      if (!isShort && waiting.features < FEATURES) {
        answer(refused('holds-data', TOO_OLD))
        continue
      }
      next = joined
      tokens = after
      joiners.push(waiting)
    }
    if (joiners.length === 0) return
    const own = isShort
      ? jointEntry(view.entry, next.members, 'join', tokens)
      : view.state === 'PLANNED'
        ? replanEntry(view.entry, next, tokens)
        : planEntry(view.entry, next, tokens)
    const decided = await proposer.decide(own, DECIDE_MS)
    void driver.drive()
    for (const { member, answer } of joiners) answer(outcomeOf(decided, member))
  }

  /** The layout with this joiner added, or why it is refused. */
  #with(
    view: LayoutView,
    { members, replication }: NextLayout,
    { member, replace }: Waiting,
  ): NextLayout | JoinReply {
    let change: MemberChange = { kind: 'join', member }
    if (replace !== undefined) {
      const old = findMember(view.entry.members, replace)
      if ('fault' in old) return refused('bad-change', old.fault)
      if (this.#parts.connected(old.nodeId)) return refused('bad-change', stillUp(old, 'replaced'))
      change = { kind: 'replace', old: old.nodeId, member }
    }
    const next = nextOf(members, replication, [change])
    return 'fault' in next ? refused('bad-change', next.fault) : next
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
