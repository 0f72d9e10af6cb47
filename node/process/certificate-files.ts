/**
 * The certificates of a port and their keys, from the files that its settings name: `tlsCert` and `tlsKey` for the S3 and
 * website ports, `adminTlsCert` and `adminTlsKey` for the admin port. And the file that tells commands which certificates the
 * admin port has.
 */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { Certificates, type TlsCertificate } from '../../gateway/http/certificates.ts'
import { UsageError } from '../tools/usage-error.ts'
import type { Config } from './config.ts'
import { readTextFile, replaceFile } from './durable-file.ts'
import { textOfSetting } from './setting-file.ts'

/** Names the settings of a port. */
export type CertificateSetting = 'tlsCert' | 'adminTlsCert'

/** What is set. */
export type CertificateConfig = Pick<Config, 'tlsCert' | 'tlsKey' | 'adminTlsCert' | 'adminTlsKey'>

/** The chains that the admin port has, one after the other. In the data directory while a node runs whose admin port speaks TLS. */
const ADMIN_CERTIFICATES_FILE = 'admin-certificates.pem'

/** Undefined when no files are set. Throws UsageError that names a file which is missing or can't be read. */
export function readCertificates(
  config: CertificateConfig,
  setting: CertificateSetting,
): readonly TlsCertificate[] | undefined {
  const keySetting = setting === 'tlsCert' ? 'tlsKey' : 'adminTlsKey'
  const { [setting]: chains, [keySetting]: keys } = config
  if (chains.length === 0) return undefined
  // resolveConfig has checked that there are as many of both.
  return chains.map((path, index) => ({
    chain: textOfSetting(setting, path),
    key: textOfSetting(keySetting, keys[index] ?? ''),
  }))
}

/** Reads the files, and throws UsageError also for certificates that can't be used. */
export function checkedCertificates(
  config: CertificateConfig,
  setting: CertificateSetting,
): readonly TlsCertificate[] | undefined {
  const certificates = readCertificates(config, setting)
  try {
    if (certificates !== undefined) void new Certificates(certificates)
  } catch (error) {
    throw new UsageError(`${setting}: ${error instanceof Error ? error.message : String(error)}`)
  }
  return certificates
}

/** Undefined when no node runs in this directory, or its admin port speaks no TLS. */
export function readAdminCertificates(directory: string): string | undefined {
  return readTextFile(join(directory, ADMIN_CERTIFICATES_FILE))
}

/** Without certificates the file is removed. They are no secret, but nobody else may replace them. */
export function writeAdminCertificates(
  directory: string,
  certificates: readonly TlsCertificate[] | undefined,
): void {
  const path = join(directory, ADMIN_CERTIFICATES_FILE)
  if (certificates === undefined) rmSync(path, { force: true })
  else replaceFile(path, certificates.map(({ chain }) => `${chain.trimEnd()}\n`).join(''))
}
