/** An encoder of aws-chunked for tests, independent of the decoder. */

import { hmacSha256, sha256 } from './signer.ts'
import type { Signed } from './signer.ts'

export interface EncodeOptions {
  /** When present, chunks are signed, beginning with the signature of this request. */
  readonly signed?: Signed | undefined
  readonly timestamp?: string
  readonly trailers?: readonly (readonly [string, string])[] | undefined
  /** Adds an empty line before the trailer's signature, as in AWS's description. */
  readonly blankBeforeSignature?: boolean
}

export function encodeChunks(chunks: readonly Uint8Array[], options: EncodeOptions = {}): Buffer {
  const out: Uint8Array[] = []
  const add = (text: string): void => void out.push(Buffer.from(text, 'latin1'))
  const timestamp = options.timestamp ?? '20261121T120000Z'
  const { signed } = options
  let previous = signed?.signature ?? ''
  for (const chunk of [...chunks.filter((one) => one.length > 0), new Uint8Array(0)]) {
    add(chunk.length.toString(16))
    if (signed !== undefined) {
      const toSign = `AWS4-HMAC-SHA256-PAYLOAD\n${timestamp}\n${signed.scope}\n${previous}\n${sha256('')}\n${sha256(chunk)}`
      previous = hmacSha256(signed.signingKey, toSign).toString('hex')
      add(`;chunk-signature=${previous}`)
    }
    add('\r\n')
    out.push(chunk)
    if (chunk.length > 0) add('\r\n')
  }
  if (options.trailers !== undefined) {
    for (const [name, value] of options.trailers) add(`${name}:${value}\r\n`)
    if (signed !== undefined) {
      const text = options.trailers.map(([name, value]) => `${name}:${value}\n`).join('')
      const toSign = `AWS4-HMAC-SHA256-TRAILER\n${timestamp}\n${signed.scope}\n${previous}\n${sha256(text)}`
      if (options.blankBeforeSignature === true) add('\r\n')
      add(`x-amz-trailer-signature:${hmacSha256(signed.signingKey, toSign).toString('hex')}\r\n`)
    }
  }
  add('\r\n')
  return Buffer.concat(out)
}

/** Cuts bytes at the given fractions of their length. */
export function cut(bytes: Uint8Array, fractions: readonly number[]): Uint8Array[] {
  const at = fractions.map((fraction) => Math.floor(fraction * bytes.length)).sort((a, b) => a - b)
  return [0, ...at].map((start, i) => bytes.subarray(start, at[i] ?? bytes.length))
}
