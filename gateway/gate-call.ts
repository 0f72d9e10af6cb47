/**
 * One S3 request in its handler, and the checks of its rights.
 *
 * The record of a bucket is read once for each request, so all decisions about the request see the same owner, policy
 * and public access block, at most a second old (T7).
 */

import { lowerCase } from './http/ascii.ts'
import { StoreError } from '../protocol/errors.ts'
import { grantedBy } from '../protocol/iam/acl.ts'
import { compiledPolicy } from '../protocol/iam/compiled.ts'
import { matchesPattern } from '../protocol/iam/pattern.ts'
import { matchPrincipal } from '../protocol/iam/principal.ts'
import { Meter } from '../protocol/work.ts'
import { countingGrants } from './auth/acl-settings.ts'
import { ANONYMOUS, authorize, isAllowed, type Access, type Applicant } from './auth/authorize.ts'
import type { Backend } from './port/backend.ts'
import type { Fact, KnownFacts, NamedObject } from './auth/condition-values.ts'
import { JudgedObjects } from './judged-objects.ts'
import type { Identity } from './port/identity.ts'
import type { ObjectAcl, ObjectChange, ObjectFacts, ObjectReader } from './port/objects.ts'
import type {
  BucketAccess,
  BucketChange,
  BucketSettings,
  ChangeBucketRequest,
} from './port/buckets.ts'
import { S3Error } from './http/errors.ts'
import type { Admission } from './overload/admission.ts'
import type { Exchange } from './http/exchange.ts'
import type { TurnBytes } from './http/turn-bytes.ts'
import type { WorkQueue } from './http/work-queue.ts'
import type { InTurns } from './port/in-turns.ts'
import type { Call, Level, Operation } from './s3/operation.ts'
import { encryptionOfUpload } from './s3/encryption.ts'
import { lockInBody } from './s3/locking.ts'
import { tagsInBody } from './s3/tagging.ts'
import type { S3Request } from './http/request.ts'
import type { AuthResult, SigV2 } from './auth/auth.ts'

/** Operations that are only for the bucket's own account. */
const POLICY_OPERATIONS: ReadonlySet<string> = new Set([
  'GetBucketPolicy',
  'PutBucketPolicy',
  'DeleteBucketPolicy',
])

/** The parts of the gate that a request in its handler uses. */
export interface GateCallOptions {
  readonly backend: Backend
  readonly region: string
  readonly sigv2: SigV2
  readonly admission: Admission
  readonly workQueue: WorkQueue
  /** Shared by all bodies that are streamed to the store, and all pages of lists. */
  readonly received: TurnBytes
  readonly randomBytes: (length: number) => Uint8Array
}

/** An entry of a list takes as much work as so many bytes of an upload: two pages of 1,000 are what a turn has. */
const BYTES_PER_ENTRY = 1_100

/** Made by gate.ts for each authenticated request, and given to its handler as `Call`. */
export class GateCall implements Call, Applicant {
  readonly operation: Operation
  readonly request: S3Request
  readonly auth: AuthResult
  readonly identity: Identity
  readonly context: Exchange
  readonly store: Backend
  readonly region: string
  readonly sigv2: SigV2
  readonly bucket: string
  readonly key: string
  readonly nowMs: number
  readonly randomBytes: (length: number) => Uint8Array
  readonly inTurns: InTurns
  readonly #admission: Admission
  readonly #received: TurnBytes
  /** Whether its body is kept as a whole instead of streamed. */
  #gathers = false
  /** Records of buckets that were asked for: that of the request, and the source of a copy. */
  readonly #accesses = new Map<string, Promise<BucketAccess>>()
  /** The bucket that a copy reads from, once its right was asked for. A missing key is then one of this bucket. */
  #sourceBucket: string | undefined
  /** Made for the first decision that asks for an object: most ask for none. */
  #judged: JudgedObjects | undefined

  constructor(
    operation: Operation,
    request: S3Request,
    auth: AuthResult,
    identity: Identity,
    context: Exchange,
    options: GateCallOptions,
    nowMs: number,
  ) {
    this.operation = operation
    this.request = request
    this.auth = auth
    this.identity = identity
    this.context = context
    this.store = options.backend
    this.region = options.region
    this.sigv2 = options.sigv2
    this.bucket = request.bucket ?? ''
    this.key = request.key ?? ''
    this.nowMs = nowMs
    this.randomBytes = options.randomBytes
    this.inTurns = (work) => options.workQueue.run(work, context)
    this.#admission = options.admission
    this.#received = options.received
  }

  /** The ARN that the operation is about. */
  get target(): string {
    return resourceArn(this.operation.resource, this.bucket, this.key)
  }

  /** See Call. A body that announces no size counts as the largest one that would be gathered. */
  wantBody(maxGatheredBytes: number): void {
    const { contentLength, headers } = this.request
    const decoded = headers['x-amz-decoded-content-length']
    const sizeBytes = Number(decoded ?? contentLength ?? maxGatheredBytes)
    this.#gathers = !(sizeBytes > maxGatheredBytes)
    if (this.#gathers) this.#admission.gather(this.context, sizeBytes || 0)
    this.context.sendContinue()
  }

  onBytes(count: number): Promise<void> | undefined {
    this.context.bytesMoved += count
    if (!this.#gathers) return this.#received.taken(count)
    this.#admission.gathered(this.context, count)
    return undefined
  }

  onPage(entries: number): Promise<void> | undefined {
    return this.#received.taken(entries * BYTES_PER_ENTRY)
  }

  async changeBucket(
    change: BucketChange,
    checked?: Pick<ChangeBucketRequest, 'judged' | 'ownerAccount'>,
  ): Promise<void> {
    const ownerAccount = checked?.ownerAccount ?? (await this.#owner())
    const request = { ...checked, bucket: this.bucket, ownerAccount, change }
    await this.store.changeBucket(this.context, request)
  }

  async deleteBucket(): Promise<void> {
    await this.store.deleteBucket(this.context, this.bucket, await this.#owner())
  }

  async #owner(): Promise<string> {
    return (await this.access(this.bucket)).info.ownerAccount
  }

  /** See Call. A failed read is kept too: asking again gives the same error. */
  access(bucket: string): Promise<BucketAccess> {
    let access = this.#accesses.get(bucket)
    if (access === undefined) {
      access = this.store.bucketAccess(this.context, bucket)
      this.#accesses.set(bucket, access)
      if (bucket === this.bucket) void access.then((found) => this.context.served(found), ignore)
    }
    return access
  }

  /**
   * Checks the right to the operation on the bucket or object of the request. A version in the query needs the right
   * to versions. Throws AccessDenied; NoSuchBucket for callers who would have been let in.
   */
  authorizeTarget(): Promise<void> | void {
    const { action, versionAction } = this.operation
    const versionId = versionAction === undefined ? undefined : this.request.query.get('versionId')
    const right = versionId === undefined ? action : (versionAction ?? action)
    if (!this.#hasBucket()) return this.authorizeAlso(right)
    return this.#authorizeTarget(right, versionId)
  }

  /** False for operations of the service. A bucket that is about to be created has no owner and no policy either. */
  #hasBucket(): boolean {
    const { resource, name } = this.operation
    return resource !== 'service' && name !== 'CreateBucket'
  }

  /** See Call. */
  authorizeAlso(action: string, acl?: ObjectAcl): Promise<void> | void {
    const { bucket, key, target: resource } = this
    if (!this.#hasBucket()) return authorize({ action, resource }, this)
    if (acl === undefined) return this.#authorize(bucket, { action, resource })
    const facts = { versionId: '', acl }
    return this.#authorize(bucket, { action, resource, object: { bucket, key } }, { object: facts })
  }

  async #authorizeTarget(action: string, versionId: string | undefined): Promise<void> {
    const { bucket, key } = this
    const object = this.operation.resource === 'object' ? { bucket, key, versionId } : undefined
    await this.#authorize(bucket, { action, resource: this.target, object })
    if (!POLICY_OPERATIONS.has(this.operation.name)) return
    const { info } = await this.access(this.bucket)
    // As in AWS, no policy can allow other accounts to change policies.
    if (info.ownerAccount !== this.identity.accountId) throw new S3Error('MethodNotAllowed')
  }

  /**
   * For operations whose handler checks rights: refuses requests without a signature, unless the policy or the list of
   * the bucket may allow them something. This happens before the body is read.
   */
  async refuseStrangers(): Promise<void> {
    if (this.identity !== ANONYMOUS) return
    const known = await this.access(this.bucket).catch((error: unknown) => {
      if (isMissing(error, 'NoSuchBucket')) return undefined
      throw error
    })
    const { action, versionAction = action } = this.operation
    if (known === undefined || !letsStrangers(known.settings, [action, versionAction])) {
      throw new S3Error('AccessDenied')
    }
  }

  /** See Call. A copy and a rename ask only about their source. */
  authorize(action: string, object: NamedObject, facts?: ObjectFacts): Promise<void> {
    const { bucket, key } = object
    const { markHeader, name } = this.operation
    if (markHeader === 'x-amz-copy-source' || name === 'RenameObject') this.#sourceBucket = bucket
    const resource = resourceArn('object', bucket, key)
    return this.#authorize(bucket, { action, resource, object }, { object: facts })
  }

  /** See Call. */
  authorizeOwn(action: string, arn: string): void | Promise<void> {
    return authorize({ action, resource: arn }, this)
  }

  /** See Call. */
  async may(action: string, object: NamedObject, facts: ObjectFacts): Promise<boolean> {
    const bucket = await this.access(object.bucket)
    const resource = resourceArn('object', object.bucket, object.key)
    return isAllowed({ action, resource, object, bucket }, this, { object: facts })
  }

  /** What a decision lacks (Applicant). */
  async fetch(fact: Fact, access: Access): Promise<KnownFacts> {
    if (fact === 'bodyTags') return { bodyTags: await tagsInBody(this, 'Object') }
    if (fact === 'bodyLock') return { bodyLock: await lockInBody(this) }
    if (fact === 'upload') return { upload: await encryptionOfUpload(this) }
    const { object } = access
    if (object === undefined) return { object: null }
    const judged = (this.#judged ??= new JudgedObjects(this.store, this.context))
    return { object: await judged.facts(access, object) }
  }

  /** Applicant. */
  assumeOwned(access: Access): void {
    const judged = (this.#judged ??= new JudgedObjects(this.store, this.context))
    judged.assume(access)
  }

  /** See Call. */
  getObject(request: NamedObject & { readonly withData: boolean }): Promise<ObjectReader> {
    const read = this.store.getObject(this.context, request)
    const judged = this.#judged
    return judged === undefined ? read : this.#confirmed(request, read, judged)
  }

  async #confirmed(
    named: NamedObject,
    read: Promise<ObjectReader>,
    judged: JudgedObjects,
  ): Promise<ObjectReader> {
    const reader = await read
    const object = reader.info
    for (const access of judged.outdated(named, object)) await authorize(access, this, { object })
    return reader
  }

  /** See Call. */
  changeObject(
    versionId: string | undefined,
    change: ObjectChange,
    by?: ObjectFacts,
  ): ReturnType<Backend['changeObject']> {
    const { bucket, key } = this
    const judged = by ?? this.#judged?.judged({ bucket, key, versionId })
    return this.store.changeObject(this.context, { bucket, key, versionId, change, judged })
  }

  async #authorize(
    bucket: string,
    wanted: Omit<Access, 'bucket'>,
    known?: KnownFacts,
  ): Promise<void> {
    const access = await this.#existing(bucket, wanted, known)
    await authorize({ ...wanted, bucket: access }, this, known)
  }

  /** Only callers who would have been let in are told that the bucket does not exist; others get AccessDenied. */
  async #existing(
    bucket: string,
    wanted: Omit<Access, 'bucket'>,
    known?: KnownFacts,
  ): Promise<BucketAccess> {
    try {
      return await this.access(bucket)
    } catch (error) {
      if (!isMissing(error, 'NoSuchBucket')) throw error
      throw (await isAllowed(wanted, this, known)) ? error : new S3Error('AccessDenied')
    }
  }

  /**
   * x-amz-expected-bucket-owner: throws AccessDenied when the bucket belongs to another account, as in AWS. A bucket
   * that is about to be created has no owner yet. Where the handler checks rights, the caller's are not known yet, so
   * a missing bucket is hidden here too.
   */
  async checkOwner(expected: string): Promise<void> {
    const { name, action } = this.operation
    if (name === 'CreateBucket') return
    const { info } = await this.#existing(this.bucket, { action, resource: this.target })
    if (info.ownerAccount !== expected) throw new S3Error('AccessDenied')
  }

  /**
   * What the caller is told instead of `error`. As in S3, only callers who may list the bucket are told that an
   * object does not exist; others get 403. Other writes and operations on buckets have nothing to hide.
   */
  async shownFailure(error: unknown): Promise<unknown> {
    const { operation } = this
    const reads = operation.method === 'GET' || operation.method === 'HEAD'
    // Changes of something that belongs to an object, as its tags, tell that it exists.
    const ofObject = operation.marks.length > 0 && operation.versionAction !== undefined
    if (operation.resource !== 'object' || !isMissing(error, 'NoSuchKey')) return error
    if (!reads && !ofObject && this.#sourceBucket === undefined) return error
    const bucket = this.#sourceBucket ?? this.bucket
    const resource = resourceArn('bucket', bucket, '')
    try {
      const access = await this.access(bucket)
      await authorize({ action: 's3:ListBucket', resource, bucket: access }, this)
    } catch (denied) {
      return denied
    }
    return error
  }
}

/**
 * Whether the bucket's policy or its access control list may allow one of the actions, on any resource and condition, to
 * requests without a signature.
 */
function letsStrangers(settings: BucketSettings, actions: readonly string[]): boolean {
  const lower = actions.map((action) => lowerCase(action))
  const grants = countingGrants(settings) ?? []
  if (lower.some((action) => grantedBy(grants, action, 'anonymous') !== undefined)) return true
  if (settings.policy === undefined) return false
  const meter = new Meter()
  const { policy } = compiledPolicy('bucket policy', settings.policy, 'resource')
  if (policy === undefined) return false
  return policy.statements.some(
    ({ effect, principals, exceptPrincipals, actions: patterns, exceptActions }) =>
      effect === 'Allow' &&
      principals !== undefined &&
      (exceptPrincipals || matchPrincipal(principals, 'anonymous', false) !== 'none') &&
      (exceptActions ||
        patterns.some((pattern) => lower.some((action) => matchesPattern(pattern, action, meter)))),
  )
}

/** Whoever asked for the record reports why it cannot be read. */
function ignore(): void {}

export function isMissing(error: unknown, code: 'NoSuchBucket' | 'NoSuchKey'): boolean {
  return (error instanceof StoreError || error instanceof S3Error) && error.code === code
}

/** The ARN that policies name. Operations of the service are about all buckets. */
function resourceArn(level: Level, bucket: string, key: string): string {
  if (level === 'service') return 'arn:aws:s3:::*'
  return level === 'bucket' ? `arn:aws:s3:::${bucket}` : `arn:aws:s3:::${bucket}/${key}`
}
