/** Appends changes of registers, and decides which of them go on when the disk is full (F6). */

import type { RegisterKey } from '../../protocol/ids.ts'
import { spaceOf } from '../../protocol/keyspace/register-key.ts'
import { currentVersion, objectOf } from '../../protocol/object/object.ts'
import { countOf } from '../../protocol/object/pages.ts'
import type { Accepted } from '../../protocol/register/types.ts'
import { LogError } from '../log/errors.ts'
import type { Store } from '../log/store.ts'
import type { NewRecord } from '../log/types.ts'

interface Change {
  readonly key: RegisterKey
  /** Flushed, and sound. */
  readonly before: Accepted | undefined
  readonly persist: Accepted
}

/** Appends what a change of a register writes: `persist` last, in front of it the blocks that came with it. */
export function appendChange(
  store: Pick<Store, 'append'>,
  records: readonly NewRecord[],
  { key, before, persist }: Change,
): Promise<unknown> {
  const urgent = records.length === 1 && givesSpace(key, before, persist)
  return store.append(records, { urgent }).catch((error: unknown) => {
    // Asked only now, because it has to decode the records.
    const full = error instanceof LogError && error.code === 'DISK_FULL'
    if (!full || urgent || !deletes(key, before, persist)) throw error
    return store.append(records, { urgent: true })
  })
}

/**
 * Deletes, aborts, and changes that find out what may be freed go on when the disk is full (F6). None of them can be
 * repeated without end: each takes something away, or completes a change that another proposer had begun.
 */
function givesSpace(key: RegisterKey, before: Accepted | undefined, { value }: Accepted): boolean {
  if (value.tombstone) return true
  if (before === undefined) return false
  if (value.operation === before.value.operation) return true
  // An upload that is aborted keeps its size: only the number of its state changes.
  const most = before.value.body.length - (spaceOf(key) === 'upload' ? 0 : 1)
  return value.body.length <= most
}

/** With versions these deletes go on as well: the delete of one version, which may have to rewrite a page or bring versions
 * back from one; and a delete marker on an object, but not a second one on top of it. */
function deletes(key: RegisterKey, before: Accepted | undefined, { value }: Accepted): boolean {
  if (spaceOf(key) !== 'object' || before === undefined) return false
  try {
    const [was, is] = [objectOf(before.value), objectOf(value)]
    if (countOf(is) < countOf(was)) return true
    return currentVersion(was) !== undefined && currentVersion(is) === undefined
  } catch {
    // A later version of this program wrote it (F20).
    return false
  }
}
