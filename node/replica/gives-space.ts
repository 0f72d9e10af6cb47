/** Which changes of a register go on when the disk is full (F6). */

import type { RegisterKey } from '../../protocol/ids.ts'
import { spaceOf } from '../../protocol/keyspace/register-key.ts'
import { currentVersion, objectOf } from '../../protocol/object/object.ts'
import { countOf } from '../../protocol/object/pages.ts'
import type { Accepted } from '../../protocol/register/types.ts'

/**
 * Deletes, aborts and what finds out what may be freed go on when the disk is full (F6). Only what
 * can't be repeated without end: each takes something away, or writes again what somebody else had left
 * half-written.
 */
export function givesSpace(
  key: RegisterKey,
  before: Accepted | undefined,
  { value }: Accepted,
): boolean {
  if (value.tombstone) return true
  if (before === undefined) return false
  if (value.operation === before.value.operation) return true
  // From open to aborted only the number of its state changes.
  const most = before.value.body.length - (spaceOf(key) === 'upload' ? 0 : 1)
  return value.body.length <= most
}

/** Deletes where there are versions go on as well: of one of them, for which a page may have to be written
 * anew or others come back from one; and a delete marker on an object, but no second one upon it. */
export function deletes(
  key: RegisterKey,
  before: Accepted | undefined,
  { value }: Accepted,
): boolean {
  if (spaceOf(key) !== 'object' || before === undefined) return false
  try {
    const [was, is] = [objectOf(before.value), objectOf(value)]
    if (countOf(is) < countOf(was)) return true
    return currentVersion(was) !== undefined && currentVersion(is) === undefined
  } catch {
    // Of a later version of this program (F20).
    return false
  }
}
