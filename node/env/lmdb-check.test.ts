import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bytesOf, hex } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import { checkLmdb } from './lmdb-check.ts'
import { openLmdb } from './lmdb.ts'

const root = mkdtempSync(join(tmpdir(), 'shoal-check-'))
const path = join(root, 'crashed.mdb')
let state = 7

afterAll(() => rmSync(root, { recursive: true, force: true }))

function random(below: number): number {
  state = (state * 1_103_515_245 + 12_345) % 2 ** 31
  return Math.floor((state / 2 ** 31) * below)
}

/** Rows of all sizes, written, overwritten and removed in many commits; the file as a crash leaves it. */
beforeAll(async () => {
  const index = await openLmdb(join(root, 'index'))
  for (let commit = 0; commit < 40; commit++) {
    const batch = Array.from({ length: 60 }, () => {
      const key = bytesOf(`key-${random(700)}-${'x'.repeat(random(60))}`)
      if (random(4) === 0) return { key }
      return { key, value: new Uint8Array(random(20) === 0 ? 3_000 + random(6_000) : random(400)) }
    })
    await index.write(batch)
  }
  copyFileSync(join(root, 'index', 'data.mdb'), path)
  await index.close()
})

function rowsOf(file: string): { damage: string | undefined; rows: string } {
  const hashes: Uint8Array[] = []
  const damage = checkLmdb(file, {
    row(key, value) {
      hashes.push(blake3(key, value))
      return undefined
    },
  })
  return { damage, rows: `${hashes.length} ${hex(blake3(...hashes))}` }
}

test('a sound file is sound, and all its rows are seen in order', async () => {
  const seen: string[] = []
  expect(
    checkLmdb(path, { row: (key, value) => void seen.push(`${hex(key)}${value.length}`) }),
  ).toBe(undefined)
  const index = await openLmdb(join(root, 'index'))
  const rows: string[] = []
  index.range(bytesOf('a'), bytesOf('z'), 1e6, (key, value) => {
    rows.push(`${hex(key)}${value.length}`)
  })
  await index.close()
  expect(rows.length).toBeGreaterThan(300)
  expect(seen).toEqual(rows)
})

test('a bit flipped anywhere is found, or changes no row; nothing it says is ever an exception', () => {
  const whole = readFileSync(path)
  const sound = rowsOf(path)
  const copy = join(root, 'flipped.mdb')
  const found = new Set<string>()
  for (let i = 0; i < 200; i++) {
    copyFileSync(path, copy)
    // Half of them where the structure is: heads of pages and the offsets behind them.
    const at =
      i % 2 === 0 ? random(whole.length) : 4_096 * random(whole.length / 4_096) + random(60)
    const file = openSync(copy, 'r+')
    writeSync(file, Buffer.from([whole[at]! ^ (1 << random(8))]), 0, 1, at)
    closeSync(file)
    const { damage, rows } = rowsOf(copy)
    if (damage === undefined) {
      // Values have checksums of their own.
      expect(rows.split(' ')[0]).toBe(sound.rows.split(' ')[0])
    } else found.add(damage.replaceAll(/\d+/g, 'N'))
  }
  expect(found.size).toBeGreaterThan(5)
})

test('what the caller finds wrong is damage', () => {
  expect(checkLmdb(path, { row: () => 'a bad row' })).toBe('a bad row')
  expect(checkLmdb(path, { row: () => undefined, end: () => 'rows missing' })).toBe('rows missing')
})

test('a damaged index is replaced at the next start after a crash', async () => {
  const directory = join(root, 'again')
  const before = await openLmdb(directory)
  await before.write(
    Array.from({ length: 500 }, (_, i) => ({ key: bytesOf(`k${i}`), value: new Uint8Array(40) })),
  )
  await before.close()
  rmSync(join(directory, 'data.mdb.sealed'))
  const file = join(directory, 'data.mdb')
  const bytes = readFileSync(file)
  const leaf = [...bytes.keys()].find(
    (at) => at > 8_192 && at % 4_096 === 0 && bytes[at + 18] === 2,
  )
  bytes[(leaf as number) + 22]! ^= 64
  writeFileSync(file, bytes)
  const warnings: unknown[] = []
  const logger = {
    debug() {},
    info() {},
    warn: (fields: unknown) => warnings.push(fields),
    error() {},
  }
  const after = await openLmdb(directory, logger)
  expect(after.get(bytesOf('k1'))).toBeUndefined()
  expect(warnings).toHaveLength(1)
  await after.close()
})
