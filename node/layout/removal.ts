/**
 * Removes members that are away for good (`removeAfter`), when the operator wants that. A node that one member does not
 * reach may well be up: it is removed only when a majority of the voters say that they have not been connected to it
 * for so long. It is kept when fewer members than replicas would be left, since removing it would then gain nothing. It is
 * also kept when the others, or those of a zone, have no room for what it held, or too few zones for the replicas would
 * be left.
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
/** Looks within the time after which a member is removed. */
const LOOKS = 4

/** Why a member that is away must be kept, in one line that says what to do; undefined when it may be removed. */
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
  /** Since when it is not connected. Absent: since the start. */
  readonly #downMs = new Map<NodeId, number>()
  /** Members that can not be removed were named in the log. */
  readonly #said = new Set<NodeId>()
  /** Asks whether the others can do without the member. Default: they can. */
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

  /** It is connected, or no more. */
  peer(node: NodeId, type: 'up' | 'down'): void {
    if (type === 'down') this.#downMs.set(node, this.#parts.timer.nowMs())
    this.#said.delete(node)
  }

  /** Handler of LAYOUT_RPC.silence. */
  answer(body: Uint8Array): Uint8Array {
    return silenceMessage.encode(this.silentMs(nodeMessage.decode(body)))
  }

  /** How long it has not been connected, milliseconds; 0 while it is connected. */
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

  async #look(removeAfterMs: number): Promise<void> {
    const { log, peers, connected, changes, logger } = this.#parts
    const { view } = log
    if (view?.state !== 'STABLE' || !log.votes) return
    // One of the voters is enough.
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
      // Another one that is away comes with the next look.
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
