/** The metrics of the process: memory, CPU time and turns of the event loop. */

import type { Gauge } from '../../gateway/port/admin.ts'
import type { TurnWatch } from '../env/turn-watch.ts'
import { counter, gauge } from '../tools/gauge.ts'

/** The metrics as they are now. Node counts CPU time in microseconds. */
export function processGauges(turns: TurnWatch): readonly Gauge[] {
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  return [
    gauge('shoal_process_resident_bytes', 'Resident memory', rss),
    gauge('shoal_process_heap_bytes', 'JavaScript heap in use', heapUsed),
    gauge('shoal_process_buffer_bytes', 'Memory of buffers', arrayBuffers),
    gauge(
      'shoal_event_loop_turn_seconds_max',
      'Longest turn of the event loop in the last one to two minutes',
      turns.longestSeconds(),
    ),
    counter('shoal_process_cpu_seconds_total', 'CPU time, user and system', (user + system) / 1e6),
  ]
}
