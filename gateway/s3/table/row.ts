/** How rows of the S3 table are written: what a row leaves out has a usual value. */

import type { Handler, Level, Method, Operation } from '../../operation.ts'
import { removeFromBucket } from '../unconfigured.ts'

export const CHECKSUMS = [
  'x-amz-sdk-checksum-algorithm',
  'x-amz-checksum-algorithm',
  'x-amz-checksum-crc32',
  'x-amz-checksum-crc32c',
  'x-amz-checksum-crc64nvme',
  'x-amz-checksum-sha1',
  'x-amz-checksum-sha256',
]
export const STORED = ['x-amz-meta-*', 'x-amz-storage-class', 'x-amz-acl']
export const COPY_SOURCE = [
  'x-amz-copy-source',
  'x-amz-copy-source-if-match',
  'x-amz-copy-source-if-none-match',
  'x-amz-copy-source-if-modified-since',
  'x-amz-copy-source-if-unmodified-since',
  'x-amz-source-expected-bucket-owner',
]
export const WRITE_CONDITIONS = ['if-match', 'if-none-match']
export const READ_CONDITIONS = [
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
]
export const OVERRIDES = [
  'response-content-type',
  'response-content-language',
  'response-expires',
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
]
export const LISTING = ['prefix', 'delimiter', 'encoding-type']

export interface Extras {
  readonly marks?: readonly string[]
  readonly markHeader?: string
  readonly query?: readonly string[]
  readonly headers?: readonly string[]
  readonly conditions?: readonly string[]
  /** When the right differs from `s3:` and the operation's name. */
  readonly action?: string
  readonly versionAction?: string
  readonly resource?: Level
  readonly authorizedBy?: 'handler'
  readonly answersUnconfigured?: boolean
  readonly audited?: boolean
}

export function row(
  name: string,
  method: Method,
  level: Level,
  run: Handler | undefined,
  extras: Extras = {},
): Operation {
  return {
    service: 's3',
    name,
    method,
    level,
    marks: extras.marks ?? [],
    markHeader: extras.markHeader,
    query: new Set(extras.query),
    headers: new Set(extras.headers),
    conditions: new Set(extras.conditions),
    action: extras.action ?? `s3:${name}`,
    versionAction: extras.versionAction,
    resource: extras.resource ?? level,
    authorizedBy: extras.authorizedBy ?? 'gate',
    audited: extras.audited ?? false,
    run,
    answersUnconfigured: extras.answersUnconfigured ?? false,
  }
}

/** Answers as S3 does when nothing is configured. */
export function probe(
  name: string,
  level: Level,
  mark: string,
  run: Handler,
  extras: Extras & { method?: Method } = {},
): Operation {
  return row(name, extras.method ?? 'GET', level, run, {
    ...extras,
    marks: [mark],
    answersUnconfigured: true,
  })
}

/** Removes a bucket's sub-resource that is not there. */
export function removal(name: string, mark: string, action = `s3:${name}`): Operation {
  return probe(name, 'bucket', mark, removeFromBucket, { method: 'DELETE', action })
}

/** Known to S3, not to Shoal: 501, whatever the request carries. */
export function missing(
  name: string,
  method: Method,
  level: Level,
  mark?: string,
  action?: string,
): Operation {
  const marks = mark === undefined ? [] : [mark]
  return row(name, method, level, undefined, { marks, ...(action === undefined ? {} : { action }) })
}
