/**
 * The joiner's half of joining: asks the members that the token names until a STABLE epoch has made this node a member. It
 * gives up with a MembershipError, and never founds a cluster of its own (L1). Once it was in a plan it has no deadline any
 * more, because copying its data may take long. When it was dropped from the plan meanwhile, it asks again. A node that was
 * stopped after it had been admitted goes on without a token: the handshake proves which node it is, and the layout that
 * it has names the members. It needs a token only when it was dropped meanwhile.
 *
 * A member of an earlier program silently drops a request with fields that it does not know. So after a dropped request
 * the joiner asks a question that earlier programs understand and that changes nothing. A member that answers this one
 * and drops the other again and again runs an earlier program.
 */

import type { ClusterId, NodeId } from '../../protocol/ids.ts'
import type { Member } from '../../protocol/layout/entry.ts'
import type { Clock, Logger, Network } from '../env/ports.ts'
import { fetchEntries } from './entry-transfer.ts'
import { MembershipError, OLD_MEMBERS } from './errors.ts'
import type { JoinReply, JoinRequest } from './join-messages.ts'
import {
  FEATURES,
  JOIN_PROTOCOL,
  joinReply,
  joinRequest,
  NO_PROOF,
  NO_TOKEN_ID,
} from './join-messages.ts'
import type { LayoutLog } from './layout-log.ts'
import type { Timer } from './timer.ts'
import type { JoinToken } from './token-codec.ts'
import { nodeOfAddress, withNode } from './token-codec.ts'

const ASK_TIMEOUT_MS = 15_000
const ASK_AGAIN_MS = 300
const ASK_AGAIN_MS_MAX = 2_000
/** How often it looks for an entry. */
const LOOK_MS = 25
const LOOK_MS_LONG = 250
/** How often it asks while it copies. Entries come to it without being asked for. */
const LEARNER_ASK_MS = 10_000
/** How often it logs that it still waits. */
const SAY_AGAIN_MS = 10_000
/** After this many dropped requests in a row, a member that answers questions of earlier programs counts as one of them. */
const DROPS = 3
const DROPPED =
  'this node was about to join the cluster, and was left out while it was away: give it a token with --join-file'

export interface JoinerParts {
  readonly log: LayoutLog
  readonly network: Network
  readonly timer: Timer
  readonly clock: Clock
  readonly logger: Logger
  /** This node, as it wants to be a member. */
  readonly member: () => Member
  /** Whether a STABLE epoch has made it a member. */
  readonly isEstablished: () => boolean
  readonly hasClusterSecret: () => boolean
  /** Durable when it resolves. */
  readonly saveClusterSecret: (secret: Uint8Array) => Promise<void>
  /** Node id or name of the member whose place it takes. */
  readonly replace?: string | undefined
}

export class Joiner {
  readonly #parts: JoinerParts
  /** Undefined when it was admitted in an earlier run. */
  readonly #token: JoinToken | undefined
  readonly #clusterId: ClusterId
  /** Addresses by node, in the order of the token. */
  readonly #targets: readonly (readonly [NodeId, readonly string[]])[]
  /** Why it was not admitted the last time. The error at the deadline ends with it. */
  #lastReason = ''
  #saidMs = Number.NEGATIVE_INFINITY
  /** This node was in P′ once. */
  #wasPlanned = false
  /** A member did not answer. */
  #wasSilence = false
  /** Requests dropped in a row, by nodes that answer questions of earlier programs. */
  readonly #drops = new Map<NodeId, number>()

  constructor(parts: JoinerParts, token: JoinToken | undefined) {
    const clusterId = token?.clusterId ?? parts.log.view?.clusterId
    if (clusterId === undefined) {
      throw new MembershipError(
        'bad-token',
        'a node joins with a token, unless the layout names it',
      )
    }
    this.#parts = parts
    this.#token = token
    this.#clusterId = clusterId
    const targets = new Map<NodeId, string[]>()
    for (const address of token?.addresses ?? []) {
      const node = nodeOfAddress(address)
      if (node === undefined || node === parts.network.self) continue
      const known = targets.get(node)
      if (known === undefined) targets.set(node, [address])
      else known.push(address)
    }
    this.#targets = [...targets]
    if (token !== undefined && this.#targets.length === 0) {
      throw new MembershipError('bad-token', 'the join token names no other node')
    }
  }

  /**
   * Resolves when a STABLE epoch has made this node a member and it has the cluster secret. Rejects with MembershipError:
   * with the code of a refusal, with 'no-answer' at the deadline, 'old-members', or 'stopped'.
   *
   * @param timeoutMs counts until the node is in a plan. Then it waits for as long as the change takes
   */
  async run(timeoutMs: number): Promise<void> {
    const { timer, log } = this.#parts
    const deadlineMs = timer.nowMs() + timeoutMs
    let waitMs = ASK_AGAIN_MS
    for (let attempt = 0; ; attempt++) {
      const targets = this.#allTargets()
      if (targets.length === 0) throw new MembershipError('no-answer', 'no other member is known')
      const [node, addresses] = targets[attempt % targets.length]!
      const reply = await this.#ask(node, addresses, {
        kind: 'join',
        after: 0,
        offset: 0,
      })
      if (this.#isIn()) return
      if (reply?.status === 'refused') throw this.#refusal(reply)
      if (reply?.status === 'busy') this.#lastReason = reply.reason
      if (reply === undefined) {
        this.#wasSilence = true
        await this.#noteDropped(node, addresses)
        if (targets.every(([target]) => (this.#drops.get(target) ?? 0) >= DROPS)) {
          throw new MembershipError('old-members', OLD_MEMBERS)
        }
      } else this.#drops.delete(node)
      if (reply?.status === 'admitted') {
        const { clusterSecret } = reply
        if (clusterSecret !== undefined) await this.#parts.saveClusterSecret(clusterSecret)
        await this.#fetch(node, addresses, reply.epoch)
        if (this.#isIn()) return
        waitMs = ASK_AGAIN_MS
      }
      const isPlanned = this.#isPlanned()
      if (timer.nowMs() >= deadlineMs && !this.#wasPlanned) {
        const why = this.#lastReason === '' ? '' : `: ${this.#lastReason}`
        throw new MembershipError('no-answer', `joining the cluster did not succeed in time${why}`)
      }
      if (reply?.status !== 'admitted') this.#sayWaiting(node)
      const isLearner = isPlanned && log.view?.state === 'PLANNED'
      await this.#waitForEntry(log.epoch, timer.jittered(isLearner ? LEARNER_ASK_MS : waitMs))
      if (this.#isIn()) return
      waitMs = Math.min(1.5 * waitMs, ASK_AGAIN_MS_MAX)
    }
  }

  /** The nodes of the token. When one of them did not answer, also the members, since the nodes of the token may have left. */
  #allTargets(): readonly (readonly [NodeId, readonly string[]])[] {
    if (this.#token !== undefined && !this.#wasSilence) return this.#targets
    const named = new Set(this.#targets.map(([node]) => node))
    const others = (this.#parts.log.view?.entry.members ?? []).filter(
      ({ nodeId, addresses }) =>
        nodeId !== this.#parts.network.self && addresses.length > 0 && !named.has(nodeId),
    )
    return [
      ...this.#targets,
      ...others.map(
        ({ nodeId, addresses }) =>
          [nodeId, addresses.map((address) => withNode(address, nodeId))] as const,
      ),
    ]
  }

  /** Whether this node is in P′. */
  #isPlanned(): boolean {
    const { log, member, logger } = this.#parts
    const { nodeId, storageId } = member()
    const { view } = log
    const planned = view?.entry.next?.find((other) => other.nodeId === nodeId)
    if (view === undefined || planned?.storageId !== storageId) return false
    if (!this.#wasPlanned && view.state === 'PLANNED') {
      logger.info(
        {
          epoch: view.epoch,
          partitions: view.nextPlacement?.partitionsOf(nodeId).length,
        },
        'admitted: this node copies what it will hold, then it becomes a member',
      )
    }
    this.#wasPlanned = true
    return true
  }

  #sayWaiting(node: NodeId): void {
    const { timer, logger } = this.#parts
    if (timer.nowMs() < this.#saidMs + SAY_AGAIN_MS) return
    this.#saidMs = timer.nowMs()
    logger.warn({ peer: node, reason: this.#lastReason }, 'not admitted yet: asking again')
  }

  /**
   * Adopts entries of the node until this one has the epoch, or the node gives no more. Rejects with 'other-cluster'
   * when it answers for another cluster, and with 'bad-layout'.
   */
  async #fetch(node: NodeId, addresses: readonly string[], epoch: number): Promise<void> {
    const { log } = this.#parts
    while (log.epoch < epoch) {
      const entries = await fetchEntries(log.epoch, async (after, offset) => {
        const reply = await this.#ask(node, addresses, {
          kind: 'entries',
          after,
          offset,
        })
        if (reply?.status !== 'entries') throw new Error('the answer has no entries')
        return reply.chunk
      }).catch(() => [])
      if (entries.length === 0) return
      if (entries[0]!.entry.genesis.clusterId !== this.#clusterId) {
        throw new MembershipError(
          'other-cluster',
          'the node that answers belongs to another cluster',
        )
      }
      await log.adopt(entries)
    }
  }

  #refusal({ code, reason }: JoinReply & { status: 'refused' }): MembershipError {
    const isDropped = this.#token === undefined && code === 'bad-token'
    return new MembershipError(code, isDropped ? DROPPED : reason)
  }

  /** Without a token: who does not know yet that this node is admitted asks it to come again. */
  #claim(): Pick<JoinRequest, 'claim' | 'proof'> {
    if (this.#token === undefined) {
      return {
        claim: { id: NO_TOKEN_ID, epoch: this.#parts.log.epoch },
        proof: NO_PROOF,
      }
    }
    const { id, epoch, secret } = this.#token
    return { claim: { id, epoch }, proof: secret }
  }

  /** Asks once more as an earlier program would, and counts the dropped request when that is answered. */
  async #noteDropped(node: NodeId, addresses: readonly string[]): Promise<void> {
    const reason = this.#lastReason
    const reply = await this.#ask(node, addresses, { kind: 'entries', after: 0, offset: 0 }, false)
    this.#lastReason = reason
    if (reply === undefined) this.#drops.delete(node)
    else this.#drops.set(node, (this.#drops.get(node) ?? 0) + 1)
  }

  /**
   * Resolves with undefined when the node can't be reached, or drops the request.
   *
   * @param saysFeatures false to ask as earlier programs do
   */
  async #ask(
    node: NodeId,
    addresses: readonly string[],
    what: Pick<JoinRequest, 'kind' | 'after' | 'offset'>,
    saysFeatures = true,
  ): Promise<JoinReply | undefined> {
    const { nodeId, storageId, zone, capacityBytes, addresses: own } = this.#parts.member()
    const clusterId = this.#clusterId
    const { replace } = this.#parts
    const request = joinRequest.encode({
      kind: what.kind,
      clusterId,
      ...this.#claim(),
      member: saysFeatures
        ? this.#parts.member()
        : { nodeId, storageId, zone, capacityBytes, addresses: own },
      after: what.after,
      offset: what.offset,
      ...(saysFeatures && { features: FEATURES, ...(replace !== undefined && { replace }) }),
    })
    try {
      const { peer, reply } = await this.#parts.network.callStranger(
        addresses,
        JOIN_PROTOCOL,
        request,
        { timeoutMs: ASK_TIMEOUT_MS },
      )
      // Another node at this address does not speak for the cluster.
      if (peer !== node) throw new Error('another node answers at this address')
      return joinReply.decode(reply)
    } catch (error) {
      this.#lastReason = error instanceof Error ? error.message : String(error)
      return undefined
    }
  }

  /** Resolves when a later entry is adopted, or after `delayMs`. */
  async #waitForEntry(epoch: number, delayMs: number): Promise<void> {
    const { timer, log } = this.#parts
    const untilMs = timer.nowMs() + delayMs
    const stepMs = delayMs > ASK_AGAIN_MS_MAX ? LOOK_MS_LONG : LOOK_MS
    while (log.epoch === epoch && timer.nowMs() < untilMs) {
      await timer.sleep(Math.min(stepMs, delayMs))
    }
  }

  /** Whether this node is a member, also while the next change is under way, and has the cluster secret. */
  #isIn(): boolean {
    return this.#parts.isEstablished() && this.#parts.hasClusterSecret()
  }
}
