/** Bodies of objects and parts on their way into the store. */

/** gateway/body/checksum.ts derives AWS's header names from these. */
export type ChecksumAlgorithm =
  | 'CRC32'
  | 'CRC32C'
  | 'CRC64NVME'
  | 'SHA1'
  | 'SHA256'
  | 'SHA512'
  | 'MD5'
  | 'XXHASH64'
  | 'XXHASH3'
  | 'XXHASH128'

/** Base64 values by algorithm. */
export type Checksums = Readonly<Partial<Record<ChecksumAlgorithm, string>>>

/** What is known of a body only after its last byte. */
export interface FinishedBody {
  /** Without quotes: hex MD5, or md5-of-md5s with "-N". */
  readonly etag: string
  readonly checksums: Checksums
  readonly checksumType?: 'FULL_OBJECT' | 'COMPOSITE' | undefined
  /**
   * Present when the bytes are encrypted: what their key was derived with. ETag and checksums are those of the plain
   * bytes, whose number follows from that of the stored ones (protocol/object/pieces.ts).
   */
  readonly salt?: Uint8Array | undefined
}

/** A body that arrives in chunks. */
export interface ObjectBody {
  /** The exact size in bytes after decoding, when the client announced it, as S3 clients do. Forms never do. */
  readonly sizeBytes?: number | undefined
  /** The producer may reuse a chunk's memory once the next chunk is requested: copy it or consume it. */
  readonly chunks: AsyncIterable<Uint8Array>
  /**
   * Called once, after the last chunk and before anything becomes visible. Throws when the body is
   * not what was announced (length, MD5, checksum, signature); nothing is stored then.
   */
  finish(): FinishedBody
}

/** A body of at most 64 KiB that is already in memory as a whole: the hot path of small objects. */
export interface SmallBody {
  readonly bytes: Uint8Array
  finish(): FinishedBody
}
