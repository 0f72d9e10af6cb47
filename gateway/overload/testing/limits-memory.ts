/** Memory in which several gateways count their limits together, for tests. */

import { createLimitsMemory } from '../process-budget.ts'

const KEY_BYTES = 16

/** The same key for every test: its names do not meet in both slots. */
export function limitsMemory(): SharedArrayBuffer {
  return createLimitsMemory((length) => new Uint8Array(length).fill(7))
}

/** Whether nothing is counted in this memory. */
export function countsNothing(memory: SharedArrayBuffer): boolean {
  return new Int32Array(memory, KEY_BYTES).every((word) => word === 0)
}
