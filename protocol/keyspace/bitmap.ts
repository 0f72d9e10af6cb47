/** Sets of partitions: one bit each, most significant first. */

/** Bytes for all numbers that a partition can have. */
export const BITMAP_BYTES = (1 << 16) / 8

export type Bitmap = Uint8Array<ArrayBuffer>

/** A set without partitions, with room for every number. */
export function emptyBitmap(): Bitmap {
  return new Uint8Array(BITMAP_BYTES)
}

/** The set of these partitions. Numbers for which `bytes` have no room are left out. */
export function bitmapOf(partitions: Iterable<number>, bytes = BITMAP_BYTES): Bitmap {
  const bits = new Uint8Array(bytes)
  for (const partition of partitions) addBit(bits, partition)
  return bits
}

/** The bits up to the last of these partitions, which are ascending. */
export function shortBitmapOf(partitions: readonly number[]): Bitmap {
  return bitmapOf(partitions, ((partitions.at(-1) ?? 0) >> 3) + 1)
}

/** False for a number behind the end of the bitmap. */
export function hasBit(bits: Uint8Array, partition: number): boolean {
  return ((bits[partition >> 3] ?? 0) & (0x80 >> (partition & 7))) !== 0
}

export function addBit(bits: Uint8Array, partition: number): void {
  bits[partition >> 3]! |= 0x80 >> (partition & 7)
}

export function takeBit(bits: Uint8Array, partition: number): void {
  bits[partition >> 3]! &= ~(0x80 >> (partition & 7))
}

export function countBits(bits: Uint8Array): number {
  let count = 0
  for (const byte of bits) for (let rest = byte; rest !== 0; rest &= rest - 1) count++
  return count
}

/** Takes out of `bits` what is not in `kept` as well. True when that was anything. */
export function keepBits(bits: Uint8Array, kept: Uint8Array): boolean {
  let changed = false
  for (let at = 0; at < bits.length; at++) {
    const before = bits[at]!
    bits[at] = before & (kept[at] ?? 0)
    changed ||= bits[at] !== before
  }
  return changed
}

/** A new bitmap, as long as the first one. */
export function unionOf(one: Uint8Array, other: Uint8Array): Bitmap {
  const union = new Uint8Array(one)
  for (let at = 0; at < union.length; at++) union[at]! |= other[at] ?? 0
  return union
}

/**
 * Those in at least one of the two sets, which have the same length; ascending. It makes no copy: nodes ask each
 * second.
 */
export function partitionsIn(bits: Uint8Array, others: Uint8Array = bits): number[] {
  const found: number[] = []
  for (let at = 0; at < bits.length; at++) {
    const byte = bits[at]! | others[at]!
    if (byte === 0) continue
    for (let bit = 0; bit < 8; bit++) {
      if ((byte & (0x80 >> bit)) !== 0) found.push(at * 8 + bit)
    }
  }
  return found
}
