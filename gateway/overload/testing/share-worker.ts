/**
 * A worker that takes and gives back places of a budget that several workers share. What it holds is counted a second
 * time, after it was taken and until it is given back, so that count is never above what is really held. Posts how often
 * a limit was exceeded, and how often a request got a place.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { budgetsOf } from '../process-budget.ts'
import type { Lease } from '../shares.ts'

export interface ShareWorkerData {
  readonly limits: SharedArrayBuffer
  /** What is held in total, and by each name. */
  readonly counts: SharedArrayBuffer
  readonly rounds: number
}

/** 2 of 5 places for each of three names. */
const SIZE = 5
const SHARE = 0.4
const HELD_MAX = 2
const NAMES = ['a', 'b', 'c'] as const

export interface ShareWorkerResult {
  readonly exceeded: number
  readonly got: number
}

function run({ limits, counts, rounds }: ShareWorkerData): ShareWorkerResult {
  const budget = budgetsOf(limits)('places', SIZE)
  const words = new Int32Array(counts)
  const held: [Lease, number][] = []
  let [exceeded, got] = [0, 0]
  for (let round = 0; round < rounds; round++) {
    const who = round % NAMES.length
    const lease = budget.take([{ name: NAMES[who]!, share: SHARE }], 1)
    if (lease !== undefined) {
      got++
      if (Atomics.add(words, 0, 1) + 1 > SIZE) exceeded++
      if (Atomics.add(words, who + 1, 1) + 1 > HELD_MAX) exceeded++
      held.push([lease, who])
    }
    // Some rounds hold two or three at once.
    if (held.length > 0 && round % 4 !== 0) giveOldest(held, words)
  }
  while (held.length > 0) giveOldest(held, words)
  return { exceeded, got }
}

function giveOldest(held: [Lease, number][], words: Int32Array): void {
  const [lease, who] = held.shift()!
  Atomics.sub(words, 0, 1)
  Atomics.sub(words, who + 1, 1)
  lease.giveBack()
}

if (parentPort !== null && workerData !== null) {
  const port = parentPort
  // All begin at the same time.
  port.once('message', () => port.postMessage(run(workerData as ShareWorkerData)))
  port.postMessage('ready')
}
