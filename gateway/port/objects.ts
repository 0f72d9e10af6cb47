/** Objects: writing, reading, deleting and listing their current versions. */

import type { RequestContext } from '../../protocol/context.ts'
import type { AclGrant } from '../../protocol/iam/acl.ts'
import type { LockMode, Tag } from './bucket-documents.ts'
import type { RuleTime } from '../../protocol/lifecycle/rule.ts'
import type { ObjectBody, FinishedBody, SmallBody } from './body.ts'
import type { DataEncryption } from './encryption.ts'
import type { ListedObjects } from './listed-objects.ts'

/** What the client sends with an object and gets back unchanged. */
export interface ObjectHeaders {
  /** Lower-case names: content-type, content-encoding, content-disposition, content-language,
   * cache-control, expires. */
  readonly system: Readonly<Record<string, string>>
  /** x-amz-meta-*, lower-case names without the prefix. Null-prototype. */
  readonly user: Readonly<Record<string, string>>
  /** As the client sent it, by default STANDARD. */
  readonly storageClass: string
  /** In the order in which the client sent them. Absent when there are none. */
  readonly tags?: readonly Tag[] | undefined
  /** Absent when there is none. Of a new version: what its request asks for. */
  readonly lock?: ObjectLock | undefined
  /** Absent: the account of the bucket owns it, and nobody else has rights on it but by policies. */
  readonly acl?: ObjectAcl | undefined
}

/** Who owns a version, and whom its access control list lets in. It counts where the bucket's ownership lets lists count. */
export interface ObjectAcl {
  /** An account, or ANONYMOUS_OWNER. Absent: the account of the bucket. */
  readonly owner?: string | undefined
  /** All grants, those of the owner too. Absent: the owner has full control, and nobody else anything. */
  readonly grants?: readonly AclGrant[] | undefined
}

/** Retention of a version: it cannot be removed before this time. */
export interface Retention {
  readonly mode: LockMode
  readonly untilMs: number
}

/** What keeps a version from being removed. */
export interface ObjectLock {
  readonly retention?: Retention | undefined
  /** False: there was one, and it was lifted. Undefined: there never was. */
  readonly legalHold?: boolean | undefined
}

/** ETags are without quotes; '*' matches any. All conditions that are given must hold. */
export interface WriteCondition {
  readonly ifMatch?: readonly string[] | undefined
  readonly ifNoneMatch?: readonly string[] | undefined
  /** DELETE only. */
  readonly ifMatchSizeBytes?: number | undefined
  readonly ifMatchLastModifiedMs?: number | undefined
  /** RenameObject only. */
  readonly ifModifiedSinceMs?: number | undefined
  readonly ifUnmodifiedSinceMs?: number | undefined
}

/** A new key for an object, in its bucket. */
export interface RenameRequest {
  readonly bucket: string
  /** The key that it has. */
  readonly source: string
  /** The key that it gets. */
  readonly key: string
  /** The version of the source that the request was judged by. Absent: there was none. */
  readonly seen?: Pick<ObjectInfo, 'etag' | 'lastModifiedMs'> | undefined
  /** How its data is encrypted, in words that are right for the new key. Absent: not at all. */
  readonly encryption?: string | undefined
  /** Of the new key. */
  readonly condition?: WriteCondition | undefined
  /** A repeat of the request has the same. Absent: a repeat is a new request. */
  readonly token?: string | undefined
}

/** The metadata of one version of an object. */
export interface ObjectInfo extends ObjectHeaders, Omit<FinishedBody, 'salt'> {
  readonly key: string
  /** Of the plain bytes. */
  readonly sizeBytes: number
  readonly lastModifiedMs: number
  /** 'null': the null version. */
  readonly versionId: string
  /** When a rule of the bucket's lifecycle lets it expire. Only the current version does. */
  readonly expiration?: RuleTime | undefined
  /** The parts of a multipart object, in order. Other objects have none. */
  readonly parts?: readonly ObjectPart[] | undefined
  /** Present when the stored bytes are encrypted. */
  readonly encryption?: DataEncryption | undefined
}

/**
 * What decisions about requests may depend on of a version of an object. Null where there is no version, or a delete
 * marker: nothing is known of it.
 */
export type ObjectFacts = Pick<ObjectInfo, 'versionId' | 'tags' | 'acl'> | null

/** Whether a decision that was made by `judged` holds for what is there now. */
export function sameFacts(judged: ObjectFacts, found: ObjectFacts): boolean {
  if (judged === null || found === null) return judged === found
  const [before, now] = [judged.tags ?? [], found.tags ?? []]
  return (
    judged.versionId === found.versionId &&
    sameAcl(judged.acl, found.acl) &&
    before.length === now.length &&
    before.every(({ key, value }, at) => key === now[at]?.key && value === now[at]?.value)
  )
}

function sameAcl(a: ObjectAcl | undefined, b: ObjectAcl | undefined): boolean {
  if (a === b || a?.owner !== b?.owner) return a === b
  const [before, now] = [a?.grants, b?.grants]
  if (before === undefined || now === undefined) return before === now
  return (
    before.length === now.length &&
    before.every(({ account, group, permission }, at) => {
      const other = now[at]
      return (
        account === other?.account && group === other?.group && permission === other?.permission
      )
    })
  )
}

/** What changes of a version of an object, all at once. What is undefined stays. */
export interface ObjectChange {
  /** Replace those of the version. */
  readonly tags?: readonly Tag[] | undefined
  /** Replaces the list of the version, whose owner stays. */
  readonly grants?: readonly AclGrant[] | undefined
  /** Null removes it. */
  readonly retention?: Retention | null | undefined
  readonly legalHold?: boolean | undefined
  /** Retention in governance mode may be shortened or removed. */
  readonly bypassGovernance?: boolean | undefined
}

/** One part of an object, as it was uploaded. */
export interface ObjectPart {
  /** Of the plain bytes. */
  readonly sizeBytes: number
  /** Base64, in the algorithm of the object's checksum. */
  readonly checksum?: string | undefined
}

/** An object that was found, and its bytes. */
export interface ObjectReader {
  readonly info: ObjectInfo
  /** The bucket has or had versioning, so answers name the version. */
  readonly versioned: boolean
  /**
   * Verified bytes of [start, end), as they are stored, in chunks of at most 1 MiB. Throws before the first chunk when no verified
   * replica answers. It throws ReplacedError when the object was replaced meanwhile (R4): the caller then gets
   * the object again, once. After the first chunk a failure ends the stream with an error. A chunk is valid until
   * the next one is requested.
   */
  read(start: number, end: number): AsyncIterable<Uint8Array>
  /** The whole body, as it is stored, when it came with the metadata (packed objects) and needs no further round. */
  readonly bytes?: Uint8Array | undefined
}

/** The version that a write made. */
export interface PutResult {
  /** 'null': the null version. */
  readonly versionId: string
  readonly versioned: boolean
  readonly lastModifiedMs: number
  /** When a rule of the bucket's lifecycle lets it expire. */
  readonly expiration?: RuleTime | undefined
}

/** What a delete made or removed. */
export interface DeleteResult {
  /** The delete marker that was made, or the version that was removed, if there was one. */
  readonly versionId?: string | undefined
  /** Whether a delete marker was made or removed. */
  readonly deleteMarker: boolean
}

export interface ListRequest {
  readonly bucket: string
  readonly prefix: string
  readonly delimiter?: string | undefined
  /** Start after this key. After a common prefix, everything below it is skipped. */
  readonly after?: string | undefined
  readonly limit: number
}

/** Objects and prefixes are in one byte order; `limit` counts both. */
export interface ListPage {
  readonly objects: ListedObjects
  readonly prefixes: readonly string[]
  /** Present when there may be more: the `after` of the next page. */
  readonly next?: string | undefined
}

/** Operations on objects. All throw NoSuchBucket, and PreconditionFailed when a condition fails. */
export interface ObjectBackend {
  putObject(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      headers: ObjectHeaders
      body: ObjectBody | SmallBody
      /** How the body is encrypted (gateway/encryption/record.ts). Its result has a salt then. */
      encryption?: string | undefined
      condition?: WriteCondition | undefined
    },
  ): Promise<PutResult>
  /**
   * The current version, unless one is named. `withData` is false for HEAD. Throws NoSuchKey (with the details
   * DeleteMarker 'true' and VersionId when the current version is a delete marker), NoSuchVersion, or
   * IsDeleteMarker (with the details VersionId and LastModifiedMs) when the named version is a delete marker.
   */
  getObject(
    context: RequestContext,
    request: { bucket: string; key: string; versionId?: string | undefined; withData: boolean },
  ): Promise<ObjectReader>
  /**
   * Without a version id, makes a delete marker in a versioned bucket and removes the object in others. With
   * one, removes exactly that version for good. Succeeds even when there is nothing to delete, unless a condition
   * fails. The condition is evaluated against the named version, or else the current one. A version id that is
   * not one of this key's means that there is nothing to delete. Throws ObjectLocked when object lock protects the version;
   * `bypassGovernance`: governance mode does not.
   */
  deleteObject(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      versionId?: string | undefined
      condition?: WriteCondition | undefined
      bypassGovernance?: boolean | undefined
    },
  ): Promise<DeleteResult>
  /**
   * Changes the current version, unless one is named. Its ETag, its Last-Modified and the order of versions stay. Linearizable.
   * `judged` is what the right to the change was decided by: throws Conflict when it is not true any more. Throws
   * ObjectLocked when object lock does not allow it, NoSuchKey and NoSuchVersion as `getObject`, and IsDeleteMarker also when the current version is a delete marker.
   */
  changeObject(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      versionId?: string | undefined
      change: ObjectChange
      judged?: ObjectFacts | undefined
    },
  ): Promise<Pick<PutResult, 'versionId' | 'versioned'>>
  /**
   * The new key gets the object as it is, with its ETag, its parts and its metadata; then the old key is deleted, unless it has
   * another version by then. Its Last-Modified stays too, unless the new key had a later one. Between the two changes both keys
   * are there. A repeat goes on where the request with the same token has stopped, and changes nothing when that has succeeded.
   *
   * Throws NoSuchKey, InvalidBucketState where the bucket has or had versioning, Conflict when the source is another version than
   * `seen`, TokenMismatch when the token was used for another source.
   */
  renameObject(context: RequestContext, request: RenameRequest): Promise<void>
  listObjects(context: RequestContext, request: ListRequest): Promise<ListPage>
}
