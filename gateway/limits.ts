/** How much of the gateway its clients can use: heads, connections, requests, memory, time. */

import { ADMISSION_LIMITS, type AdmissionLimits } from './overload/admission.ts'
import { CONNECTION_LIMITS, type ConnectionLimits } from './overload/connections.ts'
import { WATCH_LIMITS, type WatchLimits } from './overload/watch.ts'

/** Bytes and milliseconds. */
export interface GatewayLimits extends AdmissionLimits, ConnectionLimits {
  readonly headBytesMax: number
  readonly headTimeoutMs: number
  readonly idleTimeoutMs: number
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
