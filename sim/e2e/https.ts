/** Lets the nodes of a script speak TLS, and its clients trust them. */

import { appendFileSync, copyFileSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import type { TlsCertificate } from '../../gateway/http/certificates.ts'
import { AUTHORITY, SIGNED } from '../../gateway/testing/signed-certificate.ts'

/** Where Debian and its kin keep the certificate authorities that programs trust. */
const SYSTEM_BUNDLE = '/etc/ssl/certs/ca-certificates.crt'

/** Settings of a node with this certificate, whose files are written into the directory. */
export function tlsSettings(
  directory: string,
  { chain, key }: TlsCertificate,
): { SHOAL_TLS_CERT: string; SHOAL_TLS_KEY: string } {
  const cert = join(directory, 's3.pem')
  const keyFile = join(directory, 's3.key')
  writeFileSync(cert, chain)
  writeFileSync(keyFile, key, { mode: 0o600 })
  return { SHOAL_TLS_CERT: cert, SHOAL_TLS_KEY: keyFile }
}

/**
 * This process, and the programs that it starts, trust the chains from now on, besides those that they trust anyway.
 * Each kind of client looks for its authorities in another variable.
 */
export function trustAuthorities(directory: string, ...chains: readonly string[]): void {
  setDefaultCACertificates([...getCACertificates('default'), ...chains])
  const bundle = join(directory, 'authorities.pem')
  if (existsSync(SYSTEM_BUNDLE)) copyFileSync(SYSTEM_BUNDLE, bundle)
  appendFileSync(bundle, chains.join(''))
  const names = ['AWS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'NODE_EXTRA_CA_CERTS', 'REQUESTS_CA_BUNDLE']
  for (const name of [...names, 'SSL_CERT_FILE']) process.env[name] = bundle
}

/** The settings of nodes that speak TLS at 127.0.0.1. Their clients trust them. */
export function speakTls(directory: string): Readonly<Record<string, string>> {
  trustAuthorities(directory, AUTHORITY)
  return tlsSettings(directory, SIGNED)
}
