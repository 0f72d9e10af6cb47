/** Reads a bucket's fence again, with a deadline: every other change of the key waits meanwhile (P1). */

import type { Clock } from '../env/ports.ts'
import { unavailable } from './register-errors.ts'
import type { FenceSource } from './fence-source.ts'

/**
 * Throws NoSuchBucket when the bucket is gone; but Unavailable when an accept may have happened, or when the fence is
 * not known by the deadline.
 */
export async function refreshFence(
  fence: FenceSource,
  clock: Clock,
  deadlineMs: number,
  mayHaveHappened: boolean,
): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      const delayMs = Math.max(1, deadlineMs - clock.monotonicMs())
      const cancel = clock.after(delayMs, () => reject(unavailable()))
      fence.refresh().finally(cancel).then(resolve, reject)
    })
  } catch (error) {
    throw mayHaveHappened ? unavailable() : error
  }
}
