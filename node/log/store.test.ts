/** The store on the real disk and on LMDB. Faults and crashes: sim/log/store-*.test.ts. */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { bytesOf, byteString, hex } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import { Store } from './store.ts'
import { RealDirectories, realStoreOptions } from './testing/real-store.ts'
import type { LogPosition, NewRecord, StoreOptions } from './types.ts'

const directories = new RealDirectories('shoal-store-')

afterAll(() => rmSync(directories.root, { recursive: true, force: true }))

function optionsAt(directory: string, options: Partial<StoreOptions> = {}): StoreOptions {
  return realStoreOptions(directory, {
    // A record of type 9 removes the row of its key.
    apply: ({ type, key }, position) => [
      type === 9 ? { key: bytesOf(key) } : { key: bytesOf(key), value: rowOf(position) },
    ],
    ...options,
  })
}

function rowOf(position: LogPosition): Uint8Array {
  return bytesOf(`${position.segment},${position.offset},${position.lengthBytes}`)
}

function positionOf(row: Uint8Array | undefined): LogPosition {
  const [segment, offset, lengthBytes] = byteString(row as Uint8Array).split(',')
  return { segment: Number(segment), offset: Number(offset), lengthBytes: Number(lengthBytes) }
}

function rows(store: Store, start: string, end: string, limit = 1e6): string[] {
  const found: string[] = []
  store.range(bytesOf(start), bytesOf(end), limit, (key) => {
    found.push(byteString(key))
  })
  return found
}

const remove = (key: string): NewRecord => ({ type: 9, partition: 0, key, body: new Uint8Array(0) })
const put = (key: string, payload?: Uint8Array): NewRecord => ({
  type: 1,
  partition: 5,
  key,
  body: bytesOf(`body of ${key}`),
  payload,
})

describe('store', () => {
  test('a record reads back exactly as it was appended, whatever its size', async () => {
    const directory = directories.fresh()
    const store = await Store.open(optionsAt(directory))
    const sizes = [1, 7, 8, 4_096, 32 << 10, (32 << 10) + 1, 65_536, 1 << 20]
    const records = sizes.map((size): NewRecord => {
      const payload = new Uint8Array(size).map((_, i) => (i * 7 + size) & 255)
      return { ...put(`k\u00ff\0${size}`, payload), payloadHash: blake3(payload) }
    })
    const positions = await store.append([put('plain'), ...records])
    for (const [i, expected] of [put('plain'), ...records].entries()) {
      const position = positions[i] as LogPosition
      const { type, partition, key, body, payload } = await store.readRecord(position)
      expect([type, partition, key, byteString(body)]).toEqual([
        expected.type,
        expected.partition,
        expected.key,
        byteString(expected.body),
      ])
      expect(payload?.length).toBe(expected.payload?.length)
      expect(hex(blake3(payload ?? new Uint8Array(0)))).toBe(
        hex(blake3(expected.payload ?? new Uint8Array(0))),
      )
      const into = new Uint8Array(position.lengthBytes + 100)
      const read = await store.readPayload(position, into)
      expect(read.length).toBe(expected.payload?.length ?? 0)
      if (read.length > 0) expect(read.buffer).toBe(into.buffer)
      if (position.lengthBytes <= 64 << 10) {
        expect(store.readPayloadSync(position)).toEqual(expected.payload ?? new Uint8Array(0))
      }
    }
    await store.close()
  })

  test('a start on a real disk finds nothing lost, and the log that it had', async () => {
    const directory = directories.fresh()
    let logId: Uint8Array | undefined
    for (let i = 0; i < 3; i++) {
      const store = await Store.open({
        ...optionsAt(directory),
        expected: logId && { logId },
      })
      expect(store.losses()).toEqual([])
      logId = store.logId
      await store.append([put(`k${i}`)])
      await store.close()
    }
  })
})

describe('rows of a store', () => {
  test('rows show merged: the index below, what it has not committed above', async () => {
    const directory = directories.fresh()
    let store = await Store.open(optionsAt(directory))
    await store.append(['a', 'c', 'e', 'g', 'i'].map((key) => put(key)))
    await store.commitIndex()
    expect(store.stats().pendingRows).toBe(0)
    await store.append([put('b'), remove('c'), put('e'), remove('g'), put('v'), remove('u')])
    // Six and the segment's count of padding.
    expect(store.stats().pendingRows).toBe(7)
    const check = (): void => {
      expect(rows(store, 'a', 'w')).toEqual(['a', 'b', 'e', 'i', 'v'])
      expect(rows(store, 'b', 'i')).toEqual(['b', 'e'])
      for (let limit = 0; limit <= 5; limit++) {
        expect(rows(store, 'a', 'w', limit)).toEqual(['a', 'b', 'e', 'i', 'v'].slice(0, limit))
      }
      expect(store.get(bytesOf('c'))).toBeUndefined()
      expect(store.get(bytesOf('b'))).toBeDefined()
      let seen = 0
      store.range(bytesOf('a'), bytesOf('w'), 10, () => ++seen < 3)
      expect(seen).toBe(3)
    }
    check()
    await store.commitIndex()
    check()
    await store.close()
    store = await Store.open(optionsAt(directory))
    check()
    await store.close()
  })

  test('without its index, or with another version of apply, it is rebuilt', async () => {
    const directory = directories.fresh()
    let store = await Store.open(optionsAt(directory, { segmentSizeBytes: 100_000 }))
    for (let i = 0; i < 60; i++) {
      await store.append([put(`k${i % 40}`, new Uint8Array(9_000).fill(i)), put(`small ${i}`)])
    }
    expect(store.stats().segments).toBeGreaterThan(4)
    const before = rows(store, 'a', 'w')
    await store.close()
    rmSync(join(directory, 'index'), { recursive: true })
    store = await Store.open(optionsAt(directory))
    expect(rows(store, 'a', 'w')).toEqual(before)
    const payload = await store.readPayload(positionOf(store.get(bytesOf('k7'))))
    expect(payload).toEqual(new Uint8Array(9_000).fill(47))
    await store.close()
    store = await Store.open(
      optionsAt(directory, {
        indexVersion: 2,
        apply: ({ key }, position) => [{ key: bytesOf(`new ${key}`), value: rowOf(position) }],
      }),
    )
    expect(rows(store, 'a', 'w')).toEqual(before.map((key) => `new ${key}`))
    await store.close()
  })
})

describe('appends to a store', () => {
  test('a closed store takes nothing more', async () => {
    const store = await Store.open(optionsAt(directories.fresh()))
    const last = store.append([put('a')])
    await store.close()
    await last
    await expect(store.append([put('b')])).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('apply sees what earlier records of the same batch did', async () => {
    const store = await Store.open(
      optionsAt(directories.fresh(), {
        apply: ({ key }, _position, current) => {
          const before = current(bytesOf(key))
          return [{ key: bytesOf(key), value: bytesOf(`${before ? byteString(before) : ''}+`) }]
        },
      }),
    )
    await store.append([put('a'), put('a'), put('a')])
    expect(byteString(store.get(bytesOf('a')) as Uint8Array)).toBe('+++')
    await store.close()
  })
})
