/**
 * S3's checksums of objects: which one a request declares, how to compute them, and the two kinds of checksum
 * of a multipart object. Values are base64, as in headers.
 */

import { listMembers, lowerCase, upperCase } from '../http/ascii.ts'
import { createHash } from 'node:crypto'

import type { ChecksumAlgorithm } from '../port/body.ts'
import { CrcCombiner, type CrcAlgorithm } from './crc-combine.ts'
import { Crc32, Crc32c, Crc64Nvme } from './crc.ts'
import { S3Error } from '../http/errors.ts'
import type { S3Request } from '../http/request.ts'
import { XxHash } from './xxhash.ts'

export const CHECKSUM_ALGORITHMS: readonly ChecksumAlgorithm[] = [
  'CRC32',
  'CRC32C',
  'CRC64NVME',
  'SHA1',
  'SHA256',
  'SHA512',
  'MD5',
  'XXHASH64',
  'XXHASH3',
  'XXHASH128',
]

/** The checksum of objects whose client did not choose one. */
export const DEFAULT_ALGORITHM: ChecksumAlgorithm = 'CRC64NVME'

const DIGEST_BYTES: Readonly<Record<ChecksumAlgorithm, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
  SHA512: 64,
  MD5: 16,
  XXHASH64: 8,
  XXHASH3: 8,
  XXHASH128: 16,
}

const PREFIX = 'x-amz-checksum-'
/** x-amz-checksum-* headers that do not carry a checksum. */
const NOT_VALUES: ReadonlySet<string> = new Set([
  'x-amz-checksum-algorithm',
  'x-amz-checksum-type',
  'x-amz-checksum-mode',
])

/** Computes one checksum. The caller adds bytes with `update` and reads the result once. */
export interface ChecksumHasher {
  update(bytes: Uint8Array): void
  /** Big-endian. Nothing can be added afterwards. */
  digest(): Uint8Array
}

/** The checksum that a request declares for its body. */
export interface DeclaredChecksum {
  readonly algorithm: ChecksumAlgorithm
  /** Base64 from the header; undefined when the trailer will bring it. */
  readonly value: string | undefined
}

export function isChecksumAlgorithm(text: string): text is ChecksumAlgorithm {
  return (CHECKSUM_ALGORITHMS as readonly string[]).includes(text)
}

/**
 * Whether the checksum of a whole can be computed from those of its parts. Only the CRCs can, so multipart objects have
 * FULL_OBJECT checksums of these only, as in AWS.
 */
export function isCombinable(algorithm: ChecksumAlgorithm): algorithm is CrcAlgorithm {
  return algorithm === 'CRC32' || algorithm === 'CRC32C' || algorithm === 'CRC64NVME'
}

const HEADERS: Readonly<Record<ChecksumAlgorithm, string>> = {
  CRC32: 'x-amz-checksum-crc32',
  CRC32C: 'x-amz-checksum-crc32c',
  CRC64NVME: 'x-amz-checksum-crc64nvme',
  SHA1: 'x-amz-checksum-sha1',
  SHA256: 'x-amz-checksum-sha256',
  SHA512: 'x-amz-checksum-sha512',
  MD5: 'x-amz-checksum-md5',
  XXHASH64: 'x-amz-checksum-xxhash64',
  XXHASH3: 'x-amz-checksum-xxhash3',
  XXHASH128: 'x-amz-checksum-xxhash128',
}

/** For example x-amz-checksum-crc32. */
export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return HEADERS[algorithm]
}

/** A new hasher for one body. */
export function createChecksum(algorithm: ChecksumAlgorithm): ChecksumHasher {
  switch (algorithm) {
    case 'CRC32':
      return new Crc32()
    case 'CRC32C':
      return new Crc32c()
    case 'CRC64NVME':
      return new Crc64Nvme()
    case 'XXHASH64':
    case 'XXHASH3':
    case 'XXHASH128':
      return new XxHash(algorithm)
    case 'SHA1':
    case 'SHA256':
    case 'SHA512':
    case 'MD5': {
      const hash = createHash(algorithm)
      return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() }
    }
  }
}

/** Whether this is base64 of exactly the algorithm's length. */
export function isChecksumValue(algorithm: ChecksumAlgorithm, value: string): boolean {
  const bytes = Buffer.from(value, 'base64')
  return bytes.length === DIGEST_BYTES[algorithm] && bytes.toString('base64') === value
}

/** The names in x-amz-trailer, in lower case. */
export function announcedTrailers(request: S3Request): readonly string[] {
  const header = request.headers['x-amz-trailer']
  if (header === undefined) return []
  return listMembers(header).map(lowerCase)
}

/**
 * The checksum that covers the body.
 *
 * AWS's JavaScript SDK puts the checksum of an empty body into presigned URLs of uploads, because it
 * has no body when it signs. AWS ignores it, and so does Shoal: exactly that value in a query is ignored. Any other
 * value in a query must match the body.
 *
 * Throws InvalidRequest when there are several checksums, or when the checksum is unknown, malformed, or missing
 * although x-amz-sdk-checksum-algorithm announces it.
 */
export function declaredChecksum(request: S3Request): DeclaredChecksum | undefined {
  const { headers, hoisted, amzNames } = request
  let declared: DeclaredChecksum | undefined
  for (const name of amzNames) {
    if (!name.startsWith(PREFIX) || NOT_VALUES.has(name)) continue
    if (declared !== undefined) throw several()
    const algorithm = algorithmOf(name)
    const value = headers[name]
    if (hoisted.has(name) && value === checksumOfNothing(algorithm)) continue
    declared = { algorithm, value }
    checkValue(name, declared)
  }
  for (const name of announcedTrailers(request)) {
    if (!name.startsWith(PREFIX) || NOT_VALUES.has(name)) continue
    if (declared !== undefined) throw several()
    declared = { algorithm: algorithmOf(name), value: undefined }
  }
  const promised = headers['x-amz-sdk-checksum-algorithm']
  if (promised !== undefined) {
    if (declared === undefined && hoisted.has('x-amz-sdk-checksum-algorithm')) return undefined
    if (declared === undefined) {
      throw new S3Error(
        'InvalidRequest',
        'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
      )
    }
    if (upperCase(promised) !== declared.algorithm) {
      throw new S3Error(
        'InvalidRequest',
        'Value for x-amz-sdk-checksum-algorithm header is invalid.',
      )
    }
  }
  return declared
}

/**
 * The checksum of a whole object, as CompleteMultipartUpload declares it: at most one. A composite checksum may end
 * in `-N`. Throws InvalidRequest.
 */
export function declaredOfObject(
  request: S3Request,
): { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined {
  let declared: { algorithm: ChecksumAlgorithm; value: string } | undefined
  for (const name of request.amzNames) {
    if (!name.startsWith(PREFIX) || NOT_VALUES.has(name)) continue
    if (declared !== undefined) throw several()
    const value = request.headers[name] as string
    declared = { algorithm: algorithmOf(name), value }
    if (!isChecksumValue(declared.algorithm, value.replace(/-[1-9]\d{0,4}$/, ''))) {
      throw new S3Error('InvalidRequest', `Value for ${name} header is invalid.`)
    }
  }
  return declared
}

function algorithmOf(header: string): ChecksumAlgorithm {
  const algorithm = upperCase(header.slice(PREFIX.length))
  if (isChecksumAlgorithm(algorithm)) return algorithm
  throw new S3Error(
    'InvalidRequest',
    'The algorithm type you specified in x-amz-checksum- header is invalid.',
  )
}

function checksumOfNothing(algorithm: ChecksumAlgorithm): string {
  return Buffer.from(createChecksum(algorithm).digest()).toString('base64')
}

function checkValue(header: string, declared: DeclaredChecksum): void {
  if (!isChecksumValue(declared.algorithm, declared.value ?? '')) {
    throw new S3Error('InvalidRequest', `Value for ${header} header is invalid.`)
  }
}

function several(): S3Error {
  return new S3Error(
    'InvalidRequest',
    'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
  )
}

/** The 16 bytes of Content-MD5. Throws InvalidDigest. */
export function contentMd5(request: S3Request): Uint8Array | undefined {
  const header = request.headers['content-md5']
  if (header === undefined) return undefined
  const bytes = Buffer.from(header, 'base64')
  if (bytes.length !== 16 || bytes.toString('base64') !== header) {
    throw new S3Error('InvalidDigest', 'The Content-MD5 you specified was invalid.', {
      details: { 'Content-MD5': header },
    })
  }
  return bytes
}

/** The FULL_OBJECT checksum of a multipart object from those of its parts. Throws InvalidRequest unless it is a CRC. */
export function combineFullObject(
  algorithm: ChecksumAlgorithm,
  parts: readonly { readonly checksum: string; readonly sizeBytes: number }[],
): string {
  if (!isCombinable(algorithm)) {
    throw new S3Error(
      'InvalidRequest',
      `The FULL_OBJECT checksum type cannot be used with the ${lowerCase(algorithm)} checksum algorithm.`,
    )
  }
  const combiner = new CrcCombiner(algorithm)
  for (const part of parts) {
    combiner.append(Buffer.from(part.checksum, 'base64'), part.sizeBytes)
  }
  return Buffer.from(combiner.digest()).toString('base64')
}

/** The COMPOSITE checksum: the checksum of the parts' raw checksums, then "-N". */
export function compositeOf(algorithm: ChecksumAlgorithm, checksums: readonly string[]): string {
  const hasher = createChecksum(algorithm)
  for (const checksum of checksums) hasher.update(Buffer.from(checksum, 'base64'))
  return `${Buffer.from(hasher.digest()).toString('base64')}-${checksums.length}`
}
