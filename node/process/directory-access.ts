/** Takes from other users the access to a data directory that they should not have. */

import { chmodSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import { CHECKED_FILE, LAYOUT_FILE, VOTE_FILE } from '../layout/layout-store.ts'
import { CREDENTIALS_FILE } from './credential-files.ts'

const OTHERS_ALL = 0o077
const OTHERS_WRITE = 0o022

/**
 * Closes what this user owns: secret files to all access by others, the directory to their changes. Earlier programs,
 * backup tools and administrators leave such modes behind. Returns the names of what was open.
 */
export function closeToOthers(path: string, isNew: boolean): string[] {
  const closed: string[] = []
  const close = (name: string, bits: number): void => {
    const found = lstatSync(join(path, name), { throwIfNoEntry: false })
    if (found === undefined || found.isSymbolicLink()) return
    if ((found.mode & bits) === 0 || found.uid !== process.getuid?.()) return
    chmodSync(join(path, name), found.mode & ~bits & 0o7777)
    closed.push(name)
  }
  // An empty directory that the user gives becomes as private as one that the start makes; a group may read a known one.
  close('.', isNew ? OTHERS_ALL : OTHERS_WRITE)
  for (const name of [CREDENTIALS_FILE, LAYOUT_FILE, CHECKED_FILE, VOTE_FILE]) {
    close(name, OTHERS_ALL)
  }
  return closed
}
