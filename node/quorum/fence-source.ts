import type { Fence } from '../../protocol/register/types.ts'

/** The bucket's fence, and how to get a fresh one when it is stale: throws NoSuchBucket (T8). */
export interface FenceSource {
  current(): Fence
  refresh(): Promise<void>
  /** False: the minima of the bucket may have been dropped meanwhile, so that replicas that obey prove
   * nothing. Asked before anything is sent and, since it may have changed, of what was answered. */
  stands?(): boolean
}
