/**
 * The policy of a form that uploads a file: a JSON document, signed by whoever made the form, that says what the form may
 * contain and until when. Texts of errors are AWS's where these are known.
 *
 *   { "expiration": "2026-12-01T12:00:00.000Z", "conditions": [ condition … ] }
 *   condition = {"acl": "private"} | ["eq", "$acl", "private"] | ["starts-with", "$key", "user/"]
 *             | ["content-length-range", 1, 1048576]
 *
 * All conditions must hold, and every field must be named by one of them. Case counts in values and in the two names of
 * the document; it does not in names of fields and operations.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
 */

import { decimal, lowerCase, trim } from '../../http/ascii.ts'
import { S3Error } from '../../http/errors.ts'
import type { FormFields } from '../../http/form-fields.ts'
import { parseExtendedDate } from '../../http/http-date.ts'

/** A parsed document. */
export interface PostPolicy {
  readonly expirationMs: number
  readonly conditions: readonly PostCondition[]
}

/** One condition. */
export type PostCondition =
  | { readonly type: 'eq' | 'starts-with'; readonly name: string; readonly value: string }
  | { readonly type: 'range'; readonly minBytes: number; readonly maxBytes: number }
  /** A range that is no range: well-formed, and never met. */
  | { readonly type: 'never'; readonly operands: readonly unknown[] }

/** The sizes that a file may have, both included. */
export interface SizeRange {
  readonly minBytes: number
  readonly maxBytes: number
}

/** Fields that no condition has to name. */
const EXEMPT: ReadonlySet<string> = new Set([
  'awsaccesskeyid',
  'file',
  'policy',
  'signature',
  'x-amz-signature',
])

/** Parses the field `policy`, base64 of UTF-8. Throws InvalidPolicyDocument. */
export function parsePostPolicy(encoded: string): PostPolicy {
  const document = parseJson(encoded)
  if (!isRecord(document)) throw invalidJson()
  for (const name of Object.keys(document)) {
    if (name !== 'expiration' && name !== 'conditions') {
      throw invalidPolicy(`Unexpected: '${lowerCase(name)}'`)
    }
  }
  const { expiration, conditions } = document
  if (expiration === undefined) throw invalidPolicy('Policy missing expiration.')
  if (conditions === undefined) throw invalidPolicy('Policy missing conditions.')
  const expirationMs = typeof expiration === 'string' ? parseExtendedDate(expiration) : undefined
  if (expirationMs === undefined) {
    throw invalidPolicy(`Invalid 'expiration' value: '${shown(expiration)}'`)
  }
  if (!Array.isArray(conditions)) {
    throw invalidPolicy("Invalid 'conditions' value: must be a List.")
  }
  return { expirationMs, conditions: conditions.map(parseCondition) }
}

/** Number, text or true, false, null; others have no short text. */
function shown(value: unknown): string {
  return typeof value === 'object' && value !== null ? '' : String(value)
}

function parseJson(encoded: string): unknown {
  const base64 = encoded.replaceAll(/[ \t\r\n]/g, '')
  const bytes = Buffer.from(base64, 'base64')
  if (base64 === '' || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) throw invalidJson()
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return JSON.parse(text.replaceAll(TEXT_OR_COMMA, asJson)) as unknown
  } catch {
    throw invalidJson()
  }
}

/** A text in quotes, or a comma with nothing after it. A text without its end goes to the end: so each byte is read once. */
const TEXT_OR_COMMA = /"(?:[^"\\]|\\.)*(?:"|\\?$)|,(?=[ \t\r\n]*[\]}])/gs

/** AWS's pages show a comma after the last condition, and two escapes, that JSON does not have. */
function asJson(part: string): string {
  return part === ',' ? '' : part.replaceAll(/\\(.)/gs, jsonEscape)
}

function jsonEscape(escape: string, character: string): string {
  if (character === '$') return '$'
  return character === 'v' ? '\\u000b' : escape
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseCondition(condition: unknown): PostCondition {
  if (Array.isArray(condition)) return parseList(condition)
  if (!isRecord(condition)) {
    throw invalidPolicy('Invalid condition test: must be a List or Object.')
  }
  const entries = Object.entries(condition)
  const [name = '', value] = entries[0] ?? []
  if (entries.length !== 1) {
    throw invalidPolicy(
      'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.',
    )
  }
  if (value === null) throw invalidJson()
  if (typeof value !== 'string') {
    throw invalidPolicy('Invalid Simple-Condition: value must be a string.')
  }
  return { type: 'eq', name: `$${name}`, value }
}

function parseList(list: readonly unknown[]): PostCondition {
  const [operation, first, second] = list
  if (list.length === 0) throw invalidPolicy('Invalid Condition: missing operation identifier.')
  if (typeof operation !== 'string') throw invalidJson()
  const type = lowerCase(operation)
  if (type !== 'eq' && type !== 'starts-with' && type !== 'content-length-range') {
    throw invalidPolicy(`Invalid Condition: unknown operation '${operation}'.`)
  }
  if (list.length !== 3) throw invalidPolicy(`Invalid ${type}: wrong number of arguments.`)
  if (type === 'content-length-range') return parseRange(first, second)
  if (typeof first !== 'string' || typeof second !== 'string') throw invalidJson()
  return { type, name: first, value: second }
}

/** As in AWS, the limits may be numbers in quotes. Other texts are well-formed, and the condition then fails. */
function parseRange(first: unknown, second: unknown): PostCondition {
  const limits: number[] = []
  for (const limit of [first, second]) {
    if (typeof limit === 'number' && Number.isSafeInteger(limit) && limit >= 0) limits.push(limit)
    else if (typeof limit === 'number') throw invalidJson()
    else if (typeof limit !== 'string') throw invalidJson()
    else {
      const value = decimal(limit)
      if (value === undefined) {
        return { type: 'never', operands: ['content-length-range', first, second] }
      }
      limits.push(value)
    }
  }
  const [minBytes = 0, maxBytes = 0] = limits
  return { type: 'range', minBytes, maxBytes }
}

/**
 * Compares a form with its policy, and returns the sizes that its file may have. `bucket` is that of the URL. Throws
 * AccessDenied.
 */
export function checkPostPolicy(
  { expirationMs, conditions }: PostPolicy,
  fields: FormFields,
  bucket: string,
  nowMs: number,
): SizeRange {
  if (nowMs > expirationMs) throw violates('Policy expired.')
  let range: SizeRange = { minBytes: 0, maxBytes: Infinity }
  const named = new Set<string>()
  const types = typesOf(fields)
  for (const condition of conditions) {
    if (condition.type === 'range') {
      const minBytes = Math.max(range.minBytes, condition.minBytes)
      range = { minBytes, maxBytes: Math.min(range.maxBytes, condition.maxBytes) }
      continue
    }
    if (condition.type === 'never') throw conditionFailed(condition.operands)
    const { type, name, value } = condition
    const lower = lowerCase(name.slice(1))
    const isTypes = lower === 'content-type' && type === 'starts-with'
    const given = isTypes ? types : valuesOf(lower, fields, bucket)
    const holds = type === 'eq' ? isEqual : beginsWith
    if (!name.startsWith('$') || given.length === 0 || !given.every((each) => holds(each, value))) {
      throw conditionFailed([type, name, value])
    }
    named.add(lower)
  }
  if (!named.has('bucket')) throw violates('Extra input fields: bucket')
  for (const [lower, { name }] of fields) {
    if (named.has(lower) || EXEMPT.has(lower) || lower.startsWith('x-ignore-')) continue
    throw violates(`Extra input fields: ${name}`)
  }
  return range
}

/** None when the form lacks the field. The bucket is that of the URL, and that of the field if there is one. */
function valuesOf(lower: string, fields: FormFields, bucket: string): readonly string[] {
  const field = fields.get(lower)
  const values = field === undefined ? [] : [field.value]
  return lower === 'bucket' ? [bucket, ...values] : values
}

/**
 * A Content-Type with commas is a list, and each of its members must begin as a condition says. The list is made once and
 * has each member once, because a form of a stranger may have hundreds of conditions and thousands of members.
 */
function typesOf(fields: FormFields): readonly string[] {
  const value = fields.get('content-type')?.value
  if (value === undefined) return []
  return value.includes(',') ? [...new Set(value.split(',').map(trim))] : [value]
}

type Comparison = (given: string, value: string) => boolean

const isEqual: Comparison = (given, value) => given === value
const beginsWith: Comparison = (given, value) => given.startsWith(value)

function conditionFailed(operands: readonly unknown[]): S3Error {
  const list = operands.map((operand) => JSON.stringify(operand)).join(', ')
  return violates(`Policy Condition failed: [${list}]`)
}

function violates(why: string): S3Error {
  return new S3Error('AccessDenied', `Invalid according to Policy: ${why}`)
}

function invalidPolicy(why: string): S3Error {
  return new S3Error('InvalidPolicyDocument', `Invalid Policy: ${why}`)
}

function invalidJson(): S3Error {
  return invalidPolicy('Invalid JSON.')
}
