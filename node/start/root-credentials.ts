/**
 * Root credentials of a cluster. Only the node that founds it has them: as the user gave them, or drawn at random at
 * its first start and kept in credentials.json.
 */

import { byteString } from '../../protocol/bytes.ts'
import type { RootCredential } from '../assembly/node-options.ts'
import type { Logger, Random } from '../env/ports.ts'
import type { Config } from '../process/config.ts'
import type { RootCredentials } from '../process/credential-files.ts'
import type { DataDirectory } from '../process/data-directory.ts'
import { isMemberDirectory } from '../process/known-directory.ts'

/** Base32 of RFC 4648: 32 letters, so five random bits choose one without bias. */
const ACCESS_KEY_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/**
 * Returns the root credentials that this directory has, or draws and keeps new ones when it is about
 * to found a cluster. Undefined on nodes that did not found the cluster, and on a founder that has
 * lost the file. Throws UsageError when the file is damaged and no cluster exists yet.
 */
export function rootCredentialsOf(
  directory: DataDirectory,
  config: Config,
  random: Random,
  logger: Logger,
): RootCredentials | undefined {
  if (directory.node.origin !== 'found') return undefined
  const known = storedCredentials(directory, logger)
  if (known !== undefined) return known
  // The cluster exists and has its root already: keys drawn now would be unknown to it.
  if (isMemberDirectory(directory.path)) return undefined
  const drawn = drawCredentials(config, random)
  directory.writeCredentials(drawn)
  return drawn
}

/** Twelve digits, as AWS account ids have; made from the founder's storage id. */
export function accountIdOf(storage: string): RootCredential['accountId'] {
  return String(Number.parseInt(storage.slice(0, 12), 16) % 1e12).padStart(12, '0')
}

/** A cluster that exists does not read the file, so damage to it keeps no member from serving. */
function storedCredentials(directory: DataDirectory, logger: Logger): RootCredentials | undefined {
  try {
    return directory.credentials()
  } catch (error) {
    if (!isMemberDirectory(directory.path)) throw error
    const { message } = error as Error
    logger.warn({ error: message }, 'credentials.json is damaged: the cluster does not need it')
    return undefined
  }
}

/** As the user gave them, or random. The configuration has both keys or neither. */
function drawCredentials(config: Config, random: Random): RootCredentials {
  const { rootAccessKey, rootSecretKey } = config
  if (rootAccessKey !== undefined && rootSecretKey !== undefined) {
    return { accessKeyId: rootAccessKey, secretAccessKey: rootSecretKey }
  }
  const letters = byteString(random.bytes(16)).split('')
  const accessKeyId = letters.map((each) => ACCESS_KEY_LETTERS[each.charCodeAt(0) & 31]).join('')
  return {
    accessKeyId: `SHOA${accessKeyId}`,
    secretAccessKey: Buffer.from(random.bytes(30)).toString('base64url'),
  }
}
