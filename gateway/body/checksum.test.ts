import { createHash } from 'node:crypto'

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { ChecksumAlgorithm } from '../port/body.ts'
import {
  CHECKSUM_ALGORITHMS,
  checksumHeader,
  combineFullObject,
  compositeOf,
  contentMd5,
  createChecksum,
  declaredChecksum,
  declaredOfObject,
} from './checksum.ts'
import { fakeRequest } from '../testing/requests.ts'

const CRCS = ['CRC32', 'CRC32C', 'CRC64NVME'] as const

function checksumOf(algorithm: ChecksumAlgorithm, ...pieces: Uint8Array[]): string {
  const hasher = createChecksum(algorithm)
  for (const piece of pieces) hasher.update(piece)
  return Buffer.from(hasher.digest()).toString('base64')
}

/** Computed bit by bit from the published polynomials (not reflected). */
function slowCrc(width: 32 | 64, polynomial: bigint, bytes: Uint8Array): bigint {
  const ones = (1n << BigInt(width)) - 1n
  const reverse = (value: bigint, bits: number): bigint =>
    BigInt(`0b${value.toString(2).padStart(bits, '0').split('').reverse().join('')}`)
  let crc = ones
  for (const byte of bytes) {
    crc ^= reverse(BigInt(byte), 8) << BigInt(width - 8)
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc >> BigInt(width - 1)) & 1n ? ((crc << 1n) & ones) ^ polynomial : (crc << 1n) & ones
    }
  }
  return reverse(crc, width) ^ ones
}

const SLOW = {
  CRC32: (bytes: Uint8Array) => slowCrc(32, 0x04c11db7n, bytes),
  CRC32C: (bytes: Uint8Array) => slowCrc(32, 0x1edc6f41n, bytes),
  CRC64NVME: (bytes: Uint8Array) => slowCrc(64, 0xad93d23594c93659n, bytes),
}

test.each([
  ['CRC32', 'cbf43926'],
  ['CRC32C', 'e3069283'],
  ['CRC64NVME', 'ae8b14860a799888'],
  ['SHA1', 'f7c3bc1d808e04732adf679965ccc34ca7ae3441'],
  ['SHA256', '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225'],
  ['MD5', '25f9e794323b453885f5181f1b624d0b'],
  [
    'SHA512',
    'd9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85',
  ],
] as const)('%s of 123456789 is the published check value', (algorithm, hex) => {
  expect(
    Buffer.from(checksumOf(algorithm, Buffer.from('123456789')), 'base64').toString('hex'),
  ).toBe(hex)
})

test.each(CRCS)('%s agrees with the definition, however the input is cut', (algorithm) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }), (pieces) => {
      const hex = Buffer.from(checksumOf(algorithm, ...pieces), 'base64').toString('hex')
      expect(BigInt(`0x${hex}`)).toBe(SLOW[algorithm](Buffer.concat(pieces)))
    }),
    { numRuns: 200 },
  )
})

test.each(CRCS)('%s of the parts combine to that of the whole', (algorithm) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 }), (pieces) => {
      const parts = pieces.map((piece) => ({
        checksum: checksumOf(algorithm, piece),
        sizeBytes: piece.length,
      }))
      expect(combineFullObject(algorithm, parts)).toBe(checksumOf(algorithm, ...pieces))
    }),
    { numRuns: 200 },
  )
})

test.each(['CRC32C', 'CRC64NVME'] as const)(
  '%s is the same in steps of sixteen bytes, in pieces of 64 KiB, and byte by byte',
  (algorithm) => {
    const bytes = Buffer.alloc(200_003)
    for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 2_654_435_761) >>> 24
    const lengths = [0, 1, 8, 15, 16, 17, 31, 32, 65_535, 65_536, 65_537, 131_072, 200_000]
    for (const length of lengths) {
      // Begins at an odd offset, so that nothing depends on alignment.
      const piece = bytes.subarray(3, 3 + length)
      const slowly = createChecksum(algorithm)
      for (const byte of piece) slowly.update(Uint8Array.of(byte))
      const expected = Buffer.from(slowly.digest()).toString('base64')
      expect(checksumOf(algorithm, piece), `${length} bytes`).toBe(expected)
    }
  },
)

test('parts of gigabytes can be combined', () => {
  // Hashing 4 GiB of zeros takes too long, so two ways of cutting them must agree.
  const mebibyte = Buffer.alloc(1 << 20)
  const checksum = checksumOf('CRC64NVME', mebibyte)
  let whole = checksum
  let sizeBytes = mebibyte.length
  for (let i = 0; i < 12; i++) {
    whole = combineFullObject('CRC64NVME', [
      { checksum: whole, sizeBytes },
      { checksum: whole, sizeBytes },
    ])
    sizeBytes *= 2
  }
  const parts = Array.from({ length: 4096 }, () => ({
    checksum,
    sizeBytes: mebibyte.length,
  }))
  expect(combineFullObject('CRC64NVME', parts)).toBe(whole)
  expect(sizeBytes).toBe(2 ** 32)
})

test('full-object checksums of all but the CRCs are refused', () => {
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    if (CRCS.some((crc) => crc === algorithm)) continue
    expect(() => combineFullObject(algorithm, []), algorithm).toThrow(/FULL_OBJECT/)
  }
})

test('a composite is the checksum of the raw checksums, with the count', () => {
  const one = checksumOf('SHA256', Buffer.from('one'))
  const two = checksumOf('SHA256', Buffer.from('two'))
  const raw = Buffer.concat([Buffer.from(one, 'base64'), Buffer.from(two, 'base64')])
  const expected = createHash('sha256').update(raw).digest('base64')
  expect(compositeOf('SHA256', [one, two])).toBe(`${expected}-2`)
})

describe('what a request declares', () => {
  const declare = (headers: Record<string, string>) =>
    declaredChecksum(fakeRequest({ method: 'PUT', url: '/b/k', headers }))

  test('nothing', () => {
    expect(
      declare({ 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'COMPOSITE' }),
    ).toBe(undefined)
  })

  test.each(CHECKSUM_ALGORITHMS)('%s may be in a header or in a trailer', (algorithm) => {
    const value = checksumOf(algorithm, Buffer.from('x'))
    const name = checksumHeader(algorithm)
    expect(declare({ [name]: value })).toEqual({ algorithm, value })
    expect(
      declare({ [name.toUpperCase()]: value, 'x-amz-sdk-checksum-algorithm': algorithm }),
    ).toEqual({ algorithm, value })
    expect(declare({ 'x-amz-trailer': ` ${name} ` })).toEqual({ algorithm, value: undefined })
  })

  test.each([
    ['two headers', { 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-checksum-crc32c': 'AAAAAA==' }],
    [
      'a header and a trailer',
      { 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-trailer': 'x-amz-checksum-crc32' },
    ],
    ['two trailers', { 'x-amz-trailer': 'x-amz-checksum-crc32,x-amz-checksum-sha1' }],
    ['an unknown algorithm', { 'x-amz-checksum-adler32': 'AAAAAA==' }],
    ['too short', { 'x-amz-checksum-crc32': 'AAAA' }],
    ['no base64', { 'x-amz-checksum-crc32': '!!!!!!==' }],
    ['base64 not canonical', { 'x-amz-checksum-crc32': 'AAAAAB==' }],
    ['announced and missing', { 'x-amz-sdk-checksum-algorithm': 'CRC32' }],
    [
      'announced and another',
      { 'x-amz-sdk-checksum-algorithm': 'SHA1', 'x-amz-checksum-crc32': 'AAAAAA==' },
    ],
  ])('%s: InvalidRequest', (_name, headers) => {
    expect(() => declare(headers as Record<string, string>)).toThrow(
      expect.objectContaining({ code: 'InvalidRequest', status: 400 }),
    )
  })

  test('a completion declares at most one checksum, which may end in the number of parts', () => {
    const ofObject = (headers: Record<string, string>) =>
      declaredOfObject(fakeRequest({ url: '/b/k', headers }))
    const value = 'AAAAAA==-2'
    expect(ofObject({ 'x-amz-checksum-crc32': value })).toEqual({ algorithm: 'CRC32', value })
    expect(ofObject({ 'x-amz-checksum-type': 'COMPOSITE' })).toBeUndefined()
    for (const wrong of ['AAAAAA==-', 'AAAAAA==-0', 'AAAAAA==-1-2', 'AAAAAA==-x', 'AAAA', 'x-1']) {
      expect(() => ofObject({ 'x-amz-checksum-crc32': wrong }), wrong).toThrow('is invalid')
    }
    const both = { 'x-amz-checksum-crc32': value, 'x-amz-checksum-crc32c': value }
    expect(() => ofObject(both)).toThrow('Multiple checksum Types')
  })
})

test('Content-MD5 is 16 bytes of base64', () => {
  const md5 = (value: string) =>
    contentMd5(fakeRequest({ url: '/b', headers: { 'content-md5': value } }))
  expect(md5('1B2M2Y8AsgTpgAmY7PhCfg==')).toEqual(
    Buffer.from('d41d8cd98f00b204e9800998ecf8427e', 'hex'),
  )
  for (const bad of ['', 'abc', '1B2M2Y8AsgTpgAmY7PhCfg', '1B2M2Y8AsgTpgAmY7PhCfg==x', 'AAAA']) {
    expect(() => md5(bad)).toThrow(expect.objectContaining({ code: 'InvalidDigest' }))
  }
})
