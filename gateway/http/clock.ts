/**
 * The gateway gets its time from this port. It reads no clock and sets no timer itself, so that a
 * simulation can run it. node/env/ports.ts has the same shape.
 */
export interface GatewayClock {
  /** Wall clock in milliseconds since 1970, for signatures and Date headers. */
  nowMs(): number
  /** Never goes backwards. For durations. */
  monotonicMs(): number
  /** Runs `run` once after `delayMs`. The returned function cancels it. */
  after(delayMs: number, run: () => void): () => void
}

/** Runs `run` once, after what is ready in the present turn of the event loop. */
export type AfterTurn = (run: () => void) => void
