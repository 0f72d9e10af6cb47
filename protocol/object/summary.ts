/**
 * What a listing shows of an object, read straight from the bytes of its register (records.proto), since a page takes it a
 * thousand times. Everything else is skipped by its length. Called for each key of a page by node/objects/object-lists.ts.
 *
 * It reads field 2 of ObjectRecord, the versions, and stops after the first: versions are written from new to old, so
 * that is the current one. object.ts gives the same answer for a whole record; summary.test.ts compares the two.
 */

import { EMPTY_BYTES, utf8Text } from '../bytes.ts'
import { checkRecordVersion } from '../codec/versioned.ts'
import { FieldReader } from '../codec/wire.ts'

/** Where a text is in the bytes of the record: UTF-8. Empty when the record leaves it out. */
export class TextPlace {
  start = 0
  end = 0

  put(start: number, end: number): void {
    this.start = start
    this.end = end
  }
}

/**
 * Shapes and units are those of VersionRecord in records.proto. What the record leaves out is empty or 0. One summary serves
 * for many records, one after the other: what it says counts until the next `read`.
 */
export class ObjectSummary {
  /** Those of the record that was read last. */
  bytes: Uint8Array = EMPTY_BYTES
  readonly versionId = new TextPlace()
  readonly etag = new TextPlace()
  readonly storageClass = new TextPlace()
  /** The algorithm of the first checksum that has one. */
  readonly checksumAlgorithm = new TextPlace()
  readonly owner = new TextPlace()
  sizeBytes = 0
  lastModifiedMs = 0
  /** 0 none, 1 FULL_OBJECT, 2 COMPOSITE. */
  checksumType = 0
  readonly #fields = new FieldReader(EMPTY_BYTES, 0, 0)
  readonly #innerFields = new FieldReader(EMPTY_BYTES, 0, 0)

  /**
   * Reads the current version. False when there is none, or it is a delete marker. What is in `bytes` from `start` to `end`
   * is a register's body, version byte included. Throws RecordVersionError for an unknown version (F20), and RangeError
   * when it is cut short.
   */
  read(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
    checkRecordVersion(start < end ? bytes[start] : undefined)
    this.bytes = bytes
    const fields = this.#fields
    fields.reset(bytes, start + 1, end)
    while (fields.next()) {
      if (fields.field !== 2) continue
      fields.enter()
      return this.#readVersion(fields)
    }
    return false
  }

  /** Decodes a text of the record that was read last. */
  text({ start, end }: TextPlace): string {
    return utf8Text(this.bytes.subarray(start, end))
  }

  #readVersion(fields: FieldReader): boolean {
    this.#clear()
    while (fields.next()) {
      switch (fields.field) {
        case 1:
          this.versionId.put(fields.start, fields.end)
          break
        case 2:
          if (fields.value !== 0) return false
          break
        case 3:
          this.sizeBytes = fields.value
          break
        case 4:
          this.etag.put(fields.start, fields.end)
          break
        case 5:
          this.lastModifiedMs = fields.value
          break
        case 6:
          this.storageClass.put(fields.start, fields.end)
          break
        case 9:
          this.#readChecksum(fields.start, fields.end)
          break
        case 10:
          this.checksumType = fields.value
          break
        case 16:
          this.#readOwner(fields.start, fields.end)
          break
        default:
          break
      }
    }
    return true
  }

  /** Notes the name of a PairRecord, unless an earlier one had a name. */
  #readChecksum(start: number, end: number): void {
    const { checksumAlgorithm } = this
    if (checksumAlgorithm.end > checksumAlgorithm.start) return
    const fields = this.#innerFields
    fields.reset(this.bytes, start, end)
    while (fields.next()) {
      if (fields.field === 1) checksumAlgorithm.put(fields.start, fields.end)
    }
  }

  /** Notes the owner of an AclRecord. */
  #readOwner(start: number, end: number): void {
    const fields = this.#innerFields
    fields.reset(this.bytes, start, end)
    while (fields.next()) if (fields.field === 1) this.owner.put(fields.start, fields.end)
  }

  #clear(): void {
    this.versionId.put(0, 0)
    this.etag.put(0, 0)
    this.storageClass.put(0, 0)
    this.checksumAlgorithm.put(0, 0)
    this.owner.put(0, 0)
    this.sizeBytes = 0
    this.lastModifiedMs = 0
    this.checksumType = 0
  }
}
