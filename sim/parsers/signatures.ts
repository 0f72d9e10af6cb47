/** Heads of requests, and the signatures of both versions in them: by header and by query. */

import type { IncomingMessage } from 'node:http'
import { announcedTrailers, contentMd5, declaredChecksum } from '../../gateway/body/checksum.ts'
import { parseRequest, userMetadata, type S3Request } from '../../gateway/http/request.ts'
import { stringsToSign } from '../../gateway/auth/sigv2/canonical.ts'
import { parseSigV2Header, parseSigV2Query } from '../../gateway/auth/sigv2/claim.ts'
import { canonicalRequest, uriEncode } from '../../gateway/auth/sigv4/canonical.ts'
import { parseHeaderClaim, parseQueryClaim, type Claim } from '../../gateway/auth/sigv4/claim.ts'
import type { SmallRandom } from '../../protocol/iam/testing/cases.ts'
import { HEX, promise, some, subjectText, WORD, type Subject } from './subject.ts'

const HEAD_SIZE = 16 * 1024
const RULES = { services: ['s3'], regions: ['us-east-1'] }
const DATE = '20261121'
const TIMESTAMP = `${DATE}T120000Z`
const HTTP_DATE = 'Sat, 21 Nov 2026 12:00:00 GMT'
const KEYS = `${WORD}/-_.~ +!'()*&=%é`

/** 'GET /bucket/key?query', then a header on each line, as Node's HTTP parser hands them over. */
function requestOf(head: string): S3Request {
  const [first = '', ...lines] = head.split('\n')
  const space = first.indexOf(' ')
  const rawHeaders = lines.flatMap((line) => {
    const colon = line.indexOf(':')
    return colon < 1 ? [] : [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  const message = {
    method: first.slice(0, space),
    url: first.slice(space + 1),
    rawHeaders,
    socket: { remoteAddress: '192.0.2.1' },
  }
  const options = { hostSuffixes: ['s3.example.org'] }
  return parseRequest(message as unknown as IncomingMessage, options)
}

function target(random: SmallRandom): string {
  const key = uriEncode(subjectText(random, KEYS, 20)).replaceAll('%2F', '/')
  return `${random.pick(['GET', 'PUT', 'HEAD', 'DELETE', 'POST'])} /bucket/${key}`
}

function query(random: SmallRandom): string[] {
  const names = ['versionId', 'uploadId', 'prefix', 'list-type', 'x-id', 'response-expires', 'utm']
  const chosen = names.filter(() => random.chance(0.2))
  return chosen.map((name) => `${name}=${uriEncode(subjectText(random, KEYS, 12))}`)
}

function otherHeaders(random: SmallRandom): string[] {
  return some(random, 3, () =>
    random.pick([
      `x-amz-meta-${subjectText(random, 'abc-_', 8, 1)}: ${subjectText(random, KEYS, 20)}`,
      'content-type: text/plain',
      'content-md5: 1B2M2Y8AsgTpgAmY7PhCfg==',
      'x-amz-checksum-crc32: AAAAAA==',
      'x-amz-trailer: x-amz-checksum-crc32',
      `user-agent: ${subjectText(random, KEYS, 20)}`,
    ]),
  ).filter(
    (line, at, all) => all.findIndex((each) => each.split(':')[0] === line.split(':')[0]) === at,
  )
}

/** All that a request says of its body and of itself, besides its signature. */
function takeRest(request: S3Request): void {
  for (const read of [announcedTrailers, contentMd5, declaredChecksum, userMetadata]) {
    try {
      read(request)
    } catch (error) {
      const { status } = error as { status?: number }
      if (status !== 400) throw error
    }
  }
  const { key, bucket } = request
  promise(key === undefined || (key !== '' && Buffer.byteLength(key) <= 1_024), 'no such key')
  promise(bucket === undefined || /^[A-Za-z0-9._-]{1,255}$/.test(bucket), 'no such bucket')
}

function checkClaim(request: S3Request, claim: Claim): void {
  promise(/^[0-9a-f]{64}$/.test(claim.signature), 'a signature is none')
  promise(claim.scope.startsWith(`${claim.date}/`), 'the scope is of another day')
  promise(Number.isFinite(claim.timeMs), 'a time is no number')
  const canonical = canonicalRequest(request, claim.signedHeaders, claim.payloadHash ?? '')
  if (canonical === undefined) return
  // Nothing that a request holds can add a line of its own.
  const lines = canonical.split('\n').length
  promise(lines === 6 + claim.signedHeaders.size - 1 + 1, `${lines} lines in the canonical request`)
}

const sigV4Header: Subject = {
  name: 'SigV4 in the header',
  pieces: /[^\n]+\n?|[A-Z][A-Za-z]+=[^,\n]*|[?&][^&\n]*/g,
  share: 70,
  sizeMax: HEAD_SIZE,
  valid(random) {
    const names = ['host', 'x-amz-content-sha256', 'x-amz-date']
    const pairs = query(random)
    const separator = random.pick([', ', ','])
    return [
      target(random) + (pairs.length === 0 ? '' : `?${pairs.join('&')}`),
      'host: localhost:9000',
      'x-amz-content-sha256: UNSIGNED-PAYLOAD',
      `x-amz-date: ${TIMESTAMP}`,
      `authorization: AWS4-HMAC-SHA256 ${[
        `Credential=${subjectText(random, WORD, 20, 1)}/${DATE}/us-east-1/s3/aws4_request`,
        `SignedHeaders=${names.join(';')}`,
        `Signature=${subjectText(random, HEX, 64, 64)}`,
      ].join(separator)}`,
      ...otherHeaders(random),
    ].join('\n')
  },
  take(head) {
    const request = requestOf(head)
    takeRest(request)
    if (request.headers['authorization']?.startsWith('AWS4-HMAC-SHA256') !== true) return false
    checkClaim(request, parseHeaderClaim(request, RULES))
    return true
  },
}

const sigV4Query: Subject = {
  name: 'SigV4 in the query',
  pieces: /[?&][^&\n]*|\n[^\n]+/g,
  share: 70,
  sizeMax: HEAD_SIZE,
  valid(random) {
    const pairs = [
      ...query(random),
      'X-Amz-Algorithm=AWS4-HMAC-SHA256',
      `X-Amz-Credential=${subjectText(random, WORD, 20, 1)}%2F${DATE}%2Fus-east-1%2Fs3%2Faws4_request`,
      `X-Amz-Date=${TIMESTAMP}`,
      `X-Amz-Expires=${1 + random.below(604_800)}`,
      'X-Amz-SignedHeaders=host',
      `X-Amz-Signature=${subjectText(random, HEX, 64, 64)}`,
    ]
    return [
      `${target(random)}?${pairs.join('&')}`,
      'host: localhost',
      ...otherHeaders(random),
    ].join('\n')
  },
  take(head) {
    const request = requestOf(head)
    takeRest(request)
    if (!request.query.has('X-Amz-Algorithm')) return false
    const claim = parseQueryClaim(request, RULES)
    const { expiresSeconds = 0 } = claim
    promise(expiresSeconds >= 1 && expiresSeconds <= 604_800, 'it lasts for ever')
    checkClaim(request, claim)
    return true
  },
}

const sigV2Header: Subject = {
  name: 'SigV2 in the header',
  pieces: /\n[^\n]+|[^ :]+/g,
  share: 50,
  sizeMax: HEAD_SIZE,
  valid: (random) =>
    [
      target(random),
      'host: localhost:9000',
      `date: ${HTTP_DATE}`,
      `authorization: AWS ${subjectText(random, WORD, 20, 1)}:${subjectText(random, `${WORD}+/`, 27, 27)}=`,
      ...otherHeaders(random),
    ].join('\n'),
  take(head) {
    const request = requestOf(head)
    if (request.headers['authorization']?.startsWith('AWS ') !== true) return false
    const claim = parseSigV2Header(request)
    promise(claim.accessKeyId !== '' && claim.signature !== '', 'a claim of nothing')
    promise(Number.isFinite(claim.signedMs), 'a time is no number')
    checkStrings(request, claim.dateText, false)
    return true
  },
}

const sigV2Query: Subject = {
  name: 'SigV2 in the query',
  pieces: /[?&][^&\n]*|\n[^\n]+/g,
  share: 50,
  sizeMax: HEAD_SIZE,
  valid(random) {
    const pairs = [
      ...query(random),
      `AWSAccessKeyId=${subjectText(random, WORD, 20, 1)}`,
      `Expires=${1 + random.below(2 ** 31)}`,
      `Signature=${uriEncode(`${subjectText(random, `${WORD}+/`, 27, 27)}=`)}`,
    ]
    return [
      `${target(random)}?${pairs.join('&')}`,
      'host: localhost',
      ...otherHeaders(random),
    ].join('\n')
  },
  take(head) {
    const request = requestOf(head)
    const claim = parseSigV2Query(request)
    promise(Number.isSafeInteger(claim.expiresMs), 'an expiry is no number')
    checkStrings(request, claim.dateText, true)
    return true
  },
}

function checkStrings(request: S3Request, dateText: string, presigned: boolean): void {
  const strings = stringsToSign(request, dateText, presigned)
  promise(strings.length >= 1 && strings.length <= 4, `${strings.length} strings to sign`)
}

export const SIGNATURE_SUBJECTS: readonly Subject[] = [
  sigV4Header,
  sigV4Query,
  sigV2Header,
  sigV2Query,
]
