/**
 * The three CRCs of S3, all reflected, with all ones as start and final XOR. CRC32 is zlib's; the
 * other two take eight bytes a step through tables ("slicing by 8").
 *
 * State and result: CRC32 and CRC32C an unsigned 32-bit number, CRC64NVME a pair of them.
 */

import { crc32 } from 'node:zlib'

export const CRC32C_POLYNOMIAL = 0x82f63b78
export const CRC64NVME_LOW = 0xac4bc9b5
export const CRC64NVME_HIGH = 0x9a6c9329

export interface Crc {
  update(bytes: Uint8Array): void
  /** Big-endian, 4 or 8 bytes. */
  digest(): Uint8Array
}

export class Crc32 implements Crc {
  #value = 0

  update(bytes: Uint8Array): void {
    this.#value = crc32(bytes, this.#value)
  }

  digest(): Uint8Array {
    return bigEndian([this.#value])
  }
}

const crc32cTables = buildTables32(CRC32C_POLYNOMIAL)

export class Crc32c implements Crc {
  #state = -1

  update(bytes: Uint8Array): void {
    const t = crc32cTables
    const whole = bytes.length & ~7
    let crc = this.#state
    let at = 0
    for (; at < whole; at += 8) {
      const a =
        crc ^
        ((bytes[at] as number) |
          ((bytes[at + 1] as number) << 8) |
          ((bytes[at + 2] as number) << 16) |
          ((bytes[at + 3] as number) << 24))
      crc =
        (t[1792 + (a & 255)] as number) ^
        (t[1536 + ((a >>> 8) & 255)] as number) ^
        (t[1280 + ((a >>> 16) & 255)] as number) ^
        (t[1024 + (a >>> 24)] as number) ^
        (t[768 + (bytes[at + 4] as number)] as number) ^
        (t[512 + (bytes[at + 5] as number)] as number) ^
        (t[256 + (bytes[at + 6] as number)] as number) ^
        (t[bytes[at + 7] as number] as number)
    }
    for (; at < bytes.length; at++) {
      crc = (crc >>> 8) ^ (t[(crc ^ (bytes[at] as number)) & 255] as number)
    }
    this.#state = crc
  }

  digest(): Uint8Array {
    return bigEndian([~this.#state])
  }
}

const crc64Tables = buildTables64(CRC64NVME_LOW, CRC64NVME_HIGH)

export class Crc64Nvme implements Crc {
  #low = -1
  #high = -1

  update(bytes: Uint8Array): void {
    const { low: tl, high: th } = crc64Tables
    const whole = bytes.length & ~7
    let low = this.#low
    let high = this.#high
    let at = 0
    for (; at < whole; at += 8) {
      const a =
        low ^
        ((bytes[at] as number) |
          ((bytes[at + 1] as number) << 8) |
          ((bytes[at + 2] as number) << 16) |
          ((bytes[at + 3] as number) << 24))
      const b =
        high ^
        ((bytes[at + 4] as number) |
          ((bytes[at + 5] as number) << 8) |
          ((bytes[at + 6] as number) << 16) |
          ((bytes[at + 7] as number) << 24))
      const i0 = 1792 + (a & 255)
      const i1 = 1536 + ((a >>> 8) & 255)
      const i2 = 1280 + ((a >>> 16) & 255)
      const i3 = 1024 + (a >>> 24)
      const i4 = 768 + (b & 255)
      const i5 = 512 + ((b >>> 8) & 255)
      const i6 = 256 + ((b >>> 16) & 255)
      const i7 = b >>> 24
      low =
        (tl[i0] as number) ^
        (tl[i1] as number) ^
        (tl[i2] as number) ^
        (tl[i3] as number) ^
        (tl[i4] as number) ^
        (tl[i5] as number) ^
        (tl[i6] as number) ^
        (tl[i7] as number)
      high =
        (th[i0] as number) ^
        (th[i1] as number) ^
        (th[i2] as number) ^
        (th[i3] as number) ^
        (th[i4] as number) ^
        (th[i5] as number) ^
        (th[i6] as number) ^
        (th[i7] as number)
    }
    for (; at < bytes.length; at++) {
      const index = (low ^ (bytes[at] as number)) & 255
      low = ((low >>> 8) | (high << 24)) ^ (tl[index] as number)
      high = (high >>> 8) ^ (th[index] as number)
    }
    this.#low = low
    this.#high = high
  }

  digest(): Uint8Array {
    return bigEndian([~this.#high, ~this.#low])
  }
}

/** Eight tables of 256, one behind the other: table k is a byte followed by k zero bytes. */
function buildTables32(polynomial: number): Int32Array {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    tables[byte] = crc
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256] as number
    tables[at] = (before >>> 8) ^ (tables[before & 255] as number)
  }
  return tables
}

function buildTables64(
  polynomialLow: number,
  polynomialHigh: number,
): { readonly low: Int32Array; readonly high: Int32Array } {
  const low = new Int32Array(8 * 256)
  const high = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let l = byte
    let h = 0
    for (let bit = 0; bit < 8; bit++) {
      const odd = l & 1
      l = (l >>> 1) | (h << 31)
      h >>>= 1
      if (odd) {
        l ^= polynomialLow
        h ^= polynomialHigh
      }
    }
    low[byte] = l
    high[byte] = h
  }
  for (let at = 256; at < low.length; at++) {
    const l = low[at - 256] as number
    const h = high[at - 256] as number
    low[at] = ((l >>> 8) | (h << 24)) ^ (low[l & 255] as number)
    high[at] = (h >>> 8) ^ (high[l & 255] as number)
  }
  return { low, high }
}

function bigEndian(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(words.length * 4)
  const view = new DataView(bytes.buffer)
  words.forEach((word, i) => view.setUint32(i * 4, word >>> 0))
  return bytes
}
