/**
 * The three CRCs of S3. All are reflected, with all ones as initial value and final XOR. CRC32 is zlib's; the other
 * two run in WebAssembly (crc-engine.ts). Every upload without a checksum pays for CRC64NVME;
 * `npm run bench:checksums` shows the cost of each in comparison with MD5.
 */

import { crc32 } from 'node:zlib'
import { crcUpdate } from './crc-engine.ts'

/** Reflected polynomials: the highest bit is the coefficient of x^0. */
export const CRC32C_POLYNOMIAL = 0x82f63b78
export const CRC64NVME_LOW = 0xac4bc9b5
export const CRC64NVME_HIGH = 0x9a6c9329

/** A CRC that is computed piece by piece. */
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
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setUint32(0, this.#value)
    return bytes
  }
}

const ONES_32 = 0xffff_ffffn
const ONES_64 = 0xffff_ffff_ffff_ffffn
const updateCrc32c = crcUpdate(BigInt(CRC32C_POLYNOMIAL))
const updateCrc64Nvme = crcUpdate((BigInt(CRC64NVME_HIGH) << 32n) | BigInt(CRC64NVME_LOW))

export class Crc32c implements Crc {
  #register = ONES_32

  update(bytes: Uint8Array): void {
    this.#register = updateCrc32c(this.#register, bytes)
  }

  digest(): Uint8Array {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setUint32(0, Number(this.#register ^ ONES_32))
    return bytes
  }
}

export class Crc64Nvme implements Crc {
  #register = ONES_64

  update(bytes: Uint8Array): void {
    this.#register = updateCrc64Nvme(this.#register, bytes)
  }

  digest(): Uint8Array {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setBigUint64(0, this.#register ^ ONES_64)
    return bytes
  }
}
