/**
 * What this node knows about other nodes' attempts to store data (G5). Requests use only what is known already. If it is
 * not, this node asks the other one soon, at most once a second, so that the next question is answered at once. The
 * collector asks for itself and waits.
 */

import { batchesOf } from '../tools/in-batches.ts'
import { byteString, bytesOfHex } from '../../protocol/bytes.ts'
import type { ByteString, DataId, NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { storageOf, type Attempts, type Watermark } from './attempts.ts'
import type { Clock } from '../env/ports.ts'

const REFRESH_MS = 1_000
const CALL_TIMEOUT_MS = 4_000
/** How many attempts one message asks about. */
export const ATTEMPTS_ASKED_MAX = 1_000

export interface AttemptPeers {
  readonly self: NodeId
  /** The node's watermark, and which of `ids` are over. */
  attempts(
    to: NodeId,
    ids: readonly DataId[],
    options: { timeoutMs: number },
  ): Promise<{ watermark: Watermark; over: readonly boolean[] }>
}

export interface AttemptWatermarksOptions {
  readonly attempts: Attempts
  readonly peers: AttemptPeers
  readonly view: () => LayoutView
  /** A majority of every active set is in the epoch of the view (EpochWitness). */
  readonly isEpochHeld: () => boolean
  readonly clock: Clock
}

export class AttemptWatermarks {
  readonly #options: AttemptWatermarksOptions
  readonly #wanted = new Set<NodeId>()
  #nodes: { view: LayoutView; byStorage: ReadonlyMap<ByteString, NodeId> } | undefined
  #cancel: (() => void) | undefined
  #stopped = false

  constructor(options: AttemptWatermarksOptions) {
    this.#options = options
  }

  /** Whether the attempt is known to be over. False may mean "not known": then this node asks, and knows a little later. */
  isOver(id: DataId): boolean {
    if (this.#options.attempts.isOver(id)) return true
    const node = this.#nodeOf(id)
    if (node === undefined) return this.#options.isEpochHeld()
    if (node !== this.#options.peers.self) this.#refreshLater(node)
    return false
  }

  /** Those of `ids` that are over, as their nodes say now. If a node does not answer, what is known already counts. */
  async ask(ids: readonly DataId[]): Promise<Set<DataId>> {
    const { attempts, peers } = this.#options
    const over = new Set<DataId>()
    const open = new Map<NodeId, DataId[]>()
    for (const id of ids) {
      if (attempts.isOver(id)) {
        over.add(id)
        continue
      }
      const node = this.#nodeOf(id)
      if (node === undefined) {
        if (this.#options.isEpochHeld()) over.add(id)
      } else if (node !== peers.self) open.set(node, [...(open.get(node) ?? []), id])
    }
    await Promise.all(
      [...open].map(async ([node, all]) => {
        for (const some of batchesOf(all, ATTEMPTS_ASKED_MAX)) {
          const answer = await peers
            .attempts(node, some, { timeoutMs: CALL_TIMEOUT_MS })
            .catch(() => undefined)
          if (answer === undefined) return
          attempts.learn(answer.watermark)
          for (const [i, id] of some.entries()) if (answer.over[i] === true) over.add(id)
        }
      }),
    )
    return over
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  /**
   * Undefined when the storage id is not in the layout any more. The attempt is over once a majority of every active set
   * is in the epoch without it: from then on its requests have an epoch that finds no majority (L4, G5). A storage id that
   * is not in the layout YET can't be met here: whatever names it came to this node at an epoch of which it is a member,
   * and this node's is no lower.
   */
  #nodeOf(id: DataId): NodeId | undefined {
    const view = this.#options.view()
    if (this.#nodes?.view !== view) {
      const byStorage = new Map(
        view.members.map((member) => [byteString(bytesOfHex(member.storageId)), member.nodeId]),
      )
      this.#nodes = { view, byStorage }
    }
    return this.#nodes.byStorage.get(storageOf(id))
  }

  #refreshLater(node: NodeId): void {
    if (this.#stopped) return
    this.#wanted.add(node)
    this.#cancel ??= this.#options.clock.after(REFRESH_MS, () => {
      this.#cancel = undefined
      const nodes = [...this.#wanted]
      this.#wanted.clear()
      for (const each of nodes) this.#refresh(each)
    })
  }

  #refresh(node: NodeId): void {
    const { attempts, peers } = this.#options
    peers.attempts(node, [], { timeoutMs: CALL_TIMEOUT_MS }).then(
      ({ watermark }) => attempts.learn(watermark),
      () => {},
    )
  }
}
