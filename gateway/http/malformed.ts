/**
 * Answers to malformed HTTP, to heads that are too large or too slow, and to CONNECT: none of these becomes a
 * request. The answers have no request id, and then the connection is closed (F26, F34).
 */

import type { Duplex } from 'node:stream'

/** A refusal without a body, and why. */
export interface PlainRefusal {
  readonly status: number
  /** The HTTP parser's code for the error. */
  readonly code: string
  readonly reason: string
}

const PHRASES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
}

/** Shoal is an origin server, which need not offer tunnels (RFC 9110 9.1, 9.3.6). */
export const NO_TUNNELS: PlainRefusal = {
  status: 501,
  code: 'CONNECT',
  reason: 'this server opens no tunnels',
}

/** The refusal for an error of Node's HTTP parser. */
export function refusalOf(error: NodeJS.ErrnoException): PlainRefusal {
  const { code = 'unknown', message } = error
  const status =
    code === 'HPE_HEADER_OVERFLOW' ? 431 : code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
  return { status, code, reason: message }
}

/** `answered`: an answer to this request has already begun, so only the connection is closed. */
export function sendPlain(socket: Duplex, { status }: PlainRefusal, answered: boolean): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  if (answered) {
    socket.end()
    return
  }
  socket.end(
    `HTTP/1.1 ${status} ${PHRASES[status]}\r\nServer: Shoal\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
  )
}
