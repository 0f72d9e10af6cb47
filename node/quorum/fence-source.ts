import type { Fence } from '../../protocol/register/types.ts'

/** The bucket's fence, and how to get a fresh one when it is stale: throws NoSuchBucket (T8). */
export interface FenceSource {
  current(): Fence
  refresh(): Promise<void>
  /** False when the bucket's minima may have been dropped meanwhile: then replicas that accept the fence prove
   * nothing. Asked before anything is sent, and again when the answers have come. */
  isUsable?(): boolean
}
