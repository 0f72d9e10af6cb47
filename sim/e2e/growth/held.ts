/** What the nodes hold, by their own indexes: registers and blocks, partition by partition. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { eachIndexRow } from '../../../bench/harness/index-rows.ts'
import { nodeId } from '../../../protocol/ids.ts'
import { LayoutView } from '../../../protocol/layout/view.ts'
import { lastEntryOf } from '../../../node/layout/layout-file.ts'
import { decodePosition } from '../../../node/replica/row-format.ts'

const REGISTER = 'r'.charCodeAt(0)
const BLOCK = 'b'.charCodeAt(0)
/** The least size of header, key and owner in a block's record. They are not data. */
const RECORD_BYTES = 160

export interface HeldRow {
  readonly partition: number
  readonly bytes: number
}

export interface HeldBlocks {
  /** By key. */
  readonly registers: ReadonlyMap<string, HeldRow>
  readonly blocks: ReadonlyMap<string, HeldRow>
}

export async function heldBy(dataDir: string): Promise<HeldBlocks> {
  const registers = new Map<string, HeldRow>()
  const blocks = new Map<string, HeldRow>()
  await eachIndexRow(dataDir, (key, value) => {
    if (key[0] !== REGISTER && key[0] !== BLOCK) return
    const partition = key[1]! * 256 + key[2]!
    const name = Buffer.from(key.subarray(1)).toString('latin1')
    if (key[0] === REGISTER) registers.set(name, { partition, bytes: value.length })
    else {
      const bytes = Math.max(0, decodePosition(value).lengthBytes - RECORD_BYTES)
      blocks.set(name, { partition, bytes })
    }
  })
  return { registers, blocks }
}

/** The layout that the node has on its disk. */
export function layoutIn(dataDir: string): LayoutView {
  return new LayoutView(lastEntryOf(readFileSync(join(dataDir, 'layout.json'))))
}

/** What a node keeps of partitions that it does not hold. */
export function leftOvers(
  view: LayoutView,
  node: string,
  { registers, blocks }: HeldBlocks,
): { registers: number; blocks: number; blockBytes: number } {
  const own = new Set(view.partitionsOf(nodeId(node)))
  const strange = (rows: ReadonlyMap<string, HeldRow>): HeldRow[] =>
    [...rows.values()].filter(({ partition }) => !own.has(partition))
  const foreign = strange(blocks)
  return {
    registers: strange(registers).length,
    blocks: foreign.length,
    blockBytes: foreign.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

/** Blocks that some node has and one of their holders lacks. */
export function heldThinly(view: LayoutView, held: ReadonlyMap<string, HeldBlocks>): number {
  const all = new Map<string, HeldRow>()
  for (const { blocks } of held.values()) for (const [key, row] of blocks) all.set(key, row)
  let thin = 0
  for (const [key, { partition }] of all) {
    const isWhole = view
      .replicas(partition)
      .every((node) => held.get(node)?.blocks.has(key) === true)
    if (!isWhole) thin++
  }
  return thin
}

/** The least that a change has to move, by what the cluster held before it. */
export class LeastBytes {
  /** One copy of each row, by key. */
  readonly #rows = new Map<string, HeldRow>()

  /** Adds what one of the nodes has. */
  add(held: HeldBlocks): void {
    for (const [key, row] of held.registers) this.#rows.set(`r${key}`, row)
    for (const [key, row] of held.blocks) this.#rows.set(`b${key}`, row)
  }

  /**
   * Bytes that nodes hold after the change and did not hold before it, summed: what joiners take, what a lost node
   * held, what a leaver gives. Any placement with the same shares moves at least as much.
   */
  between(before: LayoutView, after: LayoutView): number {
    const perPartition = new Map<number, number>()
    for (const { partition, bytes } of this.#rows.values()) {
      perPartition.set(partition, (perPartition.get(partition) ?? 0) + bytes)
    }
    const shareOf = (view: LayoutView): Map<string, number> => {
      const shares = new Map<string, number>()
      for (const [partition, bytes] of perPartition) {
        for (const node of view.placement.replicas(partition)) {
          shares.set(node, (shares.get(node) ?? 0) + bytes)
        }
      }
      return shares
    }
    const had = shareOf(before)
    let least = 0
    for (const [node, bytes] of shareOf(after)) least += Math.max(0, bytes - (had.get(node) ?? 0))
    return least
  }
}
