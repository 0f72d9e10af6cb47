/**
 * Answers the layout's messages (types 200 to 239): one handler for each type, in one table. Called for messages of peers
 * and, through LayoutPeers, for those of this node to itself.
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { Abstention } from './abstention.ts'
import { chunkOfEntries } from './entry-transfer.ts'
import type { EpochWitness } from './epoch-witness.ts'
import { MembershipError } from './errors.ts'
import type { LayoutLog } from './layout-log.ts'
import { chunkMessage, entriesMessage, epochMessage, LAYOUT_RPC, readyMessage } from './messages.ts'
import { progressMessage, type PartitionProgress } from './progress.ts'
import type { Removal } from './removal.ts'
import type { SecretOffice } from './secret-office.ts'
import type { Voter } from './voter.ts'

export interface LayoutAnswersParts {
  readonly self: NodeId
  readonly log: LayoutLog
  readonly voter: Voter
  readonly witness: EpochWitness
  /** Adopts entries that `from` has, up to the epoch. Rejects when that fails. */
  readonly catchUp: (epoch: number, from: NodeId) => Promise<void>
  readonly removal: Removal
  readonly abstention: Abstention
  readonly secrets: SecretOffice
  /** False while this node may be an old copy of itself (D2). Default: it may vote. */
  readonly mayVote?: (() => boolean) | undefined
  readonly holdsRegisters: () => boolean
  readonly progress: () => PartitionProgress
  /** Called after this node has accepted an entry. */
  readonly accepted: () => void
}

type Handler = (from: NodeId, body: Uint8Array) => Promise<Uint8Array> | Uint8Array

export class LayoutAnswers {
  readonly #parts: LayoutAnswersParts
  readonly #handlers: Readonly<Record<number, Handler>>

  constructor(parts: LayoutAnswersParts) {
    this.#parts = parts
    const { log, voter, witness, catchUp, removal, abstention, secrets } = parts
    this.#handlers = {
      [LAYOUT_RPC.prepare]: (from, body) => {
        this.#mustVote()
        return voter.prepare(from, body)
      },
      [LAYOUT_RPC.accept]: async (from, body) => {
        this.#mustVote()
        const answer = await voter.accept(from, body)
        parts.accepted()
        return answer
      },
      [LAYOUT_RPC.notice]: (from, body) => {
        const epoch = epochMessage.decode(body)
        witness.hear(from, epoch)
        void catchUp(epoch, from).catch(() => undefined)
        return epochMessage.encode(log.epoch)
      },
      [LAYOUT_RPC.entries]: (_from, body) => {
        const { after, offset } = entriesMessage.decode(body)
        return chunkMessage.encode(chunkOfEntries(log, after, offset))
      },
      [LAYOUT_RPC.ready]: async (from, body) => {
        await this.#tryCatchUp(from, body)
        // The epoch is read first, so that holdsRegisters is asked after the node has moved to it.
        const { epoch } = log
        return readyMessage.encode({ epoch, holds: parts.holdsRegisters() })
      },
      [LAYOUT_RPC.progress]: async (from, body) => {
        await this.#tryCatchUp(from, body)
        return progressMessage.encode(parts.progress())
      },
      [LAYOUT_RPC.silence]: (_from, body) => removal.answer(body),
      [LAYOUT_RPC.abstains]: (from, body) => abstention.answer(from, body),
      [LAYOUT_RPC.offer]: (from, body) => secrets.offered(from, body),
      [LAYOUT_RPC.secret]: (from, body) => secrets.asked(from, body),
    }
  }

  /** Whether the type is one of LAYOUT_RPC. */
  knows(type: number): boolean {
    return type in this.#handlers
  }

  /**
   * Resolves with the encoded answer. Rejects with ShapeError when the body is malformed, and with MembershipError
   * when the type is unknown or the handler refuses.
   */
  async serve(from: NodeId, type: number, body: Uint8Array): Promise<Uint8Array> {
    const handler = this.#handlers[type]
    if (handler === undefined) {
      throw new MembershipError('bad-layout', `message of unknown type ${type}`)
    }
    return handler(from, body)
  }

  /** Adopts the epoch that the asker names, when the asker has it. */
  async #tryCatchUp(from: NodeId, body: Uint8Array): Promise<void> {
    const asked = epochMessage.decode(body)
    if (from === this.#parts.self) return
    await this.#parts.catchUp(asked, from).catch(() => undefined)
  }

  /**
   * Throws while this node may be an old copy of itself: it might promise or accept against an earlier vote of its
   * own (D2).
   */
  #mustVote(): void {
    if (this.#parts.mayVote?.() !== false) return
    throw new MembershipError(
      'no-answer',
      'too few members have recorded this start of the node yet',
    )
  }
}
