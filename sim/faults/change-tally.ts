/**
 * Counts what became of each change of the layout that was asked for: refused at once, completed by a STABLE entry that
 * shows it, or neither (it went back, or another change undid it before it came through).
 */

import type { LayoutEntry } from '../../protocol/layout/entry.ts'
import type { SimulatedCluster } from '../world/cluster.ts'

export interface ChangeCounts {
  tried: number
  refused: number
  completed: number
}

interface Pending {
  readonly counts: ChangeCounts
  /** Entries up to this epoch are older than the change. */
  readonly epoch: number
  readonly isDone: (entry: LayoutEntry) => boolean
}

export class ChangeTally<Name extends string> {
  readonly byKind = new Map<Name, ChangeCounts>()
  readonly #cluster: SimulatedCluster
  #pending: Pending[] = []
  /** Entries up to this epoch were looked at. */
  #seenEpoch = 0

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
  }

  /** `isDone` says whether a STABLE entry shows that the change has come through; undefined when it was refused. */
  note(kind: Name, epoch: number, isDone: Pending['isDone'] | undefined): void {
    let counts = this.byKind.get(kind)
    if (counts === undefined) {
      this.byKind.set(kind, (counts = { tried: 0, refused: 0, completed: 0 }))
    }
    counts.tried++
    if (isDone === undefined) counts.refused++
    else this.#pending.push({ counts, epoch, isDone })
    // The change may have come through before its answer arrived.
    this.#seenEpoch = Math.min(this.#seenEpoch, epoch)
  }

  /** Looks at what was decided since the last time. Call it now and then, and at the end. */
  look(): void {
    const entries = this.#newest()
    for (const entry of entries) {
      this.#seenEpoch = entry.epoch
      if (entry.state !== 'STABLE') continue
      this.#pending = this.#pending.filter(({ counts, epoch, isDone }) => {
        if (entry.epoch <= epoch || !isDone(entry)) return true
        counts.completed++
        return false
      })
    }
  }

  #newest(): readonly LayoutEntry[] {
    let newest: readonly LayoutEntry[] = []
    for (const number of this.#cluster.numbers) {
      const node = this.#cluster.node(number)
      if (node === undefined || (node.layout.current()?.epoch ?? 0) <= this.#seenEpoch) continue
      const entries = node.layout.entriesAfter(this.#seenEpoch).map(({ entry }) => entry)
      // A node that joined late, or was away, does not have every entry.
      const isNewer = (entries.at(-1)?.epoch ?? 0) > (newest.at(-1)?.epoch ?? 0)
      if (isNewer || (entries.length > newest.length && !isOlder(entries, newest))) newest = entries
    }
    return newest
  }
}

function isOlder(entries: readonly LayoutEntry[], than: readonly LayoutEntry[]): boolean {
  return (entries.at(-1)?.epoch ?? 0) < (than.at(-1)?.epoch ?? 0)
}
