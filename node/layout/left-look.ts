/**
 * Lets a node that was away learn that it is no member any more. Its peers refuse it as a stranger, so it would wait for them
 * for ever. When it has been without a majority of the members it knows for a while, it asks them as a stranger does. The
 * handshake proves that it is a former member, so they let it read the later entries (admission.ts).
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { Member } from '../../protocol/layout/entry.ts'
import type { Network } from '../env/ports.ts'
import { fetchEntries } from './entry-transfer.ts'
import { JOIN_PROTOCOL, joinReply, joinRequest, NO_PROOF, NO_TOKEN_ID } from './join-messages.ts'
import type { LayoutLog } from './layout-log.ts'
import type { Timer } from './timer.ts'
import { withNode } from './token-codec.ts'

const LOOK_MS = 10_000
const ASK_TIMEOUT_MS = 5_000
/** Members asked in one look. */
const ASKED_MAX = 3
/** A former member has no token, and needs none. */
const NO_CLAIM = { id: NO_TOKEN_ID, epoch: 1 }

export interface LeftLookParts {
  readonly log: LayoutLog
  readonly network: Pick<Network, 'self' | 'connected' | 'callStranger'>
  readonly timer: Timer
  readonly member: () => Member
}

export class LeftLook {
  readonly #parts: LeftLookParts
  /** Where the next look begins, so that members take turns. */
  #turn = 0

  constructor(parts: LeftLookParts) {
    this.#parts = parts
  }

  /** Runs until the timer is stopped, and then rejects. */
  async run(): Promise<void> {
    let wasAlone = false
    for (;;) {
      // Without jitter, because only a node that is alone asks.
      await this.#parts.timer.sleep(LOOK_MS)
      const isAlone = this.#isAlone()
      if (isAlone && wasAlone) await this.#ask()
      wasAlone = isAlone
    }
  }

  /**
   * Whether this node reaches at most half of the members that it knows, itself included. False for a node without a
   * role, which has nothing to learn.
   */
  #isAlone(): boolean {
    const { log, network } = this.#parts
    const { view } = log
    if (view === undefined || view.role(network.self) === undefined) return false
    const { members } = view.entry
    const up = members.filter(
      ({ nodeId }) => nodeId === network.self || network.connected(nodeId),
    ).length
    return up * 2 <= members.length
  }

  /** Asks members that it is not connected to, ASKED_MAX of them at most, until one has later entries. */
  async #ask(): Promise<void> {
    const { log, network } = this.#parts
    const others = (log.view?.entry.members ?? []).filter(
      ({ nodeId, addresses }) =>
        nodeId !== network.self && addresses.length > 0 && !network.connected(nodeId),
    )
    for (let i = 0; i < Math.min(ASKED_MAX, others.length); i++) {
      const other = others[this.#turn++ % others.length]!
      const { epoch } = log
      await this.#fetch(other).catch(() => undefined)
      if (log.epoch > epoch) return
    }
  }

  /**
   * Adopts the later entries that the member gives. They count only with their certificates. Rejects when the member
   * gives none.
   */
  async #fetch({ nodeId, addresses }: Member): Promise<void> {
    const { log } = this.#parts
    const all = addresses.map((address) => withNode(address, nodeId))
    const entries = await fetchEntries(log.epoch, async (after, offset) => {
      const reply = await this.#call(nodeId, all, after, offset)
      if (reply.status !== 'entries') throw new Error('the answer has no entries')
      return reply.chunk
    })
    await log.adopt(entries)
  }

  async #call(
    node: NodeId,
    addresses: readonly string[],
    after: number,
    offset: number,
  ): Promise<ReturnType<typeof joinReply.decode>> {
    const { log, network, member } = this.#parts
    const request = joinRequest.encode({
      kind: 'entries',
      clusterId: log.view!.clusterId,
      claim: NO_CLAIM,
      proof: NO_PROOF,
      member: member(),
      after,
      offset,
    })
    const options = { timeoutMs: ASK_TIMEOUT_MS }
    const { peer, reply } = await network.callStranger(addresses, JOIN_PROTOCOL, request, options)
    if (peer !== node) throw new Error('another node answers at this address')
    return joinReply.decode(reply)
  }
}
