/**
 * Finds out whether data is dead (G5). It asks the attempt that stored the data, and then every register that may name it,
 * in the order in which a reference can travel: part, upload, object. Called by the collector, and by the scan for a first
 * look.
 *
 * Each register is asked by a CHANGE that is chosen at a new ballot, never by a read. Otherwise a later proposer could still
 * adopt an accept of the attempt that reached a minority only, and that state would be chosen after all, naming blocks that
 * are gone. After the change every majority holds something above it. A present state is written again as it is. An
 * absent register gets a tombstone. A majority of promises would not be enough: a later proposer whose majority includes
 * the replica with that accept would find it to be the highest accepted state, and complete it at a higher ballot. The
 * tombstone is collected later, once all replicas have replaced what they had (G2).
 *
 * A completion reads the parts, names their data in the upload, and reads the parts again before it goes on to the object
 * (node/objects/completion.ts). So when the part, asked first, no longer names the data, and the upload, asked second, does
 * not name it yet, no completion can reach the object with it.
 */

import { checkInput } from '../../protocol/input.ts'
import type { DataId, RegisterKey } from '../../protocol/ids.ts'
import { chainOf, type BlockOwner } from '../../protocol/keyspace/owner.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import { internalContext } from '../tools/internal-context.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import { tombstoneOf } from '../objects/tombstone.ts'
import {
  partReferences,
  uploadReferences,
  type ObjectReferences,
  type ReadBlock,
} from './references.ts'

export type Reachability =
  /** Its blocks may be freed, everywhere and for good. */
  | 'dead'
  /** A register names it. */
  | 'referenced'
  /** Its attempt is not known to be over. */
  | 'running'

export interface ReachabilityCheckOptions {
  readonly registers: Pick<RegisterClient, 'change' | 'read'>
  readonly watermarks: { ask(ids: readonly DataId[]): Promise<ReadonlySet<DataId>> }
  /** The state on this node, without a vote; undefined when there is none. */
  readonly peek: (key: RegisterKey) => RegisterValue | undefined
  readonly objectReferences: ObjectReferences
  readonly readBlock: ReadBlock
  readonly partitionBits: () => number
}

export class ReachabilityCheck {
  readonly #options: ReachabilityCheckOptions

  constructor(options: ReachabilityCheckOptions) {
    this.#options = options
  }

  /** Rejects with the error of the registers. Then nothing is known, and the caller asks again later. */
  async check(owner: BlockOwner, id: DataId): Promise<Reachability> {
    const over = await this.#options.watermarks.ask([id])
    if (!over.has(id)) return 'running'
    return this.#visit(owner, id, (key) => this.#changed(key))
  }

  /**
   * A cheap look at the states that are chosen now, as a filter: 'dead' only means that a check is worth its changes. The
   * states of this node are looked at first, because they name most data.
   */
  async look(owner: BlockOwner, id: DataId): Promise<Reachability> {
    const { peek } = this.#options
    const here = await this.#visit(owner, id, (key) => Promise.resolve(peek(key))).catch(() => {
      // An old state, whose pages are gone.
      return undefined
    })
    if (here === 'referenced') return here
    return this.#visit(owner, id, async (key) => {
      const { accepted } = await this.#options.registers.read(internalContext(), { key })
      return accepted?.value
    })
  }

  /** Asks the registers of the owner's chain in G5's order, and stops at the first that names the data. */
  async #visit(
    owner: BlockOwner,
    id: DataId,
    ask: (key: RegisterKey) => Promise<RegisterValue | undefined>,
  ): Promise<Reachability> {
    const { readBlock, objectReferences, partitionBits } = this.#options
    const chain = chainOf(owner, partitionBits())
    // A later version of this program wrote the owner, so the data stays (F20).
    if (chain === undefined) return 'referenced'
    if (chain.part !== undefined) {
      const value = await ask(chain.part)
      if (value !== undefined && partReferences(value).has(id)) return 'referenced'
    }
    if (chain.upload !== undefined) {
      const value = await ask(chain.upload)
      if (value !== undefined) {
        const named = await uploadReferences(chain.upload, value, readBlock)
        if (named.has(id)) return 'referenced'
      }
    }
    const value = await ask(chain.object)
    if (value === undefined || value.tombstone) return 'dead'
    return (await objectReferences(chain.object, value)).has(id) ? 'referenced' : 'dead'
  }

  /** Has the present state, or a tombstone, chosen at a new ballot, and resolves with it. */
  async #changed(key: RegisterKey): Promise<RegisterValue | undefined> {
    const tombstone = tombstoneOf(key)
    checkInput(tombstone !== undefined, 'owners of data are in spaces that are known')
    const outcome = await this.#options.registers.change(internalContext(), {
      key,
      change: (current) =>
        current === undefined ? { write: tombstone } : { keep: true, rewrite: true },
    })
    return outcome.type === 'written' ? outcome.value : outcome.current?.value
  }
}
