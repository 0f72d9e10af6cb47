/** D8, D9: what is missing of a log is noticed, written down before anything goes on, and never a tail. */

import { describe, expect, test } from 'vitest'
import { bytesOf } from '../../protocol/bytes.ts'
import type { Store } from '../../node/log/store.ts'
import type { LogPosition, NewRecord } from '../../node/log/types.ts'
import { StoreWorld, type StoreWorldOptions } from './store-world.ts'

const PAGE = 4_096
const MANIFEST = 'log/manifest'

function record(key: string, payloadBytes = 0): NewRecord {
  const body = bytesOf(`${key} version 1 `)
  if (payloadBytes === 0) return { type: 1, partition: 7, key, body }
  const payload = Uint8Array.from({ length: payloadBytes }, (_, i) => (31 + i) & 255)
  return { type: 2, partition: 7, key, body, payload }
}

async function opened(options: Partial<StoreWorldOptions> = {}): Promise<StoreWorld> {
  const world = new StoreWorld({ seed: 1, segmentSizeBytes: 16 << 10, ...options })
  await world.open()
  return world
}

async function append(world: StoreWorld, ...records: NewRecord[]): Promise<LogPosition[]> {
  return world.clock.settle((world.store as Store).append(records))
}

/** Each key in a segment of its own. */
async function segments(count: number): Promise<StoreWorld> {
  const world = await opened()
  for (let i = 1; i <= count; i++) await append(world, record(`k${i}`, 12_000))
  expect(world.store?.segments()).toHaveLength(count)
  return world
}

async function stop(world: StoreWorld, how: 'clean' | 'kill'): Promise<void> {
  if (how === 'clean') await world.clock.settle((world.store as Store).close())
  world.crash('kill')
}

async function remove(world: StoreWorld, path: string): Promise<void> {
  await world.clock.settle(world.disk.remove(path))
}

async function truncate(world: StoreWorld, path: string, sizeBytes: number): Promise<void> {
  const file = await world.clock.settle(world.disk.open(path, 'write'))
  await world.clock.settle(file.truncate(sizeBytes))
}

async function pass(world: StoreWorld, ms: number): Promise<void> {
  const until = world.clock.monotonicMs() + ms
  world.clock.after(ms, () => {})
  await world.clock.runUntil(() => world.clock.monotonicMs() >= until)
}

async function keys(world: StoreWorld): Promise<string[]> {
  return [...(await world.contents()).keys()].toSorted()
}

function reasons(world: StoreWorld): string[] {
  return (world.store as Store).losses().map(({ reason }) => reason)
}

const pathOf = (segment: number): string => `log/${String(segment).padStart(10, '0')}.seg`

describe('a segment that is missing (D9)', () => {
  for (const index of [true, false]) {
    for (const [where, segment] of [
      ['first', 1],
      ['middle', 2],
      ['last', 3],
    ] as const) {
      test(`the ${where}, ${index ? 'with' : 'without'} an index`, async () => {
        const world = await segments(3)
        await world.clock.settle((world.store as Store).commitIndex())
        await stop(world, 'kill')
        await remove(world, pathOf(segment))
        if (!index) world.indexStore.delete()
        await world.open()
        expect(world.forgotten).toContainEqual({
          partitions: 'all',
          mark: true,
          reason: 'segment-missing',
          detail: `segment ${segment} of the log is missing`,
        })
        // Noticed once; its number is not used again.
        await append(world, record('k4'))
        expect(world.store?.segments().map((info) => info.segment)).not.toContain(segment)
        await stop(world, 'kill')
        await world.open()
        expect(reasons(world)).toEqual([])
        await stop(world, 'kill')
        world.indexStore.delete()
        await world.open()
        // Removals that lay there are known to the index alone, if there was one (D7).
        expect(reasons(world)).toEqual(index ? ['segment-missing'] : [])
        expect(await keys(world)).toHaveLength(3)
      })
    }
  }

  test('is written down before the manifest forgets it, and before the index passes it', async () => {
    const world = await segments(3)
    await stop(world, 'kill')
    await remove(world, pathOf(2))
    world.indexStore.delete()
    for (let point = 0; point < 30; point++) {
      const moment = world.clone(point)
      moment.disk.haltAt = moment.disk.mutations + point
      const there = await moment.tryOpen()
      if (!there) {
        moment.crash('cut')
        await moment.open()
      }
      // By the start that was cut short, or by the next one.
      expect([point, moment.forgotten.length > 0]).toEqual([point, true])
    }
  })
})

describe('the manifest', () => {
  test('a bad byte anywhere in it loses nothing, and is mended', async () => {
    const world = await segments(3)
    await stop(world, 'clean')
    const size = world.disk.contentOf(MANIFEST).length
    for (let byte = 0; byte < size; byte += byte % PAGE < 90 ? 1 : 500) {
      const moment = world.clone(byte)
      moment.disk.corrupt(MANIFEST, byte, 1 << (byte % 8))
      await moment.open()
      expect([byte, reasons(moment)]).toEqual([byte, []])
      await append(moment, record('k4'))
      expect(await keys(moment)).toEqual(['k1', 'k2', 'k3', 'k4'])
    }
  })

  for (const [how, break_] of [
    ['gone', (world: StoreWorld) => remove(world, MANIFEST)],
    ['cut short', (world: StoreWorld) => truncate(world, MANIFEST, 100)],
    ['empty', (world: StoreWorld) => truncate(world, MANIFEST, 0)],
  ] as const) {
    test(`${how}: damage, and made anew`, async () => {
      const world = await segments(2)
      await stop(world, 'clean')
      await break_(world)
      await world.open()
      expect(reasons(world)).toEqual(['damage'])
      await stop(world, 'kill')
      await world.open()
      expect(reasons(world)).toEqual([])
      await stop(world, 'kill')
      await remove(world, pathOf(1))
      await world.open()
      expect(reasons(world)).toEqual(['segment-missing'])
    })
  }

  test('of a log from before there were manifests it is made, and nothing is lost', async () => {
    const world = await segments(2)
    await stop(world, 'kill')
    await remove(world, MANIFEST)
    await remove(world, 'log/id')
    const { blake3 } = await import('../../protocol/hash.ts')
    const id = new Uint8Array(16).fill(7)
    const bytes = new Uint8Array([...id, ...blake3(id).subarray(0, 16)])
    await world.clock.settle(world.disk.writeFile('log/id', bytes))
    await world.open()
    expect(reasons(world)).toEqual([])
    expect(await keys(world)).toEqual(['k1', 'k2'])
    await stop(world, 'kill')
    await remove(world, pathOf(1))
    await world.open()
    expect(reasons(world)).toEqual(['segment-missing'])
  })
})

describe('the last batch (D4, D9)', () => {
  /** After a stop, or a rest, with the last batch at `offset`. */
  async function written(how: 'clean' | 'idle'): Promise<{ world: StoreWorld; offset: number }> {
    const world = await opened({ segmentSizeBytes: 1 << 20 })
    await append(world, record('k1'))
    const [last] = await append(world, record('k2'), record('k3', 300))
    if (how === 'idle') await pass(world, 2_500)
    await stop(world, how === 'clean' ? 'clean' : 'kill')
    world.indexStore.delete()
    return { world, offset: (last as LogPosition).offset - 64 }
  }

  for (const how of ['clean', 'idle'] as const) {
    test(`once ${how === 'clean' ? 'stopped' : 'idle'}, a bad byte in it is corruption, never a tail`, async () => {
      const { world, offset } = await written(how)
      const size = world.disk.contentOf(pathOf(1)).length
      for (let byte = offset; byte < size; byte++) {
        const moment = world.clone(byte)
        moment.disk.corrupt(pathOf(1), byte, 1 << (byte % 8))
        await moment.open()
        const store = moment.store as Store
        const named = store.damage().filter(({ identity }) => identity !== undefined)
        const there = ['k2', 'k3'].filter((key) => store.get(bytesOf(key)) !== undefined)
        if (there.length < 2) expect([byte, moment.forgotten.length > 0]).toEqual([byte, true])
        // A bad header of the batch itself costs nothing.
        if (byte < offset + 64) expect([byte, there.length, named.length]).toEqual([byte, 2, 0])
      }
    })

    test(`once ${how === 'clean' ? 'stopped' : 'idle'}, it is missed`, async () => {
      const { world, offset } = await written(how)
      await truncate(world, pathOf(1), offset)
      await world.open()
      expect(world.forgotten.map(({ reason }) => reason)).toContain('end-lost')
      expect(await keys(world)).toEqual(['k1'])
    })
  }

  test('an idle log is proven once, not again and again', async () => {
    const world = await opened()
    await append(world, record('k1'))
    await pass(world, 5_000)
    const before = world.disk.mutations
    await pass(world, 60_000)
    expect(world.disk.mutations).toBe(before)
  })
})

describe('a log that should be there (issue: a volume that is not mounted)', () => {
  async function gone(files: 'all' | 'segments', index: boolean): Promise<StoreWorld> {
    const world = await segments(2)
    world.expected = { logId: (world.store as Store).logId }
    await world.clock.settle((world.store as Store).commitIndex())
    await stop(world, 'clean')
    const names = await world.clock.settle(world.disk.list('log'))
    for (const name of names) {
      if (files === 'all' || name.endsWith('.seg')) await remove(world, `log/${name}`)
    }
    if (!index) world.indexStore.delete()
    return world
  }

  for (const files of ['all', 'segments'] as const) {
    test(`${files} gone: refused, again and again, until that is accepted`, async () => {
      const world = await gone(files, false)
      for (let i = 0; i < 2; i++) {
        await expect(world.open()).rejects.toMatchObject({ code: 'LOG_MISSING' })
        world.crash('kill')
      }
      world.acceptLost = true
      await world.open()
      expect(world.forgotten).toMatchObject([
        { partitions: 'all', mark: true, reason: 'log-missing' },
      ])
      expect((world.store as Store).logId).not.toEqual(undefined)
      await append(world, record('k3'))
      expect(await keys(world)).toEqual(['k3'])
    })
  }

  test('by the index alone, where nothing says what to expect', async () => {
    const world = await gone('all', true)
    world.expected = undefined
    world.logIdByte = 8
    await expect(world.open()).rejects.toMatchObject({ code: 'LOG_MISSING' })
    world.crash('kill')
    world.acceptLost = true
    await world.open()
    expect(world.forgotten).toMatchObject([{ reason: 'log-missing' }])
  })

  test('another log in its place is refused, whatever is accepted', async () => {
    const world = await segments(2)
    await stop(world, 'clean')
    world.expected = { logId: new Uint8Array(16).fill(9) }
    world.acceptLost = true
    await expect(world.open()).rejects.toMatchObject({ code: 'LOG_MISSING' })
    world.crash('kill')
    world.expected = undefined
    await world.open()
    expect(await keys(world)).toEqual(['k1', 'k2'])
  })

  test('one without any record yet is there', async () => {
    const world = await opened()
    world.expected = { logId: (world.store as Store).logId }
    await stop(world, 'kill')
    await world.open()
    expect(reasons(world)).toEqual([])
  })
})

describe('a start on a full disk', () => {
  test('with a tail that is not proven keeps it, and cuts what is torn', async () => {
    for (const torn of [false, true]) {
      for (const fate of ['kept', 'lost', 'torn', 'scattered'] as const) {
        const world = await opened({ segmentSizeBytes: 1 << 20 })
        await append(world, record('k1'))
        const positions = await append(world, record('k2', 9_000))
        const more = (world.store as Store).append([record('k3', 40_000)])
        await world.clock.settle(more)
        const [{ offset, lengthBytes }] = positions as [LogPosition]
        expect(offset + lengthBytes).toBeLessThan(world.disk.contentOf(pathOf(1)).length)
        world.crash('kill')
        if (torn) await truncate(world, pathOf(1), world.disk.contentOf(pathOf(1)).length - 100)
        world.disk.capacityBytes = world.disk.usedBytes()
        await world.open()
        expect(reasons(world)).toEqual([])
        const expected = torn ? ['k1', 'k2'] : ['k1', 'k2', 'k3']
        expect(await keys(world)).toEqual(expected)
        world.crash('cut', fate)
        world.indexStore.delete()
        await world.open()
        expect(await keys(world)).toEqual(expected)
        expect(world.store?.damage()).toEqual([])
        world.disk.capacityBytes = 1 << 30
        await append(world, record('k4')).catch(() => {})
        await pass(world, 2_000)
        await append(world, record('k5'))
        world.crash('cut', fate)
        world.indexStore.delete()
        await world.open()
        expect(await keys(world)).toEqual(expect.arrayContaining([...expected, 'k5']))
        expect([world.store?.damage(), reasons(world), world.failures]).toEqual([[], [], []])
      }
    }
  })
})

describe('a disk that hangs (D11)', () => {
  test('what waits for it is bounded in bytes; deletes and compaction are taken', async () => {
    const world = await opened({ segmentSizeBytes: 1 << 20, waitingBytesMax: 100_000 })
    const store = world.store as Store
    await append(world, record('k0'))
    const outcomes: string[] = []
    const waiting = Array.from({ length: 20 }, (_, i) =>
      store.append([record(`k${i + 1}`, 20_000)]).then(
        () => outcomes.push('taken'),
        (error: { code: string }) => outcomes.push(error.code),
      ),
    )
    const urgent = store.append([record('k30')], { urgent: true })
    expect(store.stats().waitingBytes).toBeLessThan(130_000)
    await world.clock.settle(Promise.all([...waiting, urgent]))
    expect(outcomes.filter((code) => code === 'taken').length).toBeGreaterThanOrEqual(4)
    const refused = outcomes.filter((code) => code === 'OVERLOADED').length
    expect(refused).toBeGreaterThan(10)
    expect(store.stats()).toMatchObject({ refused, waitingBytes: 0 })
    await append(world, record('k40'))
  })
})
