/**
 * Bodies of requests: decoded, hashed, checked (rows 23 and 24 of the fault matrix). Nothing is to
 * be believed, or visible, before `seal()` has returned.
 *
 * Each body is hashed with MD5 (its ETag), with SHA-256 when the signature covers it, and with the
 * checksum that the client declared. None declared, none computed: AWS would store CRC64NVME.
 */

import { createHash, hash } from 'node:crypto'

import type { ObjectBody, SealedBody, SmallBody } from './backend.ts'
import { checksumHeader, contentMd5, createChecksum, declaredChecksum } from './checksum.ts'
import { isChecksumValue } from './checksum.ts'
import type { ChecksumHasher, DeclaredChecksum } from './checksum.ts'
import { decodeBody } from './decode.ts'
import type { DecodedBody, OnBytes } from './decode.ts'
import { S3Error } from './errors.ts'
import type { S3Request } from './request.ts'
import type { AuthResult } from './auth.ts'

export { storedContentEncoding } from './decode.ts'

export interface OpenBodyOptions {
  /** EntityTooLarge above. 5 GiB when absent. */
  readonly maxBytes?: number | undefined
  /** Called with the number of raw bytes as they arrive: minimum rates are judged by it (row 27). */
  readonly onBytes?: OnBytes | undefined
}

export interface ReadBodyOptions {
  /** MalformedXML above, before anything is read when the length was announced. */
  readonly maxBytes: number
  readonly onBytes?: OnBytes | undefined
  /** True where x-amz-checksum-* speak of an object and not of this body (CompleteMultipartUpload). */
  readonly checksumsAreOfObject?: boolean | undefined
}

const MAX_SINGLE_PUT_BYTES = 5 * 2 ** 30
const MAX_GATHERED_BYTES = 64 * 1024

/** The body of PutObject and UploadPart. Bodies of at most 64 KiB come whole (SmallBody). */
export async function openBody(
  request: S3Request,
  auth: AuthResult,
  options: OpenBodyOptions = {},
): Promise<ObjectBody | SmallBody> {
  const expected = expectations(request, auth, declaredChecksum(request))
  const decoded = decodeBody(request, auth, options.onBytes)
  const maxBytes = options.maxBytes ?? MAX_SINGLE_PUT_BYTES
  if (decoded.sizeBytes > maxBytes) {
    throw new S3Error('EntityTooLarge', undefined, {
      details: { ProposedSize: decoded.sizeBytes, MaxSizeAllowed: maxBytes },
    })
  }
  if (decoded.sizeBytes > MAX_GATHERED_BYTES) return hashedStream(decoded, expected)
  const bytes = await decoded.gather()
  return { bytes, seal: () => check(expected, digestsOf(bytes, expected), decoded.trailers()) }
}

/** A whole, verified body for XML and forms; empty when the request has none. */
export async function readBody(
  request: S3Request,
  auth: AuthResult,
  options: ReadBodyOptions,
): Promise<{
  readonly bytes: Uint8Array
  /** Content-MD5 or a checksum was given, and was right: what DeleteObjects demands. */
  readonly hasDigest: boolean
}> {
  const declared = options.checksumsAreOfObject === true ? undefined : declaredChecksum(request)
  const expected = expectations(request, auth, declared)
  const hasBody = request.transferChunked || request.contentLength !== undefined
  const decoded = hasBody ? decodeBody(request, auth, options.onBytes) : undefined
  if ((decoded?.sizeBytes ?? 0) > options.maxBytes) {
    throw new S3Error('MalformedXML', 'The body is larger than allowed.')
  }
  const bytes = (await decoded?.gather()) ?? new Uint8Array(0)
  check(expected, digestsOf(bytes, expected), decoded?.trailers() ?? new Map())
  return { bytes, hasDigest: expected.md5 !== undefined || declared !== undefined }
}

/** What the request says of its body. */
interface Expectations {
  readonly md5: Uint8Array | undefined
  /** Hex, from x-amz-content-sha256. */
  readonly sha256: string | undefined
  readonly declared: DeclaredChecksum | undefined
}

interface Digests {
  /** Hex. */
  readonly md5: string
  /** Hex; computed when expected. */
  readonly sha256: string | undefined
  /** Base64 of the declared algorithm. */
  readonly checksum: string | undefined
}

function expectations(
  request: S3Request,
  auth: AuthResult,
  declared: DeclaredChecksum | undefined,
): Expectations {
  return {
    md5: contentMd5(request),
    sha256: auth.payload.type === 'sha256' ? auth.payload.hex : undefined,
    declared,
  }
}

function digestsOf(bytes: Uint8Array, expected: Expectations): Digests {
  const sha256 = expected.sha256 === undefined ? undefined : hash('sha256', bytes, 'hex')
  let checksum: string | undefined
  if (expected.declared !== undefined) {
    const hasher = createChecksum(expected.declared.algorithm)
    hasher.update(bytes)
    checksum = Buffer.from(hasher.digest()).toString('base64')
  }
  return { md5: hash('md5', bytes, 'hex'), sha256, checksum }
}

function hashedStream(decoded: DecodedBody, expected: Expectations): ObjectBody {
  const md5 = createHash('md5')
  const sha256 = expected.sha256 === undefined ? undefined : createHash('sha256')
  // SHA-256 that is both signed and declared is computed once.
  const shared = sha256 !== undefined && expected.declared?.algorithm === 'SHA256'
  const hasher: ChecksumHasher | undefined =
    expected.declared === undefined || shared
      ? undefined
      : createChecksum(expected.declared.algorithm)
  let ended = false
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for await (const chunk of decoded.chunks) {
      md5.update(chunk)
      sha256?.update(chunk)
      hasher?.update(chunk)
      yield chunk
    }
    ended = true
  }
  return {
    sizeBytes: decoded.sizeBytes,
    chunks: chunks(),
    seal() {
      if (!ended) throw new S3Error('IncompleteBody')
      const signed = sha256?.digest()
      const checksum = shared ? signed : hasher?.digest()
      return check(
        expected,
        {
          md5: md5.digest('hex'),
          sha256: signed?.toString('hex'),
          checksum: checksum === undefined ? undefined : Buffer.from(checksum).toString('base64'),
        },
        decoded.trailers(),
      )
    },
  }
}

function check(
  expected: Expectations,
  digests: Digests,
  trailers: ReadonlyMap<string, string>,
): SealedBody {
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
  if (declared === undefined || digests.checksum === undefined) {
    return { etag: digests.md5, checksums: {} }
  }
  checkDeclared(declared, digests.checksum, trailers)
  return {
    etag: digests.md5,
    checksums: { [declared.algorithm]: digests.checksum },
    checksumType: 'FULL_OBJECT',
  }
}

function checkDeclared(
  declared: DeclaredChecksum,
  computed: string,
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
