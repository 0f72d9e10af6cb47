/** One node's Resync among two fake peers, with a clock that stops and a list of what was asked of whom. */

import type { NodeId } from '../../../protocol/ids.ts'
import { stable, testMember } from '../../../protocol/layout/testing/entries.ts'
import { LayoutView } from '../../../protocol/layout/view.ts'
import { combineDigests, DIGEST_BYTES, EMPTY_DIGEST } from '../../../protocol/sync/digest.ts'
import type { Logger } from '../../env/ports.ts'
import type { NewRecord } from '../../log/types.ts'
import { StreamClock } from '../../net/testing/fake-stream.ts'
import { hintRow } from '../../replica/index-rows.ts'
import { RECORD } from '../../replica/record-types.ts'
import { Resync, type ResyncOptions } from '../resync.ts'
import { GROUP_PARTITIONS } from '../sync-answers.ts'

export const [SELF, B, C] = ['a', 'b', 'c'].map((name) => testMember(name).nodeId) as [
  NodeId,
  NodeId,
  NodeId,
]
const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }

export class ResyncWorld {
  readonly clock = new StreamClock()
  view = new LayoutView(stable(['a', 'b', 'c'].map((name) => testMember(name))))
  /** Peers that are connected. */
  readonly up = new Set<NodeId>([B, C])
  /** Partitions in which a peer has something that this node lacks. */
  readonly lacking = new Map<NodeId, Set<number>>([
    [B, new Set()],
    [C, new Set()],
  ])
  /** What was pulled, as [peer, partition]. */
  readonly pulled: [NodeId, number][] = []
  /** Called before a pull counts as done. */
  onPull: () => Promise<void> = () => Promise.resolve()
  readonly compared: NodeId[] = []
  /** Called after a peer was asked for its digests, before it answers. */
  onCompare: () => void = () => {}
  readonly hints: { readonly peer: NodeId; readonly partitions: readonly number[] }[] = []
  onHint: () => Promise<void> = () => Promise.resolve()
  /** Hints in the log that no later record ends: they outlive a restart. */
  readonly stored = new Set<string>()
  /** Partitions of damaged registers, known at the start. */
  damaged: readonly number[] = []
  done = 0

  /** A Resync after a start of the node. */
  started(): Resync {
    const { clock } = this
    const resync = new Resync({
      self: SELF,
      view: () => this.view,
      clock,
      random: { float: () => 0 },
      logger: SILENT,
      store: this.#store(),
      puller: this.#puller(),
      exchange: {
        shared: () => this.view.partitionsOf(SELF),
        groupDigests: () => Promise.resolve(new Map()),
        digestOf: () => EMPTY_DIGEST,
      },
      peers: this.#peers(),
    } as unknown as ResyncOptions)
    resync.start()
    return resync
  }

  /** Lets the time pass, and all that follows from it. */
  async pass(ms: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += 100) {
      await turn()
      this.clock.advance(100)
    }
    await turn()
  }

  #store(): unknown {
    return {
      damage: () => this.damaged.map((partition) => ({ identity: { partition } })),
      range: (_from: unknown, _to: unknown, _max: number, row: (key: Uint8Array) => void) => {
        for (const key of this.stored) row(Buffer.from(key, 'latin1'))
      },
      get: (key: Uint8Array) => (this.stored.has(textOf(key)) ? new Uint8Array(1) : undefined),
      append: ([{ type, partition, key }]: [NewRecord]) => {
        const row = textOf(hintRow(key as string as NodeId, partition))
        if (type === RECORD.duty) this.stored.add(row)
        else this.stored.delete(row)
        return Promise.resolve()
      },
    }
  }

  #puller(): unknown {
    const done = (): number => this.done
    return {
      get done() {
        return done()
      },
      doneBytes: 0,
      pull: async (peer: NodeId, partition: number) => {
        if (!this.up.has(peer)) throw new Error('the peer is away')
        await this.onPull()
        this.pulled.push([peer, partition])
        this.lacking.get(peer)!.delete(partition)
        this.done++
      },
    }
  }

  #peers(): unknown {
    return {
      connected: (peer: NodeId) => this.up.has(peer),
      digests: (peer: NodeId, { level, groups }: { level: number; groups: readonly number[] }) => {
        if (level === 0) this.compared.push(peer)
        const { epoch } = this.view
        const digests = level === 0 ? this.#groupDigest(peer) : this.#digests(peer, groups)
        this.onCompare()
        return Promise.resolve({ epoch, digests })
      },
      hint: async (peer: NodeId, partitions: readonly number[]) => {
        this.hints.push({ peer, partitions })
        await this.onHint()
      },
    }
  }

  /** All partitions are in one group. */
  #groupDigest(peer: NodeId): Uint8Array {
    const lacking = [...this.lacking.get(peer)!]
    if (lacking.length === 0) return new Uint8Array(DIGEST_BYTES)
    return combineDigests(lacking.map((partition) => ({ partition, digest: OTHER_DIGEST })))
  }

  #digests(peer: NodeId, groups: readonly number[]): Uint8Array {
    const bytes = Array.from({ length: groups.length * GROUP_PARTITIONS }, (_, partition) =>
      this.lacking.get(peer)!.has(partition) ? OTHER_DIGEST : EMPTY_DIGEST,
    )
    return Buffer.concat(bytes)
  }
}

const OTHER_DIGEST = new Uint8Array(DIGEST_BYTES).fill(7)

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}
