/**
 * What the CORS rules of a bucket mean for a request of a browser that has an `Origin` header. Pure: the gate looks up
 * the rules.
 *
 *   preflight (OPTIONS)      the first rule that matches decides; without one the request is refused
 *   any other request        the headers of the first rule that matches are added to its answer; without one the
 *                            request is answered as if it had no Origin. A rule never refuses it.
 *
 * A rule matches when it allows the origin, the method and each requested header. For other requests too the method and
 * the headers are those that Access-Control-Request-* name, where a client sends these; otherwise the method is the
 * request's own.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
 */

import { Meter, type Work } from '../../protocol/work.ts'
import { listMembers, lowerCase } from '../http/ascii.ts'
import { S3Error } from '../http/errors.ts'
import type { S3Request } from '../http/request.ts'
import { headerValue, type ResponseHeaders } from '../http/response.ts'
import type { CorsRule } from '../port/bucket-documents.ts'

/** AWS's text, with its spelling: clients compare it. */
const NOT_ALLOWED =
  "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
const METHODS: ReadonlySet<string> = new Set(['GET', 'PUT', 'HEAD', 'POST', 'DELETE'])
/** Caches must not give the answer for one origin to another. */
const VARY = 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method'
const REQUESTED_METHOD = 'access-control-request-method'
const REQUESTED_HEADERS = 'access-control-request-headers'

/** Whether a request is about CORS at all. Others pay nothing for it. */
export function isCrossOrigin({ headers, bucket }: S3Request): boolean {
  return Boolean(headers['origin']) && bucket !== undefined
}

/** Whether a request is a preflight of a bucket or object. All requests with OPTIONS are, with or without an Origin. */
export function isPreflight({ method, bucket }: S3Request): boolean {
  return method === 'OPTIONS' && bucket !== undefined
}

/** Throws BadRequest for a preflight without an Origin. This needs no look-up of the bucket. */
export function requireOrigin({ headers }: S3Request): void {
  if (headers['origin']) return
  throw new S3Error('BadRequest', 'Insufficient information. Origin request header needed.')
}

/** The refusal of a preflight for a bucket that does not exist. */
export function bucketNotFound(request: S3Request): S3Error {
  return forbidden(request, 'CORSResponse: Bucket not found', 'BUCKET')
}

/**
 * The headers of the answer to a preflight, by the rules of its bucket. Throws AccessForbidden; BadRequest when it asks
 * for no method that S3 has.
 */
export function* answeringPreflight(
  request: S3Request,
  rules: readonly CorsRule[] | undefined,
): Work<ResponseHeaders> {
  if (rules === undefined) {
    throw forbidden(request, 'CORSResponse: CORS is not enabled for this bucket.', 'BUCKET')
  }
  const method = request.headers[REQUESTED_METHOD]
  if (method === undefined || !METHODS.has(method)) {
    // Without the header AWS writes "null".
    const named = method ?? 'null'
    throw new S3Error('BadRequest', `Invalid Access-Control-Request-Method: ${named}`)
  }
  const headers = yield* matchingRules(request, rules)
  if (headers !== undefined) return headers
  throw forbidden(request, NOT_ALLOWED, request.key === undefined ? 'BUCKET' : 'OBJECT')
}

/** As in AWS, the error names the requested method, and OPTIONS when none was requested. */
function forbidden(request: S3Request, message: string, resourceType: string): S3Error {
  const method = request.headers[REQUESTED_METHOD] ?? request.method
  const details = { Method: method, ResourceType: resourceType }
  return new S3Error('AccessForbidden', message, { details })
}

/**
 * The headers of the first rule that matches the request; undefined when none does. Work is counted, because a
 * configuration can have thousands of patterns and a request thousands of names.
 */
export function* matchingRules(
  { headers, method: ownMethod }: S3Request,
  rules: readonly CorsRule[],
): Work<ResponseHeaders | undefined> {
  const origin = headers['origin'] ?? ''
  const method = headers[REQUESTED_METHOD] ?? ownMethod
  const requested = namesIn(headers[REQUESTED_HEADERS])
  const meter = new Meter()
  for (const rule of rules) {
    meter.take(rule.allowedMethods.length)
    if (!rule.allowedMethods.includes(method)) continue
    const allowedOrigin = rule.allowedOrigins.find((each) => matches(each, origin, meter))
    if (meter.isDue()) yield
    if (allowedOrigin === undefined) continue
    if (!(yield* allowsAll(rule, requested, meter))) continue
    return headersOf(rule, allowedOrigin === '*' ? '*' : origin, requested)
  }
  return undefined
}

/** The requested header names in lower case, each once, in the order of the request. */
function namesIn(list: string | undefined): readonly string[] {
  if (list === undefined) return []
  return [...new Set(listMembers(lowerCase(list)))]
}

function* allowsAll(rule: CorsRule, requested: readonly string[], meter: Meter): Work<boolean> {
  const exact = new Set<string>()
  const patterns: string[] = []
  if (requested.length === 0) return true
  for (const allowed of rule.allowedHeaders) {
    const pattern = lowerCase(allowed)
    meter.take(allowed.length)
    if (pattern === '*') return true
    if (pattern.includes('*')) patterns.push(pattern)
    else exact.add(pattern)
  }
  for (const name of requested) {
    meter.take(name.length)
    if (meter.isDue()) yield
    if (exact.has(name)) continue
    if (!patterns.some((pattern) => matches(pattern, name, meter))) return false
  }
  return true
}

/** The steps of one comparison of two short texts. */
const STEPS_PER_MATCH = 16

/** Whether a pattern with at most one `*`, which stands for any text, matches. Case counts, as in origins. */
function matches(pattern: string, text: string, meter: Meter): boolean {
  meter.take(STEPS_PER_MATCH)
  const star = pattern.indexOf('*')
  if (star < 0) return pattern === text
  return (
    text.length >= pattern.length - 1 &&
    text.startsWith(pattern.slice(0, star)) &&
    text.endsWith(pattern.slice(star + 1))
  )
}

/** The headers of AWS's answer. A rule for all origins allows no credentials, which browsers would refuse. */
function headersOf(
  { allowedMethods, exposeHeaders, maxAgeSeconds }: CorsRule,
  origin: string,
  requested: readonly string[],
): ResponseHeaders {
  const headers: ResponseHeaders = {
    'Access-Control-Allow-Origin': origin,
    'Access-Control-Allow-Methods': allowedMethods.join(', '),
  }
  if (requested.length > 0) headers['Access-Control-Allow-Headers'] = requested.join(', ')
  // What a header cannot carry is left out: AWS accepts any text in the rule.
  const exposed = exposeHeaders.map(headerValue).filter((name) => name !== undefined)
  if (exposed.length > 0) headers['Access-Control-Expose-Headers'] = exposed.join(', ')
  if (maxAgeSeconds !== undefined) headers['Access-Control-Max-Age'] = String(maxAgeSeconds)
  if (origin !== '*') headers['Access-Control-Allow-Credentials'] = 'true'
  headers['Vary'] = VARY
  return headers
}
