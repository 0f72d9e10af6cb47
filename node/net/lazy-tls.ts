/**
 * libp2p's TLS, loaded for the first handshake. It brings 260 modules that read and write certificates, and a node
 * without peers never needs them. TLS makes a certificate before it reads from a connection, so what a peer sends
 * while the modules load waits as it would have waited for that.
 */

import { serviceCapabilities, type ConnectionEncrypter } from '@libp2p/interface'
import type { TLSComponents } from '@libp2p/tls'

/** The protocol that peers agree on. A test compares it with the package's own. */
const PROTOCOL = '/tls/1.0.0'

export function lazyTls(): (components: TLSComponents) => ConnectionEncrypter {
  return (components) => {
    let loaded: Promise<ConnectionEncrypter> | undefined
    const load = (): Promise<ConnectionEncrypter> =>
      (loaded ??= import('@libp2p/tls').then(({ tls }) => tls()(components)))
    const encrypter: ConnectionEncrypter = {
      protocol: PROTOCOL,
      secureInbound: async (connection, options) =>
        (await load()).secureInbound(connection, options),
      secureOutbound: async (connection, options) =>
        (await load()).secureOutbound(connection, options),
    }
    return Object.assign(encrypter, { [serviceCapabilities]: ['@libp2p/connection-encryption'] })
  }
}
