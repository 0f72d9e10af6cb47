/** Files and directories that are durable when the call returns. For the few small files of a data directory. */

import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'

/** Undefined when there is no such file. */
export function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}

/**
 * Replaces a file whole: a crash leaves the old content or the new. Only its owner can read it. Durable when it returns.
 */
export function replaceFile(path: string, text: string): void {
  const temporary = `${path}.new`
  rmSync(temporary, { force: true })
  writeFileSync(temporary, text, { mode: 0o600, flush: true })
  renameSync(temporary, path)
  syncDirectory(dirname(path))
}

/** Makes a directory and its parents, each durable in the one above it. Only its owner can enter it. */
export function makeDirectory(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return
  const first = mkdirSync(path, { recursive: true, mode: 0o700 })
  for (let made = path; made.length >= (first ?? path).length; made = dirname(made)) {
    syncDirectory(dirname(made))
    if (made === dirname(made)) break
  }
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
