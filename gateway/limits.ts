/**
 * How much of the gateway its clients can use: heads, connections, requests, memory, time (F19, F26, F27). Each room
 * has its own limits; this file joins them and adds those of heads.
 */

import { ADMISSION_LIMITS, type AdmissionLimits } from './overload/admission.ts'
import { CONNECTION_LIMITS, type ConnectionLimits } from './overload/connections.ts'
import { WATCH_LIMITS, type WatchLimits } from './overload/watch.ts'

/** Bytes and milliseconds. */
export interface GatewayLimits extends AdmissionLimits, ConnectionLimits {
  /** The request line and all headers together. */
  readonly headBytesMax: number
  /** How long the head of a request may take to arrive. */
  readonly headTimeoutMs: number
  /** How long a connection stays open after an answer without another request. */
  readonly idleTimeoutMs: number
  /** Minimum rates and time-outs of requests in flight. */
  readonly watch: WatchLimits
}

export const GATEWAY_LIMITS: GatewayLimits = {
  ...ADMISSION_LIMITS,
  ...CONNECTION_LIMITS,
  headBytesMax: 16 * 1024,
  headTimeoutMs: 20_000,
  idleTimeoutMs: 65_000,
  watch: WATCH_LIMITS,
}
