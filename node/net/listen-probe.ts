/** Checks that addresses are free to listen on, before anything else is done. */

import { createServer } from 'node:net'

export interface ListenAddress {
  readonly host: string
  /** 0 takes any. */
  readonly port: number
}

/**
 * Listens on each address for an instant, all at once. Rejects with the operating system's error:
 * EADDRINUSE, EADDRNOTAVAIL, EACCES. Another process may still take an address before the node does.
 */
export async function probeListen(addresses: readonly ListenAddress[]): Promise<void> {
  const servers = addresses.map(() => createServer())
  try {
    for (const [at, { host, port }] of addresses.entries()) {
      await new Promise<void>((resolve, reject) => {
        servers[at]!.once('error', reject).listen({ host, port, exclusive: true }, resolve)
      })
    }
  } finally {
    await Promise.all(
      servers.map((server) => new Promise<void>((resolve) => void server.close(() => resolve()))),
    )
  }
}
