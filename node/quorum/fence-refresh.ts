/** A fence is read anew while every other change of the key waits (P1): not for ever. */

import type { Clock } from '../env/ports.ts'
import { unavailable } from './register-errors.ts'
import type { FenceSource } from './fence-source.ts'

/**
 * A bucket that is gone means NoSuchBucket, but not when an accept may have happened: Unavailable. So is
 * what is not known by the deadline, whatever the fence waits for.
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
