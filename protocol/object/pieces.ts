/**
 * Sizes of encrypted data. The bytes of a body are encrypted in pieces, each with a tag behind it:
 *
 * ```
 * 0                65520     65536
 * encrypted bytes  tag (16)  the next piece …      the last piece is shorter
 * ```
 *
 * The last piece is always shorter than the others, and has no bytes of the client when they end where a piece ends. So
 * what was cut off where a piece ends does not look like a whole body. An empty body has no piece.
 *
 * A stored piece divides a block: no piece lies in two blocks, and what is packed is at most one piece. So a range needs
 * no byte of a block besides those that it would need anyway.
 */

/** A piece as it is stored. */
export const PIECE_BYTES = 64 << 10
export const TAG_BYTES = 16
/** How many bytes of the client one piece has. */
export const PIECE_PLAIN_BYTES = PIECE_BYTES - TAG_BYTES

/** The size of a body that takes `storedBytes` when it is encrypted. */
export function plainSizeOf(storedBytes: number): number {
  return storedBytes - TAG_BYTES * Math.ceil(storedBytes / PIECE_BYTES)
}

/** Whether an encrypted body can have this size: its last piece is shorter than the others. */
export function isStoredSize(storedBytes: number): boolean {
  return storedBytes === 0 || storedBytes % PIECE_BYTES >= TAG_BYTES
}
