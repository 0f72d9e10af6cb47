/**
 * Sends answers over HTTP: whole, as streams, and while the client is still sending a body that is not read.
 * Called by server.ts, once for each request.
 */

import type { GatewayClock } from './http/clock.ts'
import type { HttpExchange } from './http/http-exchange.ts'
import type { S3Request } from './http/request.ts'
import type { S3Response } from './http/response.ts'
import type { TurnBytes } from './http/turn-bytes.ts'
import type { Admission } from './overload/admission.ts'
import type { GatewayLogger } from './port/logger.ts'

export interface SenderOptions {
  readonly admission: Pick<Admission, 'answers'>
  /** Shared by all streams of this thread. */
  readonly turns: TurnBytes
  readonly clock: GatewayClock
  readonly logger: GatewayLogger
}

/** How much of an unread body the client may still send before the connection is cut, and for how long. */
const LINGER_BYTES_MAX = 16 * 1024 * 1024
const LINGER_MS = 2_000

/** One for each gateway. */
export class Sender {
  readonly #options: SenderOptions
  /** The gateway is closing: every answer is the last one of its connection. */
  draining = false

  constructor(options: SenderOptions) {
    this.#options = options
  }

  /** Resolves with the status that was sent in the end. Never rejects. */
  async send(
    exchange: HttpExchange,
    request: S3Request | undefined,
    response: S3Response,
  ): Promise<number> {
    const { response: out } = exchange
    const { body } = response
    const isOver = out.headersSent || out.destroyed
    try {
      if (typeof body === 'object' && Symbol.asyncIterator in body) {
        this.#closeWhenNeeded(exchange, response)
        // Ending the stream releases what it holds for its first chunk.
        if (isOver) await body[Symbol.asyncIterator]().return?.()
        else await exchange.sendStream(response, body, this.#options.turns)
      } else if (!isOver) {
        if (body !== undefined) this.#options.admission.answers(exchange, body.length)
        await this.sendWhole(exchange, response)
      }
      return response.status
    } catch (error) {
      const failure = exchange.face.failure(error, request, exchange)
      if (out.headersSent) {
        const { operation, requestId } = exchange
        const why = String(error)
        this.#options.logger.warn({ error: why, operation, requestId }, 'an answer was cut short')
        out.destroy()
      } else {
        await this.sendWhole(exchange, failure)
      }
      return failure.status
    }
  }

  /** Resolves when the answer has left: a client that does not read it keeps its place until then. */
  async sendWhole(exchange: HttpExchange, response: S3Response): Promise<void> {
    const { status, headers } = response
    const whole = response.body as string | Uint8Array | undefined
    this.#closeWhenNeeded(exchange, response)
    if (exchange.leavesBodyUnread && exchange.isSending && whole !== undefined)
      this.#linger(exchange, status, headers, whole)
    else if (await exchange.sendWhole(status, headers, whole)) response.release?.()
  }

  #closeWhenNeeded(exchange: HttpExchange, { headers }: S3Response): void {
    if (this.draining || exchange.leavesBodyUnread) headers['Connection'] = 'close'
  }

  /**
   * The client is still sending a body that is not read. Closing at once would reset the connection, and
   * the client would lose the answer: read and discard some more first.
   */
  #linger(
    exchange: HttpExchange,
    status: number,
    headers: Record<string, string>,
    body: string | Uint8Array,
  ): void {
    const { request, response } = exchange
    exchange.sentBytes = Buffer.byteLength(body)
    headers['Content-Length'] = String(exchange.sentBytes)
    response.writeHead(status, headers)
    response.write(body)
    let discarded = 0
    const end = (): void => {
      cancel()
      request.off('data', onData).off('end', end).off('close', end)
      if (!response.writableEnded) response.end()
    }
    const onData = (bytes: Uint8Array): void => {
      discarded += bytes.length
      if (discarded > LINGER_BYTES_MAX) end()
    }
    const cancel = this.#options.clock.after(LINGER_MS, end)
    request.on('error', () => {})
    request.on('data', onData).once('end', end).once('close', end)
    request.resume()
  }
}
