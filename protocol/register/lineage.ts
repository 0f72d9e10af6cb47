/**
 * Where a state comes from: the operations before it, in the state itself. By them a proposer whose accept was
 * overtaken learns whether it has happened (P4): it is in the lineage, or the lineage reaches back to before
 * it and it is not there.
 */

import { assert } from '../assert.ts'
import type { OperationId } from '../ids.ts'
import type { Attempt } from './step.ts'
import type { RegisterValue } from './types.ts'

/** Operations before the last but one that a state names: the more, the longer a proposer may be overtaken
 * and still learn what became of its accept (P4). Each costs 16 bytes, in keys that are written that often. */
export const EARLIER_MAX = 62

/** The operations that led to a value as far back as it names them, its own first. */
export function lineageOf({ operation, replaced, earlier = [] }: RegisterValue): OperationId[] {
  return replaced === undefined ? [operation] : [operation, replaced, ...earlier]
}

/**
 * The value that was proposed for an operation and that `current` followed. Undefined when more than one may be it, or when
 * the lineage does not reach back to it.
 */
export function valueInLineage(
  { values }: Attempt,
  operation: OperationId,
  current: RegisterValue,
): RegisterValue | undefined {
  const lineage = lineageOf(current)
  const replaced = lineage[lineage.indexOf(operation) + 1]
  if (replaced === undefined && current.above === undefined) return undefined
  const [value, other] = values.filter((each) => each.replaced === replaced)
  return other === undefined ? value : undefined
}

/** Where a change of `current` says that it comes from. */
export function originAfter(
  current: RegisterValue,
  isRecent: (operation: OperationId) => boolean = () => true,
): Pick<RegisterValue, 'replaced' | 'earlier' | 'above'> {
  const [replaced, ...before] = lineageOf(current)
  const old = before.findIndex((operation) => !isRecent(operation))
  // The first that is too old is the base of those that are not.
  const earlier = before.slice(0, Math.min(old < 0 ? EARLIER_MAX : old + 1, EARLIER_MAX))
  assert(earlier.length <= EARLIER_MAX, 'a lineage has an end (P4)')
  return {
    replaced,
    ...(earlier.length > 0 && { earlier }),
    ...(before.length === earlier.length && { above: current.above }),
  }
}
