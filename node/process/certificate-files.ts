/** The certificates of the S3 port and their keys, from the files that the settings `tlsCert` and `tlsKey` name. */

import type { TlsCertificate } from '../../gateway/certificates.ts'
import { UsageError } from '../tools/usage-error.ts'
import type { Config } from './config.ts'
import { readTextFile } from './durable-file.ts'

/** Undefined when no files are set. Throws UsageError that names a file which is missing or can't be read. */
export function readCertificates(
  config: Pick<Config, 'tlsCert' | 'tlsKey'>,
): readonly TlsCertificate[] | undefined {
  const { tlsCert, tlsKey } = config
  if (tlsCert.length === 0) return undefined
  // resolveConfig has checked that there are as many of both.
  return tlsCert.map((path, index) => ({
    chain: textOf('tlsCert', path),
    key: textOf('tlsKey', tlsKey[index] ?? ''),
  }))
}

function textOf(field: string, path: string): string {
  let text: string | undefined
  let why = 'does not exist'
  try {
    text = readTextFile(path)
  } catch (error) {
    why = `can't be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`
  }
  if (text === undefined) throw new UsageError(`${field}: ${path} ${why}`)
  return text
}
