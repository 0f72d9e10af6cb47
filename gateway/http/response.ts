/** The answer of an operation as a plain record, before it is sent over HTTP. */

import { isUtf8 } from 'node:buffer'
import { xmlDocument } from './xml-text.ts'

export type ResponseHeaders = Record<string, string>

/** An answer. Handlers return it and the gate adds the common headers. */
export interface S3Response {
  readonly status: number
  /** Without the common headers (request id, Date …), which the gate adds. */
  readonly headers: ResponseHeaders
  /**
   * Text and bytes are sent in one write and get their Content-Length. The length of a stream must be given in
   * `content-length`; a chunk of it is valid until the next one is requested.
   */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array> | undefined
  /** Gives the memory of `body` back: called once the kernel has all of it, and never when that is not certain. */
  readonly release?: (() => void) | undefined
}

/** 200 with a document in S3's namespace. `content` is XML. */
export function xmlResponse(
  root: string,
  content: string,
  headers: ResponseHeaders = {},
): S3Response {
  return xmlResponseOf(xmlDocument(root, content), headers)
}

/** 200 with a whole XML document. */
export function xmlResponseOf(
  body: string | Uint8Array,
  headers: ResponseHeaders = {},
): S3Response {
  headers['Content-Type'] = 'application/xml'
  return { status: 200, headers, body }
}

/** 200 with a JSON document. */
export function jsonResponse(value: unknown): S3Response {
  const headers = { 'Content-Type': 'application/json' }
  return { status: 200, headers, body: `${JSON.stringify(value)}\n` }
}

/** An answer without a body. */
export function emptyResponse(status: number, headers: ResponseHeaders = {}): S3Response {
  return { status, headers }
}

const DATES_MAX = 4096
const dates = new Map<number, string>()

/** Sun, 06 Nov 1994 08:49:37 GMT. Formatted texts are cached, since requests need few different ones. */
export function httpDate(timeMs: number): string {
  const second = Math.floor(timeMs / 1000)
  let text = dates.get(second)
  if (text === undefined) {
    text = new Date(timeMs).toUTCString()
    if (dates.size >= DATES_MAX) dates.clear()
    dates.set(second, text)
  }
  return text
}

/**
 * User metadata as AWS returns it: text that is not ASCII becomes an encoded word of RFC 2047. `value` is latin1, as
 * Node shows headers; bytes that are not UTF-8 are read as latin1.
 */
export function encodedWord(value: string): string {
  if (!/[\u0080-\u00ff]/.test(value)) return value
  const bytes = Buffer.from(value, 'latin1')
  const utf8 = isUtf8(bytes) ? bytes : Buffer.from(value, 'utf8')
  return `=?UTF-8?B?${utf8.toString('base64')}?=`
}

/**
 * Text as the value of a header: one character for each UTF-8 byte, as Node writes headers. Undefined when
 * it contains a character that headers may not carry (F26).
 */
export function headerValue(text: string): string | undefined {
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(text)) return undefined
  return Buffer.from(text, 'utf8').toString('latin1')
}
