/** Blocks and registers that nodes of a hand-made layout hold while they move. */

import { byteString, bytesOf, readU16 } from '../../protocol/bytes.ts'
import type { BlockKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { BlockMover } from '../../node/rebalance/block-mover.ts'
import type { Patches } from '../mutants/patches.ts'
import { nodeOf } from './calm-cluster.ts'
import type { HandLayout } from './hand-layout.ts'

export const MOVED_OBJECTS = 12

export const MOVED_OBJECT_BYTES = 90_000

export function heldRows(hand: HandLayout, number: number, letter: string): string[] {
  const rows: string[] = []
  const end = String.fromCharCode(letter.charCodeAt(0) + 1)
  nodeOf(hand.cluster, number).store.range(bytesOf(letter), bytesOf(end), 1e6, (key) => {
    rows.push(byteString(key.subarray(1)))
  })
  return rows
}

/** Rows of partitions that the node does not hold by the layout that node 0 knows. */
export function foreignRows(hand: HandLayout, number: number, letter: string): string[] {
  const held = new Set(hand.view.partitionsOf(hand.cluster.idOf(number)))
  return heldRows(hand, number, letter).filter((key) => !held.has(readU16(key, 0)))
}

/** Blocks that not every holder has. */
export function incompleteBlocks(hand: HandLayout, numbers: readonly number[]): BlockKey[] {
  const on = new Map(
    numbers.map((number) => [hand.cluster.idOf(number), new Set(heldRows(hand, number, 'b'))]),
  )
  const all = new Set([...on.values()].flatMap((keys) => [...keys])) as Set<BlockKey>
  return [...all].filter((key) =>
    hand.view.replicas(partitionOfKey(key)).some((node) => on.get(node)?.has(key) === false),
  )
}

export const waitingPartitions = (hand: HandLayout, number: number): number =>
  nodeOf(hand.cluster, number).moves.mover.waiting().length

export function withoutMover(patches: Patches): void {
  patches.method(BlockMover.prototype, 'start', () => () => {})
}
