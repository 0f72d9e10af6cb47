/**
 * The values of condition keys (protocol/iam/condition-keys.ts) for one request. Each is computed when a
 * policy asks for it: most requests meet no condition.
 *
 * No value is one that a client could merely claim: the address is that of the connection, never that of
 * X-Forwarded-For (F33).
 */

import {
  conditionKeyOf,
  EXISTING_TAG,
  isConditionKey,
  REQUEST_TAG,
} from '../../protocol/iam/condition-keys.ts'
import type { ContextValues } from '../../protocol/iam/template.ts'
import { plainAddress } from '../http/address.ts'
import type { Tag } from '../port/bucket-documents.ts'
import type { Identity } from '../port/identity.ts'
import type { ObjectChange, ObjectFacts } from '../port/objects.ts'
import { parseCopySource } from '../http/copy-source.ts'
import type { S3Request } from '../http/request.ts'
import { holdText, MODE_HEADER, modeText, parseLockHeaders } from '../http/locks.ts'
import { parseTagHeader } from '../http/tags.ts'
import { xmlDate } from '../http/xml.ts'
import type { AuthResult } from './auth.ts'

/** What conditions need to know of a request's operation: its name, and the names that it understands. */
export interface JudgedOperation {
  /** AWS's name of the operation. */
  readonly name: string
  readonly action: string
  readonly query: ReadonlySet<string>
  readonly headers: ReadonlySet<string>
  readonly conditions: ReadonlySet<string>
  readonly refusedHeaders: ReadonlySet<string>
}

/** Everything about a request that condition values are made of. */
export interface Circumstances {
  readonly request: S3Request
  readonly auth: AuthResult
  readonly identity: Identity
  readonly region: string
  readonly nowMs: number
  /** Absent for requests of the query API. */
  readonly operation?: JudgedOperation | undefined
  /** Values that only the action of the query API knows, by lower-case key. */
  readonly known?: ReadonlyMap<string, readonly string[]> | undefined
}

/** An object that a right is asked for. */
export interface NamedObject {
  readonly bucket: string
  readonly key: string
  /** The version that is named. */
  readonly versionId?: string | undefined
}

/** The right that is asked for, as far as values depend on it. */
export interface Asked {
  readonly action: string
  /** Given where an object may be there already, and the right is about it. */
  readonly object?: NamedObject | undefined
}

/** What is known of a request that is not in its head. */
export interface KnownFacts {
  /** The object's version as it is. */
  readonly object?: ObjectFacts | undefined
  /** The tags in the document that the body is. */
  readonly bodyTags?: readonly Tag[] | undefined
  /** The retention or legal hold in the document that the body is. */
  readonly bodyLock?: LockDocument | undefined
  /** How the upload that the request names is encrypted: headers as they created it. Empty when there is no such upload. */
  readonly upload?: ReadonlyMap<string, string> | undefined
}

/** What PutObjectRetention and PutObjectLegalHold ask for. Null removes retention. */
export type LockDocument = Pick<ObjectChange, 'retention' | 'legalHold'>

/** Something that has to be fetched before a decision can be made. */
export type Fact = keyof KnownFacts

/** The actions for which AWS documents s3:ExistingObjectTag. Writing over an object and deleting it are not among them. */
const EXISTING_TAG_ACTIONS: ReadonlySet<string> = new Set(
  [
    'GetObject GetObjectVersion GetObjectAttributes GetObjectVersionAttributes',
    'GetObjectAcl GetObjectVersionAcl PutObjectAcl PutObjectVersionAcl',
    'GetObjectTagging GetObjectVersionTagging PutObjectTagging PutObjectVersionTagging',
    'DeleteObjectTagging DeleteObjectVersionTagging',
  ].flatMap((line) => line.split(' ').map((name) => `s3:${name}`)),
)
/** Those that say what lock a version gets, and the right to pass over one, which goes with the same requests. */
const LOCKING_ACTIONS: ReadonlySet<string> = new Set([
  's3:PutObject',
  's3:PutObjectRetention',
  's3:PutObjectLegalHold',
  's3:BypassGovernanceRetention',
])
const OBJECT_LOCK = 's3:object-lock-'
const DAY_MS = 24 * 3_600_000

/** Those that give an object tags. */
const TAGGING_ACTIONS = ['s3:PutObjectTagging', 's3:PutObjectVersionTagging']

/**
 * Requests that bring data to an upload don't say how it is encrypted. As in AWS, a policy that wants encryption looks at
 * what the upload was created with.
 */
const OF_UPLOAD = ['UploadPart', 'UploadPartCopy', 'CompleteMultipartUpload']
const ENCRYPTION_KEYS = [
  's3:x-amz-server-side-encryption',
  's3:x-amz-server-side-encryption-aws-kms-key-id',
]

/** Computes values on demand and keeps them for the other policies of the same decision. */
export class ConditionValues implements ContextValues {
  readonly #about: Circumstances
  readonly #asked: Asked | undefined
  readonly #facts: KnownFacts
  /** Made for the first value: most decisions ask for none. */
  #known: Map<string, readonly string[] | undefined> | undefined
  #lacking: Fact | undefined

  /** `asked` is the right: one request may ask for several. */
  constructor(about: Circumstances, asked?: Asked, facts: KnownFacts = {}) {
    this.#about = about
    this.#asked = asked
    this.#facts = facts
  }

  /** A condition asked for this fact, and found no value because it is not known: the decision does not count. */
  get lacking(): Fact | undefined {
    return this.#lacking
  }

  /** The values of a key in lower case; undefined when the request has none. */
  get(key: string): readonly string[] | undefined {
    const known = (this.#known ??= new Map())
    if (known.has(key)) return known.get(key)
    const { known: given, identity } = this.#about
    const found = this.#find(key) ?? given?.get(key) ?? identity.keys?.get(key)
    const values = typeof found === 'string' ? [found] : found
    known.set(key, values)
    return values
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  #find(key: string): string | readonly string[] | undefined {
    const about = this.#about
    if (key === 's3:versionid') return this.#asked?.object?.versionId
    if (key.startsWith(EXISTING_TAG)) {
      return valuesOf(this.#existingTags(), key.slice(EXISTING_TAG.length))
    }
    if (key.startsWith(REQUEST_TAG))
      return valuesOf(this.#requestTags(), key.slice(REQUEST_TAG.length))
    if (key.startsWith(OBJECT_LOCK)) return this.#lockValue(key.slice(OBJECT_LOCK.length))
    if (key === 's3:requestobjecttagkeys') return present(this.#requestTags().map((tag) => tag.key))
    if (ENCRYPTION_KEYS.includes(key) && OF_UPLOAD.includes(about.operation?.name ?? '')) {
      return this.#encryptionOfUpload(key.slice('s3:'.length))
    }
    if (key.startsWith('aws:')) return globalValue(key, about)
    if (key.startsWith('s3:')) return s3Value(key.slice('s3:'.length), about)
    if (key === 'sts:externalid') return about.request.query.get('ExternalId')
    if (key === 'sts:rolesessionname') return about.request.query.get('RoleSessionName')
    return undefined
  }

  #existingTags(): readonly Tag[] {
    const { action, object } = this.#asked ?? {}
    if (object === undefined || !EXISTING_TAG_ACTIONS.has(action ?? '')) return []
    const facts = this.#facts.object
    if (facts === undefined) this.#lacking = 'object'
    return facts?.tags ?? []
  }

  /** `name` is the key without 's3:object-lock-'. */
  #lockValue(name: string): string | undefined {
    const { retention, legalHold } = this.#requestLock()
    switch (name) {
      case 'mode':
        return retention ? modeText(retention.mode) : undefined
      case 'retain-until-date':
        return retention ? xmlDate(retention.untilMs) : undefined
      case 'remaining-retention-days':
        // A day that has begun counts, so that a request for so many days is one for no less.
        return retention
          ? String(Math.ceil((retention.untilMs - this.#about.nowMs) / DAY_MS))
          : undefined
      case 'legal-hold':
        return legalHold === undefined ? undefined : holdText(legalHold)
      default:
        return undefined
    }
  }

  /** The lock that the version would have. */
  #requestLock(): LockDocument {
    const { operation, request } = this.#about
    if (operation === undefined || !LOCKING_ACTIONS.has(this.#asked?.action ?? '')) return {}
    if (operation.name !== 'PutObjectRetention' && operation.name !== 'PutObjectLegalHold') {
      return headerLock(request, operation)
    }
    const { bodyLock } = this.#facts
    if (bodyLock === undefined) this.#lacking = 'bodyLock'
    return bodyLock ?? {}
  }

  #encryptionOfUpload(header: string): string | undefined {
    if (this.#asked?.action !== 's3:PutObject') return undefined
    const { upload } = this.#facts
    if (upload === undefined) this.#lacking = 'upload'
    return upload?.get(header)
  }

  /** Those that the object would have. */
  #requestTags(): readonly Tag[] {
    const { operation } = this.#about
    const action = this.#asked?.action ?? ''
    const gives = TAGGING_ACTIONS.includes(action)
    if (operation === undefined || !(gives || action === 's3:PutObject')) return []
    if (operation.name !== 'PutObjectTagging') return headerTags(this.#about.request, operation)
    const { bodyTags } = this.#facts
    if (bodyTags === undefined) this.#lacking = 'bodyTags'
    return bodyTags ?? []
  }
}

/** The values of the tags with this key. Keys that differ in case alone count as the same one. */
function valuesOf(tags: readonly Tag[], key: string): readonly string[] | undefined {
  return present(tags.filter((tag) => conditionKeyOf(tag.key) === key).map((tag) => tag.value))
}

function present(values: readonly string[]): readonly string[] | undefined {
  return values.length === 0 ? undefined : values
}

/** The tags of x-amz-tagging where it counts. A malformed header has none: the request is refused for it. */
function headerTags({ headers }: S3Request, operation: JudgedOperation): readonly Tag[] {
  const header = headers['x-amz-tagging']
  if (header === undefined || !operation.headers.has('x-amz-tagging')) return []
  const isCopy = operation.headers.has('x-amz-tagging-directive')
  if (isCopy && headers['x-amz-tagging-directive'] !== 'REPLACE') return []
  try {
    return parseTagHeader(header)
  } catch {
    return []
  }
}

/** The lock of the headers where they count. Malformed ones ask for none: the request is refused for them. */
function headerLock({ headers }: S3Request, operation: JudgedOperation): LockDocument {
  if (!operation.headers.has(MODE_HEADER)) return {}
  try {
    return parseLockHeaders(headers) ?? {}
  } catch {
    return {}
  }
}

function globalValue(key: string, about: Circumstances): string | undefined {
  const { request, identity, region, nowMs } = about
  switch (key) {
    case 'aws:currenttime':
      return new Date(nowMs).toISOString()
    case 'aws:epochtime':
      return String(Math.floor(nowMs / 1000))
    case 'aws:multifactorauthpresent':
      return identity.tokenIssuedMs === undefined ? undefined : 'false'
    case 'aws:principalisawsservice':
    case 'aws:viaawsservice':
      return 'false'
    case 'aws:referer':
      return request.headers['referer']
    case 'aws:requestedregion':
      return region
    case 'aws:securetransport':
      return String(request.secure)
    case 'aws:sourceip':
      return sourceIp(request)
    case 'aws:tokenissuetime':
      return identity.tokenIssuedMs === undefined
        ? undefined
        : new Date(identity.tokenIssuedMs).toISOString()
    case 'aws:useragent':
      return request.headers['user-agent']
    default:
      return undefined
  }
}

/** s3:authType. */
const AUTH_TYPES: Readonly<Record<AuthResult['method'], string | undefined>> = {
  anonymous: undefined,
  header: 'REST-HEADER',
  query: 'REST-QUERY-STRING',
  form: 'POST',
}

/** `name` is the key without 's3:'. */
function s3Value(name: string, about: Circumstances): string | undefined {
  const { request, auth, nowMs, operation } = about
  const { headers, query } = request
  switch (name) {
    case 'authtype':
      return AUTH_TYPES[auth.method]
    case 'delimiter':
    case 'max-keys':
    case 'prefix':
      // Other operations ignore these parameters, so any client could add the value that a policy asks for.
      return operation?.query.has(name) === true ? query.get(name) : undefined
    case 'signatureage':
      if (auth.method !== 'query' && auth.method !== 'form') return undefined
      // Links and forms of version 2 do not tell their age, and AWS counts that of a link as 0.
      return String(auth.signedMs === undefined ? 0 : nowMs - auth.signedMs)
    case 'signatureversion':
      return auth.version && { 2: 'AWS', 4: 'AWS4-HMAC-SHA256' }[auth.version]
    case 'if-match':
    case 'if-none-match':
      return operation?.conditions.has(name) === true ? headers[name] : undefined
    case 'objectcreationoperation':
      return operation === undefined ? undefined : creates(operation)
    case 'x-amz-content-sha256':
      return request.hoisted.has(name) ? undefined : headers[name]
    case 'x-amz-copy-source':
      return operation?.headers.has(name) === true ? copySource(headers[name]) : undefined
    default:
      return name.startsWith('x-amz-') && isConditionKey(`s3:${name}`)
        ? ownHeader(name, headers, operation)
        : undefined
  }
}

/** Only headers that the operation understands: others say nothing about what it does. */
function ownHeader(
  name: string,
  headers: S3Request['headers'],
  operation: JudgedOperation | undefined,
): string | undefined {
  const counts = operation?.headers.has(name) === true || operation?.refusedHeaders.has(name)
  return counts === true ? headers[name] : undefined
}

const CREATING: ReadonlySet<string> = new Set([
  'PutObject',
  'PostObject',
  'CopyObject',
  'RenameObject',
  'CompleteMultipartUpload',
])

/** Other steps of uploads need s3:PutObject too, but they create no object and carry no condition. */
function creates({ name, action }: JudgedOperation): string | undefined {
  if (action !== 's3:PutObject') return undefined
  return String(CREATING.has(name))
}

/** The address of the connection's client, or of the client that a trusted proxy names. Other headers could be anyone's (F33). */
export function sourceIp({ remoteAddress }: S3Request): string {
  const [address = ''] = remoteAddress.split('%')
  return plainAddress(address)
}

/** 'bucket/key', parsed as the copy itself parses the header; undefined when it is malformed. */
function copySource(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  try {
    const { bucket, key } = parseCopySource(header)
    return `${bucket}/${key}`
  } catch {
    return undefined
  }
}
