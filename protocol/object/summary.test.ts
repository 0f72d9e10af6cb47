import fc from 'fast-check'
import { expect, test } from 'vitest'
import { objectCodec, type VersionRecord } from '../codec/versioned.ts'
import { objectOf } from './object.ts'
import { ObjectSummary, type TextPlace } from './summary.ts'

const EMPTY = objectOf(undefined)

const version = fc.record({
  versionId: fc.string({ maxLength: 8 }),
  deleteMarker: fc.boolean(),
  sizeBytes: fc.maxSafeNat(),
  etag: fc.string({ unit: 'grapheme', maxLength: 40 }),
  lastModifiedMs: fc.maxSafeNat(),
  storageClass: fc.constantFrom('', 'GLACIER'),
  checksums: fc.array(fc.record({ name: fc.string(), value: fc.string() }), { maxLength: 2 }),
  checksumType: fc.nat({ max: 2 }),
  owner: fc.option(fc.string({ maxLength: 12 })),
  user: fc.array(fc.record({ name: fc.string(), value: fc.string() }), { maxLength: 3 }),
})

test('a summary says what the whole record says, whatever it has read before', () => {
  const summary = new ObjectSummary()
  fc.assert(
    fc.property(fc.array(version, { maxLength: 3 }), fc.nat(), (drawn, sequence) => {
      const versions = drawn.map(({ owner, ...one }): VersionRecord => ({
        ...one,
        ...(owner !== null && { acl: { owner, grants: [], listed: false } }),
        system: [{ name: 'content-type', value: 'text/plain' }],
        storage: [{ dataId: new Uint8Array(24), sizeBytes: one.sizeBytes, packed: false }],
        manifest: new Uint8Array(0),
        uploadId: new Uint8Array(0),
        tags: [{ name: 'colour', value: 'red' }],
        sequence,
      }))
      const body = objectCodec.encode({ ...EMPTY, sequence, versions })
      const bytes = new Uint8Array([9, ...body, 9, 9])
      const isThere = summary.read(bytes, 1, bytes.length - 2)
      const [first] = versions
      expect(isThere).toBe(first !== undefined && !first.deleteMarker)
      if (first === undefined || !isThere) return
      const { sizeBytes, lastModifiedMs, checksumType } = summary
      const text = (place: TextPlace): string => summary.text(place)
      expect({
        versionId: text(summary.versionId),
        sizeBytes,
        etag: text(summary.etag),
        lastModifiedMs,
        storageClass: text(summary.storageClass),
        checksumAlgorithm: text(summary.checksumAlgorithm),
        checksumType,
        owner: text(summary.owner),
      }).toEqual({
        versionId: first.versionId,
        sizeBytes: first.sizeBytes,
        etag: first.etag,
        lastModifiedMs: first.lastModifiedMs,
        storageClass: first.storageClass,
        checksumAlgorithm: first.checksums.find(({ name }) => name !== '')?.name ?? '',
        checksumType: first.checksumType,
        owner: first.acl?.owner ?? '',
      })
    }),
  )
})

test('bytes that are cut short are refused, never misread as shorter', () => {
  const body = objectCodec.encode({
    ...EMPTY,
    sequence: 9,
    uploads: [new Uint8Array(16).fill(1)],
  })
  const summary = new ObjectSummary()
  expect(() => summary.read(body.subarray(0, body.length - 3))).toThrow(RangeError)
  expect(() => summary.read(new Uint8Array([3, 0]))).toThrow('version 3')
})
