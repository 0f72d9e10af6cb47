/** Limits that all nodes share: sizes in bytes, counts. */

/** An immutable piece of object data. */
export const BLOCK_BYTES = 1 << 20
/** An object of at most this size is stored beside its register, in one packed block. */
export const PACKED_BYTES_MAX = 64 << 10
/** A longer list of parts moves from the register to a manifest block: 64 parts without checksums. */
export const PARTS_INLINE_BYTES_MAX = 2_560
export const PARTS_MAX = 10_000
/** The least size of all parts but the last. */
export const PART_BYTES_MIN = 5 << 20
export const PART_BYTES_MAX = 5 * 2 ** 30
export const OBJECT_BYTES_MAX = 5 * 2 ** 40
export const OBJECT_KEY_BYTES_MAX = 1024
export const BUCKETS_PER_ACCOUNT = 100
