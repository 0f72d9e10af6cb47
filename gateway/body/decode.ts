/**
 * From the raw body of a request to the bytes of the object: removes aws-chunked framing, counts the bytes, and
 * knows in advance how many there will be. body.ts computes the hashes.
 */

import { IncomingMessage } from 'node:http'

import { decimal, listMembers, lowerCase } from '../http/ascii.ts'
import { announcedTrailers } from './checksum.ts'
import { S3Error } from '../http/errors.ts'
import type { FormFile } from '../http/form-fields.ts'
import type { S3Request } from '../http/request.ts'
import { ChunkedDecoder } from './chunked.ts'
import type { AuthResult } from '../auth/auth.ts'

/**
 * Called with the number of raw bytes as they arrive. If it throws, reading ends with that error. A stream goes on when its
 * promise resolves, if it returns one.
 */
export type OnBytes = (count: number) => Promise<void> | undefined

/** One body, read once, either with `chunks` or with `gather`. */
export interface DecodedBody {
  /** The size of the object, without framing. The file of a form has at most this size. */
  readonly sizeBytes: number
  readonly isExact: boolean
  /** Throws IncompleteBody when the client disconnects, S3Error for bad framing or signatures. */
  readonly chunks: AsyncIterable<Uint8Array>
  /** Reads the whole body into one piece. */
  gather(): Promise<Uint8Array>
  /** By lower-case name; complete once the whole body was read. */
  trailers(): ReadonlyMap<string, string>
}

const NO_TRAILERS: ReadonlyMap<string, string> = new Map()

/** Does not read anything yet. Throws MissingContentLength, InvalidArgument, InvalidRequest. */
export function decodeBody(request: S3Request, auth: AuthResult, onBytes?: OnBytes): DecodedBody {
  if (request.form !== undefined) return decodeFile(request.form.file, onBytes)
  const framing =
    auth.payload.type === 'chunked' ? chunkedFraming(request, auth) : plainFraming(request)
  const { sizeBytes } = framing
  return {
    sizeBytes,
    isExact: true,
    chunks: streamed(request, framing, onBytes),
    gather: () => gathered(request, framing, onBytes),
    trailers: () => framing.trailers,
  }
}

/** A form was taken apart when its fields were read (form-reader.ts). */
function decodeFile(file: FormFile, onBytes: OnBytes | undefined): DecodedBody {
  return {
    sizeBytes: file.sizeBytesMax,
    isExact: false,
    chunks: file.read(onBytes),
    async gather() {
      // No piece is as large as this, so all of them are copied: they are valid only until the next one is asked for.
      const whole = new Gathering(file.sizeBytesMax + 1)
      for await (const piece of file.read(onBytes)) whole.add(piece)
      return whole.bytes()
    },
    trailers: () => NO_TRAILERS,
  }
}

/** The Content-Encoding that is stored: the one sent, without `aws-chunked`. Undefined when nothing is left. */
export function storedContentEncoding(request: S3Request): string | undefined {
  const header = request.headers['content-encoding']
  if (header === undefined || !/aws-chunked/i.test(header)) return header
  const rest = listMembers(header).filter((coding) => lowerCase(coding) !== 'aws-chunked')
  return rest.length === 0 ? undefined : rest.join(',')
}

/** Turns raw bytes into the bytes of the object. */
interface Framing {
  readonly sizeBytes: number
  /** Takes raw bytes and emits those of the object. Throws S3Error as soon as the framing is wrong or too long. */
  push(bytes: Uint8Array, emit: (data: Uint8Array) => void): void
  /** Throws unless the body was complete. */
  end(): void
  readonly trailers: ReadonlyMap<string, string>
}

/**
 * The framing of aws-chunked. The size of the object is known in advance only from x-amz-decoded-content-length,
 * which AWS requires too. Throws MissingContentLength, InvalidRequest.
 */
function chunkedFraming(request: S3Request, auth: AuthResult): Framing {
  const payload = auth.payload
  if (payload.type !== 'chunked') throw new TypeError('not a chunked payload')
  const text = request.headers['x-amz-decoded-content-length']
  if (text === undefined) {
    throw new S3Error(
      'MissingContentLength',
      'You must provide the x-amz-decoded-content-length HTTP header.',
    )
  }
  const sizeBytes = decimal(text)
  if (sizeBytes === undefined) {
    throw new S3Error(
      'MissingContentLength',
      'x-amz-decoded-content-length must be a number of bytes.',
    )
  }
  const trailers = announcedTrailers(request)
  if (!payload.trailer && trailers.length > 0) {
    throw new S3Error('InvalidRequest', 'x-amz-trailer needs a payload with a trailer.')
  }
  const decoder = new ChunkedDecoder({
    decodedBytes: sizeBytes,
    signing: payload.signed ? auth.signing : undefined,
    trailers: payload.trailer ? trailers : undefined,
  })
  return {
    sizeBytes,
    push: (bytes, emit) => decoder.push(bytes, emit),
    end: () => decoder.end(),
    trailers: decoder.trailers,
  }
}

function plainFraming(request: S3Request): Framing {
  const { headers } = request
  // Framing must never reach the object, so a body with these headers must be declared as framed in the header
  // that signatures cover.
  if (
    headers['x-amz-decoded-content-length'] !== undefined ||
    headers['x-amz-trailer'] !== undefined
  ) {
    throw new S3Error(
      'InvalidRequest',
      'x-amz-decoded-content-length and x-amz-trailer need an x-amz-content-sha256 of STREAMING-…',
    )
  }
  const sizeBytes = request.contentLength
  if (sizeBytes === undefined) throw new S3Error('MissingContentLength')
  let remaining = sizeBytes
  return {
    sizeBytes,
    push(bytes, emit) {
      remaining -= bytes.length
      if (remaining < 0) throw new S3Error('IncompleteBody')
      emit(bytes)
    },
    end() {
      if (remaining !== 0) throw new S3Error('IncompleteBody')
    },
    trailers: NO_TRAILERS,
  }
}

async function* streamed(
  request: S3Request,
  framing: Framing,
  onBytes: OnBytes | undefined,
): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = []
  const emit = (data: Uint8Array): void => void pieces.push(data)
  const isOwn = request.body instanceof IncomingMessage
  try {
    // The socket stays open when reading stops early, so that an answer can still be sent.
    for await (const raw of request.body.iterator({ destroyOnReturn: false })) {
      const turn = onBytes?.((raw as Uint8Array).length)
      if (turn !== undefined) await turn
      framing.push(raw as Uint8Array, emit)
      const ready = pieces
      pieces = []
      yield* fewer(ready)
      if (isOwn) free(raw as Uint8Array)
    }
  } catch (error) {
    throw readError(error)
  }
  framing.end()
}

/** Smaller chunks are left to the collector. */
const FREED_BYTES_MIN = 4096

/**
 * Returns the memory of a chunk that Node's HTTP parser made for this request alone, and leaves the chunk empty. Waiting
 * for the collector instead makes it run again and again, because it counts this memory as part of the heap.
 */
export function free({ buffer, byteLength }: Uint8Array): void {
  const isWhole = byteLength === buffer.byteLength && byteLength >= FREED_BYTES_MIN
  if (isWhole && buffer instanceof ArrayBuffer) buffer.transfer(0)
}

/** Reads without iterators, which would cost more than everything else for small bodies. */
function gathered(
  request: S3Request,
  framing: Framing,
  onBytes: OnBytes | undefined,
): Promise<Uint8Array> {
  const { body } = request
  const whole = new Gathering(framing.sizeBytes)
  const emit = (data: Uint8Array): void => whole.add(data)
  if (framing.sizeBytes === 0 && request.contentLength === 0) {
    framing.end()
    return Promise.resolve(new Uint8Array(0))
  }
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown): void => {
      body.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
      if (error === undefined) resolve(whole.bytes())
      else {
        body.on('error', ignore).pause()
        reject(readError(error))
      }
    }
    const onData = (raw: Uint8Array): void => {
      try {
        // At most 64 KiB in all: nothing to wait for.
        void onBytes?.(raw.length)
        framing.push(raw, emit)
      } catch (error) {
        settle(error)
      }
    }
    const onEnd = (): void => {
      try {
        framing.end()
        settle()
      } catch (error) {
        settle(error)
      }
    }
    const onError = (error: unknown): void => settle(error)
    const onClose = (): void => settle(new S3Error('IncompleteBody'))
    if (body.readableEnded) return onEnd()
    if (body.destroyed) return onClose()
    body.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose)
  })
}

function ignore(): void {}

/** Collects a body in one piece: the only chunk itself, or a copy in memory that grows as bytes arrive. */
class Gathering {
  readonly #sizeBytes: number
  #buffer: Uint8Array | undefined
  #length = 0

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes
  }

  /** Copies instead of keeping views of chunks: a view of one byte would hold on to a hundred. */
  add(data: Uint8Array): void {
    if (this.#buffer === undefined && data.length === this.#sizeBytes) this.#buffer = data
    else this.#room(data.length).set(data, this.#length)
    this.#length += data.length
  }

  bytes(): Uint8Array {
    return this.#buffer?.subarray(0, this.#length) ?? new Uint8Array(0)
  }

  #room(moreBytes: number): Uint8Array {
    const buffer = this.#buffer ?? new Uint8Array(0)
    const wanted = this.#length + moreBytes
    if (wanted <= buffer.length) return buffer
    const grown = new Uint8Array(Math.max(wanted, Math.min(this.#sizeBytes, 2 * wanted)))
    grown.set(buffer.subarray(0, this.#length))
    this.#buffer = grown
    return grown
  }
}

/** Up to this many pieces are passed on unchanged. */
const PIECES_MAX = 8

/** Joins many pieces that arrived together into fewer, because each one costs several promises. */
export function fewer(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  return pieces.length <= PIECES_MAX ? pieces : [Buffer.concat(pieces)]
}

/** Node has several errors for a client that disconnected. */
export function readError(error: unknown): unknown {
  if (error instanceof S3Error) return error
  const code = (error as { code?: unknown } | null)?.code
  if (
    code === 'ECONNRESET' ||
    code === 'ERR_STREAM_PREMATURE_CLOSE' ||
    code === 'ABORT_ERR' ||
    code === 'EPIPE'
  ) {
    return new S3Error('IncompleteBody', undefined, { cause: error })
  }
  return error
}
