/** Files that settings name: certificates, keys, the keys of OIDC issuers. */

import { UsageError } from '../tools/usage-error.ts'
import { readTextFile } from './durable-file.ts'

/** The text of the file that the setting names. Throws UsageError, which names both, when it is missing or can't be read. */
export function textOfSetting(setting: string, path: string): string {
  let text: string | undefined
  let why = 'does not exist'
  try {
    text = readTextFile(path)
  } catch (error) {
    why = `can't be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`
  }
  if (text === undefined) throw new UsageError(`${setting}: ${path} ${why}`)
  return text
}
