/**
 * From a request to its row of the table, and what a request may carry.
 *
 * Most requests have no query but `x-id` and are found by method and level alone.
 */

import { S3Error } from './errors.ts'
import type { Level, Method, Operation } from './operation.ts'
import { COMMON_HEADERS, COMMON_QUERY, OPERATIONS } from './operations.ts'
import type { S3Request } from './request.ts'

interface Candidate {
  readonly operation: Operation
  readonly marks: readonly (readonly [name: string, value: string | undefined])[]
}

/** The most marked first: `?partNumber&uploadId` before `?uploadId` before nothing. */
const candidates: ReadonlyMap<string, readonly Candidate[]> = tableOf(OPERATIONS)

function tableOf(operations: readonly Operation[]): ReadonlyMap<string, readonly Candidate[]> {
  const table = new Map<string, Candidate[]>()
  for (const operation of operations) {
    const at = slot(operation.method, operation.level)
    const row = table.get(at) ?? []
    row.push({ operation, marks: operation.marks.map(splitMark) })
    table.set(at, row)
  }
  for (const row of table.values()) row.sort((a, b) => weight(b.operation) - weight(a.operation))
  return table
}

function slot(method: string, level: Level): string {
  return `${method} ${level}`
}

function weight({ marks, markHeader }: Operation): number {
  return 2 * marks.length + (markHeader === undefined ? 0 : 1)
}

function splitMark(mark: string): readonly [string, string | undefined] {
  const at = mark.indexOf('=')
  return at < 0 ? [mark, undefined] : [mark.slice(0, at), mark.slice(at + 1)]
}

export function levelOf(request: S3Request): Level {
  if (request.bucket === undefined) return 'service'
  return request.key === undefined ? 'bucket' : 'object'
}

/** Undefined when no operation has this method at this level. */
export function route(request: S3Request): Operation | undefined {
  const { query, headers } = request
  for (const { operation, marks } of candidates.get(slot(request.method, levelOf(request))) ?? []) {
    const { markHeader } = operation
    if (markHeader !== undefined && headers[markHeader] === undefined) continue
    let all = true
    for (const [name, value] of marks) {
      const given = query.get(name)
      if (given === undefined || (value !== undefined && given !== value)) all = false
    }
    if (all) return operation
  }
  return undefined
}

/** Throws NotImplemented for whatever the operation does not understand (docs/s3-compatibility.md, rule 1). */
export function checkSupported(operation: Operation, request: S3Request): void {
  if (request.query.size > 0) checkQuery(operation, request)
  checkHeaders(operation, request)
}

function checkQuery(operation: Operation, request: S3Request): void {
  for (const name of request.query.keys()) {
    if (PRESIGNED_AS_SENT.has(name) || COMMON_QUERY.has(name) || operation.query.has(name)) continue
    if (operation.marks.some((mark) => mark === name || mark.startsWith(`${name}=`))) continue
    // A presigned request's x-amz-* count as headers, and stand among them.
    if (request.hoisted.has(name.toLowerCase()) || PRESIGNED.has(name.toLowerCase())) continue
    throw new S3Error('NotImplemented', 'A parameter you provided is not implemented', {
      details: { Parameter: name },
    })
  }
}

const PRESIGNED: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-signedheaders',
  'x-amz-signature',
  'x-amz-security-token',
  'x-amz-content-sha256',
  'content-type',
  'content-md5',
])

/** As every SDK writes them; SigV2's last. */
const PRESIGNED_AS_SENT: ReadonlySet<string> = new Set([
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-Expires',
  'X-Amz-SignedHeaders',
  'X-Amz-Signature',
  'AWSAccessKeyId',
  'Expires',
  'Signature',
])

function checkHeaders(operation: Operation, request: S3Request): void {
  const { headers } = request
  for (const name in headers) {
    if (name.startsWith('x-amz-')) {
      if (COMMON_HEADERS.has(name)) {
        if (name === 'x-amz-request-payer') checkValue(name, headers[name] ?? '')
        continue
      }
      if (name.startsWith('x-amz-meta-')) {
        if (operation.headers.has('x-amz-meta-*')) continue
        // S3 passes over metadata where none is stored; it has no effect that could be lost.
        if (operation.method === 'GET' || operation.method === 'HEAD') continue
      }
      if (PRESIGNED.has(name) && request.hoisted.has(name)) continue
      if (!operation.headers.has(name)) throw unsupported(name)
      checkValue(name, headers[name] ?? '')
    } else if (name.startsWith('if-') && !operation.conditions.has(name)) {
      throw unsupported(name)
    }
  }
}

function unsupported(header: string): S3Error {
  return new S3Error('NotImplemented', undefined, { details: { Header: header } })
}

const STORAGE_CLASSES: ReadonlySet<string> = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'GLACIER_IR',
  'DEEP_ARCHIVE',
])

/** ACLs that say what is the case anyway: the owner alone. */
const OWNER_ACLS: ReadonlySet<string> = new Set(['private', 'bucket-owner-full-control'])
const OTHER_ACLS: ReadonlySet<string> = new Set([
  'public-read',
  'public-read-write',
  'authenticated-read',
  'aws-exec-read',
  'bucket-owner-read',
  'log-delivery-write',
])

/** Headers of which only some values are understood. */
function checkValue(name: string, value: string): void {
  switch (name) {
    case 'x-amz-acl':
      if (OTHER_ACLS.has(value)) throw unsupported(name)
      return want(OWNER_ACLS.has(value), name, value)
    case 'x-amz-storage-class':
      if (!STORAGE_CLASSES.has(value)) throw new S3Error('InvalidStorageClass')
      return
    case 'x-amz-request-payer':
      return want(value === 'requester', name, value)
    case 'x-amz-metadata-directive':
    case 'x-amz-tagging-directive':
      return want(value === 'COPY' || value === 'REPLACE', name, value)
    case 'x-amz-checksum-mode':
      return want(value.toUpperCase() === 'ENABLED', name, value)
    case 'x-amz-bucket-object-lock-enabled':
      if (value.toLowerCase() !== 'false') throw unsupported(name)
      return
    case 'x-amz-object-ownership':
      if (value !== 'BucketOwnerEnforced') throw unsupported(name)
      return
    case 'x-amz-optional-object-attributes':
      // No object is ever being restored, so that nothing is left out of the answer.
      return want(value === 'RestoreStatus', name, value)
    default:
      return
  }
}

function want(holds: boolean, name: string, value: string): void {
  if (holds) return
  throw new S3Error('InvalidArgument', undefined, {
    details: { ArgumentName: name, ArgumentValue: value },
  })
}

/** Methods that some operation of this level has: for 405. */
export function methodsAt(level: Level): Method[] {
  const methods = new Set<Method>()
  for (const operation of OPERATIONS) if (operation.level === level) methods.add(operation.method)
  return [...methods]
}
