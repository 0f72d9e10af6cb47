import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { LOG_DIRECTORY } from './segment.ts'
import { Store } from './store.ts'
import { RealDirectories, realStoreOptions } from './testing/real-store.ts'

const { root } = new RealDirectories('shoal-read-')

afterAll(() => rmSync(root, { recursive: true, force: true }))

function open(): Promise<Store> {
  return Store.open(realStoreOptions(root))
}

test('header, key and body come without the payload, verified, however long they are', async () => {
  const store = await open()
  const records = [10, 1_100, 9_000].map((length, i) => ({
    type: 1,
    partition: 5,
    key: `key ${i}`,
    body: new Uint8Array(length).fill(i + 1),
    payload: new Uint8Array(100_000).fill(7),
  }))
  const positions = await store.append(records)
  for (const [i, position] of positions.entries()) {
    const { payload: _, ...rest } = records[i]!
    expect(await store.readMeta(position)).toEqual(rest)
  }
  const wrong = { ...positions[1]!, offset: positions[1]!.offset + 8 }
  await expect(store.readMeta(wrong)).rejects.toMatchObject({ code: 'MISDIRECTED' })
  await store.close()

  // A flipped bit of the payload is none of its business; one of the body is.
  const [name] = readdirSync(join(root, LOG_DIRECTORY)) as [string]
  const path = join(root, LOG_DIRECTORY, name)
  const bytes = readFileSync(path)
  bytes[positions[0]!.offset + positions[0]!.lengthBytes - 500]! ^= 1
  bytes[positions[2]!.offset + 5_000]! ^= 1
  writeFileSync(path, bytes)
  const again = await open()
  expect((await again.readMeta(positions[0]!)).key).toBe('key 0')
  await expect(again.readMeta(positions[2]!)).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' })
  await again.close()
})
