/**
 * Functions that define operations of S3 for the table. Fields that are left out get their usual value: the right is
 * `s3:` and the operation's name, needed on what the path names, and checked by the gate.
 *
 * Sets of names that several operations understand are defined here too.
 */

import type { Handler, Level, Method, Operation } from '../operation.ts'
import { NEW_OBJECT_ACL_HEADERS } from '../acl-grants.ts'
import { removeFromBucket } from '../unconfigured.ts'
import { COMMON_HEADERS, HTTP_HEADERS } from '../../http/names.ts'
import { DOCUMENTED } from '../../http/documented.ts'

/** The checksum headers that writes understand. */
export const CHECKSUMS = [
  'x-amz-sdk-checksum-algorithm',
  'x-amz-checksum-crc32',
  'x-amz-checksum-crc32c',
  'x-amz-checksum-crc64nvme',
  'x-amz-checksum-sha1',
  'x-amz-checksum-sha256',
  'x-amz-checksum-sha512',
  'x-amz-checksum-md5',
  'x-amz-checksum-xxhash64',
  'x-amz-checksum-xxhash3',
  'x-amz-checksum-xxhash128',
]
/** The headers that writes store with the object. */
export const STORED = [
  'x-amz-meta-*',
  'x-amz-storage-class',
  'x-amz-website-redirect-location',
  ...NEW_OBJECT_ACL_HEADERS,
]
/** The headers that name the source of a copy and set conditions for it. */
export const COPY_SOURCE = [
  'x-amz-copy-source',
  'x-amz-copy-source-if-match',
  'x-amz-copy-source-if-none-match',
  'x-amz-copy-source-if-modified-since',
  'x-amz-copy-source-if-unmodified-since',
  'x-amz-source-expected-bucket-owner',
]
/** Which of their values are implemented: writeCondition (conditions.ts). */
export const WRITE_CONDITIONS = ['if-match', 'if-none-match']
export const READ_CONDITIONS = [
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
]
/** Parameters that set headers of the answer. */
export const OVERRIDES = [
  'response-content-type',
  'response-content-language',
  'response-expires',
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
]
/** The headers that give a new version a lock. */
export const LOCKS = [
  'x-amz-object-lock-mode',
  'x-amz-object-lock-retain-until-date',
  'x-amz-object-lock-legal-hold',
]
/** Metadata belongs to the upload, not to a part of it. */
export const NO_METADATA = { 'x-amz-meta-*': 'Metadata cannot be specified in this context.' }
/** What chooses the encryption of a new object. */
const ENCRYPTION = [
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-context',
  'x-amz-server-side-encryption-bucket-key-enabled',
]
/** The key that a client brings (SSE-C), and the one for the source of a copy. */
export const CUSTOMER_KEY = customerKeyNames('x-amz-server-side-encryption-customer-')
export const SOURCE_KEY = customerKeyNames('x-amz-copy-source-server-side-encryption-customer-')
/** The headers of encryption that writes of objects understand. */
export const ENCRYPTED = [...ENCRYPTION, ...CUSTOMER_KEY]
/** Reads take the encryption from the object, and parts from their upload, so AWS refuses these headers. */
export const NO_ENCRYPTION = Object.fromEntries(
  ENCRYPTION.slice(0, 2).map((name) => [
    name,
    `${name} header is not supported for this operation.`,
  ]),
)
/** The query parameters that all listings of a bucket understand. */
export const LISTING = ['prefix', 'delimiter', 'encoding-type']

/** The fields of an operation that differ from the usual ones. */
export interface Extras {
  readonly marks?: readonly string[]
  readonly markHeader?: string
  readonly query?: readonly string[]
  readonly headers?: readonly string[]
  readonly conditions?: readonly string[]
  /** Documented names that cannot have an effect in Shoal, with the reason. */
  readonly ignored?: Readonly<Record<string, string>>
  /** Names that AWS refuses for it, with AWS's text. */
  readonly misplaced?: Readonly<Record<string, string>>
  /** The right, when it is not `s3:` and the operation's name. */
  readonly action?: string
  readonly versionAction?: string
  readonly resource?: Level
  readonly authorizedBy?: 'handler'
  readonly answersUnconfigured?: boolean
  readonly audited?: boolean
}

/**
 * Defines one operation. Names that AWS documents for it (documented.ts) and that are neither listed nor common to
 * all operations are refused with 501. `versionId` is refused with AWS's text where it is not listed, except at the
 * service.
 */
export function defineOperation(
  name: string,
  method: Method,
  level: Level,
  run: Handler | undefined,
  extras: Extras = {},
): Operation {
  const { marks = [], query = [], headers = [], conditions = [], ignored = {} } = extras
  const [, documentedQuery = '', documentedHeaders = ''] = DOCUMENTED[name] ?? []
  const known = new Set([...marks.map(nameOfMark), ...query, ...headers, ...conditions])
  for (const each in ignored) known.add(each)
  const misplaced = new Map(Object.entries(extras.misplaced ?? {}))
  if (level !== 'service' && !known.has('versionId')) misplaced.set('versionId', NO_VERSION_ID)
  return {
    service: 's3',
    name,
    method,
    level,
    marks,
    markHeader: extras.markHeader,
    query: new Set(query),
    headers: new Set(headers),
    conditions: new Set(conditions),
    ignored: new Map(Object.entries(ignored)),
    misplaced,
    refusedQuery: new Set(words(documentedQuery).filter((each) => !known.has(each))),
    refusedHeaders: new Set(
      words(documentedHeaders).filter(
        (each) => !known.has(each) && !COMMON_HEADERS.has(each) && !HTTP_HEADERS.has(each),
      ),
    ),
    action: extras.action ?? `s3:${name}`,
    versionAction: extras.versionAction,
    resource: extras.resource ?? level,
    authorizedBy: extras.authorizedBy ?? 'gate',
    audited: extras.audited ?? false,
    run,
    answersUnconfigured: extras.answersUnconfigured ?? false,
  }
}

function customerKeyNames(prefix: string): string[] {
  return ['algorithm', 'key', 'key-md5'].map((name) => prefix + name)
}

const NO_VERSION_ID = 'This operation does not accept a version-id.'

/** The names in one entry of documented.ts. */
function words(text: string): string[] {
  return text === '' ? [] : text.split(' ')
}

/** `list-type=2` → `list-type`. */
export function nameOfMark(mark: string): string {
  const equals = mark.indexOf('=')
  return equals < 0 ? mark : mark.slice(0, equals)
}

/** An operation that answers as S3 does when nothing is configured. */
export function probe(
  name: string,
  level: Level,
  mark: string,
  run: Handler,
  extras: Extras & { method?: Method } = {},
): Operation {
  return defineOperation(name, extras.method ?? 'GET', level, run, {
    ...extras,
    marks: [mark],
    answersUnconfigured: true,
  })
}

/**
 * An operation that removes a sub-resource of a bucket, which never exists. AWS has no right of its own for most of
 * these: they need the right to set it.
 */
export function removal(name: string, mark: string, action = `s3:${name}`): Operation {
  return probe(name, 'bucket', mark, removeFromBucket, { method: 'DELETE', action })
}

/**
 * An operation of S3 that Shoal does not implement: always 501. It is in the table so that it is found, and is never
 * mistaken for an operation on the bucket or object itself. Callers need the right to it like to any other.
 */
export function missing(
  name: string,
  method: Method,
  level: Level,
  mark?: string,
  action?: string,
): Operation {
  const marks = mark === undefined ? [] : [mark]
  return defineOperation(name, method, level, undefined, {
    marks,
    ...(action === undefined ? {} : { action }),
  })
}
