/**
 * Runs over all items, at most `lanes` of them at any time. After an error no further item begins; rejects with the first
 * error once no run is under way.
 */
export async function inLanes<T>(
  items: Iterable<T>,
  lanes: number,
  run: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]()
  let failed = false
  const lane = async (): Promise<void> => {
    for (let next = rest.next(); next.done !== true && !failed; next = rest.next()) {
      try {
        await run(next.value)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: lanes }, lane))
  for (const end of ends) if (end.status === 'rejected') throw end.reason as Error
}

/** The items in order, `size` at a time. For loops that may end before the last batch; others use a function below. */
export function* batchesOf<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size)
}

/** The results in the order of the items, `size` of which run at a time. Rejects with the first error. */
export async function mapInBatches<T, R>(
  items: readonly T[],
  size: number,
  run: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  for (const batch of batchesOf(items, size)) results.push(...(await Promise.all(batch.map(run))))
  return results
}

/** Runs over all items, `size` of them at a time. */
export async function inBatches<T>(
  items: readonly T[],
  size: number,
  run: (item: T) => Promise<void>,
): Promise<void> {
  for (const batch of batchesOf(items, size)) await Promise.all(batch.map(run))
}
