/** The x-amz-copy-source header. Copies and the conditions of policies use the same parser. */

import { S3Error } from './errors.ts'

/** The object that a copy reads. */
export interface NamedSource {
  readonly bucket: string
  readonly key: string
  /** As the client sent it; undefined for the current version. */
  readonly versionId: string | undefined
}

const VERSION_MARK = '?versionId='

/**
 * Parses `[/]bucket/key[?versionId=id]`, encoded like a form: as in AWS, `+` is a space and `%2B` a plus sign. Throws
 * InvalidArgument, NotImplemented.
 */
export function parseCopySource(header: string): NamedSource {
  const at = header.lastIndexOf(VERSION_MARK)
  const path = at < 0 ? header : header.slice(0, at)
  let decoded: string
  try {
    // Headers are shown as latin1: decode what was sent as raw UTF-8 first.
    const utf8 = Buffer.from(path, 'latin1').toString('utf8')
    decoded = decodeURIComponent(utf8.replaceAll('+', ' '))
  } catch {
    throw badSource(header)
  }
  const plain = decoded.startsWith('/') ? decoded.slice(1) : decoded
  const slash = plain.indexOf('/')
  const bucket = plain.slice(0, slash)
  const key = plain.slice(slash + 1)
  if (slash < 1 || key === '' || Buffer.byteLength(key) > 1024 || key.includes('\u0000')) {
    throw badSource(header)
  }
  if (bucket.startsWith('arn:')) throw new S3Error('NotImplemented')
  if (!/^[A-Za-z0-9._-]{1,255}$/.test(bucket)) throw badSource(header)
  return { bucket, key, versionId: at < 0 ? undefined : header.slice(at + VERSION_MARK.length) }
}

function badSource(header: string): S3Error {
  return new S3Error(
    'InvalidArgument',
    'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
    { details: { ArgumentName: 'x-amz-copy-source', ArgumentValue: header } },
  )
}
