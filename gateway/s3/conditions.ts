/**
 * Conditional requests with S3's order of precedence (RFC 9110 13.2.2). ETags are compared without quotes.
 *
 * Reads and sources of copies are evaluated here, against the metadata that was read. Conditions of writes are only
 * parsed here: the store evaluates them inside the change of the register, so that they are atomic (rule 7 of
 * docs/s3-compatibility.md).
 */

import { trim } from '../http/ascii.ts'
import type { WriteCondition } from '../port/objects.ts'
import { S3Error } from '../http/errors.ts'
import type { HeaderRecord } from '../http/request.ts'
import { parseExtendedDate, parseHttpDate } from '../http/http-date.ts'

/** What the conditions of a request are compared with. */
export interface ConditionTarget {
  /** Without quotes. */
  readonly etag: string
  /** HTTP dates have whole seconds, so only the second is compared. */
  readonly lastModifiedMs: number
}

/** One ETag of a condition. A weak one never matches where the bytes must be the same (strong comparison). */
interface EntityTag {
  readonly value: string
  readonly weak: boolean
}

/**
 * Conditions of GET and HEAD. If-Match takes precedence over If-Unmodified-Since, and If-None-Match over
 * If-Modified-Since. Malformed dates are ignored (RFC 9110). Throws PreconditionFailed (412).
 */
export function evaluateRead(
  headers: HeaderRecord,
  target: ConditionTarget,
  nowMs: number,
): 'proceed' | 'not-modified' {
  const failed = firstFailure(headers, '', target, nowMs)
  if (failed === undefined) return 'proceed'
  if (failed === 'If-None-Match' || failed === 'If-Modified-Since') return 'not-modified'
  throw preconditionFailed(failed)
}

/**
 * The conditions x-amz-copy-source-if-*. Throws PreconditionFailed for every one that fails: a copy has no 304,
 * because its caller has nothing of the source yet.
 */
export function evaluateCopySource(
  headers: HeaderRecord,
  target: ConditionTarget,
  nowMs: number,
): void {
  const failed = firstFailure(headers, 'x-amz-copy-source-', target, nowMs)
  if (failed !== undefined) throw preconditionFailed(`x-amz-copy-source-${failed}`)
}

/** The same with x-amz-rename-source-if-*, for RenameObject. */
export function evaluateRenameSource(
  headers: HeaderRecord,
  target: ConditionTarget,
  nowMs: number,
): void {
  const failed = firstFailure(headers, 'x-amz-rename-source-', target, nowMs)
  if (failed !== undefined) throw preconditionFailed(`x-amz-rename-source-${failed}`)
}

/**
 * Whether If-Range allows the Range header. Otherwise the range is ignored and the whole object is sent: the client
 * has a part of another version. A date must be equal, an ETag must match strongly (RFC 9110 13.1.5).
 */
export function rangeApplies(headers: HeaderRecord, target: ConditionTarget): boolean {
  const value = given(headers, 'if-range')
  if (value === undefined) return true
  const sinceMs = dateMs(value)
  if (sinceMs !== undefined) return seconds(target.lastModifiedMs) === seconds(sinceMs)
  return matches(entityTags(value), target.etag, 'strong')
}

/**
 * The condition of PutObject, CopyObject and CompleteMultipartUpload: as in AWS, `If-None-Match: *` or
 * `If-Match: etag`. Anything else gets 501 and is never ignored.
 */
export function writeCondition(headers: HeaderRecord): WriteCondition | undefined {
  refuse(headers, 'if-modified-since')
  refuse(headers, 'if-unmodified-since')
  const ifMatch = headers['if-match']
  const ifNoneMatch = headers['if-none-match']
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined
  if (ifNoneMatch !== undefined && trim(ifNoneMatch) !== '*') throw unsupported('If-None-Match')
  const tags = ifMatch === undefined ? undefined : entityTags(ifMatch)
  if (tags !== undefined && (tags.length !== 1 || tags[0]?.weak !== false || isAny(tags))) {
    throw unsupported('If-Match')
  }
  return {
    ...(tags === undefined ? {} : { ifMatch: tags.map((one) => one.value) }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: ['*'] }),
  }
}

/**
 * The condition of RenameObject on the new key: that of a write, or If-Modified-Since or If-Unmodified-Since, which count
 * where the other two are not given. Throws InvalidArgument for what is no date, NotImplemented.
 */
export function renameCondition(headers: HeaderRecord): WriteCondition | undefined {
  const { 'if-modified-since': modified, 'if-unmodified-since': unmodified, ...others } = headers
  const etags = writeCondition(others)
  const ifModifiedSinceMs = writtenDate('If-Modified-Since', modified)
  const ifUnmodifiedSinceMs = writtenDate('If-Unmodified-Since', unmodified)
  const dates = {
    ...(ifModifiedSinceMs !== undefined &&
      etags?.ifNoneMatch === undefined && { ifModifiedSinceMs }),
    ...(ifUnmodifiedSinceMs !== undefined &&
      etags?.ifMatch === undefined && { ifUnmodifiedSinceMs }),
  }
  return etags === undefined && Object.keys(dates).length === 0 ? undefined : { ...etags, ...dates }
}

/** A write must not happen in spite of a condition that cannot be read. */
function writtenDate(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const found = dateMs(value)
  if (found === undefined) throw new S3Error('InvalidArgument', `${name} must be an HTTP date`)
  return found
}

/**
 * The condition of DeleteObject, or of one key of DeleteObjects: `If-Match` (one ETag, or `*`), x-amz-if-match-size,
 * x-amz-if-match-last-modified-time. Undefined without any. Other conditions get 501 and are never ignored. Throws
 * NotImplemented, InvalidArgument.
 */
export function deleteCondition(headers: HeaderRecord): WriteCondition | undefined {
  refuse(headers, 'if-none-match')
  refuse(headers, 'if-modified-since')
  refuse(headers, 'if-unmodified-since')
  const ifMatch = headers['if-match']
  const size = headers['x-amz-if-match-size']
  const time = headers['x-amz-if-match-last-modified-time']
  if (ifMatch === undefined && size === undefined && time === undefined) return undefined
  const tags = ifMatch === undefined ? undefined : entityTags(ifMatch)
  if (tags !== undefined && (tags.length !== 1 || tags[0]?.weak !== false)) {
    throw unsupported('If-Match')
  }
  const ifMatchSizeBytes = size === undefined ? undefined : Number(size)
  if (size !== undefined && (!/^\d{1,15}$/.test(size) || !Number.isSafeInteger(ifMatchSizeBytes))) {
    throw new S3Error('InvalidArgument', 'x-amz-if-match-size must be a number of bytes')
  }
  const ifMatchLastModifiedMs = time === undefined ? undefined : (dateMs(time) ?? isoMs(time))
  if (time !== undefined && ifMatchLastModifiedMs === undefined) {
    throw new S3Error(
      'InvalidArgument',
      'x-amz-if-match-last-modified-time must be an HTTP date or ISO 8601',
    )
  }
  return {
    ...(tags === undefined ? {} : { ifMatch: tags.map((one) => one.value) }),
    ...(ifMatchSizeBytes === undefined ? {} : { ifMatchSizeBytes }),
    ...(ifMatchLastModifiedMs === undefined ? {} : { ifMatchLastModifiedMs }),
  }
}

/**
 * An empty condition of a read counts as absent. An empty condition of a write or of a copy's source is never met: the
 * client meant to protect something and did not have the value to compare with.
 */
function given(headers: HeaderRecord, name: string): string | undefined {
  const value = headers[name]
  return value === '' && name.startsWith('if-') ? undefined : value
}

type ConditionName = 'If-Match' | 'If-Unmodified-Since' | 'If-None-Match' | 'If-Modified-Since'

/**
 * The first condition that fails, in the order of precedence. `prefix` is the one of a copy's source, or ''.
 *
 *   If-Match, else If-Unmodified-Since     → must hold, or the request fails
 *   If-None-Match, else If-Modified-Since  → must hold, or the client has it already
 */
function firstFailure(
  headers: HeaderRecord,
  prefix: string,
  target: ConditionTarget,
  nowMs: number,
): ConditionName | undefined {
  const ifMatch = given(headers, `${prefix}if-match`)
  const unmodified = given(headers, `${prefix}if-unmodified-since`)
  if (ifMatch !== undefined) {
    if (!matches(entityTags(ifMatch), target.etag, 'strong')) return 'If-Match'
  } else if (unmodified !== undefined) {
    const sinceMs = dateMs(unmodified)
    if (sinceMs !== undefined && seconds(target.lastModifiedMs) > seconds(sinceMs)) {
      return 'If-Unmodified-Since'
    }
  }
  const ifNoneMatch = given(headers, `${prefix}if-none-match`)
  const modified = given(headers, `${prefix}if-modified-since`)
  if (ifNoneMatch !== undefined) {
    if (matches(entityTags(ifNoneMatch), target.etag, 'weak')) return 'If-None-Match'
  } else if (modified !== undefined) {
    const sinceMs = dateMs(modified)
    // As in AWS, a date in the future is ignored. Otherwise a client with a fast clock would never see a change.
    const counts = sinceMs !== undefined && seconds(sinceMs) <= seconds(nowMs)
    if (counts && seconds(target.lastModifiedMs) <= seconds(sinceMs)) {
      return 'If-Modified-Since'
    }
  }
  return undefined
}

/** `"a", W/"b", c`. Quotes are optional, because many S3 clients leave them out. */
function entityTags(header: string): EntityTag[] {
  const tags: EntityTag[] = []
  for (const match of header.matchAll(/(W\/)?(?:"([^"]*)"|([^ \t",]+))/g)) {
    tags.push({ value: match[2] ?? match[3] ?? '', weak: match[1] !== undefined })
  }
  return tags
}

function isAny(tags: readonly EntityTag[]): boolean {
  return tags.some((one) => one.value === '*')
}

function matches(tags: readonly EntityTag[], etag: string, comparison: 'strong' | 'weak'): boolean {
  return tags.some(
    (one) => one.value === '*' || (one.value === etag && (comparison === 'weak' || !one.weak)),
  )
}

/** Only HTTP dates, all forms of which name the month in letters; undefined for anything else. */
function dateMs(text: string): number | undefined {
  return parseHttpDate(trim(text))
}

/** x-amz-if-match-last-modified-time may also be the time as listings and XML documents show it. */
function isoMs(text: string): number | undefined {
  return parseExtendedDate(text)
}

function seconds(timeMs: number): number {
  return Math.floor(timeMs / 1000)
}

/**
 * Throws NotImplemented when the header was sent, even when it is empty: a write must not happen in spite of a
 * condition.
 */
function refuse(headers: HeaderRecord, name: string): void {
  if (headers[name] !== undefined) throw unsupported(name)
}

function unsupported(header: string): S3Error {
  return new S3Error('NotImplemented', undefined, { details: { Header: header } })
}

function preconditionFailed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', undefined, { details: { Condition: condition } })
}
