/** One S3 request over HTTP: its body and its answer on Node's request and response. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Client } from './client.ts'
import { Exchange } from './exchange.ts'
import type { Face } from './face.ts'
import type { ResponseHeaders, S3Response } from './response.ts'
import type { TurnBytes } from './turn-bytes.ts'

/** An unread body up to this size is discarded by Node, and the connection stays usable. */
const DISCARD_BYTES_MAX = 64 * 1024

/** Up to this size head and bytes leave as one text: one write, and no copy outside the kernel's. */
const ONE_WRITE_BYTES_MAX = 8 * 1024

/** The same expression as Node's, which emits `checkContinue` for it. */
const CONTINUE = /(?:^|\W)100-continue(?:$|\W)/i

/** Made by server.ts for each request that Node has parsed. */
export class HttpExchange extends Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly client: Client
  readonly face: Face
  #bodyWanted = false
  #continueSent = false
  /** Bytes of the write under way. */
  #writing = 0
  /** The part of `bytesMoved` that belongs to the answer. */
  #streamedBytes = 0

  constructor(
    requestId: string,
    nowMs: number,
    request: IncomingMessage,
    response: ServerResponse,
    client: Client,
    face: Face,
  ) {
    super(requestId, nowMs)
    this.face = face
    this.client = client
    this.request = request
    this.response = response
  }

  override get receivedBytes(): number {
    return this.bytesMoved - this.#streamedBytes
  }

  override sendContinue(): void {
    this.#bodyWanted = true
    if (this.#continueSent || !this.expectsContinue) return
    this.#continueSent = true
    this.response.writeContinue()
  }

  get expectsContinue(): boolean {
    const { headers, httpVersionMinor } = this.request
    return CONTINUE.test(headers.expect ?? '') && httpVersionMinor >= 1
  }

  override waitsForClient(): boolean {
    if (this.#writing > 0) return true
    // Bytes that arrived and were not read yet wait for the store, not for the client.
    return this.#bodyWanted && !this.request.complete && this.request.readableLength === 0
  }

  override get isAnswering(): boolean {
    return this.response.headersSent
  }

  override progressBytes(): number {
    return this.bytesMoved + Math.max(0, this.#writing - this.#queuedBytes())
  }

  /** Bytes of the write under way that the kernel has not taken. Node's own timeouts look here too. */
  #queuedBytes(): number {
    const socket = this.response.socket as { _handle?: { writeQueueSize?: number } } | null
    return socket?._handle?.writeQueueSize ?? 0
  }

  /** Whether the client sends its body: false while it waits for `100 Continue`. */
  get isSending(): boolean {
    return this.#continueSent || !this.expectsContinue
  }

  /** True when the connection cannot carry another request after this answer. */
  get leavesBodyUnread(): boolean {
    const { request } = this
    if (request.complete) return false
    if (this.expectsContinue && !this.#continueSent) return true
    const length = Number(request.headers['content-length'] ?? Number.NaN)
    return !(length <= DISCARD_BYTES_MAX) || this.#bodyWanted
  }

  /**
   * Sends an answer in one write. Resolves when the kernel has taken it, or the client has disconnected. True: the kernel has
   * all of `body`, and nobody reads it any more.
   */
  sendWhole(
    status: number,
    headers: ResponseHeaders,
    body: string | Uint8Array | undefined,
  ): Promise<boolean> | boolean {
    const { response } = this
    if (body === undefined) {
      if (status !== 204 && status !== 304 && this.request.method !== 'HEAD') {
        headers['Content-Length'] = '0'
      }
      response.writeHead(status, headers).end()
      return false
    }
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length
    headers['Content-Length'] ??= String(length)
    this.sentBytes = length
    response.writeHead(status, headers)
    if (typeof body === 'string' || length > ONE_WRITE_BYTES_MAX) response.end(body)
    else response.end(asLatin1(body), 'latin1')
    const { socket } = response
    // Without a socket it waits for the answers before it on the connection.
    if (socket === null || socket.destroyed) return false
    if (socket.writableLength === 0) return true
    this.#writing = length
    return new Promise((resolve) => {
      response.once('close', () => {
        this.#writing = 0
        this.bytesMoved += length
        resolve(response.writableFinished)
      })
    })
  }

  /**
   * Sends a stream. The first chunk is fetched before the head is sent: when that fails, this rejects and an
   * error can still be answered. A later failure cuts the connection, then rejects. Chunks go out in slices, as many as
   * each turn of the event loop has bytes for.
   */
  async sendStream(
    response: S3Response,
    chunks: AsyncIterable<Uint8Array>,
    turns: TurnBytes,
  ): Promise<void> {
    const iterator = chunks[Symbol.asyncIterator]()
    let next = await iterator.next()
    const { response: out } = this
    if (this.aborted !== undefined || out.destroyed) {
      await iterator.return?.()
      return
    }
    out.writeHead(response.status, response.headers)
    turns.began()
    try {
      while (next.done !== true) {
        await this.#write(next.value, turns)
        if (out.destroyed) {
          await iterator.return?.()
          return
        }
        next = await iterator.next()
      }
      out.end()
    } catch (error) {
      out.destroy()
      throw error
    } finally {
      turns.ended()
    }
  }

  /**
   * Resolves when the kernel has taken the chunk, so that its memory may be reused, or when the client has
   * disconnected.
   */
  async #write(chunk: Uint8Array, turns: TurnBytes): Promise<void> {
    const { response } = this
    for (let at = 0; at < chunk.length && !response.destroyed;) {
      const end = Math.min(chunk.length, at + turns.sliceBytes())
      const sizeBytes = end - at
      if (!turns.take(sizeBytes) && !(await this.#laterTurn(sizeBytes, turns))) return
      await this.#writeSlice(sizeBytes === chunk.length ? chunk : chunk.subarray(at, end), turns)
      at = end
    }
  }

  /** Waits for the bytes of a later turn. False when the client has disconnected meanwhile. */
  #laterTurn(sizeBytes: number, turns: TurnBytes): Promise<boolean> {
    const { response } = this
    return new Promise((resolve) => {
      const gone = (): void => {
        drop()
        resolve(false)
      }
      const drop = turns.wait(sizeBytes, () => {
        response.off('close', gone)
        resolve(true)
      })
      response.once('close', gone)
    })
  }

  #writeSlice(slice: Uint8Array, turns: TurnBytes): Promise<void> {
    const { response } = this
    const { length } = slice
    const { turn } = turns
    this.#writing = length
    return new Promise((resolve) => {
      const settle = (): void => {
        response.off('close', settle)
        this.#writing = 0
        this.bytesMoved += length
        this.#streamedBytes += length
        this.sentBytes += length
        // A client that was not ready before has taken it in this turn.
        if (turns.turn !== turn) turns.use(length)
        resolve()
      }
      response.once('close', settle)
      response.write(slice, settle)
    })
  }
}

/** The bytes as a text, which Node writes in one piece with the head. Each character is one byte. */
function asLatin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}
