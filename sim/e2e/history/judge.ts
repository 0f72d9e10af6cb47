/** Checks that histories of real processes are linearizable (sim/checkers/linearizability.ts). */

import { isLinearizableFor, type HistoryCall } from '../../checkers/linearizability.ts'
import {
  nextOfBucket,
  nextOfKey,
  transcript,
  type BucketState,
  type BucketStep,
  type KeyState,
  type KeyStep,
} from './models.ts'
import type { Workloads } from './workloads.ts'

/** Prints what is not linearizable; returns how many calls were looked at and how many histories are bad. */
export function judge({ keys, buckets }: Pick<Workloads, 'keys' | 'buckets'>): {
  calls: number
  bad: number
} {
  let calls = 0
  let bad = 0
  const look = <Step, State>(
    history: { readonly name: string; readonly calls: readonly HistoryCall<Step>[] },
    start: State,
    next: (step: Step, state: State) => State | undefined,
  ): void => {
    calls += history.calls.length
    if (isLinearizableFor(history.calls, start, next)) return
    bad++
    console.log(`NOT LINEARIZABLE: ${history.name}\n${transcript(history.calls)}`)
  }
  for (const history of keys) look<KeyStep, KeyState>(history, { tag: undefined }, nextOfKey)
  const none: BucketState = { live: false, tag: undefined }
  for (const history of buckets) look<BucketStep, BucketState>(history, none, nextOfBucket)
  return { calls, bad }
}

/** Names with their counts, in order. */
export function historyList(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ')
}
