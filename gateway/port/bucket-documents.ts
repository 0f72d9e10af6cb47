/**
 * Settings of a bucket that are kept as one JSON text each. The gateway checks what a client sends and hands over the
 * parsed form; the backend stores it and never looks into it.
 *
 * A new setting is a field of BucketDocuments and a name in DOCUMENT_NAMES. Stored names are never used for another
 * meaning. A record may have names that only a later version of Shoal knows: they are kept.
 */

import type { AclGrant } from '../../protocol/iam/acl.ts'
import type { LifecycleRule } from '../../protocol/lifecycle/rule.ts'
import type { NotificationRule } from '../../protocol/notification/rule.ts'

/** A tag of a bucket or of an object. */
export interface Tag {
  readonly key: string
  readonly value: string
}

/** One rule of a CORS configuration, as the client sent it. */
export interface CorsRule {
  readonly id?: string | undefined
  readonly allowedOrigins: readonly string[]
  readonly allowedMethods: readonly string[]
  readonly allowedHeaders: readonly string[]
  readonly exposeHeaders: readonly string[]
  readonly maxAgeSeconds?: number | undefined
}

/** Object lock of a bucket. It stays for good. */
export interface ObjectLockSetting {
  /** What new versions get that bring no retention of their own: days or years. */
  readonly defaultRetention?:
    | {
        readonly mode: LockMode
        readonly days?: number | undefined
        readonly years?: number | undefined
      }
    | undefined
}

export type LockMode = 'governance' | 'compliance'

/** Who owns the objects of a bucket, and whether access control lists count in it. */
export type ObjectOwnership = 'BucketOwnerEnforced' | 'BucketOwnerPreferred' | 'ObjectWriter'

/** How new objects of a bucket are encrypted when their request does not say. */
export interface BucketEncryption {
  readonly algorithm?: 'AES256' | 'aws:kms' | undefined
  /** As the client gave it: an id or an ARN. */
  readonly kmsKeyId?: string | undefined
  readonly bucketKey?: boolean | undefined
  /** Kinds of encryption that are refused. */
  readonly blocked?: readonly ('SSE-C' | 'NONE')[] | undefined
}

/** Where a request to a website is sent instead. */
export interface WebsiteHost {
  readonly hostName: string
  /** Absent: that of the request. */
  readonly protocol?: 'http' | 'https' | undefined
}

/** A rule of a website that redirects. Without a condition it is for all requests. */
export interface RoutingRule {
  /** Of the key that is asked for. */
  readonly keyPrefix?: string | undefined
  /** The status that the request would be answered with: then the rule counts after the look-up of the object only. */
  readonly errorStatus?: number | undefined
  readonly redirect: {
    readonly hostName?: string | undefined
    readonly protocol?: WebsiteHost['protocol']
    /** Takes the place of `keyPrefix`. May be empty. */
    readonly replaceKeyPrefixWith?: string | undefined
    readonly replaceKeyWith?: string | undefined
    /** 3XX, and not 300. Absent: 301. */
    readonly status?: number | undefined
  }
}

/** A bucket that is served as a website: with `redirectAll` alone, or with the other fields. */
export interface WebsiteSetting {
  readonly redirectAll?: WebsiteHost | undefined
  /** What is added to the names of folders. There unless `redirectAll` is. */
  readonly indexSuffix?: string | undefined
  /** The object that is shown instead of an error of the class 4XX. */
  readonly errorKey?: string | undefined
  readonly rules?: readonly RoutingRule[] | undefined
}

/** How much a bucket may hold. What is absent has no limit. */
export interface BucketQuota {
  /** Of all versions and of the parts of open uploads, without what replicas and the log need. */
  readonly bytes?: number | undefined
  /** Versions count, delete markers do not. */
  readonly objects?: number | undefined
}

/** Where the access log of a bucket is stored: in a bucket of the same account. */
export interface LoggingSetting {
  readonly targetBucket: string
  /** May be empty. */
  readonly targetPrefix: string
  /** How the objects are named: partitioned by the day of the requests or of the delivery, or not. Absent: not. */
  readonly keyFormat?: 'SimplePrefix' | 'EventTime' | 'DeliveryTime' | undefined
}

/** A setting that was never made, or was removed, is absent. */
export interface BucketDocuments {
  readonly tags?: readonly Tag[] | undefined
  readonly cors?: readonly CorsRule[] | undefined
  readonly objectLock?: ObjectLockSetting | undefined
  /** All grants, those of the owner too. Absent: the owner has full control, and nobody else anything. */
  readonly acl?: readonly AclGrant[] | undefined
  /** Absent means BucketOwnerEnforced. `Removed`: the rule was deleted, which means ObjectWriter. */
  readonly ownership?: ObjectOwnership | 'Removed' | undefined
  readonly encryption?: BucketEncryption | undefined
  readonly lifecycle?: readonly LifecycleRule[] | undefined
  readonly quota?: BucketQuota | undefined
  readonly website?: WebsiteSetting | undefined
  readonly logging?: LoggingSetting | undefined
  readonly notification?: readonly NotificationRule[] | undefined
}

/** Null removes a setting, undefined leaves it unchanged. */
export type DocumentChange = {
  readonly [Name in keyof BucketDocuments]?: BucketDocuments[Name] | null
}

export const DOCUMENT_NAMES = [
  'tags',
  'cors',
  'objectLock',
  'acl',
  'ownership',
  'encryption',
  'lifecycle',
  'quota',
  'website',
  'logging',
  'notification',
] as const satisfies readonly (keyof BucketDocuments)[]

/** The settings after a change. */
export function changedDocuments(before: BucketDocuments, change: DocumentChange): BucketDocuments {
  const after: Record<string, unknown> = {}
  for (const name of DOCUMENT_NAMES) {
    const given = change[name]
    after[name] = given === undefined ? before[name] : (given ?? undefined)
  }
  return after
}
