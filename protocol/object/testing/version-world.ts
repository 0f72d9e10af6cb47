/** An object's register with its pages, for tests of its versions. */

import { expect } from 'vitest'
import { u32 } from '../../bytes.ts'
import { pageCodec, type ObjectRecord, type PageRecord } from '../../codec/versioned.ts'
import { dataId, type DataId } from '../../ids.ts'
import { objectOf } from '../object.ts'
import { isLacking, PAGE_FAN_OUT, pageIdOf, type Lacking, type Versions } from '../pages.ts'
import {
  wantedOf,
  withDeleteMarker,
  withoutVersion,
  withVersion,
  withVersionChange,
  type Edited,
} from '../versions.ts'
import { testVersion } from './version.ts'

/** A register with its pages, as the blocks of a store. */
export class VersionWorld {
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
export function checkShape({ pages, versions }: ObjectRecord): void {
  const levels = pages.map(({ level }) => level)
  expect(levels).toEqual([...levels].sort((a, b) => a - b))
  for (const level of levels) {
    expect(levels.filter((each) => each === level).length).toBeLessThanOrEqual(PAGE_FAN_OUT)
  }
  if (versions.length === 0) expect(pages).toEqual([])
}
