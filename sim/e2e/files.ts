/** Files and trees of files with contents drawn from a seed, and their comparison byte by byte. */

import { createHash } from 'node:crypto'
import {
  createReadStream,
  mkdirSync,
  readdirSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** Bytes that depend on the seed only: SHA-256 in counter mode would be slow, so xorshift32. */
export function seededBytes(seed: number, sizeBytes: number): Buffer {
  const words = new Uint32Array(Math.ceil(sizeBytes / 4))
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x85ebca6b) >>> 0 || 1
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return Buffer.from(words.buffer, 0, sizeBytes)
}

/** A tree with empty files, nested and odd names, sizes of 0 bytes to a few hundred KiB. */
export function makeTree(root: string, files: number, seed = 1): void {
  const odd = [
    'with space',
    'ünïcødé',
    'plus+sign',
    'equals=sign',
    "quote'",
    'percent%41',
    '日本語',
  ]
  for (let i = 0; i < files; i++) {
    const folder = join(`dir-${i % 7}`, `sub-${i % 13}`)
    const name = i < odd.length ? `${odd[i]}.bin` : `file-${i}.bin`
    const sizeBytes = i % 50 === 3 ? 0 : i % 40 === 5 ? 300_000 + i : (i * 2_654_435_761) % 9_000
    const path = join(root, folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, seededBytes(seed + i, sizeBytes))
    // Long ago: S3 shows whole seconds, and a sync would take a file of this second as newer.
    utimesSync(path, 1_700_000_000, 1_700_000_000)
  }
}

/** Relative paths of all files below a directory, sorted. */
export function listTree(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort()
}

export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer)
  }
  return hash.digest('hex')
}

export async function sameFile(actual: string, expected: string): Promise<void> {
  const sizes = [statSync(actual).size, statSync(expected).size]
  if (sizes[0] !== sizes[1]) throw new Error(`${actual}: ${sizes[0]} bytes instead of ${sizes[1]}`)
  if ((await sha256File(actual)) !== (await sha256File(expected))) {
    throw new Error(`${actual}: bytes differ from ${expected}`)
  }
}

/** Rejects at the first file that is missing, too many or different. */
export async function sameTree(actual: string, expected: string): Promise<void> {
  const [got, want] = [listTree(actual), listTree(expected)]
  const missing = want.filter((path) => !got.includes(path))
  const extra = got.filter((path) => !want.includes(path))
  if (missing.length + extra.length > 0) {
    throw new Error(
      `${actual}: missing ${missing.slice(0, 5).join(', ')}; too many ${extra.slice(0, 5).join(', ')}`,
    )
  }
  for (const path of want) await sameFile(join(actual, path), join(expected, path))
}
