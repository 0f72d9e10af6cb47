/** The two secrets of a data directory that people and commands use: root credentials and the admin credential. */

import { lstatSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import {
  ADMIN_CREDENTIAL,
  ADMIN_CREDENTIAL_FILE,
  type AdminCredential,
} from '../../gateway/port/admin-credential.ts'
import { checkedFields, withChecksum } from '../tools/checked-json.ts'
import { UsageError } from '../tools/usage-error.ts'
import { readTextFile, replaceFile } from './durable-file.ts'

export const CREDENTIALS_FILE = 'credentials.json'

export interface RootCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

const rootCredentials = z.object({
  accessKeyId: z.string().min(1),
  secretAccessKey: z.string().min(1),
})

/** Reads credentials.json. Undefined when this node did not found the cluster. Throws UsageError when it is damaged. */
export function readCredentials(directory: string): RootCredentials | undefined {
  const path = join(directory, CREDENTIALS_FILE)
  const text = readTextFile(path)
  if (text === undefined) return undefined
  try {
    return rootCredentials.parse(checkedFields(JSON.parse(text)).fields)
  } catch {
    throw new UsageError(`${path} is damaged: it needs accessKeyId and secretAccessKey`)
  }
}

/** Mode 0600, durable when it returns. */
export function writeCredentials(directory: string, credentials: RootCredentials): void {
  const { accessKeyId, secretAccessKey } = credentials
  const checked = withChecksum({ accessKeyId, secretAccessKey })
  replaceFile(join(directory, CREDENTIALS_FILE), `${JSON.stringify(checked, undefined, 2)}\n`)
}

/**
 * Reads the admin credential of the node that runs in this directory. Undefined when none runs. Throws UsageError when
 * this user may not read it, or when a node did not write it.
 */
export function readAdminCredential(directory: string): string | undefined {
  const path = join(directory, ADMIN_CREDENTIAL_FILE)
  let text: string | undefined
  try {
    text = readTextFile(path)?.trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EACCES' && code !== 'EPERM') throw error
    throw new UsageError(`${path} can't be read: run this as the user who runs the node`)
  }
  if (text === undefined || ADMIN_CREDENTIAL.test(text)) return text
  throw new UsageError(`${path} holds no admin credential: start the node again`)
}

/** Throws UsageError when the file system lets other users read the file. */
export function writeAdminCredential({ secret, path }: AdminCredential): void {
  replaceFile(path, `${secret}\n`)
  if (isReadByOwnerOnly(path)) return
  rmSync(path, { force: true })
  throw new UsageError(
    `${dirname(path)} is on a file system that lets other users read its files: secrets can't be kept there`,
  )
}

/** True on systems that have no such modes. */
function isReadByOwnerOnly(path: string): boolean {
  const self = process.getuid?.()
  if (self === undefined) return true
  const { mode, uid } = lstatSync(path)
  return (mode & 0o077) === 0 && uid === self
}
