/** Who sends a request, as far as the connection or a trusted proxy tells. */

import type { Duplex } from 'node:stream'

/** The sender of a request. */
export interface Client {
  /** An IP address; empty when the connection is gone. */
  readonly address: string
  /** The client speaks TLS, to this node or to the proxy in front of it. */
  readonly secure: boolean
}

/** What the socket says. */
export function clientOfSocket(socket: Duplex | null | undefined): Client {
  const { remoteAddress = '', encrypted = false } = (socket ?? {}) as {
    readonly remoteAddress?: string | undefined
    readonly encrypted?: boolean | undefined
  }
  return { address: remoteAddress, secure: encrypted }
}
