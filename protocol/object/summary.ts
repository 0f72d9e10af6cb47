/**
 * What a listing shows of an object, read straight from the bytes of its register (records.proto),
 * since a page takes it a thousand times. Everything else is skipped by its length. Called for each key of a page by
 * node/objects/object-lists.ts.
 *
 * It reads field 2 of ObjectRecord, the versions, and stops after the first: versions are written from new to old, so
 * that is the current one. object.ts gives the same answer for a whole record; summary.test.ts compares the two.
 */

import { RecordVersionError } from '../codec/versioned.ts'
import { FieldReader } from '../codec/wire.ts'

/** Shapes and units are those of VersionRecord in records.proto. What the record leaves out is empty or 0. */
export interface ObjectSummary {
  versionId: string
  sizeBytes: number
  etag: string
  lastModifiedMs: number
  storageClass: string
  /** The algorithm of the first checksum; empty when there is none. */
  checksumAlgorithm: string
  /** 0 none, 1 FULL_OBJECT, 2 COMPOSITE. */
  checksumType: number
}

/**
 * The current version; undefined when there is none, or it is a delete marker. `body` is a register's body, version
 * byte included. Throws RecordVersionError for an unknown version (F20), and RangeError when it is cut short.
 */
export function summaryOf(body: Uint8Array): ObjectSummary | undefined {
  if (body[0] !== 1) throw new RecordVersionError(`record of version ${body[0]}`)
  const reader = new FieldReader(body, 1, body.length)
  while (reader.next()) {
    if (reader.field === 2) return versionSummary(body, reader.start, reader.end)
  }
  return undefined
}

function versionSummary(bytes: Uint8Array, start: number, end: number): ObjectSummary | undefined {
  const summary: ObjectSummary = {
    versionId: '',
    sizeBytes: 0,
    etag: '',
    lastModifiedMs: 0,
    storageClass: '',
    checksumAlgorithm: '',
    checksumType: 0,
  }
  const reader = new FieldReader(bytes, start, end)
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        summary.versionId = reader.text()
        break
      case 2:
        if (reader.value !== 0) return undefined
        break
      case 3:
        summary.sizeBytes = reader.value
        break
      case 4:
        summary.etag = reader.text()
        break
      case 5:
        summary.lastModifiedMs = reader.value
        break
      case 6:
        summary.storageClass = reader.text()
        break
      case 9:
        if (summary.checksumAlgorithm === '') {
          const pair = new FieldReader(bytes, reader.start, reader.end)
          while (pair.next()) if (pair.field === 1) summary.checksumAlgorithm = pair.text()
        }
        break
      case 10:
        summary.checksumType = reader.value
        break
      default:
        break
    }
  }
  return summary
}
