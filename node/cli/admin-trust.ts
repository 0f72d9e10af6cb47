/**
 * By what a command knows an admin port that speaks TLS: by certificates in a file. The file of a data directory has those of
 * the node itself, so a command on the node's machine needs no authority and no name.
 */

import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import { checkServerIdentity } from 'node:tls'
import { UsageError } from '../tools/usage-error.ts'

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** The chains, in PEM, that are trusted. Undefined: the authorities that Node trusts. Called for each request. */
export type ReadTrusted = () => string | undefined

/**
 * How a connection checks its server. A certificate that is among the trusted ones is enough, whatever names it has. Any other
 * one must be signed by one of them, and have the name of the address.
 */
export function tlsTrust(trusted: string | undefined): RequestOptions {
  if (trusted === undefined) return {}
  const known = new Set(
    (trusted.match(PEM) ?? []).map((each) => new X509Certificate(each).fingerprint256),
  )
  return {
    ca: trusted,
    allowPartialTrustChain: true,
    checkServerIdentity: (name, certificate) =>
      known.has(certificate.fingerprint256) ? undefined : checkServerIdentity(name, certificate),
  }
}

/** The file of `--admin-ca`. Throws UsageError. */
export function readTrustedFile(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new UsageError(`--admin-ca: ${path} can't be read (${code ?? 'error'})`)
  }
  try {
    const found = text.match(PEM) ?? []
    if (found.length === 0) throw new Error('none')
    for (const each of found) void new X509Certificate(each)
  } catch {
    throw new UsageError(`--admin-ca: ${path} holds no certificate in PEM`)
  }
  return text
}
