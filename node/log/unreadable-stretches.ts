/**
 * Stretches of the log in which not even the headers of records can be read. The rows that point into a stretch
 * tell which records were there, and each of these is mended. Once no row points into it, nothing of the stretch is
 * needed (D7).
 */

import { bytesOf } from '../../protocol/bytes.ts'
import type { Clock } from '../env/ports.ts'
import { sleep } from '../tools/sleep.ts'
import type { Store } from './store.ts'
import type { Damage, LogPosition, LogRecord } from './types.ts'

/** Between two looks at whether what was damaged has been replaced. */
export const LOOK_AGAIN_MS = 500
const PAGE_ROWS = 2_000

export interface StretchOptions {
  readonly store: Store
  readonly clock: Clock
  /** How long to wait for what is fetched from replicas. */
  readonly patienceMs: number
  /** Raised by how many stretches are not needed any more, and by how many still are. */
  readonly counts: { mended: number; left: number }
  readonly isStopped: () => boolean
  /** Has the record written again, from its row or from a replica. */
  readonly mend: (record: Pick<LogRecord, 'type' | 'partition' | 'key'>) => void
  readonly pause: () => Promise<void>
}

/** Waits for at most `patienceMs` until no row points into the stretches. */
export async function mendStretches(
  stretches: readonly Damage[],
  options: StretchOptions,
): Promise<void> {
  const { store, clock, patienceMs, counts, isStopped, mend } = options
  const until = clock.monotonicMs() + patienceMs
  let open = stretches
  while (open.length > 0 && !isStopped()) {
    const asked = new Set<Damage>()
    await eachRow(options, (key, row) => {
      const position = store.rows?.positionOf(key, row)
      if (position === undefined) return
      const stretch = open.find((damage) => holds(damage, position))
      if (stretch === undefined) return
      asked.add(stretch)
      const record = store.rows?.identityOf(key)
      if (record !== undefined) mend(record)
    })
    for (const damage of open) {
      if (asked.has(damage)) continue
      store.noteObsolete(damage)
      counts.mended++
    }
    open = [...asked]
    if (clock.monotonicMs() >= until) break
    if (open.length > 0) await sleep(clock, LOOK_AGAIN_MS)
  }
  counts.left += open.length
}

/**
 * Every row that a record made, some thousand in a turn. A row may change between its page and its visit: read
 * it again.
 */
async function eachRow(
  { store, isStopped, pause }: StretchOptions,
  visit: (key: Uint8Array, row: Uint8Array) => void,
): Promise<void> {
  // The store's own rows, which begin with "x", have no record.
  for (const [first, behind] of [
    ['a', 'x'],
    ['y', 'z'],
  ] as const) {
    let start: Uint8Array = bytesOf(first)
    for (;;) {
      const rows: [Uint8Array, Uint8Array][] = []
      store.range(start, bytesOf(behind), PAGE_ROWS, (key, row) => {
        rows.push([key.slice(), row.slice(0, 64)])
      })
      for (const [key] of rows) {
        const row = store.get(key)
        if (row !== undefined) visit(key, row)
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < PAGE_ROWS || isStopped()) break
      start = new Uint8Array([...last[0], 0])
      await pause()
    }
  }
}

/** Whether a record at this position begins inside the damage. */
function holds(damage: Damage, { segment, offset }: LogPosition): boolean {
  return (
    segment === damage.segment &&
    offset >= damage.offset &&
    offset < damage.offset + damage.lengthBytes
  )
}
