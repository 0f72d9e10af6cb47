/**
 * Time, as the gateway is given it: it reads no clock and sets no timer of its own, so that a
 * simulation can run it. node/env/ports.ts has the same shape.
 */
export interface GatewayClock {
  /** Wall clock, milliseconds since 1970: signatures, Date headers. */
  nowMs(): number
  /** Never falls. For durations. */
  monotonicMs(): number
  /** Runs `run` once after `delayMs`. The returned function cancels it. */
  after(delayMs: number, run: () => void): () => void
}
