/**
 * Which nodes were members once, and in which epoch each left, from the layout's chain of entries. Only the entries that
 * change the members of P are read.
 */

import type { NodeId, StorageId } from '../../protocol/ids.ts'
import type { Cause } from '../../protocol/layout/entry.ts'
import type { ChainLine } from './layout-file.ts'

const CHANGES: ReadonlySet<Cause> = new Set(['founded', 'synced'])

export class FormerMembers {
  readonly #left = new Map<string, number>()
  #members: ReadonlySet<string> = new Set()
  #read = 0

  /** Reads the entries that were added since the last call. Undefined when the node is a member, or never was one. */
  leftEpoch(chain: readonly ChainLine[], nodeId: NodeId, storageId: StorageId): number | undefined {
    for (const line of chain.slice(this.#read)) if (CHANGES.has(line.cause)) this.#add(line)
    this.#read = chain.length
    return this.#left.get(keyOf({ nodeId, storageId }))
  }

  #add({ epoch, decided }: ChainLine): void {
    const now = new Set(decided.entry.members.map(keyOf))
    for (const key of this.#members) if (!now.has(key)) this.#left.set(key, epoch)
    for (const key of now) this.#left.delete(key)
    this.#members = now
  }
}

function keyOf({ nodeId, storageId }: { nodeId: NodeId; storageId: StorageId }): string {
  return `${nodeId} ${storageId}`
}
