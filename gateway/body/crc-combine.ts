/**
 * The CRC of A ‖ B from crc(A), crc(B) and the length of B: crc(A) · x^(8·length) + crc(B) modulo the
 * polynomial, as in zlib's crc32_combine. Polynomials are reflected: the highest bit is x^0.
 */

import { CRC32C_POLYNOMIAL, CRC64NVME_HIGH, CRC64NVME_LOW } from './crc.ts'

/** The two 32-bit halves of a CRC; `high` is 0 for CRCs of 32 bits. */
interface Pair {
  readonly high: number
  readonly low: number
}

export type CrcAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME'

const POLYNOMIALS: Readonly<Record<CrcAlgorithm, Pair>> = {
  CRC32: { high: 0, low: 0xedb88320 },
  CRC32C: { high: 0, low: CRC32C_POLYNOMIAL },
  CRC64NVME: { high: CRC64NVME_HIGH, low: CRC64NVME_LOW },
}

/** Appends parts one after the other. The CRC of an empty input is zero. */
export class CrcCombiner {
  readonly #wide: boolean
  readonly #polynomial: Pair
  /** x^(d · 64^k), by k and d: exponents are read six bits at a time. */
  readonly #powers: Pair[][] = []
  // All parts but the last usually have one size, so the last power of x is kept.
  #lastSizeBytes = -1
  #lastPower: Pair = { high: 0, low: 0 }
  #value: Pair = { high: 0, low: 0 }

  constructor(algorithm: CrcAlgorithm) {
    this.#wide = algorithm === 'CRC64NVME'
    this.#polynomial = POLYNOMIALS[algorithm]
  }

  /** Appends a part of `sizeBytes` bytes with the big-endian `crc`. */
  append(crc: Uint8Array, sizeBytes: number): void {
    if (sizeBytes !== this.#lastSizeBytes) {
      this.#lastPower = this.#powerOfX(sizeBytes * 8)
      this.#lastSizeBytes = sizeBytes
    }
    const view = new DataView(crc.buffer, crc.byteOffset, crc.length)
    const before = this.#multiply(this.#lastPower, this.#value)
    this.#value = {
      high: before.high ^ (this.#wide ? view.getInt32(0) : 0),
      low: before.low ^ view.getInt32(this.#wide ? 4 : 0),
    }
  }

  /** Big-endian. */
  digest(): Uint8Array {
    const bytes = new Uint8Array(this.#wide ? 8 : 4)
    const view = new DataView(bytes.buffer)
    if (this.#wide) view.setInt32(0, this.#value.high)
    view.setInt32(bytes.length - 4, this.#value.low)
    return bytes
  }

  #highestBitShifted(by: number): Pair {
    const bit = 0x80000000 >>> by
    return this.#wide ? { high: bit, low: 0 } : { high: 0, low: bit }
  }

  #powerOfX(exponent: number): Pair {
    let product = this.#highestBitShifted(0)
    for (let k = 0, rest = exponent; rest > 0; k++, rest = Math.floor(rest / 64)) {
      const digit = rest % 64
      if (digit > 0) product = this.#multiply(this.#row(k)[digit] as Pair, product)
    }
    return product
  }

  /** x^(d · 64^k) for d = 0 … 63. */
  #row(k: number): readonly Pair[] {
    const known = this.#powers[k]
    if (known !== undefined) return known
    const before = k === 0 ? undefined : this.#row(k - 1)
    const base =
      before === undefined
        ? this.#highestBitShifted(1)
        : this.#multiply(before[63] as Pair, before[1] as Pair)
    const row = [this.#highestBitShifted(0)]
    for (let digit = 1; digit < 64; digit++) row.push(this.#multiply(row[digit - 1] as Pair, base))
    this.#powers[k] = row
    return row
  }

  #multiply(a: Pair, b: Pair): Pair {
    let { high, low } = b
    let productHigh = 0
    let productLow = 0
    for (let bit = this.#wide ? 63 : 31; bit >= 0; bit--) {
      const word = bit > 31 ? a.high : a.low
      if (((word >>> (bit & 31)) & 1) === 1) {
        productHigh ^= high
        productLow ^= low
      }
      const odd = low & 1
      low = (low >>> 1) | (high << 31)
      high >>>= 1
      if (odd === 1) {
        low ^= this.#polynomial.low
        high ^= this.#polynomial.high
      }
    }
    return { high: productHigh, low: productLow }
  }
}
