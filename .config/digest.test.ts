import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { digestOfSources } from './digest.js'

let parent: string
let root: string

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'shoal-digest-'))
  root = join(parent, 'checkout')
  for (const folder of ['node/cli', 'gateway', 'protocol/rpc', '.config']) {
    mkdirSync(join(root, folder), { recursive: true })
  }
  write('node/main.ts', 'a')
  write('protocol/rpc/messages.js', 'b')
  write('package-lock.json', '{}')
  write('.config/bundle.js', '')
})

afterEach(() => rmSync(parent, { recursive: true, force: true }))

function write(path: string, text: string): void {
  writeFileSync(join(root, path), text)
}

it.each([
  ['a source has other text', 'node/main.ts', 'x'],
  ['a source is added', 'node/cli/new.ts', ''],
  ['generated JavaScript has other text', 'protocol/rpc/messages.js', 'x'],
  ['a package has another version', 'package-lock.json', '{"a":1}'],
  ['the bundle is made in another way', '.config/bundle.js', 'x'],
])('differs when %s', (_case, path, text) => {
  const before = digestOfSources(root)
  write(path, text)
  expect(digestOfSources(root)).not.toBe(before)
})

it('differs when a source is gone', () => {
  const before = digestOfSources(root)
  rmSync(join(root, 'node/main.ts'))
  expect(digestOfSources(root)).not.toBe(before)
})

it('is the same for a copy, and whatever is in tests', () => {
  const copy = join(parent, 'copy')
  cpSync(root, copy, { recursive: true })
  write('node/main.test.ts', 'x')
  expect(digestOfSources(root)).toBe(digestOfSources(copy))
})
