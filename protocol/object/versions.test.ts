import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { u32 } from '../bytes.ts'
import { type PageRecord } from '../codec/versioned.ts'
import { bucketId, dataId, type DataId } from '../ids.ts'
import { objectRegister } from '../keyspace/register-key.ts'
import { currentVersion, objectValue } from './object.ts'
import { find } from './pages.ts'
import { sequenceOfVersionId, versionIdOf } from './version-id.ts'
import { VERSIONING, wantedOf, withoutVersions } from './versions.ts'
import { checkShape, VersionWorld } from './testing/version-world.ts'

const KEY = objectRegister(bucketId('b'.repeat(16)), 0, 'key', 6)

test('versions that are taken out together are those, and all others stay in order', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 150 }),
      fc.func(fc.boolean()),
      fc.nat({ max: 150 }),
      (count, isGone, nullAt) => {
        const world = new VersionWorld()
        for (let i = 0; i < count; i++)
          world.put(i === nullAt ? VERSIONING.suspended : VERSIONING.enabled)
        const before = world.all()
        const sequences = new Set(
          Array.from({ length: count + 2 }, (_, at) => at).filter((at) => isGone(at)),
        )
        world.edit((known) => {
          let drawn = 0
          const draw = () => dataId('e'.repeat(20) + u32(++drawn))
          return withoutVersions(world.record, sequences, { known, draw })
        })
        const left = before.filter((_id, at) => at === 0 || !sequences.has(count - at))
        expect(world.all()).toEqual(left)
        expect(world.record.nullSequence !== 0).toBe(left.includes('null'))
        checkShape(world.record)
      },
    ),
    { numRuns: 200 },
  )
})

interface ModelVersion {
  readonly id: string
  readonly etag: string
  readonly tag?: string
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('put' as const),
      versioning: fc.constantFrom(1, 1, 1, 2),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('marker' as const),
      versioning: fc.constantFrom(1, 2),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('remove' as const), at: fc.nat() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('tag' as const),
      at: fc.nat(),
      length: fc.constantFrom(0, 3, 900, 3_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('remove-newest' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('remove-null' as const) }) },
)

describe('versions and a plain list', () => {
  test('are those of a plain list, whatever is put and removed where', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 120 }),
        fc.nat({ max: 90 }),
        fc.boolean(),
        (steps, before, maySpill) => {
          const world = new VersionWorld()
          let model: ModelVersion[] = []
          const ids = new Set<string>()
          const put = (versioning: number, marker: boolean): void => {
            const etag = world.put(versioning, { marker, maySpill: maySpill || marker })
            const newest = world.record.versions[0]!
            const id = newest.versionId || 'null'
            if (versioning === VERSIONING.enabled) {
              expect(ids.has(id)).toBe(false)
              ids.add(id)
              expect(sequenceOfVersionId(id)).toBe(newest.sequence)
            } else {
              expect(id).toBe('null')
              model = model.filter((one) => one.id !== 'null')
            }
            model = [{ id, etag: marker ? '' : etag }, ...model]
          }
          for (let i = 0; i < before; i++) put(1, false)
          for (const one of steps) {
            const sequence = world.record.sequence
            if (one.type === 'put') put(one.versioning, false)
            else if (one.type === 'marker') put(one.versioning, true)
            else if (one.type === 'tag') {
              const target = model[one.at % Math.max(1, model.length)]?.id
              if (target === undefined) continue
              const tag = 't'.repeat(one.length)
              expect(world.tag(target, tag, maySpill)).toBe(true)
              model = model.map((each) => (each.id === target ? { ...each, tag } : each))
              // It is no write: what comes next is numbered and timed as if it had not been.
              expect(world.record.sequence).toBe(sequence)
              checkShape(world.record)
              continue
            } else {
              const target =
                one.type === 'remove-null'
                  ? 'null'
                  : model[one.type === 'remove' ? one.at % Math.max(1, model.length) : 0]?.id
              if (target === undefined) continue
              const there = model.some(({ id }) => id === target)
              expect(world.remove(target)).toBe(there)
              model = model.filter(({ id }) => id !== target)
              if (!there) continue
            }
            expect(world.record.sequence).toBe(sequence + 1)
            expect(world.record.versions[0]?.etag).toBe(model[0]?.etag)
            expect(world.record.nullSequence > 0).toBe(model.some(({ id }) => id === 'null'))
            checkShape(world.record)
          }
          expect(world.all()).toEqual(model.map(({ id }) => id))
          for (const { id, etag, tag } of model) {
            const wanted = wantedOf(world.record, id)!
            const known = new Map([...world.blocks].map(([name]) => [name, world.page(name)]))
            const found = find(world.record, wanted, known)
            const tags = tag === undefined ? [] : [{ name: 'tag', value: tag }]
            expect(found).toMatchObject({ etag, tags })
          }
        },
      ),
      { numRuns: 100 },
    )
  })
})

describe('thousands of versions', () => {
  test('by the thousand: a put reads no page, and the register stays within about 4 KiB', () => {
    const world = new VersionWorld()
    let made = 0
    let largest = 0
    for (let i = 0; i < 10_000; i++) {
      const before = world.blocks.size
      world.put(VERSIONING.enabled, { headerBytes: 60 })
      made += world.blocks.size - before
      const { versions, pages } = world.record
      if (versions.length < 8 && pages.length < 20) continue
      const { body } = objectValue(KEY, world.record, { before: undefined, chosen: true })
      largest = Math.max(largest, body.length)
      checkShape(world.record)
    }
    expect(world.pageReads).toBe(0)
    expect(largest).toBeLessThan(4_096)
    // Leaves, and an index page for each 8 of them and so on.
    expect(made).toBeLessThan(10_000 / 6)
    expect(world.all()).toHaveLength(10_000)
  })

  test('time and sequence rise through deletes (T4)', () => {
    const world = new VersionWorld()
    const times: number[] = []
    const put = (nowMs: number): void => {
      world.put(VERSIONING.never, { nowMs })
      times.push(world.record.versions[0]!.lastModifiedMs)
    }
    put(1_000)
    put(1_000)
    put(10)
    world.remove('null')
    expect(currentVersion(world.record)).toBeUndefined()
    put(5)
    expect(times).toEqual([1_000, 1_001, 1_002, 1_003])
    expect(world.record.sequence).toBe(5)
  })
})

describe('a change of tags', () => {
  test('changes nothing else, in the register and deep in the pages', () => {
    const world = new VersionWorld()
    for (let i = 0; i < 200; i++) world.put(VERSIONING.enabled)
    const order = world.all()
    for (const id of [order[0]!, order[1]!, order[150]!, order.at(-1)!]) {
      const wanted = wantedOf(world.record, id)!
      const pages = (): Map<DataId, PageRecord> =>
        new Map([...world.blocks].map(([name]) => [name, world.page(name)]))
      const before = find(world.record, wanted, pages())
      const { sequence, lastModifiedMs, nullSequence } = world.record
      world.pageReads = 0
      expect(world.tag(id, 'red')).toBe(true)
      expect(world.pageReads).toBeLessThan(6)
      expect(world.record).toMatchObject({ sequence, lastModifiedMs, nullSequence })
      expect(find(world.record, wanted, pages())).toEqual({
        ...before,
        tags: [{ name: 'tag', value: 'red' }],
      })
      expect(world.all()).toEqual(order)
    }
    expect(world.tag('fffffffffffffffe0123456789abcdef', 'x')).toBe(false)
  })

  test('leaves the register small, unless no majority has what it names', () => {
    for (const maySpill of [true, false]) {
      const world = new VersionWorld()
      for (let i = 0; i < 8; i++) world.put(VERSIONING.enabled)
      for (const id of world.all()) expect(world.tag(id, 'x'.repeat(2_000), maySpill)).toBe(true)
      const { body } = objectValue(KEY, world.record, { before: undefined, chosen: true })
      if (maySpill) expect(body.length).toBeLessThan(6_000)
      else expect(body.length).toBeGreaterThan(16_000)
      expect(world.all()).toHaveLength(8)
    }
  })
})

describe('delete markers and the null version', () => {
  test('a delete marker is no object, and gives it back when it is removed', () => {
    const world = new VersionWorld()
    const etag = world.put(VERSIONING.enabled)
    world.put(VERSIONING.enabled, { marker: true })
    expect(currentVersion(world.record)).toBeUndefined()
    const marker = world.record.versions[0]!
    expect(marker).toMatchObject({ deleteMarker: true, sequence: 2 })
    expect(world.remove(marker.versionId)).toBe(true)
    expect(currentVersion(world.record)?.etag).toBe(etag)
  })

  test('the null version is replaced where it is, deep in the pages', () => {
    const world = new VersionWorld()
    world.put(VERSIONING.never)
    for (let i = 0; i < 700; i++) world.put(VERSIONING.enabled)
    world.put(VERSIONING.suspended)
    expect(world.all().filter((id) => id === 'null')).toEqual(['null'])
    expect(world.all()[0]).toBe('null')
    // The path from the register to its leaf, and no more.
    world.pageReads = 0
    for (let i = 0; i < 100; i++) world.put(VERSIONING.enabled)
    world.put(VERSIONING.suspended, { marker: true })
    expect(world.pageReads).toBeLessThan(5)
  })

  test('another id of the same sequence is no version of this key', () => {
    const world = new VersionWorld()
    world.put(VERSIONING.enabled)
    const forged = versionIdOf(1, new Uint8Array(8).fill(99))
    expect(world.remove(forged)).toBe(false)
    for (let i = 0; i < 30; i++) world.put(VERSIONING.enabled)
    expect(world.remove(forged)).toBe(false)
    expect(world.remove('null')).toBe(false)
    expect(world.all()).toHaveLength(31)
  })
})

describe('version ids (T5)', () => {
  const random = fc.uint8Array({ minLength: 8, maxLength: 8 })

  test('carry their sequence; newer ones sort first', () => {
    const sequence = fc.maxSafeNat().map((number) => Math.max(1, number))
    fc.assert(
      fc.property(sequence, sequence, random, random, (a, b, x, y) => {
        const [first, second] = [versionIdOf(a, x), versionIdOf(b, y)]
        expect(sequenceOfVersionId(first)).toBe(a)
        if (a < b) expect(second < first).toBe(true)
      }),
    )
  })

  test('anything else is no version id', () => {
    for (const id of ['', 'null', 'x', '0'.repeat(32), 'f'.repeat(32), 'F'.repeat(32), '../..']) {
      expect(sequenceOfVersionId(id)).toBeUndefined()
    }
    expect(sequenceOfVersionId(versionIdOf(3, new Uint8Array(8)).toUpperCase())).toBeUndefined()
    fc.assert(fc.property(fc.string({ maxLength: 40 }), (id) => void sequenceOfVersionId(id)))
  })
})
