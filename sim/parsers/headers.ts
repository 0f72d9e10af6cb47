/** Parsers of single headers and query parameters: ranges, copy sources, conditions, dates, tokens. */

import { parseCopySource, parseRenameSource } from '../../gateway/http/copy-source.ts'
import {
  deleteCondition,
  evaluateRead,
  evaluateRenameSource,
  rangeApplies,
  renameCondition,
  writeCondition,
} from '../../gateway/s3/conditions.ts'
import { isChecksumValue, CHECKSUM_ALGORITHMS } from '../../gateway/body/checksum.ts'
import {
  basicDate,
  extendedDate,
  parseBasicDate,
  parseExtendedDate,
  parseHttpDate,
} from '../../gateway/http/http-date.ts'
import { parseCopySourceRange, parseRange } from '../../gateway/http/range.ts'
import { httpDate } from '../../gateway/http/response.ts'
import {
  HOLD_HEADER,
  MODE_HEADER,
  parseLockHeaders,
  UNTIL_HEADER,
} from '../../gateway/http/locks.ts'
import { parseTagHeader } from '../../gateway/http/tags.ts'
import { xmlDate } from '../../gateway/http/xml.ts'
import { decodeListToken, encodeListToken } from '../../gateway/s3/list.ts'
import { isVersionId } from '../../protocol/object/version-id.ts'
import { uriEncode } from '../../gateway/auth/sigv4/canonical.ts'
import type { IamCall } from '../../gateway/port/iam-backend.ts'
import { markerOf, pageOf } from '../../node/iam/page.ts'
import { parseInstant } from '../../protocol/iam/instant.ts'
import { parseIpRange } from '../../protocol/iam/ip.ts'
import type { SmallRandom } from '../../protocol/iam/testing/cases.ts'
import { HEX, promise, subjectText, WORD, type Subject } from './subject.ts'

const HEAD_SIZE = 16 * 1024
const SIZES = [0, 1, 10, 1_000, 2 ** 40]
const KEYS = `${WORD}/-_.~ +!'()*&=%éİ😀`

const ranges: Subject = {
  name: 'ranges',
  pieces: /\d+|-|=/g,
  share: 80,
  sizeMax: HEAD_SIZE,
  valid(random) {
    const first = random.below(1_200)
    const form = random.below(3)
    if (form === 0) return `bytes=${first}-`
    return form === 1 ? `bytes=-${1 + first}` : `bytes=${first}-${first + random.below(2_000)}`
  },
  take(header, random) {
    const sizeBytes = random.pick(SIZES)
    const range = refusedOr(() => parseRange(header, sizeBytes), 'InvalidRange')
    if (range !== undefined) inside(range, sizeBytes)
    const copied = refusedOr(() => parseCopySourceRange(header, sizeBytes), 'InvalidArgument')
    if (copied === undefined) return range !== undefined || /^bytes=(\d+-\d*|-\d+)$/.test(header)
    inside(copied, sizeBytes)
    promise(header === `bytes=${header.slice(6)}`, 'a copied range has another unit')
    return true
  },
}

function inside({ start, end }: { start: number; end: number }, sizeBytes: number): void {
  promise(start >= 0 && start < end && end <= sizeBytes, `range ${start}-${end} of ${sizeBytes}`)
}

/** Undefined when refused with this code. */
function refusedOr<T>(run: () => T, code: string): T | undefined {
  try {
    return run()
  } catch (error) {
    if ((error as { code?: string }).code === code) return undefined
    throw error
  }
}

const copySources: Subject = {
  name: 'copy sources',
  pieces: /[^/?%]+|%[0-9A-F]{2}|\//g,
  share: 80,
  sizeMax: HEAD_SIZE,
  valid(random) {
    const bucket = subjectText(random, 'abcxyz019.-_', 20, 1)
    const key = encoded(subjectText(random, KEYS, 30, 1), random)
    const version = random.chance(0.2) ? '?versionId=null' : ''
    return `${random.chance(0.5) ? '/' : ''}${bucket}/${key}${version}`
  },
  take(header) {
    const { bucket, key } = parseCopySource(header)
    promise(/^[A-Za-z0-9._-]{1,255}$/.test(bucket), 'a bucket has no such name')
    promise(key !== '' && Buffer.byteLength(key) <= 1_024 && !key.includes('\0'), 'no such key')
    // What was understood, written again, is understood as the same.
    const again = parseCopySource(`${bucket}/${uriEncode(key.toWellFormed())}`)
    promise(again.bucket === bucket && again.key === key.toWellFormed(), 'another source')
    const renamed = refusedOr(() => parseRenameSource(header), 'InvalidArgument')
    const isPlain = !/[+?]/.test(header)
    promise(!isPlain || renamed?.key === key, 'the source of a rename is another one')
    return true
  },
}

function encoded(key: string, random: SmallRandom): string {
  const whole = uriEncode(key)
  return random.chance(0.5) ? whole : whole.replaceAll('%2F', '/')
}

const conditions: Subject = {
  name: 'conditional headers',
  pieces: /[^\n]+|"[^"]*"/g,
  share: 80,
  sizeMax: HEAD_SIZE,
  valid(random) {
    const tag = `"${subjectText(random, HEX, 32, 1)}"`
    const any = random.pick([tag, tag.slice(1, -1), `${tag}, "b"`, '*', `W/${tag}`])
    return random.pick([
      `if-match: ${tag}`,
      'if-none-match: *',
      `if-none-match: ${any}`,
      `if-match: ${any}\nif-none-match: *`,
      `if-modified-since: ${httpDate(random.below(2 ** 31) * 1_000)}`,
      `x-amz-rename-source-if-none-match: ${any}`,
      `x-amz-if-match-size: ${random.below(1_000)}\nif-match: ${tag}`,
    ])
  },
  take(head) {
    const headers = parsedHeaders(head)
    const target = { etag: 'abc', lastModifiedMs: 1_600_000_000_000 }
    const read = refusedOr(
      () => evaluateRead(headers, target, 2 ** 31 * 1_000),
      'PreconditionFailed',
    )
    promise(read !== 'not-modified' || /if-(none-match|modified)/i.test(head), 'nothing was asked')
    rangeApplies(headers, target)
    const written = refusedOr(() => writeCondition(headers), 'NotImplemented')
    for (const etag of written?.ifMatch ?? []) promise(!etag.includes('"'), 'an ETag has quotes')
    refusedOr(() => evaluateRenameSource(headers, target, 0), 'PreconditionFailed')
    try {
      const { ifModifiedSinceMs: sinceMs } = renameCondition(headers) ?? {}
      promise(sinceMs === undefined || Number.isFinite(sinceMs), 'a time is none')
      const { ifMatchSizeBytes: size } = deleteCondition(headers) ?? {}
      promise(size === undefined || Number.isSafeInteger(size), 'a size is none')
    } catch (error) {
      if (!['NotImplemented', 'InvalidArgument'].includes((error as { code: string }).code))
        throw error
    }
    return head.includes(': ')
  },
}

/** Null-prototype, as of a request. */
export function parsedHeaders(head: string): Record<string, string> {
  const headers = Object.create(null) as Record<string, string>
  for (const line of head.split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  return headers
}

const dates: Subject = {
  name: 'dates',
  pieces: /\d+|[A-Za-z]+|[:, -]/g,
  share: 80,
  sizeMax: HEAD_SIZE,
  valid(random) {
    const timeMs = random.below(2 ** 31) * 1_000
    return random.pick([httpDate(timeMs), basicDate(timeMs), extendedDate(timeMs)])
  },
  take(written) {
    const times = [parseHttpDate, parseBasicDate, parseExtendedDate, parseInstant].map((parse) =>
      parse(written),
    )
    for (const timeMs of times) {
      promise(timeMs === undefined || Number.isFinite(timeMs), 'a time is no number')
    }
    const [http, basic, extended] = times
    if (http !== undefined) promise(parseHttpDate(httpDate(http)) === http, 'another HTTP date')
    if (basic !== undefined) promise(basicDate(basic) === written, 'another basic date')
    promise(extended === undefined || parseExtendedDate(extendedDate(extended)) === extended, 'ISO')
    return http !== undefined || basic !== undefined || extended !== undefined
  },
}

const tokens: Subject = {
  name: 'list tokens',
  pieces: /[\w-]{1,4}/g,
  share: 80,
  sizeMax: HEAD_SIZE,
  valid(random) {
    const next = subjectText(random, KEYS, 40).toWellFormed()
    return random.chance(0.5) ? encodeListToken(next) : markerOf(next === '' ? 'a' : next)
  },
  take(token) {
    const next = refusedOr(() => decodeListToken(token), 'InvalidArgument')
    if (next !== undefined) promise(encodeListToken(next) === token, 'two tokens of one place')
    const call = { parameters: { Marker: token } } as unknown as IamCall
    const page = refusedOr(() => pageOf(call), 'ValidationError')
    if (page?.after !== undefined)
      promise(markerOf(page.after) === token, 'two markers of one place')
    return next !== undefined || page !== undefined
  },
}

const values: Subject = {
  name: 'checksums, versions, addresses',
  pieces: /[0-9a-f]+|[.:/]/g,
  share: 60,
  sizeMax: HEAD_SIZE,
  valid(random) {
    return random.pick([
      Buffer.from(subjectText(random, HEX, 32, 32), 'latin1').toString('base64'),
      'null',
      `10.${random.below(256)}.0.0/${random.below(33)}`,
      `2001:db8::${subjectText(random, HEX, 4, 1)}/${random.below(129)}`,
    ])
  },
  take(value) {
    const checksum = CHECKSUM_ALGORITHMS.some((algorithm) => isChecksumValue(algorithm, value))
    const range = parseIpRange(value)
    if (range !== undefined) {
      promise([4, 16].includes(range.bytes.length), 'an address of another length')
      promise(range.prefixBits <= range.bytes.length * 8, 'a prefix longer than the address')
      promise(
        range.bytes.every((byte) => byte >= 0 && byte < 256),
        'a byte is none',
      )
    }
    return checksum || isVersionId(value) || range !== undefined
  },
}

const tagging: Subject = {
  name: 'x-amz-tagging',
  pieces: /[^&=]+|[&=]/g,
  share: 60,
  sizeMax: HEAD_SIZE,
  valid(random) {
    const text = (most: number): string => {
      const drawn = subjectText(random, `${WORD}+-=._:/@ é`, most)
      const whole = encodeURIComponent(drawn)
      return random.chance(0.5) ? whole.replaceAll('%20', '+') : whole
    }
    const tags = Array.from(
      { length: 1 + random.below(4) },
      (_, at) => `${at}${text(9)}=${text(12)}`,
    )
    return tags.join('&')
  },
  take(header) {
    const tags = parseTagHeader(header)
    promise(tags.length <= 10, 'too many tags')
    promise(new Set(tags.map(({ key }) => key)).size === tags.length, 'two tags with one key')
    for (const { key, value } of tags) {
      promise(key.length >= 1 && key.length <= 128 && value.length <= 256, 'a tag is too long')
    }
    const again = tags
      .map((tag) => [tag.key, tag.value].map(encodeURIComponent).join('='))
      .join('&')
    const read = JSON.stringify(parseTagHeader(again))
    promise(read === JSON.stringify(tags), 'other tags when written again')
    return true
  },
}

const LOCK_NAMES = [MODE_HEADER, UNTIL_HEADER, HOLD_HEADER]

/** The three headers of object lock, one on each line. */
const locks: Subject = {
  name: 'x-amz-object-lock',
  pieces: /[0-9]+|[TZ:.+-]|\w+/g,
  share: 30,
  sizeMax: HEAD_SIZE,
  valid(random) {
    const date = xmlDate(random.below(4_000_000) * 1_000_000)
    const until = random.chance(0.3) ? date.replace('Z', '+02:00') : date
    const hold = random.pick(['ON', 'OFF'])
    return [random.pick(['GOVERNANCE', 'COMPLIANCE']), until, hold].join('\n')
  },
  take(lines) {
    const given = lines.split('\n', LOCK_NAMES.length)
    const headers = Object.fromEntries(LOCK_NAMES.map((name, at) => [name, given[at] || undefined]))
    const { retention, legalHold } = parseLockHeaders(headers) ?? {}
    if (retention === undefined) return legalHold !== undefined
    const written = xmlDate(retention.untilMs)
    const again = parseLockHeaders({ ...headers, [UNTIL_HEADER]: written })
    promise(again?.retention?.untilMs === retention.untilMs, 'another time when written again')
    return true
  },
}

export const HEADER_SUBJECTS: readonly Subject[] = [
  locks,
  tagging,
  ranges,
  copySources,
  conditions,
  dates,
  tokens,
  values,
]
