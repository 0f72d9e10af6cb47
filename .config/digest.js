/** What a bundle was made from, in one text. Plain JavaScript: start.js must run before any type is stripped. */

import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const FOLDERS = ['node', 'gateway', 'protocol']

/**
 * Differs when a file that can be part of the bundle does, or an installed version. Reads some 600 files, which takes
 * 20 ms: times of files would not do, because a copy of a checkout has others.
 *
 * @param {string} root the checkout
 * @returns {string} hex
 */
export function digestOfSources(root) {
  const hash = createHash('sha256')
  const add = (path) => {
    const bytes = readFileSync(join(root, path))
    hash.update(`${path} ${bytes.length}\n`).update(bytes)
  }
  add('package-lock.json')
  add('.config/bundle.js')
  for (const folder of FOLDERS) {
    for (const name of readdirSync(join(root, folder), { recursive: true }).sort()) {
      if (/\.[jt]s$/.test(name) && !/\.(test|d)\.ts$/.test(name)) add(join(folder, name))
    }
  }
  return hash.digest('hex')
}
