/** An operation in the table (operations.ts), and what its handler is given. */

import type { Backend } from '../port/backend.ts'
import type { Identity } from '../port/identity.ts'
import type { BucketAccess, BucketChange, ChangeBucketRequest } from '../port/buckets.ts'
import type {
  ObjectAcl,
  ObjectBackend,
  ObjectChange,
  ObjectFacts,
  ObjectReader,
} from '../port/objects.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { InTurns } from '../port/in-turns.ts'
import type { S3Request } from '../http/request.ts'
import type { S3Response } from '../http/response.ts'
import type { AuthResult, SigV2 } from '../auth/auth.ts'
import type { NamedObject } from '../auth/condition-values.ts'

/** What the path of a request names. */
export type Level = 'service' | 'bucket' | 'object'
export type Method = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'

/** One authenticated and authorised request, as its handler sees it. */
export interface Call {
  readonly operation: Operation
  readonly request: S3Request
  readonly auth: AuthResult
  /** `ANONYMOUS` (authorize.ts) for requests without a signature. */
  readonly identity: Identity
  readonly context: RequestContext
  /** Buckets are changed by `changeBucket` and `deleteBucket` below alone. */
  readonly store: Omit<Backend, 'changeBucket' | 'deleteBucket'>
  readonly region: string
  /** Where signatures of version 2 are accepted. */
  readonly sigv2: SigV2
  /** '' for operations of the service. */
  readonly bucket: string
  /** '' for operations of the service or a bucket. */
  readonly key: string
  readonly nowMs: number
  /** For keys, salts and nonces. */
  readonly randomBytes: (length: number) => Uint8Array
  /** For work that grows with what the caller sent or stored (work-queue.ts). */
  readonly inTurns: InTurns
  /**
   * Call before reading the body, once the caller's rights are known. Tells the client to send the body, if it
   * waits for that. A body of at most `maxGatheredBytes` is gathered as a whole: each arriving piece counts for its
   * caller (`onBytes`), and the body has a deadline. Throws SlowDown.
   */
  wantBody(maxGatheredBytes: number): void
  /**
   * Call with the number of raw bytes of the body that arrived, for minimum rates. Throws SlowDown. The result is a promise
   * when this turn of the event loop has taken bytes enough: go on when it resolves.
   */
  onBytes(count: number): Promise<void> | undefined
  /** Call before a page of so many entries is read. When it returns a promise, read the page when that resolves: see `onBytes`. */
  onPage(entries: number): Promise<void> | undefined
  /**
   * Throws AccessDenied unless the identity may do `action` on this object: the source of a copy, or one of many
   * objects. `facts` is what is known of it: otherwise it is read, if a condition asks for it.
   */
  authorize(action: string, object: NamedObject, facts?: ObjectFacts): Promise<void>
  /**
   * Throws AccessDenied unless the identity may do `action` too on the target of the request, as it will be. `acl` where the
   * target is an object, and who owns it has a say.
   */
  authorizeAlso(action: string, acl?: ObjectAcl): void | Promise<void>
  /** Throws AccessDenied unless the caller may do `action` on something of its own account. */
  authorizeOwn(action: string, arn: string): void | Promise<void>
  /** Whether the identity may do `action` on an object of which `facts` is known. */
  may(action: string, object: NamedObject, facts: ObjectFacts): Promise<boolean>
  /**
   * ObjectBackend.getObject. Handlers read objects only by this: when the right depended on the object, and the object
   * has changed since, the right is decided again by what is returned. Throws AccessDenied too.
   */
  getObject(request: NamedObject & { readonly withData: boolean }): Promise<ObjectReader>
  /**
   * ObjectBackend.changeObject of the target. Throws Conflict too, when the right depended on what has changed since.
   * `judged` is what the handler itself has judged by.
   */
  changeObject(
    versionId: string | undefined,
    change: ObjectChange,
    judged?: ObjectFacts,
  ): ReturnType<ObjectBackend['changeObject']>
  /**
   * BucketBackend.changeBucket of the target: only while the bucket belongs to the account for which the right was decided, or
   * to `ownerAccount`. For what decides about access: s3/access-change.ts. Throws Conflict otherwise.
   */
  changeBucket(
    change: BucketChange,
    checked?: Pick<ChangeBucketRequest, 'judged' | 'ownerAccount'>,
  ): Promise<void>
  /** BucketBackend.deleteBucket of the target, for the same owner. */
  deleteBucket(): Promise<void>
  /** The owner and settings of a bucket, as decisions about this request use them: at most 1 s old (T7). */
  access(bucket: string): Promise<BucketAccess>
}

/** Answers one operation. Throws S3Error and StoreError. */
export type Handler = (call: Call) => Promise<S3Response>

/** The definition of one operation of S3. defineOperation makes it (table/define.ts). */
export interface Operation {
  readonly service: 's3' | 'iam' | 'sts'
  /** AWS's name of the operation. */
  readonly name: string
  readonly method: Method
  readonly level: Level
  /** Query parameters that select this operation: `uploads`, or with a value `list-type=2`. */
  readonly marks: readonly string[]
  /** The header that selects this operation: x-amz-copy-source. */
  readonly markHeader?: string | undefined
  /** Other query parameters that it understands. */
  readonly query: ReadonlySet<string>
  /** x-amz-* headers that it understands, in lower case. 'x-amz-meta-*' means all metadata. */
  readonly headers: ReadonlySet<string>
  /** Conditions (If-*) that it understands, in lower case. */
  readonly conditions: ReadonlySet<string>
  /** Query parameters that AWS documents for it and Shoal does not implement: 501. */
  readonly refusedQuery: ReadonlySet<string>
  /** Headers (in lower case) that AWS documents for it and Shoal does not implement: 501. */
  readonly refusedHeaders: ReadonlySet<string>
  /** Names that AWS documents for it and that cannot have an effect in Shoal, with the reason. */
  readonly ignored: ReadonlyMap<string, string>
  /** Names that AWS refuses for it (400 InvalidArgument), with AWS's text. */
  readonly misplaced: ReadonlyMap<string, string>
  readonly action: string
  /** The right that is needed instead of `action` when the query names a version (`versionId`). */
  readonly versionAction?: string | undefined
  readonly resource: Level
  /** `handler`: the handler checks each key itself, with `Call.authorize`. */
  readonly authorizedBy: 'gate' | 'handler'
  /** Changes rights, so every request gets a line in the audit log, even a refused one. */
  readonly audited?: boolean | undefined
  /**
   * Absent for operations that Shoal does not implement: 501. With `answersUnconfigured`, a sub-resource that cannot
   * be configured answers as AWS does when nothing is configured (docs/s3-compatibility.md, rule 5).
   */
  readonly run?: Handler | undefined
  readonly answersUnconfigured?: boolean | undefined
}
