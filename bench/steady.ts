/**
 * A mixed load for ten minutes: memory and open files at the end beside those after the first minute. What grows with
 * the time is a leak. What LMDB has mapped grows with the objects that are stored, so memory of the process itself
 * (anonymous pages) is shown on its own.
 *
 * By name only, because it takes over ten minutes: `npm run bench -- --only steady,3-steady`.
 */

import { LoadedTarget } from './load.ts'
import type { MeasureOptions } from './measure.ts'
import { memory, openFiles } from './harness/proc.ts'
import { rows } from './rows.ts'
import { printTable } from './table.ts'
import { startShoal } from './target.ts'

const minutes = 10
/** Signed requests for a whole minute at once would take much memory of the bench itself. */
const roundSeconds = 20
const roundsInMinute = 60 / roundSeconds
/** How much more memory is noise: the heap of V8 breathes by as much. */
const growthMax = 1.25
/** Files that are opened by size, such as segments of the log, and connections of peers that come anew. */
const moreFilesMax = 32
const mebi = 1 << 20

/** The largest over all nodes. */
export interface Held {
  /** Bytes. */
  readonly rss: number
  /** Bytes. */
  readonly anonymous: number
  readonly files: number
}

/**
 * Prints the table; returns what has grown.
 *
 * @param name of the row whose load it is.
 */
export async function measureSteady(name: string, options: MeasureOptions): Promise<string[]> {
  const row = rows.find((each) => each.name === name)!
  const target = await startShoal(row, options.directory)
  try {
    const loaded = await LoadedTarget.prepare(row, target, options.directory)
    let first: Held | undefined
    let requests = 0
    for (let round = 1; round <= minutes * roundsInMinute; round++) {
      requests += (await loaded.round(`round-${round}`, roundSeconds)).requests
      if (round === roundsInMinute) first = heldBy(target.pids)
    }
    loaded.close()
    const last = heldBy(target.pids)
    const heads = ['after 1 minute, after 10', 'requests', 'RSS MiB', 'anonymous MiB', 'open files']
    console.log(`\n${printTable(heads, [lineOf(row.title, requests, first!, last)])}`)
    return grownFailures(name, first!, last)
  } finally {
    await target.close()
  }
}

/** What of the two has grown by more than noise. */
export function grownFailures(name: string, first: Held, last: Held): string[] {
  const failures: string[] = []
  if (last.anonymous > first.anonymous * growthMax)
    failures.push(
      `steady: ${name}: memory has grown from ${mib(first.anonymous)} MiB to ${mib(last.anonymous)}`,
    )
  if (last.files > first.files + moreFilesMax)
    failures.push(`steady: ${name}: open files have grown from ${first.files} to ${last.files}`)
  return failures
}

function lineOf(title: string, requests: number, first: Held, last: Held): string[] {
  return [
    title,
    String(requests),
    `${mib(first.rss)}, ${mib(last.rss)}`,
    `${mib(first.anonymous)}, ${mib(last.anonymous)}`,
    `${first.files}, ${last.files}`,
  ]
}

function mib(bytes: number): string {
  return (bytes / mebi).toFixed(0)
}

function heldBy(pids: readonly number[]): Held {
  const held = pids.map(memory)
  return {
    rss: Math.max(...held.map(({ rssBytes }) => rssBytes)),
    anonymous: Math.max(...held.map(({ anonymousBytes }) => anonymousBytes)),
    files: Math.max(...pids.map(openFiles)),
  }
}
