/** One HTTP request in S3's terms: bucket, key, query, headers, before anything is believed. */

import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'

/** Headers by lower-case name; values as received (latin1, joined with ',' when sent repeatedly). */
export type HeaderRecord = Readonly<Record<string, string | undefined>>

export interface S3Request {
  readonly method: string
  /** Path as sent, percent-encoded, without the query. */
  readonly rawPath: string
  /** Behind '?', as sent; '' when absent. */
  readonly rawQuery: string
  /** Absent for the service itself. Letters, digits, '.', '-', '_' only; rules of naming are not checked. */
  readonly bucket: string | undefined
  /** Exact and opaque: never normalised. Absent for the bucket itself. */
  readonly key: string | undefined
  /** Decoded. A parameter without '=' has the value ''. Names are case-sensitive. */
  readonly query: ReadonlyMap<string, string>
  /** Null-prototype. In a presigned request it also holds the x-amz-* of its query (`hoisted`). */
  readonly headers: HeaderRecord
  /** Names in `headers` that came in the query of a presigned request. */
  readonly hoisted: ReadonlySet<string>
  /** Raw body, framing included. */
  readonly body: Readable
  /** Content-Length; undefined when absent. */
  readonly contentLength: number | undefined
  /** True when a body comes by Transfer-Encoding: chunked. */
  readonly transferChunked: boolean
  readonly remoteAddress: string
  readonly secure: boolean
}

export interface ParseOptions {
  /** `s3.example.org`: a Host of `bucket.s3.example.org` names the bucket (virtual-host style). */
  readonly hostSuffixes: readonly string[]
}

/** Throws S3Error: InvalidURI, KeyTooLongError, InvalidBucketName, InvalidArgument, MetadataTooLarge … */
export function parseRequest(_message: IncomingMessage, _options: ParseOptions): S3Request {
  throw new Error('not yet')
}

/** True when the query names this parameter or sub-resource (`?acl`, `?versionId=…`). */
export function hasParameter(request: S3Request, name: string): boolean {
  return request.query.has(name)
}

/** x-amz-meta-*, names without the prefix. Null-prototype. */
export function userMetadata(_request: S3Request): Record<string, string> {
  throw new Error('not yet')
}
