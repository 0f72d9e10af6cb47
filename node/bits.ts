/** Sets of partitions as bits, most significant first: how messages carry them. */

export function hasBit(bits: Uint8Array, at: number): boolean {
  return ((bits[at >> 3] ?? 0) & (0x80 >> (at & 7))) !== 0
}

export function setBit(bits: Uint8Array, at: number): void {
  bits[at >> 3]! |= 0x80 >> (at & 7)
}
