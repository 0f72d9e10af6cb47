/** Range headers (F35). Ends are exclusive. */

import { S3Error } from './errors.ts'

/** Bytes of an object: from `start` inclusive to `end` exclusive. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/**
 * The one range that is requested of an object of `sizeBytes`. As in S3, undefined means the whole object with
 * 200: no header, several ranges, another unit, a reversed or a malformed range. Throws InvalidRange (416).
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | undefined {
  if (header === undefined) return undefined
  // White space belongs to the number before it, so the expression never backtracks over it.
  const match = /^bytes=[ \t]*(?:(\d+)[ \t]*)?-[ \t]*(?:(\d+)[ \t]*)?$/i.exec(header)
  if (match === null) return undefined
  const [, first = '', last = ''] = match
  if (first === '') {
    if (last === '') return undefined
    // Numbers beyond 2^53 lose their last digits, but no object is that large.
    const suffix = Number(last)
    if (suffix === 0) throw notSatisfiable(header, sizeBytes)
    // A suffix of an empty object is all of it: there is no range that Content-Range could name (RFC 9110 14.1.2).
    if (sizeBytes === 0) return undefined
    return { start: Math.max(0, sizeBytes - suffix), end: sizeBytes }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined
  if (start >= sizeBytes) throw notSatisfiable(header, sizeBytes)
  return { start, end: last === '' ? sizeBytes : Math.min(sizeBytes, Number(last) + 1) }
}

/** x-amz-copy-source-range: `bytes=first-last`, both inside the source. Throws InvalidArgument. */
export function parseCopySourceRange(header: string, sizeBytes: number): ByteRange {
  const match = /^bytes=(\d{1,16})-(\d{1,16})$/.exec(header)
  const start = Number(match?.[1])
  const end = Number(match?.[2]) + 1
  if (match === null || start >= end || end > sizeBytes) {
    throw new S3Error(
      'InvalidArgument',
      match === null
        ? 'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy'
        : `Range specified is not valid for source object of size: ${sizeBytes}`,
      { details: { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header } },
    )
  }
  return { start, end }
}

function notSatisfiable(header: string, sizeBytes: number): S3Error {
  return new S3Error('InvalidRange', undefined, {
    headers: { 'content-range': `bytes */${sizeBytes}` },
    details: { ActualObjectSize: sizeBytes, RangeRequested: header },
  })
}
