/**
 * Reads many rows of the index, a page in each turn of the event loop, so that requests are served in between. For work
 * in the background that looks at all rows of a kind.
 */

import type { Clock } from '../env/ports.ts'
import { sleep, TURN_ROWS_MAX } from '../tools/sleep.ts'
import type { Store } from './store.ts'

/** A copy of one row. */
export interface IndexRow {
  readonly key: Uint8Array
  readonly row: Uint8Array
}

/**
 * Rows with start <= key < end, ascending. The rows are copies. Between two pages the index may change: a row that
 * is put behind the last page is found, one that is put before it is not.
 */
export async function* rowPages(
  store: Pick<Store, 'range'>,
  clock: Clock,
  start: Uint8Array,
  end: Uint8Array,
): AsyncGenerator<readonly IndexRow[]> {
  let from = start
  for (;;) {
    const page: IndexRow[] = []
    store.range(from, end, TURN_ROWS_MAX, (key, row) => {
      page.push({ key: key.slice(), row: row.slice() })
    })
    const last = page.at(-1)
    if (last === undefined) return
    yield page
    if (page.length < TURN_ROWS_MAX) return
    from = new Uint8Array([...last.key, 0])
    await sleep(clock, 0)
  }
}
