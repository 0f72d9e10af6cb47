/**
 * Remembers which data the last few objects name. An object with many versions has many pages to read, and the scan asks about
 * each of its data ids in turn. What a state names never changes, because pages are immutable.
 */

import { equalBytes } from '../../protocol/bytes.ts'
import type { DataId, RegisterKey } from '../../protocol/ids.ts'
import type { ObjectReferences } from './references.ts'

/** Objects whose references are kept. */
const STATES_MAX = 8
/** Ids of all kept states together. One state alone may have more. */
const IDS_MAX = 200_000

/** An object's state and what it names. Another state of the object replaces it. */
interface Kept {
  readonly body: Uint8Array
  readonly ids: ReadonlySet<DataId>
}

/** The same function with a memory. A failure is not kept. Made for the reachability check, by space-reclaim.ts. */
export function cachedReferences(read: ObjectReferences): ObjectReferences {
  const kept = new Map<RegisterKey, Kept>()
  let count = 0
  const drop = (key: RegisterKey): void => {
    count -= kept.get(key)?.ids.size ?? 0
    kept.delete(key)
  }
  return async (key, value) => {
    const known = kept.get(key)
    if (known !== undefined && equalBytes(known.body, value.body)) return known.ids
    const ids = await read(key, value)
    drop(key)
    kept.set(key, { body: value.body.slice(), ids })
    count += ids.size
    for (const oldest of kept.keys()) {
      if (kept.size <= STATES_MAX && count <= IDS_MAX) break
      if (oldest !== key) drop(oldest)
    }
    return ids
  }
}
