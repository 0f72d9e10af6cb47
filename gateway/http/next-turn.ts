import type { AfterTurn, GatewayClock } from './clock.ts'

/**
 * A function that has `run` called by `afterTurn`: once, however often it is called before that. It may be called again from
 * within `run`, for the turn after that one.
 */
export function inNextTurn(afterTurn: AfterTurn, run: () => void): () => void {
  let isArmed = false
  return () => {
    if (isArmed) return
    isArmed = true
    afterTurn(() => {
      isArmed = false
      run()
    })
  }
}

/** The next turn of the event loop, by a timer: what is ready by then comes first. */
export function byTimer(clock: Pick<GatewayClock, 'after'>): AfterTurn {
  return (run) => void clock.after(0, run)
}
