/** What a node still has, or may lack, of the partitions of a layout. */

import type { LayoutView } from '../../protocol/layout/view.ts'
import type { ShoalNode } from '../../node/assembly/node.ts'

/** It has lost something since it last compared the blocks of all that it holds, or held in a source (D8). */
export function mayLackBlocks({ nodeId, forgotten }: ShoalNode, view: LayoutView): boolean {
  for (let partition = 0; partition < view.partitions; partition++) {
    if (!forgotten.lacksBlocks(partition)) continue
    if (view.mayHaveBlocks(nodeId, partition)) return true
  }
  return false
}

/** Registers and blocks in partitions that the node holds no more, and of which it is no source. */
export function leftOversOf(node: ShoalNode): number {
  const view = node.layout.current()
  if (view === undefined) return 0
  let count = 0
  for (const letter of ['r', 'b']) {
    const start = Uint8Array.of(letter.charCodeAt(0))
    const end = Uint8Array.of(letter.charCodeAt(0) + 1)
    node.store.range(start, end, 1_000_000, (key) => {
      const partition = key[1]! * 256 + key[2]!
      if (!view.mayHaveBlocks(node.nodeId, partition)) count++
    })
  }
  return count
}
