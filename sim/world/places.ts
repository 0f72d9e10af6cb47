/**
 * Where things are on a simulated disk, found by reading its segments as recovery would: so that faults and
 * tests can damage a byte of one kind. Needs no index and no running node.
 */

import { equalBytes } from '../../protocol/bytes.ts'
import {
  decodeRecordHeader,
  headerRecordBytes,
  isRecordFault,
  LOG_ID_BYTES,
  RECORD_ALIGNMENT,
  RECORD_HEADER_BYTES,
  recordMetaBytes,
  type RecordHeader,
} from '../../protocol/codec/record.ts'
import {
  BATCH_HEADER_BYTES,
  decodeBatchHeader,
  decodeSegmentHeader,
  FIRST_BATCH_AT,
  PAGE_BYTES,
  pageEnd,
  SEGMENT_HEADER_BYTES,
  segmentOfName,
} from '../../node/log/segment.ts'
import { nameOfType } from '../../node/replica/record-types.ts'
import type { SimulatedDisk } from './disk.ts'

export type PlaceKind =
  | 'segment-header'
  | 'batch-header'
  | 'record-header'
  | 'record-body'
  | 'record-payload'
  | 'footer'
  | 'hints'
  /** Any other file: layout, vote, manifest … */
  | 'file'

export interface FilePlace {
  readonly kind: PlaceKind
  readonly path: string
  readonly offset: number
  /** Without padding. */
  readonly lengthBytes: number
  /** In the last batch of its segment. */
  readonly inLastBatch: boolean
  /** The header of the record to which the place belongs. */
  readonly record?: RecordHeader
  /** As in RECORD: 'register', 'mark', 'minimum', 'registerGone' … */
  readonly type?: string
}

/** All of them, file by file, in order. What is damaged already is not found. */
export function placesOf(disk: SimulatedDisk): FilePlace[] {
  return disk.paths().flatMap((path) => {
    const segment = segmentOfName(path.slice(path.lastIndexOf('/') + 1))
    const bytes = disk.contentOf(path)
    if (segment !== undefined) return segmentPlaces(path, segment, bytes)
    const place: FilePlace = {
      kind: 'file',
      path,
      offset: 0,
      lengthBytes: bytes.length,
      inLastBatch: false,
    }
    return bytes.length === 0 ? [] : [place]
  })
}

export function segmentPaths(disk: SimulatedDisk): string[] {
  return disk
    .paths()
    .filter((path) => segmentOfName(path.slice(path.lastIndexOf('/') + 1)) !== undefined)
}

/** Flips bits of a byte of the place, at `at` of it. */
export function flipBits(disk: SimulatedDisk, place: FilePlace, at = 0, mask = 1): void {
  disk.corrupt(place.path, place.offset + at, mask)
}

/** Damages the first place that fits; throws when there is none. */
export function flipFirst(
  disk: SimulatedDisk,
  fits: (place: FilePlace) => boolean,
  at = 0,
  mask = 1,
): FilePlace {
  const place = placesOf(disk).find(fits)
  if (place === undefined) throw new Error('there is no such place on the disk')
  flipBits(disk, place, at, mask)
  return place
}

function segmentPlaces(path: string, segment: number, bytes: Uint8Array): FilePlace[] {
  const header = decodeSegmentHeader(bytes)
  const logId = typeof header === 'string' ? undefined : header.logId
  if (logId === undefined || equalBytes(logId, new Uint8Array(LOG_ID_BYTES))) return []
  const common = { path, inLastBatch: false }
  const places: FilePlace[] = [
    { ...common, kind: 'segment-header', offset: 0, lengthBytes: SEGMENT_HEADER_BYTES },
  ]
  let last = 0
  for (let offset = FIRST_BATCH_AT; offset < bytes.length;) {
    const batch = decodeBatchHeader(bytes, offset, { segment, offset }, logId)
    if (batch === undefined) {
      offset += PAGE_BYTES
      continue
    }
    const end = offset + batch.lengthBytes
    if (batch.kind === 'footer') {
      places.push({ ...common, kind: 'footer', offset, lengthBytes: BATCH_HEADER_BYTES })
      if (batch.count > 0) {
        const lengthBytes = batch.lengthBytes - BATCH_HEADER_BYTES
        places.push({ ...common, kind: 'hints', offset: offset + BATCH_HEADER_BYTES, lengthBytes })
      }
    } else {
      last = places.length
      places.push({ ...common, kind: 'batch-header', offset, lengthBytes: BATCH_HEADER_BYTES })
      places.push(...recordPlaces(path, segment, bytes, offset + BATCH_HEADER_BYTES, end, logId))
    }
    offset = pageEnd(end)
  }
  return places.map((place, i) =>
    last > 0 && i >= last && place.kind !== 'footer' && place.kind !== 'hints'
      ? { ...place, inLastBatch: true }
      : place,
  )
}

function recordPlaces(
  path: string,
  segment: number,
  bytes: Uint8Array,
  from: number,
  end: number,
  logId: Uint8Array,
): FilePlace[] {
  const places: FilePlace[] = []
  for (let offset = from; offset < Math.min(end, bytes.length);) {
    const record = decodeRecordHeader(bytes, offset, logId, { segment, offset })
    if (isRecordFault(record)) {
      offset += RECORD_ALIGNMENT
      continue
    }
    const type = nameOfType(record.type) ?? `type ${record.type}`
    const common = { path, inLastBatch: false, record, type }
    const headBytes = RECORD_HEADER_BYTES + record.key.length
    places.push({ ...common, kind: 'record-header', offset, lengthBytes: headBytes })
    if (record.bodyBytes > 0) {
      const place = { offset: offset + headBytes, lengthBytes: record.bodyBytes }
      places.push({ ...common, ...place, kind: 'record-body' })
    }
    if (record.payloadBytes > 0) {
      const at = offset + recordMetaBytes(record.key.length, record.bodyBytes)
      places.push({
        ...common,
        kind: 'record-payload',
        offset: at,
        lengthBytes: record.payloadBytes,
      })
    }
    offset += headerRecordBytes(record)
  }
  return places
}
