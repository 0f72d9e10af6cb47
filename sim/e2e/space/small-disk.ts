/** A file system of its own in a file, mounted until this process ends. */

import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

/** Mounts it at `scratch`/`name` and returns that path; undefined where mounting is not permitted. */
export function mountSmallDisk(scratch: string, name: string, sizeMib: number): string | undefined {
  const image = join(scratch, `${name}.img`)
  const path = join(scratch, name)
  mkdirSync(path)
  try {
    execFileSync('truncate', ['-s', `${sizeMib}M`, image], { timeout: 10_000 })
    execFileSync('mkfs.ext4', ['-q', '-m', '0', image], { timeout: 30_000 })
    execFileSync('mount', ['-o', 'loop', image, path], { timeout: 30_000, stdio: 'ignore' })
  } catch {
    return undefined
  }
  process.on('exit', () => {
    execFileSync('umount', ['-l', path], { timeout: 10_000 })
  })
  return path
}
