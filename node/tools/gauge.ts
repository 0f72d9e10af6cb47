/** Makes the entries of `GET /metrics`. */

import type { Gauge } from '../../gateway/port/admin.ts'

/** A value that rises and falls. */
export function gauge(name: string, help: string, value: number): Gauge {
  return { name, help, type: 'gauge', value }
}

/** A value that only rises while the process runs. Its name ends in `_total`. */
export function counter(name: string, help: string, value: number): Gauge {
  return { name, help, type: 'counter', value }
}
