/**
 * Parser of multipart/form-data (RFC 7578, with the framing of RFC 2046 5.1.1). The reader of a form (body/form-reader.ts)
 * pushes bytes into it.
 *
 *   body      = [preamble CRLF] delimiter *(CRLF delimiter) CRLF close-delimiter [epilogue]
 *   delimiter = "--" boundary *(SP / TAB) CRLF *(header CRLF) CRLF *OCTET
 *   close     = "--" boundary "--"
 *
 * Invariants:
 *   - at most the beginning of a delimiter, or one line or block of headers, is kept
 *   - bytes that may be part of a delimiter are emitted only when they are not
 *   - `end()` succeeds only after the close delimiter
 *
 * The caller limits everything that it does not pass on: the preamble, headers, values of fields and the epilogue.
 * A line that begins with the boundary and goes on is refused: RFC 2046 forbids it, and readers do not agree what it means.
 */

import { lowerCase, trim } from './ascii.ts'
import { S3Error } from './errors.ts'

/** What the headers of a part say. Other headers have no meaning (RFC 7578 4.8). */
export interface PartHead {
  /** As sent. */
  readonly name: string
  /** As sent, with its path if it has one. Undefined when the part is not a file. */
  readonly filename: string | undefined
}

/** Takes the parts in their order. What it throws ends the parser. */
export interface PartSink {
  began(head: PartHead): void
  /** A piece of the part's content. It is a view of the pushed bytes. */
  data(bytes: Uint8Array): void
  ended(): void
}

type State = 'preamble' | 'delimiter' | 'headers' | 'begin' | 'content' | 'epilogue'

/** RFC 2046 allows at most so many characters. */
const MAX_BOUNDARY = 70
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]*[0-9A-Za-z'()+_,\-./:=?]$/
const CR = 13
const CRLF = Buffer.from('\r\n')
const HEADERS_END = Buffer.from('\r\n\r\n')
const NOTHING = Buffer.alloc(0)
/** White space that a mail program may have added to the line of a delimiter. */
const PADDING_MAX = 256

/** Whether this is the Content-Type of a form with files. */
export function isMultipartForm(contentType: string | undefined): boolean {
  return /^multipart\/form-data[ \t]*(?:;|$)/i.test(contentType ?? '')
}

/** The boundary in a Content-Type. Throws MalformedPOSTRequest when there is none or it is not valid. */
export function multipartBoundary(contentType: string): string {
  const parameters = parametersOf(contentType.slice('multipart/form-data'.length))
  const boundary = parameters?.get('boundary')
  if (boundary === undefined || boundary.length > MAX_BOUNDARY || !BOUNDARY.test(boundary)) {
    throw malformedForm()
  }
  return boundary
}

/** The error for everything that is not well-formed multipart/form-data. */
export function malformedForm(message?: string): S3Error {
  return new S3Error('MalformedPOSTRequest', message)
}

/** Parses one body. Call `push` for each piece of it, then `end` once. */
export class MultipartParser {
  readonly #sink: PartSink
  readonly #delimiter: Buffer
  #state: State = 'preamble'
  /** Bytes that cannot be interpreted yet. The body begins a line, as if CRLF had come before it. */
  #held: Buffer = CRLF
  /** How many bytes of #held were searched before. */
  #searched = 0

  constructor(boundary: string, sink: PartSink) {
    this.#sink = sink
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  }

  /** Bytes of the present part that may still become content. */
  get heldContent(): number {
    if (this.#state === 'begin') return Math.max(0, this.#held.length - CRLF.length)
    return this.#state === 'content' ? this.#held.length : 0
  }

  /** Throws MalformedPOSTRequest, and what the sink throws. The parser may not be used after that. */
  push(bytes: Uint8Array): void {
    if (this.#state === 'epilogue' || bytes.length === 0) return
    let rest = asBuffer(bytes)
    if (this.#held.length > 0) rest = Buffer.concat([this.#held, rest])
    this.#held = NOTHING
    for (let from = this.#searched; ; from = 0) {
      this.#searched = 0
      const taken = this.#step(rest, from)
      if (taken === undefined) return
      rest = rest.subarray(taken)
    }
  }

  /** Throws MalformedPOSTRequest unless the close delimiter was found. */
  end(): void {
    if (this.#state !== 'epilogue') throw malformedForm()
  }

  /** Returns how many bytes were interpreted, or undefined when more are needed: then the rest is kept. */
  #step(rest: Buffer, from: number): number | undefined {
    switch (this.#state) {
      case 'preamble':
      case 'content':
        return this.#content(rest)
      case 'delimiter':
        return this.#afterDelimiter(rest)
      case 'headers':
        return this.#headers(rest, from)
      case 'begin':
        return this.#begin(rest)
      case 'epilogue':
        return undefined
    }
  }

  #content(rest: Buffer): number | undefined {
    const at = rest.indexOf(this.#delimiter)
    const end = at < 0 ? rest.length - this.#beginning(rest) : at
    const isContent = this.#state === 'content'
    if (isContent && end > 0) this.#sink.data(rest.subarray(0, end))
    if (at < 0) {
      this.#hold(rest.subarray(end))
      return undefined
    }
    if (isContent) this.#sink.ended()
    this.#state = 'delimiter'
    return at + this.#delimiter.length
  }

  /** How many bytes at the end may be the beginning of a delimiter, in which a CR comes first and only there. */
  #beginning(rest: Buffer): number {
    const at = rest.lastIndexOf(CR)
    const length = rest.length - at
    if (at < 0 || length >= this.#delimiter.length) return 0
    return this.#delimiter.compare(rest, at, rest.length, 0, length) === 0 ? length : 0
  }

  /** `--` closes the body; otherwise the line ends here, after white space that a mail program may have added. */
  #afterDelimiter(rest: Buffer): number | undefined {
    if (rest.length < 2) return this.#hold(rest)
    if (rest[0] === 0x2d && rest[1] === 0x2d) {
      this.#state = 'epilogue'
      return rest.length
    }
    let end = 0
    while (rest[end] === 0x20 || rest[end] === 0x09) end++
    if (end > PADDING_MAX) throw malformedForm()
    if (rest.length < end + 2) {
      if (rest.length === end + 1 && rest[end] !== CR) throw malformedForm()
      return this.#hold(rest)
    }
    if (rest[end] !== CR || rest[end + 1] !== 0x0a) throw malformedForm()
    this.#state = 'headers'
    // The CRLF also begins the empty line of a part without headers.
    return end
  }

  #headers(rest: Buffer, from: number): number | undefined {
    const at = rest.indexOf(HEADERS_END, from)
    if (at < 0) {
      this.#searched = Math.max(0, rest.length - 3)
      return this.#hold(rest)
    }
    this.#sink.began(partHead(rest.subarray(CRLF.length, Math.max(at, CRLF.length))))
    this.#state = 'begin'
    return at + CRLF.length
  }

  /** The empty line after the headers. Its CRLF begins a delimiter when the part has no content at all. */
  #begin(rest: Buffer): number | undefined {
    const length = Math.min(rest.length, this.#delimiter.length)
    const isDelimiter = this.#delimiter.compare(rest, 0, length, 0, length) === 0
    if (isDelimiter && length < this.#delimiter.length) return this.#hold(rest)
    this.#state = isDelimiter ? 'delimiter' : 'content'
    if (isDelimiter) this.#sink.ended()
    return isDelimiter ? length : CRLF.length
  }

  #hold(rest: Buffer): undefined {
    this.#held = rest.length === 0 ? NOTHING : Buffer.from(rest)
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** UTF-8, as HTML writes forms. Throws MalformedPOSTRequest. */
export function formText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw malformedForm('The fields of the form must be UTF-8.')
  }
}

/** Reads the headers of a part. Throws MalformedPOSTRequest, NotImplemented. */
function partHead(bytes: Uint8Array): PartHead {
  let head: PartHead | undefined
  for (const line of formText(bytes).split('\r\n')) {
    const colon = line.indexOf(':')
    const name = lowerCase(trim(line.slice(0, Math.max(colon, 0))))
    if (name === '' || /[\r\n\0]/.test(line)) throw malformedForm()
    const value = trim(line.slice(colon + 1))
    if (name === 'content-transfer-encoding' && !/^(?:7bit|8bit|binary)$/i.test(value)) {
      throw new S3Error('NotImplemented', undefined, {
        details: { Header: 'Content-Transfer-Encoding' },
      })
    }
    if (name !== 'content-disposition') continue
    if (head !== undefined) throw malformedForm()
    head = dispositionOf(value)
  }
  if (head === undefined) throw malformedForm()
  return head
}

/** `form-data; name="key"; filename="a.txt"`. Throws MalformedPOSTRequest. */
function dispositionOf(value: string): PartHead {
  const type = /^form-data[ \t]*(?=;|$)/i.exec(value)?.[0]
  const parameters = type === undefined ? undefined : parametersOf(value.slice(type.length))
  const name = parameters?.get('name')
  if (name === undefined) throw malformedForm()
  return { name, filename: parameters?.get('filename') }
}

/**
 * One parameter. Browsers escape nothing in a quoted text but the quote, as %22, and some clients as \"; a backslash
 * before another character is itself, as in paths of Windows.
 */
const PARAMETER =
  /[ \t]*;[ \t]*(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:"((?:\\"|[^"])*)"|([^ \t;"]*)))?/y

/** `; name=value` …, by lower-case name. Undefined when it is malformed or a name is given twice. */
function parametersOf(text: string): ReadonlyMap<string, string> | undefined {
  const found = new Map<string, string>()
  let at = 0
  while (at < text.length) {
    PARAMETER.lastIndex = at
    const match = PARAMETER.exec(text)
    if (match === null) return /^[ \t]*$/.test(text.slice(at)) ? found : undefined
    at = PARAMETER.lastIndex
    const [, name, quoted, token = ''] = match
    if (name === undefined) continue
    const key = lowerCase(name)
    if (found.has(key)) return undefined
    found.set(key, quoted === undefined ? token : quoted.replaceAll('\\"', '"'))
  }
  return found
}
