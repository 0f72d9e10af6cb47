import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { u32 } from '../bytes.ts'
import { pageCodec, type ObjectRecord, type PageRecord } from '../codec/versioned.ts'
import { bucketId, dataId, type DataId } from '../ids.ts'
import { objectRegister } from '../keyspace/register-key.ts'
import { currentVersion, objectOf, objectValue } from './object.ts'
import { find, isLacking, PAGE_FAN_OUT, pageIdOf, type Lacking, type Versions } from './pages.ts'
import { sequenceOfVersionId, versionIdOf } from './version-id.ts'
import {
  VERSIONING,
  wantedOf,
  withDeleteMarker,
  withoutVersion,
  withVersion,
  withVersionChange,
  type Edited,
} from './versions.ts'
import { testVersion } from './testing/version.ts'

const KEY = objectRegister(bucketId('b'.repeat(16)), 0, 'key', 6)

/** A register with its pages, as the blocks of a store. */
class World {
  record: ObjectRecord = objectOf(undefined)
  readonly blocks = new Map<DataId, Uint8Array>()
  pageReads = 0
  #drawn = 0
  #written = 0

  put(
    versioning: number,
    { marker = false, nowMs = 1, maySpill = true, headerBytes = 40 } = {},
  ): string {
    const name = String(++this.#written)
    const version = testVersion({
      sizeBytes: this.#written,
      etag: name,
      system: [{ name: 'content-type', value: 'x'.repeat(headerBytes) }],
    })
    const random = new Uint8Array(8).fill(this.#written)
    this.edit((known) => {
      const around = { versioning, random, nowMs, maySpill, pages: { known, draw: this.#draw } }
      return marker
        ? withDeleteMarker(this.record, around)
        : withVersion(this.record, version, around)
    })
    return name
  }

  /** False when there is no such version. */
  remove(versionId: string): boolean {
    const wanted = wantedOf(this.record, versionId)
    if (wanted === undefined) return false
    return this.edit((known) => withoutVersion(this.record, wanted, { known, draw: this.#draw }))
  }

  /** Another set of tags. False when there is no such version. */
  tag(versionId: string, value: string, maySpill = true): boolean {
    const wanted = wantedOf(this.record, versionId)
    if (wanted === undefined) return false
    const tags = [{ name: 'tag', value }]
    return this.edit((known) =>
      withVersionChange(
        this.record,
        wanted,
        { tags },
        { pages: { known, draw: this.#draw }, maySpill },
      ),
    )
  }

  /** As the node does: nothing but the pages that the edit asks for are read. */
  edit(run: (known: Map<DataId, PageRecord>) => Edited | Lacking | undefined): boolean {
    const known = new Map<DataId, PageRecord>()
    for (;;) {
      const edited = run(known)
      if (edited === undefined) return false
      if (isLacking(edited)) {
        const id = pageIdOf(edited.lacking)
        known.set(id, this.page(id))
        continue
      }
      for (const { dataId: id, page } of edited.made) {
        expect(this.blocks.has(id)).toBe(false)
        this.blocks.set(id, pageCodec.encode(page))
      }
      for (const ref of edited.dropped) expect(this.blocks.delete(pageIdOf(ref))).toBe(true)
      this.record = edited.record
      return true
    }
  }

  page(id: DataId): PageRecord {
    this.pageReads++
    const bytes = this.blocks.get(id)
    if (bytes === undefined) throw new Error('a page that was dropped')
    return pageCodec.decode(bytes)
  }

  /** All versions, newest first, and that the references say what is below them. */
  all({ versions, pages }: Versions = this.record, names = new Set<DataId>()): string[] {
    const list = versions.map((version) => version.versionId || 'null')
    for (const ref of pages) {
      names.add(pageIdOf(ref))
      const page = this.page(pageIdOf(ref))
      const below = this.all(page, names)
      expect(below).toHaveLength(ref.count)
      expect(ref.level).toBe(page.pages[0] === undefined ? 0 : page.pages[0].level + 1)
      list.push(...below)
    }
    if (versions === this.record.versions)
      expect([...this.blocks.keys()].sort()).toEqual([...names].sort())
    return list
  }

  #draw = (): DataId => dataId('d'.repeat(20) + u32(++this.#drawn))
}

/** At most so many references a level, levels in order. */
function checkShape({ pages, versions }: ObjectRecord): void {
  const levels = pages.map(({ level }) => level)
  expect(levels).toEqual([...levels].sort((a, b) => a - b))
  for (const level of levels) {
    expect(levels.filter((each) => each === level).length).toBeLessThanOrEqual(PAGE_FAN_OUT)
  }
  if (versions.length === 0) expect(pages).toEqual([])
}

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
          const world = new World()
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
    const world = new World()
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
    const world = new World()
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
    const world = new World()
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
      const world = new World()
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
    const world = new World()
    const etag = world.put(VERSIONING.enabled)
    world.put(VERSIONING.enabled, { marker: true })
    expect(currentVersion(world.record)).toBeUndefined()
    const marker = world.record.versions[0]!
    expect(marker).toMatchObject({ deleteMarker: true, sequence: 2 })
    expect(world.remove(marker.versionId)).toBe(true)
    expect(currentVersion(world.record)?.etag).toBe(etag)
  })

  test('the null version is replaced where it is, deep in the pages', () => {
    const world = new World()
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
    const world = new World()
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
