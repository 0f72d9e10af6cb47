import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { IssuerKeysFile, issuerKeysOf } from './issuer-keys-file.ts'

const KEY = { kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: 'one' }
const ISSUER = 'https://idp.example.org'
const textWith = (kid: string): string => JSON.stringify({ [ISSUER]: { keys: [{ ...KEY, kid }] } })

let directory: string
let path: string
let nowMs = 0
let problems: unknown[]

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-issuers-'))
  path = join(directory, 'issuers.json')
  problems = []
})
afterEach(() => rmSync(directory, { recursive: true }))

function open(from = path): IssuerKeysFile {
  const logger = {
    debug() {},
    info() {},
    warn() {},
    error: (fields: unknown) => problems.push(fields),
  }
  return new IssuerKeysFile({
    path: from === '' ? undefined : from,
    clock: { monotonicMs: () => nowMs },
    logger,
  })
}

const kidOf = (file: IssuerKeysFile): unknown => file.current().get(ISSUER)?.keys[0]?.kid

test('changes of the file count 10 s later, or when they are asked for', () => {
  writeFileSync(path, textWith('one'))
  const file = open()
  expect(kidOf(file)).toBe('one')
  writeFileSync(path, textWith('two'))
  nowMs += 9_000
  expect(kidOf(file)).toBe('one')
  nowMs += 1_000
  expect(kidOf(file)).toBe('two')
  writeFileSync(path, textWith('three'))
  file.look()
  expect(kidOf(file)).toBe('three')
})

test('a file that cannot be used is named once, and the keys stay', () => {
  writeFileSync(path, textWith('one'))
  const file = open()
  writeFileSync(path, '{')
  file.look()
  file.look()
  expect(problems).toEqual([{ reason: `oidcKeys: ${path}: it is not JSON` }])
  rmSync(path)
  file.look()
  expect(problems).toHaveLength(2)
  expect(kidOf(file)).toBe('one')
})

test('a start needs the file that is named, and none when none is', () => {
  expect(() => open()).toThrow(`oidcKeys: ${path} does not exist`)
  expect(open('').current().size).toBe(0)
})

test.each([
  ['[]', /not an object/],
  ['{"http://idp.example.org":{"keys":[]}}', /https:/],
  [`{"${ISSUER}":{}}`, /no set of keys/],
  [`{"${ISSUER}":{"keys":[{"kty":"oct","k":"AA"}]}}`, /secret or private key/],
  [`{"${ISSUER}":{"keys":[{"kty":"EC","d":"AA"}]}}`, /secret or private key/],
])('%s is refused', (text, why) => {
  expect(() => issuerKeysOf(text, 'f')).toThrow(why)
})
