/**
 * What a request may carry (docs/s3-compatibility.md, rule 1). A query parameter or header is
 *
 *   accepted   when the operation understands it
 *   refused    when AWS documents it for this operation and Shoal does not implement it (501), or when AWS refuses it
 *              itself (400, 405)
 *   ignored    otherwise, as in AWS: `?v=2`, `?utm_source=…`, `x-amz-te`, `X-Amz-Cf-Id`
 *
 * A sub-resource of S3 that does not belong to the request's method or path is refused, because a request that
 * names one never means the object or bucket itself: `DELETE /bucket/key?acl` must not delete the object.
 */

import { upperCase } from '../http/ascii.ts'
import { S3Error } from '../http/errors.ts'
import type { Level, Operation } from '../s3/operation.ts'
import { OPERATIONS } from './operations.ts'
import type { HeaderRecord, S3Request } from '../http/request.ts'
import { levelOf } from './router.ts'
import { COMMON_HEADERS, COMMON_QUERY, CONDITIONS } from '../http/names.ts'
import { nameOfMark } from '../s3/table/define.ts'
import { checkValue } from '../http/values.ts'

/**
 * Throws S3Error for parameters and headers that must not be ignored. Called by the gate after the check of rights
 * and before the handler, so no handler meets a request that it does not understand.
 */
export function checkSupported(operation: Operation, request: S3Request): void {
  if (request.query.size > 0) checkQuery(operation, request)
  checkHeaders(operation, request)
}

type Subresources = ReadonlyMap<string, readonly Operation[]>

/** The sub-resources of each level, and the operations that they select. */
const SUBRESOURCES: Readonly<Record<Level, Subresources>> = {
  service: new Map(),
  bucket: subresourcesOf('bucket'),
  object: subresourcesOf('object'),
}

function subresourcesOf(level: Level): Subresources {
  const found = new Map<string, Operation[]>()
  for (const operation of OPERATIONS) {
    if (operation.level !== level) continue
    for (const mark of operation.marks) {
      // `list-type=2` is a parameter of the listing, not a sub-resource.
      if (mark.includes('=')) continue
      const operations = found.get(mark) ?? []
      operations.push(operation)
      found.set(mark, operations)
    }
  }
  return found
}

/** Sub-resources of buckets that S3 ignores when an object is read. */
const UNKNOWN_TO_OBJECTS: ReadonlySet<string> = new Set([
  'abac',
  'analytics',
  'intelligent-tiering',
  'metadataConfiguration',
  'metadataTable',
  'metrics',
  'object-lock',
  'ownershipControls',
  'policyStatus',
  'publicAccessBlock',
  'session',
])

/** Whether the parameter selects the operation, is one of its own, or belongs to every request. */
function understandsQuery(operation: Operation, name: string): boolean {
  return (
    operation.query.has(name) ||
    COMMON_QUERY.has(name) ||
    operation.marks.some((mark) => nameOfMark(mark) === name)
  )
}

function checkQuery(operation: Operation, request: S3Request): void {
  for (const [name, value] of request.query) {
    if (understandsQuery(operation, name)) continue
    const words = operation.misplaced.get(name)
    // As in AWS, even an empty version id is refused.
    if (words !== undefined && (value !== '' || name === 'versionId')) {
      throw invalid(name, value, words)
    }
    if (operation.refusedQuery.has(name) && value !== '') throw notBuilt('Parameter', name)
    checkSubresource(operation, request, name)
  }
  for (const [name] of request.repeatedQuery) {
    if (!understandsQuery(operation, name)) continue
    // A proxy or another reader could use the other value.
    throw new S3Error('InvalidArgument', 'A query parameter was given more than once.', {
      details: { ArgumentName: name },
    })
  }
}

/** Throws when `name`, which the operation does not understand, is a sub-resource. */
function checkSubresource(operation: Operation, request: S3Request, name: string): void {
  const level = levelOf(request)
  if (level === 'service') return
  const own = SUBRESOURCES[level].get(name)
  if (own !== undefined) throw notHere(operation, request, name, own)
  if (level === 'bucket' && SUBRESOURCES.object.has(name)) {
    throw new S3Error('InvalidRequest', 'A key must be specified', { details: { Parameter: name } })
  }
  if (level === 'object' && SUBRESOURCES.bucket.has(name)) {
    const reads = request.method === 'GET' || request.method === 'HEAD'
    if (!reads || !UNKNOWN_TO_OBJECTS.has(name)) throw notBuilt('Parameter', name)
  }
}

/** The error for a sub-resource of this level that belongs to another operation. */
function notHere(
  operation: Operation,
  request: S3Request,
  name: string,
  own: readonly Operation[],
): S3Error {
  const first = operation.marks.find((mark) => !mark.includes('='))
  if (first !== undefined) {
    const both = [name, first].sort()
    return invalid(
      'ResourceType',
      both[0] as string,
      `Conflicting query string parameters: ${both.join(', ')}`,
    )
  }
  if (own.some((each) => each.method === request.method)) {
    return new S3Error('InvalidRequest', 'partNumber and uploadId must be given together.', {
      details: { Parameter: name },
    })
  }
  return new S3Error('MethodNotAllowed', undefined, {
    headers: { allow: [...new Set(own.map((each) => each.method))].join(', ') },
    details: { Method: request.method, ResourceType: upperCase(name) },
  })
}

function checkHeaders(operation: Operation, request: S3Request): void {
  const { headers, amzNames } = request
  const names = hasCondition(headers) ? Object.keys(headers) : amzNames
  for (const name of names) {
    const value = headers[name] ?? ''
    if (name.startsWith('x-amz-')) {
      if (operation.headers.has(name)) checkValue(name, value)
      else if (name === 'x-amz-request-payer') checkValue(name, value)
      else if (!COMMON_HEADERS.has(name)) checkForeignHeader(operation, name, value)
    } else if (CONDITIONS.has(name) && !operation.conditions.has(name)) {
      // Reads without validators ignore conditions. Writes must not happen in spite of a condition.
      const reads = operation.method === 'GET' || operation.method === 'HEAD'
      if (!reads) throw notBuilt('Header', name)
    }
  }
}

function hasCondition(headers: HeaderRecord): boolean {
  for (const name of CONDITIONS) if (headers[name] !== undefined) return true
  return false
}

/**
 * An x-amz-* header that the operation does not understand: refused when AWS documents or refuses it, else ignored.
 */
function checkForeignHeader(operation: Operation, name: string, value: string): void {
  if (operation.refusedHeaders.has(name)) throw notBuilt('Header', name)
  const generic = name.startsWith('x-amz-meta-') ? 'x-amz-meta-*' : name
  const words = operation.misplaced.get(generic)
  if (words !== undefined) throw invalid(name, value, words)
}

function invalid(name: string, value: string, message?: string): S3Error {
  return new S3Error('InvalidArgument', message, {
    details: { ArgumentName: name, ArgumentValue: value },
  })
}

/** 501 that names the header or parameter, so that the client can leave it out. */
function notBuilt(kind: 'Header' | 'Parameter', name: string): S3Error {
  const message = kind === 'Parameter' ? 'A parameter you provided is not implemented' : undefined
  return new S3Error('NotImplemented', message, { details: { [kind]: name } })
}
