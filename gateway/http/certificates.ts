/**
 * The certificates of a port: which one a connection gets, by the server name that its client asks for.
 *
 * Called by ../listener.ts and ../admin/api.ts. node/process reads them from files.
 */

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { SecureContext, SecureContextOptions, TlsOptions } from 'node:tls'

/** A certificate and its private key, in PEM. */
export interface TlsCertificate {
  /** The certificate first, then those between it and the root. */
  readonly chain: string
  /** Without a passphrase. */
  readonly key: string
}

interface Entry {
  readonly leaf: X509Certificate
  readonly options: SecureContextOptions
  readonly context: SecureContext
}

/** One set of certificates. A reload makes another one. */
export class Certificates {
  readonly #entries: readonly Entry[]
  readonly #first: Entry

  /** Throws an error that says what is wrong with which certificate, counted from 1. */
  constructor(certificates: readonly TlsCertificate[]) {
    this.#entries = certificates.map((each, index) => entryOf(each, index + 1))
    const [first] = this.#entries
    if (first === undefined) throw new Error('there is no certificate')
    this.#first = first
  }

  /** For clients that name no server. */
  get fallback(): SecureContextOptions {
    return this.#first.options
  }

  /** The first certificate that is valid for the name, else the first of all. */
  contextFor(serverName: string): SecureContext {
    const found = this.#entries.find(({ leaf }) => leaf.checkHost(serverName) !== undefined)
    return (found ?? this.#first).context
  }
}

/**
 * The options of a server whose new connections get the certificates that `current` returns. After a reload, also give its
 * `fallback` to the server's setSecureContext.
 */
export function tlsOptionsOf(current: () => Certificates, handshakeTimeout: number): TlsOptions {
  return {
    ...current().fallback,
    handshakeTimeout,
    SNICallback: (name, done) => done(null, current().contextFor(name)),
  }
}

function entryOf({ chain, key }: TlsCertificate, number: number): Entry {
  try {
    const leaf = new X509Certificate(chain)
    if (!leaf.checkPrivateKey(createPrivateKey(key))) {
      throw new Error('the key is not that of the certificate')
    }
    const options: SecureContextOptions = { cert: chain, key, minVersion: 'TLSv1.2' }
    return { leaf, options, context: createSecureContext(options) }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`certificate ${number}: ${reason}`, { cause: error })
  }
}
