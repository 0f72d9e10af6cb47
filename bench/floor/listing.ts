/** LIST: 1,000 rows of 180 bytes from LMDB, written out as S3's XML, on this thread. */

import { open } from 'lmdb'

const rowsOfPage = 1_000
const rowBytes = 180

interface Listing {
  page(): string
}

/** A row: size (8 bytes), time in ms (8), MD5 (16), and the other things that a store keeps of an object. */
function row(index: number): Buffer {
  const bytes = Buffer.alloc(rowBytes, index & 0xff)
  bytes.writeBigUInt64BE(BigInt(index), 0)
  bytes.writeBigUInt64BE(BigInt(1_700_000_000_000 + index), 8)
  return bytes
}

export async function openListing(path: string): Promise<Listing> {
  const database = open<Buffer, string>({ path, encoding: 'binary', keyEncoding: 'ordered-binary' })
  for (let index = 0; index < 10_000; index++) {
    void database.put(`bucket/key-${String(index).padStart(8, '0')}`, row(index))
  }
  await database.flushed
  return {
    page(): string {
      let xml =
        '<?xml version="1.0" encoding="UTF-8"?>\n' +
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>' +
        `<Prefix></Prefix><KeyCount>${rowsOfPage}</KeyCount><MaxKeys>1000</MaxKeys>` +
        '<IsTruncated>true</IsTruncated>'
      for (const { key, value } of database.getRange({ start: 'bucket/', limit: rowsOfPage })) {
        const time = new Date(Number(value.readBigUInt64BE(8))).toISOString()
        xml +=
          `<Contents><Key>${escapeXml(key.slice(7))}</Key><LastModified>${time}</LastModified>` +
          `<ETag>&quot;${value.toString('hex', 16, 32)}&quot;</ETag>` +
          `<Size>${value.readBigUInt64BE(0)}</Size><StorageClass>STANDARD</StorageClass></Contents>`
      }
      return `${xml}</ListBucketResult>`
    },
  }
}

function escapeXml(text: string): string {
  return /[&<>]/.test(text)
    ? text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
    : text
}
