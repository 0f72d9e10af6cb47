import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { indexCompliance } from './testing/index.compliance.ts'
import { openLmdb } from './lmdb.ts'
import type { Index } from './ports.ts'

const root = mkdtempSync(join(tmpdir(), 'shoal-lmdb-'))
const places = new Map<Index, string>()
let count = 0

async function openAt(directory: string): Promise<Index> {
  const index = await openLmdb(directory)
  places.set(index, directory)
  return index
}

afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('index over LMDB', () => {
  indexCompliance(
    () => openAt(join(root, String(count++))),
    async (index) => {
      await index.close()
      return openAt(places.get(index) as string)
    },
  )

  async function filled(): Promise<string> {
    const directory = join(root, String(count++))
    const index = await openLmdb(directory)
    const key = (i: number): Uint8Array => Uint8Array.of(1, i >> 8, i & 255)
    await index.write(
      Array.from({ length: 5_000 }, (_, i) => ({ key: key(i), value: new Uint8Array(100) })),
    )
    await index.close()
    return directory
  }

  test('a file cut short opens as an empty index, ready to be rebuilt', async () => {
    const directory = await filled()
    const file = join(directory, 'data.mdb')
    truncateSync(file, Math.floor(statSync(file).size / 3))
    const index = await openLmdb(directory)
    expect(index.get(Uint8Array.of(1, 0, 0))).toBeUndefined()
    await index.write([{ key: Uint8Array.of(1), value: Uint8Array.of(2) }])
    expect(index.get(Uint8Array.of(1))).toEqual(Uint8Array.of(2))
    await index.close()
  })

  test.each([100, 8_300, 40_000])('a flipped bit at %i shows', async (at) => {
    const directory = await filled()
    const file = join(directory, 'data.mdb')
    const bytes = readFileSync(file)
    bytes[at]! ^= 1
    writeFileSync(file, bytes)
    const index = await openLmdb(directory)
    expect(index.get(Uint8Array.of(1, 0, 0))).toBeUndefined()
    await index.close()
  })

  test('what was closed opens as it was, again and again', async () => {
    const directory = await filled()
    for (let round = 0; round < 3; round++) {
      const index = await openLmdb(directory)
      expect(index.get(Uint8Array.of(1, 0, 7))).toHaveLength(100)
      await index.write([{ key: Uint8Array.of(2, round), value: Uint8Array.of(round) }])
      await index.close()
    }
  })

  test('a file that is no database opens as an empty index', async () => {
    const directory = await filled()
    writeFileSync(join(directory, 'data.mdb'), Buffer.alloc(100_000, 0xab))
    const index = await openLmdb(directory)
    expect(index.get(Uint8Array.of(1, 0, 0))).toBeUndefined()
    await index.close()
  })
})
