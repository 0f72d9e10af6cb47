/**
 * Removes members that are away for good (`removeAfter`), when the operator wants that. A node that one member does not
 * reach may be up. So it is removed only when a majority of the voters say that they have not been connected to it for that
 * long. It is kept when fewer members than replicas would be left, because its removal would then gain nothing. It is also
 * kept when the others, or those of a zone, have no room for its data, or when too few zones for the replicas would be left.
 */

import { utf8 } from '../../protocol/bytes.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { replicationOf } from '../../protocol/layout/entry.ts'
import { NODE_ID } from '../../protocol/ids.ts'
import { fieldsOf, integerOf, matchOf, parseJson } from '../../protocol/layout/json.ts'
import { majority } from '../../protocol/register/quorum.ts'
import type { Logger } from '../env/ports.ts'
import type { ChangeOffice } from './change-office.ts'
import { MembershipError } from './errors.ts'
import type { LayoutLog } from './layout-log.ts'
import type { LayoutPeers } from './layout-peers.ts'
import { LAYOUT_RPC } from './messages.ts'
import type { Timer } from './timer.ts'

const LOOK_MS_MAX = 60_000
/** How often the node looks within the time after which a member is removed. */
const LOOKS = 4

/** Why a member that is away must be kept, in one line that says what to do. Undefined when it may be removed. */
export type KeptBecause = (node: NodeId) => Promise<string | undefined>

export interface RemovalParts {
  readonly log: LayoutLog
  readonly peers: LayoutPeers
  readonly timer: Timer
  readonly logger: Logger
  readonly changes: Pick<ChangeOffice, 'apply'>
  readonly connected: (node: NodeId) => boolean
}

export class Removal {
  readonly #parts: RemovalParts
  readonly #removeAfterMs: number | undefined
  readonly #startMs: number
  /** Since when each node is not connected. Nodes that are not listed: since the start. */
  readonly #downMs = new Map<NodeId, number>()
  /** Members that cannot be removed and are named in the log. */
  readonly #said = new Set<NodeId>()
  /** Resolves with why the member must be kept. Default: it need not be. */
  judge: KeptBecause = () => Promise.resolve(undefined)

  constructor(
    parts: RemovalParts,
    { removeAfterMs }: { readonly removeAfterMs?: number | undefined },
  ) {
    this.#parts = parts
    this.#removeAfterMs = removeAfterMs
    this.#startMs = parts.timer.nowMs()
  }

  start(): void {
    if (this.#removeAfterMs !== undefined) void this.#run(this.#removeAfterMs).catch(() => {})
  }

  /** Called when a node is connected, or no longer connected. */
  peer(node: NodeId, type: 'up' | 'down'): void {
    if (type === 'down') this.#downMs.set(node, this.#parts.timer.nowMs())
    this.#said.delete(node)
  }

  /** Handler of LAYOUT_RPC.silence. */
  answer(body: Uint8Array): Uint8Array {
    return silenceMessage.encode(this.silentMs(nodeMessage.decode(body)))
  }

  /** How long the node has not been connected, in milliseconds; 0 while it is connected. */
  silentMs(node: NodeId): number {
    const { connected, timer } = this.#parts
    if (connected(node)) return 0
    return Math.floor(timer.nowMs() - (this.#downMs.get(node) ?? this.#startMs))
  }

  async #run(removeAfterMs: number): Promise<void> {
    for (;;) {
      await this.#parts.timer.sleep(Math.min(removeAfterMs / LOOKS, LOOK_MS_MAX))
      await this.#look(removeAfterMs).catch((error: unknown) => {
        if (error instanceof MembershipError && error.code === 'stopped') throw error
        this.#parts.logger.warn({ error: String(error) }, 'a member that is away was not removed')
      })
    }
  }

  /**
   * Removes one member at most; the next look deals with another one. Only the first of the voters that are up looks,
   * and only in STABLE.
   */
  async #look(removeAfterMs: number): Promise<void> {
    const { log, peers, connected, changes, logger } = this.#parts
    const { view } = log
    if (view?.state !== 'STABLE' || !log.votes) return
    // One voter that looks is enough.
    if (log.voters.filter(connected).toSorted()[0] !== peers.self) return
    for (const { nodeId } of view.members) {
      if (this.silentMs(nodeId) < removeAfterMs) continue
      if (view.members.length - 1 < replicationOf(view.entry)) {
        this.#sayKept(nodeId, 'without it there are fewer members than replicas')
        continue
      }
      if (!(await this.#isGone(nodeId, removeAfterMs))) continue
      const why = await this.judge(nodeId)
      if (why !== undefined) {
        this.#sayKept(nodeId, why)
        continue
      }
      logger.warn(
        { peer: nodeId, removeAfterMs },
        'a member has been away for longer than removeAfter: it is removed',
      )
      // The next look deals with another member that is away.
      await changes.apply({ kind: 'remove', nodeId })
      return
    }
  }

  #sayKept(peer: NodeId, why: string): void {
    if (this.#said.has(peer)) return
    this.#said.add(peer)
    this.#parts.logger.warn(
      { peer, why },
      'a member has been away for longer than removeAfter, but it is kept: see why; replace it',
    )
  }

  /**
   * Whether a majority of the voters say that they have not been connected to the node for that long. A voter that
   * does not answer does not agree.
   */
  async #isGone(node: NodeId, removeAfterMs: number): Promise<boolean> {
    const { log, peers } = this.#parts
    const { voters } = log
    let agree = 0
    await peers.gather(
      voters.filter((voter) => voter !== node),
      LAYOUT_RPC.silence,
      nodeMessage.encode(node),
      (_from, bytes) => {
        if (silenceMessage.decode(bytes) >= removeAfterMs) agree++
      },
      () => false,
    )
    return agree >= majority(voters.length)
  }
}

const nodeMessage = {
  encode: (node: NodeId): Uint8Array => utf8(JSON.stringify({ node })),
  decode: (bytes: Uint8Array): NodeId =>
    matchOf(fieldsOf(parseJson(bytes), ['node']).node, NODE_ID) as NodeId,
}

const silenceMessage = {
  encode: (silentMs: number): Uint8Array => utf8(JSON.stringify({ silentMs })),
  decode: (bytes: Uint8Array): number =>
    integerOf(fieldsOf(parseJson(bytes), ['silentMs']).silentMs, 0, Number.MAX_SAFE_INTEGER),
}
