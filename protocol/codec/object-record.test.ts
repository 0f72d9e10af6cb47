import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as generated from './records.js'
import type { ObjectRecord, PageRecord } from './records.js'
import { RecordVersionError, manifestCodec, objectCodec, pageCodec } from './versioned.ts'

const bytes = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((each) => new Uint8Array(each))
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }).filter((each) => each.isWellFormed()),
  fc.string({ minLength: 100, maxLength: 400 }),
)
const number = fc.oneof(fc.maxSafeNat(), fc.nat({ max: 300 }))
const pairs = fc.array(fc.record({ name: text, value: text }), { maxLength: 3 })
const versionFields = {
  versionId: text,
  deleteMarker: fc.boolean(),
  sizeBytes: number,
  etag: text,
  lastModifiedMs: number,
  storageClass: text,
  system: pairs,
  user: pairs,
  checksums: pairs,
  checksumType: fc.nat({ max: 2 }),
  storage: fc.array(
    fc.record(
      {
        dataId: bytes(24),
        sizeBytes: number,
        packed: fc.boolean(),
        checksum: bytes(32),
        salt: bytes(16),
      },
      { requiredKeys: ['dataId', 'sizeBytes', 'packed'] },
    ),
    { maxLength: 70 },
  ),
  manifest: bytes(24),
  uploadId: bytes(16),
  sequence: number,
  tags: pairs,
}
const lock = fc.record({
  mode: fc.nat({ max: 2 }),
  retainUntilMs: number,
  legalHold: fc.nat({ max: 2 }),
})
const encryption = text.filter((each) => each !== '')
const acl = fc.record({
  owner: text,
  grants: fc.array(
    fc.record({ account: text, group: fc.nat({ max: 3 }), permission: fc.nat({ max: 5 }) }),
    { maxLength: 4 },
  ),
  listed: fc.boolean(),
})
const version = fc.oneof(
  fc.record(versionFields),
  fc.record({ ...versionFields, lock }),
  fc.record({ ...versionFields, acl }),
  fc.record({ ...versionFields, acl, lock }),
  fc.record({ ...versionFields, encryption }),
  fc.record({
    ...versionFields,
    renamed: fc.record({ token: text, source: text, sequence: number, lastModifiedMs: number }),
  }),
)
const ref = fc.record({
  dataId: bytes(24),
  level: fc.nat({ max: 9 }),
  newest: number,
  oldest: number,
  count: fc.nat(),
})
const object: fc.Arbitrary<ObjectRecord> = fc.record({
  sequence: number,
  versions: fc.array(version, { maxLength: 4 }),
  uploads: fc.array(bytes(33), { maxLength: 3 }),
  lastModifiedMs: number,
  pages: fc.array(ref, { maxLength: 20 }),
  nullSequence: number,
})
const page: fc.Arbitrary<PageRecord> = fc.record({
  versions: fc.array(version, { maxLength: 4 }),
  pages: fc.array(ref, { maxLength: 9 }),
})

test('records are, byte for byte, what the generated codec makes of them', () => {
  fc.assert(
    fc.property(object, (record) => {
      const encoded = objectCodec.encode(record)
      expect(Buffer.compare(encoded.subarray(1), generated.ObjectRecord.encode(record))).toBe(0)
      expect(objectCodec.decode(encoded)).toEqual(record)
    }),
    { numRuns: 60 },
  )
  fc.assert(
    fc.property(page, (record) => {
      const encoded = pageCodec.encode(record)
      expect(Buffer.compare(encoded.subarray(1), generated.PageRecord.encode(record))).toBe(0)
      expect(pageCodec.decode(encoded)).toEqual(record)
    }),
    { numRuns: 60 },
  )
})

test('of any bytes there are records, RangeErrors and errors of encodings, nothing else', () => {
  fc.assert(
    fc.property(object, fc.nat(), fc.nat({ max: 255 }), fc.nat(), (record, at, by, cut) => {
      const encoded = objectCodec.encode(record).slice(0, 1 + (cut % 500))
      if (encoded.length > 1) encoded[1 + (at % (encoded.length - 1))] = by
      try {
        objectCodec.decode(encoded)
      } catch (error) {
        if (error instanceof RangeError || error instanceof TypeError) return
        throw error
      }
    }),
    { numRuns: 400 },
  )
  expect(() => pageCodec.decode(new Uint8Array([3]))).toThrow(RecordVersionError)
})

test('a record of something encrypted is one that an older program refuses', () => {
  const plain = fc.sample(fc.record(versionFields), 1)[0]!
  const none = { sequence: 1, uploads: [], lastModifiedMs: 1, pages: [], nullSequence: 0 }
  const first = (versions: ObjectRecord['versions']) => objectCodec.encode({ ...none, versions })[0]
  expect(first([plain])).toBe(1)
  expect(first([plain, { ...plain, encryption: '{}' }])).toBe(2)
  const storage = { dataId: new Uint8Array(24), sizeBytes: 1, packed: false }
  const salt = new Uint8Array(16)
  expect(manifestCodec.encode({ storage: [storage] })[0]).toBe(1)
  expect(manifestCodec.encode({ storage: [storage, { ...storage, salt }] })[0]).toBe(2)
})
