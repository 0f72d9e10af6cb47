/** Values of registers, compared and cleared of lost blocks. Called by RegisterProposer for what it proposes. */

import { equalBytes } from '../bytes.ts'
import type { BlockKey } from '../ids.ts'
import { sameBallot } from './ballot.ts'
import { lineageOf } from './lineage.ts'
import type { RegisterValue } from './types.ts'

/** The value without the blocks that no replica has any more (A5); the very same object when it names none of them. */
export function withoutLost(
  value: RegisterValue,
  lost: ReadonlySet<BlockKey> | undefined,
): RegisterValue {
  if (!namesLost(value, lost)) return value
  return { ...value, blocks: value.blocks.filter((block) => lost?.has(block) !== true) }
}

/** Whether the value names a block that no replica has any more. */
export function namesLost(value: RegisterValue, lost: ReadonlySet<BlockKey> | undefined): boolean {
  return lost !== undefined && lost.size > 0 && value.blocks.some((block) => lost.has(block))
}

/** Whether one change that is made of either gives the same value: body, blocks and lineage are equal, byte for byte. */
export function isSameValue(a: RegisterValue | undefined, b: RegisterValue | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return (
    a.tombstone === b.tombstone &&
    isSameList(lineageOf(a), lineageOf(b)) &&
    isSameList(a.blocks, b.blocks) &&
    (a.above === undefined || b.above === undefined
      ? a.above === b.above
      : sameBallot(a.above, b.above)) &&
    equalBytes(a.body, b.body)
  )
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i])
}
