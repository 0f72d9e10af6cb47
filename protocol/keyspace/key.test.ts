import { blake3 as reference } from '@noble/hashes/blake3.js'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesOf, u16, u32, utf8 } from '../bytes.ts'
import type { ByteString } from '../ids.ts'
import { bucketId, dataId } from '../ids.ts'
import {
  blockIndexOf,
  blockKey,
  blockPartition,
  blockPartitionRange,
  dataIdOf,
  packedBlockKey,
} from './block-key.ts'
import {
  blockKeyHash,
  metadataPartition,
  metaKeyHash,
  partitionOf,
  partitionOfKey,
  prefixEnd,
  shardOf,
  sysKeyHash,
} from './key.ts'
import {
  bucketIdOf,
  objectKeyOf,
  objectRange,
  objectRegister,
  objectUploadRange,
  partitionRange,
  partNumberOf,
  partRange,
  partRegister,
  shardOfKey,
  spaceOf,
  systemNameOf,
  systemRegister,
  uploadIdOf,
  uploadRange,
  uploadRegister,
} from './register-key.ts'
import type { SystemKind } from './space.ts'
import { SPACES } from './space.ts'

const BITS = 14

const bytes = (min: number, max: number, low = 0): fc.Arbitrary<ByteString> =>
  fc
    .array(fc.integer({ min: low, max: 255 }), { minLength: min, maxLength: max })
    .map((units) => String.fromCharCode(...units))
// Few different bytes, so that equal prefixes are common.
const objectKey = fc.oneof(
  bytes(0, 6, 1),
  fc.array(fc.constantFrom('\x01', 'a', 'b', '/', '\xfe'), { maxLength: 6 }).map((x) => x.join('')),
)
const bucket = bytes(16, 16).map(bucketId)
const upload = bytes(16, 16)
const shard = fc.integer({ min: 0, max: 255 })
const bits = fc.integer({ min: 1, max: 16 })
const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

describe('hashes', () => {
  const id = bucketId('0123456789abcdef')

  test('are those of the design', () => {
    expect(metaKeyHash(id, 7)).toEqual(reference(bytesOf('meta' + id + u32(7))))
    expect(sysKeyHash('bucket', 'b')).toEqual(reference(utf8('sysbucketb')))
    const data = dataId('x'.repeat(24))
    expect(blockKeyHash(data, 70_000)).toEqual(reference(bytesOf('data' + data + u32(70_000))))
  })

  test('shardOf takes the first word of the hash modulo the number of shards', () => {
    const hash = reference(bytesOf(id + 'key'))
    const word = new DataView(hash.buffer, hash.byteOffset).getUint32(0)
    for (const shards of [1, 16, 256]) expect(shardOf(id, 'key', shards)).toBe(word % shards)
    expect(() => shardOf(id, 'key', 12)).toThrow(/power of two/)
  })

  test('partitionOf takes the first bits', () => {
    const hash = new Uint8Array(32).fill(0)
    hash[0] = 0b10100101
    hash[1] = 0b11000011
    expect(partitionOf(hash, 14)).toBe(0b10100101110000)
    expect(partitionOf(hash, 1)).toBe(1)
    expect(partitionOf(hash, 16)).toBe(0b1010010111000011)
    expect(partitionOf(hash, 0)).toBe(0)
  })

  test('shards of one bucket spread over partitions', () => {
    const partitions = new Set<number>()
    for (let s = 0; s < 256; s++) partitions.add(metadataPartition(id, s, BITS))
    expect(partitions.size).toBeGreaterThan(240)
  })
})

describe('register keys', () => {
  test('come apart again', () => {
    fc.assert(
      fc.property(bucket, shard, objectKey, upload, bits, (b, s, k, u, bits) => {
        const object = objectRegister(b, s, k, bits)
        const up = uploadRegister(b, s, k, u, bits)
        const part = partRegister(b, s, u, 517, bits)
        for (const key of [object, up, part]) {
          expect(bucketIdOf(key)).toBe(b)
          expect(shardOfKey(key)).toBe(s)
          expect(partitionOfKey(key)).toBe(metadataPartition(b, s, bits))
        }
        expect(objectKeyOf(object)).toBe(k)
        expect(objectKeyOf(up)).toBe(k)
        expect(uploadIdOf(up)).toBe(u)
        expect(uploadIdOf(part)).toBe(u)
        expect(partNumberOf(part)).toBe(517)
        expect([spaceOf(object), spaceOf(up), spaceOf(part)]).toEqual(['object', 'upload', 'part'])
      }),
    )
  })

  test('system registers have a space for each kind', () => {
    const kinds = Object.keys(SPACES).filter((k) => SPACES[k as SystemKind] >= 0x10)
    const keys = kinds.map((kind) =>
      systemRegister(kind as SystemKind, 'name', { partitionBits: 14 }),
    )
    expect(new Set(keys.map((key) => key.charCodeAt(2))).size).toBe(kinds.length)
    for (const [i, key] of keys.entries()) {
      expect(spaceOf(key)).toBe(kinds[i])
      expect(systemNameOf(key)).toBe('name')
      expect(bucketIdOf(key)).toBeUndefined()
      expect(partitionOfKey(key)).toBe(partitionOf(sysKeyHash(kinds[i]!, 'name'), BITS))
    }
  })

  test('no byte means two spaces', () => {
    expect(new Set(Object.values(SPACES)).size).toBe(Object.keys(SPACES).length)
  })

  test('objects order as their keys, uploads as (key, id), parts as numbers', () => {
    fc.assert(
      fc.property(bucket, shard, objectKey, objectKey, upload, upload, (b, s, k, l, u, v) => {
        expect(order(objectRegister(b, s, k, BITS), objectRegister(b, s, l, BITS))).toBe(
          order(k, l),
        )
        expect(order(uploadRegister(b, s, k, u, BITS), uploadRegister(b, s, l, v, BITS))).toBe(
          order(k, l) || order(u, v),
        )
      }),
    )
    const b = bucketId('0123456789abcdef')
    const u = 'u'.repeat(16)
    expect(partRegister(b, 0, u, 255, BITS) < partRegister(b, 0, u, 256, BITS)).toBe(true)
  })

  test('a zero byte in an object key is refused', () => {
    expect(() => objectRegister(bucketId('0123456789abcdef'), 0, 'a\0b', BITS)).toThrow(/zero byte/)
  })
})

const within = (range: { start: string; end: string }, key: string): boolean =>
  range.start <= key && key < range.end

describe('ranges of objects and uploads', () => {
  test('objectRange holds exactly the keys with the prefix behind `after`', () => {
    fc.assert(
      fc.property(
        bucket,
        shard,
        objectKey,
        objectKey,
        fc.option(objectKey, { nil: undefined }),
        bits,
        (b, s, key, prefix, after, bits) => {
          const range = objectRange(b, s, prefix, after, bits)
          const expected = key.startsWith(prefix) && (after === undefined || key > after)
          expect(within(range, objectRegister(b, s, key, bits))).toBe(expected)
          expect(within(range, uploadRegister(b, s, key, 'u'.repeat(16), bits))).toBe(false)
          expect(within(range, objectRegister(b, s + 1, key, bits))).toBe(false)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  test('uploadRange holds exactly the uploads behind the marker', () => {
    fc.assert(
      fc.property(
        bucket,
        objectKey,
        upload,
        objectKey,
        objectKey,
        fc.option(upload, { nil: undefined }),
        (b, key, id, prefix, afterKey, afterId) => {
          const range = uploadRange(b, 3, prefix, { objectKey: afterKey, uploadId: afterId }, BITS)
          const behind =
            key > afterKey || (key === afterKey && afterId !== undefined && id > afterId)
          expect(within(range, uploadRegister(b, 3, key, id, BITS))).toBe(
            key.startsWith(prefix) && behind,
          )
          expect(
            within(objectUploadRange(b, 3, afterKey, BITS), uploadRegister(b, 3, key, id, BITS)),
          ).toBe(key === afterKey)
          expect(
            within(uploadRange(b, 3, prefix, undefined, BITS), uploadRegister(b, 3, key, id, BITS)),
          ).toBe(key.startsWith(prefix))
        },
      ),
      { numRuns: 1_000 },
    )
  })
})

describe('ranges of parts and partitions', () => {
  test('partRange holds the parts of one upload above a number', () => {
    const number = fc.integer({ min: 0, max: 0xffff })
    fc.assert(
      fc.property(
        bucket,
        upload,
        upload,
        number,
        fc.integer({ min: -1, max: 70_000 }),
        (b, u, v, n, after) => {
          const range = partRange(b, 9, u, after, BITS)
          expect(within(range, partRegister(b, 9, u, n, BITS))).toBe(n > after)
          if (u !== v) expect(within(range, partRegister(b, 9, v, n, BITS))).toBe(false)
        },
      ),
    )
  })

  test('partitionRange holds one partition, the last of 16 bits too', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), bytes(0, 8), (partition, name) => {
        const key = u16(partition) + String.fromCharCode(SPACES.user) + name
        expect(within(partitionRange(partition), key)).toBe(true)
        expect(within(partitionRange(partition, 'user'), key)).toBe(true)
        expect(within(partitionRange(partition, 'role'), key)).toBe(false)
        expect(within(partitionRange((partition + 1) & 0xffff), key)).toBe(false)
      }),
    )
    expect(within(partitionRange(0xffff), '\xff\xff\x19' + '\xff'.repeat(40))).toBe(true)
  })

  test('prefixEnd is the least bound above a prefix', () => {
    expect(prefixEnd('ab')).toBe('ac')
    expect(prefixEnd('a\xff\xff')).toBe('b')
    expect(() => prefixEnd('\xff')).toThrow(/no key is above/)
  })
})

describe('block keys', () => {
  test('come apart again and lie in their partition', () => {
    fc.assert(
      fc.property(
        bytes(24, 24).map(dataId),
        fc.integer({ min: 0, max: 0xffffffff }),
        bits,
        (d, i, bits) => {
          const partition = blockPartition(d, i, bits)
          const key = blockKey(partition, d, i)
          expect(partitionOfKey(key)).toBe(partitionOf(blockKeyHash(d, i), bits))
          expect(dataIdOf(key)).toBe(d)
          expect(blockIndexOf(key)).toBe(i)
          const range = blockPartitionRange(partition)
          expect(range.start <= key && key < range.end).toBe(true)
        },
      ),
    )
  })

  test('a packed block is in the partition of its object', () => {
    const register = objectRegister(bucketId('0123456789abcdef'), 5, 'k', BITS)
    const key = packedBlockKey(register, dataId('d'.repeat(24)))
    expect(partitionOfKey(key)).toBe(partitionOfKey(register))
    expect(blockIndexOf(key)).toBe(0)
  })
})
