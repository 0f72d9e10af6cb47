/** S3's object checksums. Values are base64, as in headers. */

import type { ChecksumAlgorithm } from './backend.ts'
import type { S3Request } from './request.ts'

export const CHECKSUM_ALGORITHMS: readonly ChecksumAlgorithm[] = [
  'CRC32',
  'CRC32C',
  'CRC64NVME',
  'SHA1',
  'SHA256',
]

export interface ChecksumHasher {
  update(bytes: Uint8Array): void
  /** Big-endian. Used up afterwards. */
  digest(): Uint8Array
}

export interface DeclaredChecksum {
  readonly algorithm: ChecksumAlgorithm
  /** Base64 when it came in the header; undefined when the trailer will bring it. */
  readonly value: string | undefined
}

export function isChecksumAlgorithm(text: string): text is ChecksumAlgorithm {
  return (CHECKSUM_ALGORITHMS as readonly string[]).includes(text)
}

/** x-amz-checksum-crc32 … */
export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`
}

export function createChecksum(_algorithm: ChecksumAlgorithm): ChecksumHasher {
  throw new Error('not yet')
}

/** Throws InvalidRequest: several, unknown, malformed, or announced and missing. */
export function declaredChecksum(_request: S3Request): DeclaredChecksum | undefined {
  throw new Error('not yet')
}

/** 16 bytes of Content-MD5. Throws InvalidDigest. */
export function contentMd5(_request: S3Request): Uint8Array | undefined {
  throw new Error('not yet')
}

/** FULL_OBJECT of a multipart object from its parts' checksums. CRCs only; throws InvalidRequest for SHA. */
export function combineFullObject(
  _algorithm: ChecksumAlgorithm,
  _parts: readonly { readonly checksum: string; readonly sizeBytes: number }[],
): string {
  throw new Error('not yet')
}

/** COMPOSITE: checksum of the parts' raw checksums, "-N" behind. */
export function compositeOf(_algorithm: ChecksumAlgorithm, _checksums: readonly string[]): string {
  throw new Error('not yet')
}
