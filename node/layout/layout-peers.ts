/** Calls about the layout to members. A call to this node itself does not use the network. */

import type { NodeId } from '../../protocol/ids.ts'
import type { Network } from '../env/ports.ts'
import { ShapeError } from '../../protocol/layout/json.ts'

export const LAYOUT_CALL_TIMEOUT_MS = 2_000

/** How this node answers its own messages: LayoutAnswers.serve. */
export type LocalAnswer = (from: NodeId, type: number, body: Uint8Array) => Promise<Uint8Array>

export class LayoutPeers {
  readonly #network: Network
  readonly #local: LocalAnswer

  constructor(network: Network, local: LocalAnswer) {
    this.#network = network
    this.#local = local
  }

  get self(): NodeId {
    return this.#network.self
  }

  /**
   * Resolves with the body of the answer. Rejects with NetworkError, at the latest after LAYOUT_CALL_TIMEOUT_MS, and
   * with ShapeError for an answer of another type.
   */
  async call(to: NodeId, type: number, body: Uint8Array): Promise<Uint8Array> {
    if (to === this.self) return this.#local(to, type, body)
    const message = { type, body }
    const reply = await this.#network.call(to, 'control', message, {
      timeoutMs: LAYOUT_CALL_TIMEOUT_MS,
    })
    if (reply.type !== type) throw new ShapeError(`answer of type ${reply.type} to ${type}`)
    return reply.body
  }

  /**
   * Asks all of `nodes` at once. Resolves as soon as `enough` is true, or all have answered or failed.
   *
   * @param taken gets each answer. An error that it throws counts as a failure of that node
   */
  gather(
    nodes: readonly NodeId[],
    type: number,
    body: Uint8Array,
    taken: (from: NodeId, answer: Uint8Array) => void,
    enough: () => boolean,
  ): Promise<void> {
    return new Promise((resolve) => {
      let waiting = nodes.length
      if (waiting === 0) resolve()
      for (const node of nodes) {
        const done = (): void => {
          if (--waiting === 0 || enough()) resolve()
        }
        void this.call(node, type, body)
          .then((answer) => taken(node, answer))
          .then(done, done)
      }
    })
  }
}
