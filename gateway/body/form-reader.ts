/**
 * Reads the form of an upload (POST) from the body of its request, in two steps: first its fields, which say who sends it and
 * what it may do, then its file. Between the two nothing is read, so the gate decides before the file arrives.
 *
 *   fields   everything before the content of the part `file`, at most 20,480 bytes, kept in memory
 *   file     passed on piece by piece, not gathered
 *   rest     fields after the file mean nothing, as in AWS, and count for the same 20,480 bytes
 *
 * The body has a Content-Length, but a form does not tell how long its file is: there is an upper limit from the beginning,
 * and the size at the end.
 */

import { IncomingMessage } from 'node:http'
import { lowerCase } from '../http/ascii.ts'
import { S3Error } from '../http/errors.ts'
import {
  formFieldsOf,
  UPLOAD_FORM_BYTES_MAX,
  formTooLarge,
  type FormField,
  type FormFields,
  type FormFile,
} from '../http/form-fields.ts'
import {
  multipartBoundary,
  formText,
  MultipartParser,
  type PartHead,
  type PartSink,
} from '../http/multipart.ts'
import type { S3Request } from '../http/request.ts'
import { fewer, free, readError, type OnBytes } from './decode.ts'

/** The sizes that the file may have, both included. */
export interface FileLimits {
  readonly minBytes: number
  readonly maxBytes: number
}

/** Reads one form. Call `readFields`, then `file`, and always `close`. */
export class FormReader implements PartSink {
  readonly #bytes: AsyncIterator<unknown>
  readonly #isOwn: boolean
  readonly #parser: MultipartParser
  /** `\r\n--boundary--`, which must follow the file. */
  readonly #closingBytes: number
  /** Raw bytes of the body that were not read yet. */
  #unreadBytes: number
  /** Raw bytes that are not content of the file. */
  #formBytes = 0
  #fileBytes = 0
  readonly #fields: FormField[] = []
  /** The field that is being read. */
  #fieldName: string | undefined
  /** Its content so far: copied, because a view of one byte would hold on to a whole chunk. */
  readonly #content = Buffer.allocUnsafe(UPLOAD_FORM_BYTES_MAX)
  #contentBytes = 0
  #isFile = false
  #file: PartHead | undefined
  /** Content of the file that was parsed and not passed on yet. */
  #pending: Uint8Array[] = []

  /** Throws MissingContentLength; MalformedPOSTRequest for a Content-Type without a boundary. */
  constructor(request: S3Request) {
    if (request.contentLength === undefined) throw new S3Error('MissingContentLength')
    const boundary = multipartBoundary(request.headers['content-type'] ?? '')
    this.#parser = new MultipartParser(boundary, this)
    this.#closingBytes = boundary.length + 6
    this.#unreadBytes = request.contentLength
    this.#isOwn = request.body instanceof IncomingMessage
    // The socket stays open when reading stops early, so that an answer can still be sent.
    this.#bytes = request.body.iterator({ destroyOnReturn: false })
  }

  /** How many bytes of the file have arrived with the fields. */
  get pendingBytes(): number {
    let sum = 0
    for (const piece of this.#pending) sum += piece.length
    return sum
  }

  /**
   * Reads up to the file. Throws MaxPostPreDataLengthExceeded, MalformedPOSTRequest, IncompleteBody; InvalidArgument when
   * there is no file, or a field is given twice.
   */
  async readFields(onBytes: (count: number) => void): Promise<FormFields> {
    while (this.#file === undefined) {
      const raw = await this.#next()
      if (raw === undefined) {
        this.#parser.end()
        throw new S3Error('InvalidArgument', 'POST requires exactly one file upload per request.', {
          details: { ArgumentName: 'file', ArgumentValue: 0 },
        })
      }
      onBytes(raw.length)
      this.#take(raw)
    }
    return formFieldsOf(this.#fields, this.#file.filename)
  }

  /** The file, which may be read only once. Throws EntityTooLarge when it cannot be as small as the limits say. */
  file(limits: FileLimits): FormFile {
    const sizeBytesMax = this.#sizeBytesMax
    // Whatever follows the file, it is larger.
    if (sizeBytesMax - UPLOAD_FORM_BYTES_MAX > limits.maxBytes)
      throw tooLarge(sizeBytesMax - 2, limits)
    return { sizeBytesMax, read: (onBytes) => this.#read(limits, onBytes) }
  }

  /** Lets go of the body. What was not read stays unread. A read that still waits for the client ends with the connection. */
  close(): void {
    this.#bytes.return?.().catch(() => {})
  }

  /** The file ends at the latest where only the closing delimiter fits. */
  get #sizeBytesMax(): number {
    if (!this.#isFile) return this.#fileBytes
    const later = this.#unreadBytes + this.#parser.heldContent
    return this.#fileBytes + Math.max(0, later - this.#closingBytes)
  }

  async *#read(limits: FileLimits, onBytes: OnBytes | undefined): AsyncGenerator<Uint8Array> {
    // These bytes were counted for whoever sent the form. Now they count for the body.
    const turn = onBytes?.(this.pendingBytes)
    if (turn !== undefined) await turn
    let raw: Uint8Array | undefined
    for (;;) {
      const ready = this.#pending
      this.#pending = []
      if (this.#fileBytes > limits.maxBytes) {
        throw tooLarge(Math.max(this.#fileBytes, this.#likelySize), limits)
      }
      yield* fewer(ready)
      if (raw !== undefined && this.#isOwn) free(raw)
      raw = await this.#next()
      if (raw === undefined) break
      const later = onBytes?.(raw.length)
      if (later !== undefined) await later
      this.#take(raw)
    }
    this.#parser.end()
    if (this.#fileBytes < limits.minBytes) throw tooSmall(this.#fileBytes, limits)
  }

  /** How large the file is when nothing but the closing delimiter and its line end follow, as clients write forms. */
  get #likelySize(): number {
    return this.#sizeBytesMax - 2
  }

  async #next(): Promise<Uint8Array | undefined> {
    try {
      const { done, value } = await this.#bytes.next()
      if (done !== true) return value as Uint8Array
    } catch (error) {
      throw readError(error)
    }
    if (this.#unreadBytes !== 0) throw new S3Error('IncompleteBody')
    return undefined
  }

  #take(raw: Uint8Array): void {
    this.#unreadBytes -= raw.length
    if (this.#unreadBytes < 0) throw new S3Error('IncompleteBody')
    const before = this.#fileBytesArrived
    this.#parser.push(raw)
    this.#formBytes += raw.length - (this.#fileBytesArrived - before)
    if (this.#formBytes > UPLOAD_FORM_BYTES_MAX) throw formTooLarge()
  }

  /** What has arrived of the file. Its last bytes may turn out to be a delimiter. */
  get #fileBytesArrived(): number {
    return this.#fileBytes + (this.#isFile ? this.#parser.heldContent : 0)
  }

  /** See PartSink. Throws IncorrectNumberOfFilesInPostRequest. */
  began(head: PartHead): void {
    const isFile = lowerCase(head.name) === 'file'
    if (this.#file === undefined) {
      if (!isFile) this.#fieldName = head.name
      else this.#file = head
      this.#isFile = isFile
    } else if (isFile) {
      throw new S3Error('IncorrectNumberOfFilesInPostRequest')
    }
  }

  /** See PartSink. Throws MaxPostPreDataLengthExceeded. */
  data(bytes: Uint8Array): void {
    if (this.#isFile) {
      this.#fileBytes += bytes.length
      this.#pending.push(bytes)
    } else if (this.#fieldName !== undefined) {
      const end = this.#contentBytes + bytes.length
      if (end > UPLOAD_FORM_BYTES_MAX) throw formTooLarge()
      this.#content.set(bytes, this.#contentBytes)
      this.#contentBytes = end
    }
  }

  ended(): void {
    if (this.#fieldName !== undefined) {
      const value = formText(this.#content.subarray(0, this.#contentBytes))
      this.#fields.push({ name: this.#fieldName, value })
    }
    this.#fieldName = undefined
    this.#contentBytes = 0
    this.#isFile = false
  }
}

function tooLarge(sizeBytes: number, { maxBytes }: FileLimits): S3Error {
  return new S3Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
    details: { ProposedSize: sizeBytes, MaxSizeAllowed: maxBytes },
  })
}

function tooSmall(sizeBytes: number, { minBytes }: FileLimits): S3Error {
  return new S3Error(
    'EntityTooSmall',
    'Your proposed upload is smaller than the minimum allowed size',
    { details: { ProposedSize: sizeBytes, MinSizeAllowed: minBytes } },
  )
}
