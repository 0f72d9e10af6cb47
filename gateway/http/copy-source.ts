/** The x-amz-copy-source header, which the conditions of policies read too, and x-amz-rename-source. */

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
  const found = objectAt(path, (text) => text.replaceAll('+', ' '))
  if (found === undefined) throw badSource('x-amz-copy-source', 'Copy Source', header)
  return { ...found, versionId: at < 0 ? undefined : header.slice(at + VERSION_MARK.length) }
}

/** Parses `[/]bucket/key`, percent-encoded. Throws InvalidArgument, NotImplemented. */
export function parseRenameSource(header: string): Omit<NamedSource, 'versionId'> {
  const found = objectAt(header, (text) => text)
  if (found === undefined) throw badSource('x-amz-rename-source', 'Rename Source', header)
  return found
}

/** Undefined when the path is malformed. Throws NotImplemented for an ARN. */
function objectAt(
  path: string,
  prepare: (text: string) => string,
): Omit<NamedSource, 'versionId'> | undefined {
  let decoded: string
  try {
    // Headers are shown as latin1: decode what was sent as raw UTF-8 first.
    decoded = decodeURIComponent(prepare(Buffer.from(path, 'latin1').toString('utf8')))
  } catch {
    return undefined
  }
  const plain = decoded.startsWith('/') ? decoded.slice(1) : decoded
  const slash = plain.indexOf('/')
  const bucket = plain.slice(0, slash)
  const key = plain.slice(slash + 1)
  if (slash < 1 || key === '' || Buffer.byteLength(key) > 1024 || key.includes('\u0000')) {
    return undefined
  }
  if (bucket.startsWith('arn:')) throw new S3Error('NotImplemented')
  return /^[A-Za-z0-9._-]{1,255}$/.test(bucket) ? { bucket, key } : undefined
}

function badSource(name: string, title: string, header: string): S3Error {
  return new S3Error(
    'InvalidArgument',
    `${title} must mention the source bucket and key: sourcebucket/sourcekey`,
    { details: { ArgumentName: name, ArgumentValue: header } },
  )
}
