/**
 * Whether another process listens on an address. Sockets that share a port (SO_REUSEPORT) do not tell: a second process of
 * the same user that shares the port too is let in without an error, and takes half of the connections. A socket that does
 * not share is refused when anybody listens there, sharing or not. So such a socket is opened and closed again before the
 * first thread listens.
 *
 * What remains: two processes that get here within the same millisecond both find the port unused. Nothing closes that gap,
 * as a port cannot be shared and be one process's own at the same time. Two starts of one node never get here, because the
 * lock of the data directory comes first.
 */

import { createServer } from 'node:net'
import { listening } from './http/listening.ts'

/** Rejects with EADDRINUSE when anybody listens there, and with what else keeps this process from it. */
export async function checkUnused(host: string, port: number): Promise<void> {
  // The system never gives a port that is in use to whoever takes any free one.
  if (port === 0) return
  // Who connects in between is told at once that nobody is here yet.
  const server = createServer((socket) => socket.destroy())
  await listening(server, { host, port })
  await new Promise<void>((resolve) => server.close(() => resolve()))
}
