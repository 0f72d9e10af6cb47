/** What one row of the table of operations says (operations.ts), and what its handler is given. */

import type { Backend } from '../port/backend.ts'
import type { Identity } from '../port/identity.ts'
import type { BucketAccess } from '../port/buckets.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { InTurns } from '../port/in-turns.ts'
import type { S3Request } from '../http/request.ts'
import type { S3Response } from '../http/response.ts'
import type { AuthResult, SigV2 } from '../auth/auth.ts'

export type Level = 'service' | 'bucket' | 'object'
export type Method = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'

/** One authenticated, authorised request on its way through its handler. */
export interface Call {
  readonly operation: Operation
  readonly request: S3Request
  readonly auth: AuthResult
  /** Without a signature: `ANONYMOUS` (authorize.ts). */
  readonly identity: Identity
  readonly context: RequestContext
  readonly store: Backend
  readonly region: string
  /** Where signatures of version 2 are accepted. */
  readonly sigv2: SigV2
  /** '' when the operation is the service's. */
  readonly bucket: string
  /** '' when the operation is the service's or a bucket's. */
  readonly key: string
  readonly nowMs: number
  /** For work that grows with what the caller sent or stored (work-queue.ts). */
  readonly inTurns: InTurns
  /**
   * Call before reading the body, once the caller's rights are known: tells the client to send it, when it
   * waits for that. A body of at most so many bytes is gathered whole: each piece counts for its caller
   * as it comes (`onBytes`), and it has a deadline. Throws SlowDown.
   */
  wantBody(maxGatheredBytes: number): void
  /** Raw bytes of the body that came in: minimum rates are judged by it. Throws SlowDown. */
  onBytes(count: number): void
  /**
   * Throws AccessDenied unless the identity may do `action` on this object (sources, each of many).
   * `versionId`: the version that is meant, for conditions that speak of it.
   */
  authorize(action: string, bucket: string, key: string, versionId?: string): Promise<void>
  /** The bucket as decisions about this request see it: owner and settings, at most 1 s old (T7). */
  access(bucket: string): Promise<BucketAccess>
}

export type Handler = (call: Call) => Promise<S3Response>

export interface Operation {
  readonly service: 's3' | 'iam' | 'sts'
  /** AWS's name. */
  readonly name: string
  readonly method: Method
  readonly level: Level
  /** Query parameters that make it this operation: `uploads`, or with a value: `list-type=2`. */
  readonly marks: readonly string[]
  /** Header that makes it this operation: x-amz-copy-source. */
  readonly markHeader?: string | undefined
  /** Further query parameters that it understands. */
  readonly query: ReadonlySet<string>
  /** Further x-amz-* headers that it understands, lower-case. x-amz-meta-* stands for all of them. */
  readonly headers: ReadonlySet<string>
  /** Conditions (If-*) that it understands, lower-case. */
  readonly conditions: ReadonlySet<string>
  /** Query parameters that AWS documents for it and that are not built: 501. */
  readonly refusedQuery: ReadonlySet<string>
  /** Headers that AWS documents for it and that are not built, lower-case: 501. */
  readonly refusedHeaders: ReadonlySet<string>
  /** Names that AWS documents for it and that can't have an effect here, with the reason. */
  readonly ignored: ReadonlyMap<string, string>
  /** Names that AWS refuses for it (400 InvalidArgument), with AWS's words. */
  readonly misplaced: ReadonlyMap<string, string>
  readonly action: string
  /** The right that is wanted instead of `action` when the query names a version (`versionId`). */
  readonly versionAction?: string | undefined
  readonly resource: Level
  /** `handler`: it asks for each key by itself, with `Call.authorize`. */
  readonly authorizedBy: 'gate' | 'handler'
  /** Changes a policy or who may do what: leaves a line in the audit log, also when it is refused. */
  readonly audited?: boolean | undefined
  /**
   * Absent: known to S3, not to Shoal: 501. Present and `answersUnconfigured`: a sub-resource that
   * can't be configured yet answers as AWS does when nothing is (docs/s3-compatibility.md, rule 5).
   */
  readonly run?: Handler | undefined
  readonly answersUnconfigured?: boolean | undefined
}
