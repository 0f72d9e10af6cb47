/**
 * Decoder of `Content-Encoding: aws-chunked` (F23). The reader of the body (decode.ts) pushes bytes into it.
 *
 *   chunk   = size-hex *(";" extension) CRLF  size bytes  CRLF
 *   body    = 1*chunk, the last of size 0 and without bytes; then CRLF, or the trailer
 *   trailer = *(name ":" value CRLF) ["x-amz-trailer-signature:" 64hex CRLF] CRLF
 *
 * A signed chunk has the extension "chunk-signature=" 64hex; other extensions have no meaning. Because of minio-go,
 * lines of a trailer may end with LF alone, an empty line may precede its signature, and another one may follow the
 * body.
 *
 * Invariants:
 *   - framing never reaches the output
 *   - at most `decodedBytes` are emitted; `end()` succeeds only after exactly that many, a complete
 *     last chunk, all announced trailers and no others, and if every signature was right
 *   - at most one line and the trailer (a few KiB) are kept in memory
 *
 * Bytes are passed on before the signature of their chunk is checked, so nothing may become visible before `end()`.
 */

import { lowerCase, trim } from '../http/ascii.ts'
import { createHash, hash } from 'node:crypto'
import type { Hash } from 'node:crypto'

import { S3Error } from '../http/errors.ts'
import { EMPTY_SHA256, hmacHex } from '../auth/sigv4/canonical.ts'
import { equalSignatures } from '../auth/auth.ts'
import type { SigningContext } from '../auth/auth.ts'

/** What the headers of a request say about its framing. */
export interface ChunkedOptions {
  /** x-amz-decoded-content-length. */
  readonly decodedBytes: number
  /** Present when chunks are signed. */
  readonly signing?: SigningContext | undefined
  /** Present when a trailer follows: the names that it must contain, in lower case. */
  readonly trailers?: readonly string[] | undefined
}

/** Up to 13 hex digits after any number of zeros. */
const SIZE = /^0*([0-9a-fA-F]{0,13})$/
const SIGNATURE = /^[0-9a-f]{64}$/
const MAX_LINE_BYTES = 512
/** As many hex digits as a JavaScript number can hold exactly. */
const SHORT_DIGITS = 13
const MAX_TRAILER_BYTES = 8192
/** S3's minimum size of a signed chunk, except for the last one with bytes and the empty one. */
const MIN_SIGNED_CHUNK_BYTES = 8192
const TRAILER_SIGNATURE = 'x-amz-trailer-signature'
const LF = 10
const CR = 13

type State = 'header' | 'data' | 'data-end' | 'last-end' | 'trailer' | 'done' | 'after'

/** Decodes one body. Call `push` for each piece of raw bytes, then `end` once. */
export class ChunkedDecoder {
  readonly #options: ChunkedOptions
  #state: State = 'header'
  #line = ''
  /** Bytes still to come of the body, and of the current chunk. */
  #remaining: number
  #chunkRemaining = 0
  #chunks = 0
  /** The size of a signed chunk below the minimum. It must be the last one with bytes. */
  #smallChunkBytes: number | undefined
  #chunkHash: Hash | undefined
  #chunkSignature = ''
  #previousSignature: string
  #trailerBytes = 0
  #trailerText = ''
  #trailerSigned = false
  readonly #trailers = new Map<string, string>()

  constructor(options: ChunkedOptions) {
    this.#options = options
    this.#remaining = options.decodedBytes
    this.#previousSignature = options.signing?.seedSignature ?? ''
  }

  /** By lower-case name; complete after `end()`. */
  get trailers(): ReadonlyMap<string, string> {
    return this.#trailers
  }

  /** Takes the next raw bytes; `emit` gets views into them. Throws S3Error. */
  push(bytes: Uint8Array, emit: (data: Uint8Array) => void): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#state === 'data') {
        const data = bytes.subarray(at, at + this.#chunkRemaining)
        at += data.length
        this.#takeData(data)
        emit(data)
      } else if (this.#state === 'after') {
        throw malformed('There are bytes after the last chunk.')
      } else {
        at = this.#takeShort(bytes, at) ?? this.#takeLine(bytes, at)
      }
    }
  }

  /** Call at the end of the raw body. Throws S3Error unless it was complete. */
  end(): void {
    const whole = this.#state === 'done' || this.#state === 'after'
    if (!whole || this.#line !== '') throw new S3Error('IncompleteBody')
  }

  #takeData(data: Uint8Array): void {
    this.#chunkRemaining -= data.length
    this.#remaining -= data.length
    this.#chunkHash?.update(data)
    if (this.#chunkRemaining === 0) {
      this.#state = 'data-end'
      if (this.#chunkHash !== undefined) this.#checkChunk(this.#chunkHash.digest('hex'))
    }
  }

  /**
   * Reads the most frequent lines without converting them to text, because chunks may have one byte each: the end of
   * a chunk, and the header of an unsigned one. Undefined for other or incomplete lines.
   */
  #takeShort(bytes: Uint8Array, from: number): number | undefined {
    if (this.#line !== '' || this.#options.signing !== undefined) return undefined
    const isHeader = this.#state === 'header'
    if (!isHeader && this.#state !== 'data-end') return undefined
    let sizeBytes = 0
    let at = from
    const end = isHeader ? Math.min(bytes.length, from + SHORT_DIGITS) : from
    for (; at < end; at++) {
      const digit = digitOf(bytes[at] as number)
      if (digit === undefined) break
      sizeBytes = sizeBytes * 16 + digit
    }
    if ((isHeader && at === from) || bytes[at] !== CR || bytes[at + 1] !== LF) return undefined
    if (isHeader) this.#beginChunk(sizeBytes, [])
    else this.#state = 'header'
    return at + 2
  }

  /** Reads to the end of the line, or keeps its beginning. Returns where to continue. */
  #takeLine(bytes: Uint8Array, from: number): number {
    const limit = this.#state === 'trailer' ? MAX_TRAILER_BYTES : MAX_LINE_BYTES
    // Looking no further than the limit keeps an endless line from being scanned again and again.
    const window = bytes.subarray(from, from + limit + 1 - this.#line.length)
    const newline = window.indexOf(LF)
    const piece = newline < 0 ? window : window.subarray(0, newline)
    this.#line += latin1(piece)
    if (newline < 0) {
      if (this.#line.length > limit) throw malformed('A line of the framing is too long.')
      return from + window.length
    }
    const line = this.#line
    this.#line = ''
    this.#endLine(line)
    return from + newline + 1
  }

  #endLine(line: string): void {
    const crlf = line.charCodeAt(line.length - 1) === CR
    const text = crlf ? line.slice(0, -1) : line
    switch (this.#state) {
      case 'header':
        if (!crlf) throw malformed('A chunk header must end with CR LF.')
        return this.#takeHeader(text)
      case 'data-end':
        if (!crlf || text !== '') throw malformed('A chunk is longer than its header says.')
        this.#state = 'header'
        return
      case 'last-end':
        if (!crlf || text !== '') throw malformed('There are bytes after the last chunk.')
        this.#state = 'done'
        return
      case 'trailer':
        return this.#takeTrailerLine(text)
      case 'done':
        if (!crlf || text !== '') throw malformed('There are bytes after the last chunk.')
        this.#state = 'after'
        return
      case 'data':
      case 'after':
    }
  }

  #takeHeader(text: string): void {
    const [size = '', ...extensions] = text.split(';').map(trim)
    const digits = size === '' ? undefined : SIZE.exec(size)?.[1]
    if (digits === undefined) throw malformed('The size of a chunk is malformed.')
    this.#beginChunk(digits === '' ? 0 : Number(`0x${digits}`), extensions)
  }

  #beginChunk(sizeBytes: number, extensions: readonly string[]): void {
    this.#chunks++
    if (sizeBytes > this.#remaining) throw wrongLength(this.#options.decodedBytes)
    const { signing } = this.#options
    if (signing !== undefined) this.#takeSignature(extensions)
    if (sizeBytes === 0) return this.#takeLast()
    if (signing !== undefined) {
      this.#checkSize(sizeBytes)
      this.#chunkHash = createHash('sha256')
    }
    this.#chunkRemaining = sizeBytes
    this.#state = 'data'
  }

  #takeSignature(extensions: readonly string[]): void {
    const values = extensions.map((extension) => extension.split('=').map(trim))
    const [signature, more] = values.filter(([name]) => name === 'chunk-signature')
    if (more !== undefined || signature?.length !== 2 || !SIGNATURE.test(signature[1] ?? '')) {
      throw malformed('A chunk has no signature, or a malformed one.')
    }
    this.#chunkSignature = signature[1] ?? ''
  }

  /** Only the last chunk with bytes may be below the minimum size. */
  #checkSize(sizeBytes: number): void {
    if (this.#smallChunkBytes !== undefined) {
      throw new S3Error('InvalidChunkSizeError', undefined, {
        details: { Chunk: this.#chunks, BadChunkSize: this.#smallChunkBytes },
      })
    }
    if (sizeBytes < MIN_SIGNED_CHUNK_BYTES) this.#smallChunkBytes = sizeBytes
  }

  #takeLast(): void {
    if (this.#options.signing !== undefined) this.#checkChunk(EMPTY_SHA256)
    if (this.#remaining !== 0) {
      const { decodedBytes } = this.#options
      throw wrongLength(decodedBytes, decodedBytes - this.#remaining)
    }
    this.#state = this.#options.trailers === undefined ? 'last-end' : 'trailer'
  }

  #checkChunk(digest: string): void {
    const { timestamp, scope, signingKey } = this.#options.signing as SigningContext
    this.#check(
      hmacHex(
        signingKey,
        `AWS4-HMAC-SHA256-PAYLOAD\n${timestamp}\n${scope}\n${this.#previousSignature}\n${EMPTY_SHA256}\n${digest}`,
      ),
      this.#chunkSignature,
    )
  }

  #check(expected: string, given: string): void {
    if (!equalSignatures(expected, given)) throw new S3Error('SignatureDoesNotMatch')
    this.#previousSignature = given
  }

  #takeTrailerLine(text: string): void {
    this.#trailerBytes += text.length + 2
    if (this.#trailerBytes > MAX_TRAILER_BYTES) throw new S3Error('MalformedTrailerError')
    const signed = this.#options.signing !== undefined
    if (text === '') {
      // AWS's own description shows an empty line before the signature, so one is accepted.
      if (signed && !this.#trailerSigned) return
      return this.#endTrailer()
    }
    const colon = text.indexOf(':')
    const name = lowerCase(text.slice(0, colon))
    const value = trim(text.slice(colon + 1))
    if (colon < 1 || this.#trailerSigned || this.#trailers.has(name)) {
      throw new S3Error('MalformedTrailerError')
    }
    if (name === TRAILER_SIGNATURE && signed) {
      this.#checkTrailer(value)
      this.#trailerSigned = true
      return
    }
    if (this.#options.trailers?.includes(name) !== true) throw new S3Error('MalformedTrailerError')
    this.#trailers.set(name, value)
    this.#trailerText += `${name}:${value}\n`
  }

  #checkTrailer(given: string): void {
    const { timestamp, scope, signingKey } = this.#options.signing as SigningContext
    const digest = hash('sha256', Buffer.from(this.#trailerText, 'latin1'), 'hex')
    this.#check(
      hmacHex(
        signingKey,
        `AWS4-HMAC-SHA256-TRAILER\n${timestamp}\n${scope}\n${this.#previousSignature}\n${digest}`,
      ),
      given,
    )
  }

  #endTrailer(): void {
    for (const name of this.#options.trailers ?? []) {
      if (!this.#trailers.has(name)) throw new S3Error('MalformedTrailerError')
    }
    this.#state = 'done'
  }
}

/** The value of a hexadecimal digit. */
function digitOf(code: number): number | undefined {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  // Upper-case letters become lower-case ones.
  const letter = (code | 0x20) - 0x61
  return letter >= 0 && letter < 6 ? letter + 10 : undefined
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

/** AWS uses this code for all errors of the framing. */
function malformed(message: string): S3Error {
  return new S3Error('IncompleteBody', `The request body terminated unexpectedly. ${message}`)
}

function wrongLength(expected: number, provided?: number): S3Error {
  return new S3Error(
    'IncompleteBody',
    'The chunks do not contain the number of bytes that x-amz-decoded-content-length announces.',
    {
      details: {
        NumberBytesExpected: expected,
        ...(provided === undefined ? {} : { NumberBytesProvided: provided }),
      },
    },
  )
}
