import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { UsageError } from '../tools/usage-error.ts'
import { AppendedFile, openAccessLog } from './access-file.ts'

let directory: string
let path: string
let nowMs = 0
const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => () => {} }

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-access-'))
  path = join(directory, 'access.log')
  nowMs = 0
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

function written(file: AppendedFile, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    file.write(Buffer.from(text), (error, count) => {
      if (error !== null || count !== text.length) reject(error ?? new Error('short'))
      else resolve()
    })
  })
}

describe('the file of the access log', () => {
  test('is appended to, and only its owner can read it', async () => {
    await written(new AppendedFile(path, clock), 'a\n')
    await written(new AppendedFile(path, clock), 'b\n')
    expect(readFileSync(path, 'utf8')).toBe('a\nb\n')
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  test('is made again when it was moved away', async () => {
    const file = new AppendedFile(path, clock)
    await written(file, 'a\n')
    renameSync(path, `${path}.1`)
    await written(file, 'b\n')
    expect(existsSync(path)).toBe(false)
    nowMs += 1_000
    await written(file, 'c\n')
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('a\nb\n')
    expect(readFileSync(path, 'utf8')).toBe('c\n')
  })

  test('goes on with the old file when its directory is gone', async () => {
    const file = new AppendedFile(path, clock)
    renameSync(directory, `${directory}.1`)
    nowMs += 1_000
    await written(file, 'a\n')
    renameSync(`${directory}.1`, directory)
    expect(readFileSync(path, 'utf8')).toBe('a\n')
  })

  test('is refused at the start when it can’t be opened; a pipe without a reader is not waited for', () => {
    expect(() => openAccessLog(directory, clock)).toThrow(UsageError)
    expect(() => openAccessLog(join(path, 'x'), clock)).toThrow(/ENOENT|ENOTDIR/)
    execFileSync('mkfifo', [path])
    expect(() => openAccessLog(path, clock)).toThrow(/ENXIO/)
  })

  test('does not exist when the setting is off', () => {
    expect(openAccessLog('off', clock)).toBeUndefined()
  })

  test('holds lines in order', async () => {
    const write = openAccessLog(path, clock)!
    for (let i = 0; i < 1_000; i++) write(`${i}\n`)
    while (!existsSync(path) || !readFileSync(path, 'utf8').endsWith('999\n')) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
    expect(lines).toEqual(Array.from({ length: 1_000 }, (_, i) => String(i)))
  })
})
