/**
 * A mixed load for ten minutes: memory and open files at the end beside those after the first minute. What goes on
 * growing may be a leak. The pages that LMDB has mapped grow with the objects that are stored, so the memory of the
 * process itself (anonymous pages) has a column of its own, and only that is checked.
 *
 * By name only, because it takes over ten minutes: `npm run bench -- --only steady,3-steady`.
 */

import { memory, openFiles } from './harness/proc.ts'
import { pauseMs } from './harness/process.ts'
import { LoadedTarget } from './load.ts'
import type { MeasureOptions } from './measure.ts'
import { rows } from './rows.ts'
import { printTable } from './table.ts'
import { startShoal } from './target.ts'

const minutes = 10
/** A round's requests are signed before it. More at once would take much memory of the bench. */
const roundSeconds = 20
const roundsInMinute = 60 / roundSeconds
/** So many times the memory of the first minute still pass: V8's heap grows and shrinks that much. */
const growthMax = 1.25
/** So many more open files still pass: the log begins new segments, and nodes connect anew. */
const moreFilesMax = 32
const mebi = 1 << 20

/** What nodes hold: of each figure the largest of any node. */
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
      if (round === roundsInMinute) first = await heldBy(target.pids)
    }
    const last = await heldBy(target.pids)
    loaded.close()
    const heads = ['after 1 minute, after 10', 'requests', 'RSS MiB', 'anonymous MiB', 'open files']
    console.log(`\n${printTable(heads, [lineOf(row.title, requests, first!, last)])}`)
    return grownFailures(name, first!, last)
  } finally {
    await target.close()
  }
}

/** A line for each of memory and open files that has grown by more than may pass. */
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

/** Waits first, so that the connections of the load are closed on both sides. */
async function heldBy(pids: readonly number[]): Promise<Held> {
  await pauseMs(2_000)
  const held = pids.map(memory)
  return {
    rss: Math.max(...held.map(({ rssBytes }) => rssBytes)),
    anonymous: Math.max(...held.map(({ anonymousBytes }) => anonymousBytes)),
    files: Math.max(...pids.map(openFiles)),
  }
}
