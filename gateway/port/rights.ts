/**
 * What rights are decided from, for a gateway that keeps it (T7): the same answers as those of `credential`, `sessionCredential`
 * and `bucketAccess`, and for how long each may be used. Failures are theirs too, and are never kept.
 */

import type { RequestContext } from '../../protocol/context.ts'
import type { BucketAccess } from './buckets.ts'
import type { Credential } from './identity.ts'

export interface Timed<T> {
  readonly value: T
  /**
   * The answer may be used for so long, counted from when the call was made: until it is a second old, counted from when its
   * records were read, or until the session ends. Not above 0 when it may be used once only.
   */
  readonly usableMs: number
}

/** `ageMs`: how old the answer may be, at most `RIGHTS_AGE_MS`. */
export interface RightsSource {
  /** `token`: of a session. Undefined when the key does not exist or is inactive, which may be kept as well. */
  timedCredential(
    accessKeyId: string,
    token: string | undefined,
    ageMs: number,
  ): Promise<Timed<Credential | undefined>>
  timedAccess(context: RequestContext, bucket: string, ageMs: number): Promise<Timed<BucketAccess>>
  /**
   * `forget` is called when this node has changed what such answers are made of, or has heard of a change: before the change is
   * answered. No answer that was begun before may be used for a request that comes after.
   */
  onForget(forget: () => void): void
}

/** How old what is used for a decision may be (T7). */
export const RIGHTS_AGE_MS = 1_000
