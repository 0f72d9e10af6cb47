import type { GatewayClock } from './clock.ts'

/**
 * A function that has `run` called in the next turn of the event loop: once, however often it is called before that. It may
 * be called again from within `run`, for the turn after that one.
 */
export function inNextTurn(clock: Pick<GatewayClock, 'after'>, run: () => void): () => void {
  let isArmed = false
  return () => {
    if (isArmed) return
    isArmed = true
    clock.after(0, () => {
      isArmed = false
      run()
    })
  }
}
