/** Bodies of objects and parts on their way into the store, and what is known once their last byte has arrived. */

/** AWS's header names of the five algorithms are derived in gateway/body/checksum.ts. */
export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256'

/** Base64 values by algorithm. */
export type Checksums = Readonly<Partial<Record<ChecksumAlgorithm, string>>>

/** What is known only once the last byte has come. */
export interface SealedBody {
  /** Without quotes: hex MD5, or md5-of-md5s with "-N". */
  readonly etag: string
  readonly checksums: Checksums
  readonly checksumType?: 'FULL_OBJECT' | 'COMPOSITE' | undefined
}

export interface ObjectBody {
  /** The exact size in bytes after decoding, when the client said it (it always does for S3). */
  readonly sizeBytes?: number | undefined
  /** Chunks may be reused by the producer once the next one is asked for: copy or consume. */
  readonly chunks: AsyncIterable<Uint8Array>
  /**
   * Called once after the last chunk and before anything becomes visible. Throws when the body is
   * not what was announced (length, MD5, checksum, signature): then nothing is stored.
   */
  seal(): SealedBody
}

/** A body that is already whole in memory (at most 64 KiB): the hot path of small objects. */
export interface SmallBody {
  readonly bytes: Uint8Array
  seal(): SealedBody
}
