/** How long turns of the event loop are. All requests of the node wait for the end of a turn. */

import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Clock } from './ports.ts'

const SAMPLE_MS = 10
/** The longest turn of this window and the one before it is reported. */
const WINDOW_MS = 60_000

export interface TurnWatch {
  /** The longest turn of the last one to two minutes, in seconds. */
  longestSeconds(): number
  stop(): void
}

/** Watches from now on. Call `stop` to end it. */
export function watchTurns(clock: Clock): TurnWatch {
  const histogram = monitorEventLoopDelay({ resolution: SAMPLE_MS })
  histogram.enable()
  // Each sample holds its own pause too.
  const longestMs = (): number => Math.max(0, histogram.max / 1e6 - SAMPLE_MS)
  let beforeMs = 0
  let cancel = (): void => {}
  const turnOver = (): void => {
    cancel = clock.after(WINDOW_MS, () => {
      beforeMs = longestMs()
      histogram.reset()
      turnOver()
    })
  }
  turnOver()
  return {
    longestSeconds: () => Math.max(beforeMs, longestMs()) / 1_000,
    stop() {
      cancel()
      histogram.disable()
    },
  }
}
