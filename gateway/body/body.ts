/**
 * Decodes, hashes and checks the bodies of requests (F23 and F24). No body is valid, or may become visible, before
 * `finish()` has returned.
 *
 * Each body is hashed with MD5 (its ETag), with SHA-256 when the signature covers it, and with the checksum
 * that the client declared. As in AWS, an object without a declared checksum gets CRC64NVME; parts get the
 * checksum that their upload needs.
 */

import { createHash, hash } from 'node:crypto'

import type {
  ChecksumAlgorithm,
  Checksums,
  ObjectBody,
  FinishedBody,
  SmallBody,
} from '../port/body.ts'
import {
  checksumHeader,
  contentMd5,
  createChecksum,
  declaredChecksum,
  DEFAULT_ALGORITHM,
  isChecksumValue,
} from './checksum.ts'
import type { ChecksumHasher, DeclaredChecksum } from './checksum.ts'
import { decodeBody } from './decode.ts'
import type { DecodedBody, OnBytes } from './decode.ts'
import { S3Error } from '../http/errors.ts'
import type { S3Request } from '../http/request.ts'
import type { AuthResult } from '../auth/auth.ts'

export { storedContentEncoding } from './decode.ts'

/** How to read the body of an object or part. */
export interface OpenBodyOptions {
  /** Larger bodies are refused with EntityTooLarge. 5 GiB when absent. */
  readonly maxBytes?: number | undefined
  /** Called with the number of raw bytes as they arrive, to enforce minimum rates (F27). */
  readonly onBytes?: OnBytes | undefined
  /**
   * Which checksums to compute besides the declared one. Called before the first byte is hashed. By default
   * CRC64NVME when none is declared.
   */
  readonly algorithms?: (() => readonly ChecksumAlgorithm[]) | undefined
}

/** How to read a document or form. */
export interface ReadBodyOptions {
  /** Larger bodies are refused with MalformedXML, before anything is read if the length was announced. */
  readonly maxBytes: number
  readonly onBytes?: OnBytes | undefined
  /** True when x-amz-checksum-* headers describe an object instead of this body (CompleteMultipartUpload). */
  readonly checksumsAreOfObject?: boolean | undefined
}

const MAX_SINGLE_PUT_BYTES = 5 * 2 ** 30
const MAX_GATHERED_BYTES = 64 * 1024

/** The body of PutObject or UploadPart. Bodies of at most 64 KiB are returned as a whole (SmallBody). */
export async function openBody(
  request: S3Request,
  auth: AuthResult,
  options: OpenBodyOptions = {},
): Promise<ObjectBody | SmallBody> {
  const declared = declaredChecksum(request)
  const wanted = options.algorithms ?? (() => (declared === undefined ? [DEFAULT_ALGORITHM] : []))
  const expected = expectations(request, auth, declared, wanted)
  const decoded = decodeBody(request, auth, options.onBytes)
  const maxBytes = options.maxBytes ?? MAX_SINGLE_PUT_BYTES
  if (decoded.isExact && decoded.sizeBytes > maxBytes) {
    throw new S3Error('EntityTooLarge', undefined, {
      details: { ProposedSize: decoded.sizeBytes, MaxSizeAllowed: maxBytes },
    })
  }
  if (decoded.sizeBytes > MAX_GATHERED_BYTES) return hashedStream(decoded, expected)
  const bytes = await decoded.gather()
  return { bytes, finish: () => check(expected, digestsOf(bytes, expected), decoded.trailers()) }
}

/** A body that was read as a whole and verified. */
export interface WholeBody {
  /** Empty when the request has none. */
  readonly bytes: Uint8Array
  /** Whether the request had a Content-MD5 or a checksum, as some operations require. It was right. */
  readonly hasDigest: boolean
}

/** Reads and verifies the whole body of a document or form. */
export async function readBody(
  request: S3Request,
  auth: AuthResult,
  options: ReadBodyOptions,
): Promise<WholeBody> {
  const declared = options.checksumsAreOfObject === true ? undefined : declaredChecksum(request)
  const expected = expectations(request, auth, declared)
  const hasBody = request.transferChunked || request.contentLength !== undefined
  const decoded = hasBody ? decodeBody(request, auth, options.onBytes) : undefined
  if ((decoded?.sizeBytes ?? 0) > options.maxBytes) {
    throw new S3Error('MalformedXML', 'The body is larger than allowed.')
  }
  const hasDigest = expected.md5 !== undefined || declared !== undefined
  if (decoded !== undefined && decoded.sizeBytes > MAX_GATHERED_BYTES) {
    return { bytes: await hashedWhole(decoded, expected), hasDigest }
  }
  const bytes = (await decoded?.gather()) ?? new Uint8Array(0)
  check(expected, digestsOf(bytes, expected), decoded?.trailers() ?? new Map())
  return { bytes, hasDigest }
}

/** Hashes the body as it arrives: hashing it all at the end would block the event loop for too long. */
async function hashedWhole(decoded: DecodedBody, expected: Expectations): Promise<Uint8Array> {
  const body = hashedStream(decoded, expected)
  const pieces: Uint8Array[] = []
  for await (const chunk of body.chunks) pieces.push(Uint8Array.from(chunk))
  body.finish()
  return Buffer.concat(pieces)
}

/** What the request announces about its body. */
interface Expectations {
  readonly md5: Uint8Array | undefined
  /** Hex, from x-amz-content-sha256. */
  readonly sha256: string | undefined
  readonly declared: DeclaredChecksum | undefined
  /** Includes the declared one. */
  algorithms(): ReadonlySet<ChecksumAlgorithm>
}

interface Digests {
  /** Hex. */
  readonly md5: string
  /** Hex; undefined unless it was expected. */
  readonly sha256: string | undefined
  readonly checksums: Checksums
}

/**
 * Reads what the request announces about its body. Throws InvalidDigest for a malformed Content-MD5. `wanted` are the
 * checksums to compute besides the declared one; it is called only when hashing begins.
 */
function expectations(
  request: S3Request,
  auth: AuthResult,
  declared: DeclaredChecksum | undefined,
  wanted: () => readonly ChecksumAlgorithm[] = () => [],
): Expectations {
  return {
    md5: contentMd5(request),
    sha256: auth.payload.type === 'sha256' ? auth.payload.hex : undefined,
    declared,
    algorithms: () =>
      new Set([...(declared === undefined ? [] : [declared.algorithm]), ...wanted()]),
  }
}

/** The digests of a body that is there as a whole. */
function digestsOf(bytes: Uint8Array, expected: Expectations): Digests {
  const sha256 = expected.sha256 === undefined ? undefined : hash('sha256', bytes, 'hex')
  const checksums: Partial<Record<ChecksumAlgorithm, string>> = {}
  for (const algorithm of expected.algorithms()) {
    const hasher = createChecksum(algorithm)
    hasher.update(bytes)
    checksums[algorithm] = Buffer.from(hasher.digest()).toString('base64')
  }
  return { md5: hash('md5', bytes, 'hex'), sha256, checksums }
}

/**
 * A body whose chunks are hashed as they pass. `finish` throws IncompleteBody unless the consumer has read all of
 * them.
 */
function hashedStream(decoded: DecodedBody, expected: Expectations): ObjectBody {
  const md5 = createHash('md5')
  const sha256 = expected.sha256 === undefined ? undefined : createHash('sha256')
  const hashers = new Map<ChecksumAlgorithm, ChecksumHasher>()
  let ended = false
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (const algorithm of expected.algorithms()) {
      // When SHA-256 is both signed and declared, it is computed once.
      if (algorithm === 'SHA256' && sha256 !== undefined) continue
      hashers.set(algorithm, createChecksum(algorithm))
    }
    for await (const chunk of decoded.chunks) {
      md5.update(chunk)
      sha256?.update(chunk)
      for (const hasher of hashers.values()) hasher.update(chunk)
      yield chunk
    }
    ended = true
  }
  return {
    sizeBytes: decoded.isExact ? decoded.sizeBytes : undefined,
    chunks: chunks(),
    finish() {
      if (!ended) throw new S3Error('IncompleteBody')
      const signed = sha256?.digest()
      const checksums: Partial<Record<ChecksumAlgorithm, string>> = {}
      for (const algorithm of expected.algorithms()) {
        const digest = hashers.get(algorithm)?.digest() ?? signed
        if (digest !== undefined) checksums[algorithm] = Buffer.from(digest).toString('base64')
      }
      return check(
        expected,
        { md5: md5.digest('hex'), sha256: signed?.toString('hex'), checksums },
        decoded.trailers(),
      )
    },
  }
}

/**
 * Compares what was announced with what was computed: SHA-256, Content-MD5, then the checksum. This is the only place
 * where a body becomes valid. Throws XAmzContentSHA256Mismatch, BadDigest, InvalidRequest.
 */
function check(
  expected: Expectations,
  digests: Digests,
  trailers: ReadonlyMap<string, string>,
): FinishedBody {
  if (expected.sha256 !== undefined && expected.sha256 !== digests.sha256) {
    throw new S3Error('XAmzContentSHA256Mismatch', undefined, {
      details: {
        ClientComputedContentSHA256: expected.sha256,
        S3ComputedContentSHA256: digests.sha256 ?? '',
      },
    })
  }
  if (expected.md5 !== undefined && Buffer.from(expected.md5).toString('hex') !== digests.md5) {
    throw new S3Error(
      'BadDigest',
      'The Content-MD5 you specified did not match what we received.',
      {
        details: {
          ExpectedDigest: Buffer.from(expected.md5).toString('base64'),
          CalculatedDigest: Buffer.from(digests.md5, 'hex').toString('base64'),
        },
      },
    )
  }
  const { declared } = expected
  if (declared !== undefined) {
    checkDeclared(declared, digests.checksums[declared.algorithm], trailers)
  }
  return { etag: digests.md5, checksums: digests.checksums, checksumType: 'FULL_OBJECT' }
}

/** A checksum that was announced as a trailer must be in it. Throws BadDigest, InvalidRequest. */
function checkDeclared(
  declared: DeclaredChecksum,
  computed: string | undefined,
  trailers: ReadonlyMap<string, string>,
): void {
  const name = checksumHeader(declared.algorithm)
  const given = declared.value ?? trailers.get(name)
  if (given === undefined || !isChecksumValue(declared.algorithm, given)) {
    throw new S3Error('InvalidRequest', `Value for ${name} header is invalid.`)
  }
  if (given !== computed) {
    throw new S3Error(
      'BadDigest',
      `The ${declared.algorithm} you specified did not match the calculated checksum.`,
    )
  }
}
