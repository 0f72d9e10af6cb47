/**
 * Older versions of an object in immutable pages, so that its register stays within about 4 KiB and a
 * write costs the same at the 10,000th version as at the first.
 *
 * Invariants of a record:
 *   - versions[0] is the newest one, in the register: there are pages only where there are versions
 *   - versions, then what the pages hold in their order, go from the highest sequence to the lowest
 *   - levels never fall from one reference to the next; a level has at most 8 references
 *   - a page never changes: an edit makes new pages, up to the record's reference (path copying)
 *   - no page is empty
 *
 * A write adds references only: what the register has too much of becomes a leaf, and whenever a level
 * has 8 references, they become an index page one level up. So it never reads a page. An edit inside the
 * pages is a function of the pages on its path; of one that is not given it says which one is lacking.
 */

import { assert } from '../assert.ts'
import { byteString, bytesOf } from '../bytes.ts'
import type { ObjectRecord, PageRecord, PageRefRecord, VersionRecord } from '../codec/versioned.ts'
import { dataId, type DataId } from '../ids.ts'
import { checkInput } from '../input.ts'

export const INLINE_VERSIONS_MAX = 8
/** About the most bytes that the versions in the register take when encoded. */
export const INLINE_BYTES_MAX = 2_560
/** So many references of one level become one, a level up. */
export const PAGE_FAN_OUT = 8

/** The pages at hand, and names for new ones. */
export interface PageTools {
  /** By data id. Content of a data id never changes. */
  readonly known: ReadonlyMap<DataId, PageRecord>
  /** A data id that was never used before, another one for each call. */
  draw(): DataId
}

/** A page to be stored as a packed block under `dataId`, in the partition of the register. */
export interface MadePage {
  readonly dataId: DataId
  readonly page: PageRecord
}

/** This page has to be read first. */
export interface Lacking {
  readonly lacking: PageRefRecord
}

/** Newest first: in the register, and in pages. */
export type Versions = Pick<ObjectRecord, 'versions' | 'pages'>

/**
 * What an edit makes of the versions. The caller stores `made`, and frees `dropped` once the edit is chosen
 * (G5).
 */
export interface PagesEdit {
  readonly kept: Versions
  readonly made: readonly MadePage[]
  /** References that are gone from the record or from a page on the path. */
  readonly dropped: readonly PageRefRecord[]
}

/** An edit of one version. `taken` is the version as it was. */
export interface VersionEdit extends PagesEdit {
  readonly taken: VersionRecord
}

/** A version is found by its sequence; its id, '' of the null version, must be this one. */
export interface Wanted {
  readonly sequence: number
  readonly versionId: string
}

/** The data id under which the page is stored. */
export function pageIdOf(ref: PageRefRecord): DataId {
  return dataId(byteString(ref.dataId))
}

/** The number of all versions, without reading a page. */
export function countOf({ versions, pages }: Versions): number {
  return pages.reduce((sum, { count }) => sum + count, versions.length)
}

/** Whether a page has to be read before the edit can be made. */
export function isLacking(result: object | undefined): result is Lacking {
  return result !== undefined && 'lacking' in result
}

/** Moves all but the newest one or two versions into a page, when there are too many in the register. */
export function spill(versions: Versions, tools: PageTools): PagesEdit {
  const { versions: inline, pages } = versions
  const sizes = inline.map(versionBytes)
  const sizeBytes = sizes.reduce((sum, size) => sum + size, 0)
  if (inline.length <= INLINE_VERSIONS_MAX && sizeBytes <= INLINE_BYTES_MAX) {
    return { kept: versions, made: [], dropped: [] }
  }
  // Two of them, if that is little: the newest may be taken back without reading a page.
  const two = inline.length > 2 && sizes[0]! + sizes[1]! <= INLINE_BYTES_MAX / 2
  const stay = two ? 2 : 1
  if (inline.length <= stay) return { kept: versions, made: [], dropped: [] }
  const made: MadePage[] = []
  const leaf = makeLeaf(inline.slice(stay), tools, made)
  const merged = merge([leaf, ...pages], tools, made)
  return { kept: { versions: inline.slice(0, stay), pages: merged }, made, dropped: [] }
}

/** Brings the newest page's versions back when the register has none. Makes no page: an index page gives
 * way to its references. */
export function refill(versions: Versions, tools: PageTools): PagesEdit | Lacking {
  let { versions: inline, pages } = versions
  const dropped: PageRefRecord[] = []
  while (inline.length === 0) {
    const [first, ...rest] = pages
    if (first === undefined) break
    const page = tools.known.get(pageIdOf(first))
    if (page === undefined) return { lacking: first }
    dropped.push(first)
    inline = page.versions
    pages = [...page.pages, ...rest]
  }
  assert(inline.length > 0 || pages.length === 0, 'there are pages only where there are versions')
  return { kept: { versions: inline, pages }, made: [], dropped }
}

/** The version; undefined when there is none like it. */
export function find(
  { versions, pages }: Versions,
  wanted: Wanted,
  known: PageTools['known'],
): VersionRecord | Lacking | undefined {
  const inline = versions.find(({ sequence }) => sequence === wanted.sequence)
  if (inline !== undefined) return inline.versionId === wanted.versionId ? inline : undefined
  const ref = pages.find((each) => covers(each, wanted))
  if (ref === undefined) return undefined
  const page = known.get(pageIdOf(ref))
  return page === undefined ? { lacking: ref } : find(page, wanted, known)
}

/** Takes one version out, from the register or from a page. It may leave the register without any: see `refill`.
 * Undefined when there is no such version. */
export function takeOut(
  versions: Versions,
  wanted: Wanted,
  tools: PageTools,
): VersionEdit | Lacking | undefined {
  return editOne(versions, wanted, tools, () => [])
}

/** Puts another form of one version into its place. Undefined when there is no such version. */
export function replace(
  versions: Versions,
  wanted: Wanted,
  change: (version: VersionRecord) => VersionRecord,
  tools: PageTools,
): VersionEdit | Lacking | undefined {
  return editOne(versions, wanted, tools, (version) => {
    const changed = change(version)
    assert(
      changed.sequence === version.sequence && changed.versionId === version.versionId,
      'a version that changes keeps its place',
    )
    return [changed]
  })
}

/** `becomes`: what is there instead of the version. */
function editOne(
  { versions, pages }: Versions,
  wanted: Wanted,
  tools: PageTools,
  becomes: (version: VersionRecord) => VersionRecord[],
): VersionEdit | Lacking | undefined {
  const at = versions.findIndex(({ sequence }) => sequence === wanted.sequence)
  const inline = versions[at]
  if (inline !== undefined) {
    if (inline.versionId !== wanted.versionId) return undefined
    const kept = { versions: versions.toSpliced(at, 1, ...becomes(inline)), pages }
    return { kept, made: [], dropped: [], taken: inline }
  }
  const refAt = pages.findIndex((each) => covers(each, wanted))
  const ref = pages[refAt]
  if (ref === undefined) return undefined
  const page = tools.known.get(pageIdOf(ref))
  if (page === undefined) return { lacking: ref }
  const below = editOne(page, wanted, tools, becomes)
  if (below === undefined || isLacking(below)) return below
  const made = [...below.made]
  const replacement = makePage(below.kept, ref.level, tools, made)
  return {
    kept: { versions, pages: pages.toSpliced(refAt, 1, ...replacement) },
    made,
    dropped: [...below.dropped, ref],
    taken: below.taken,
  }
}

/**
 * Takes out every version with one of these sequences, but never the newest one. Each page that held one of them is made
 * again once, or goes when it is empty; others are not looked at.
 */
export function takeOutAll(
  all: Versions,
  sequences: ReadonlySet<number>,
  tools: PageTools,
): (PagesEdit & { readonly taken: readonly VersionRecord[] }) | Lacking {
  const taken: VersionRecord[] = []
  const made: MadePage[] = []
  const dropped: PageRefRecord[] = []
  const list = [...sequences]
  const walk = ({ versions, pages }: Versions): Versions | Lacking => {
    const left: PageRefRecord[] = []
    for (const ref of pages) {
      if (!list.some((sequence) => ref.oldest <= sequence && sequence <= ref.newest)) {
        left.push(ref)
        continue
      }
      const page = tools.known.get(pageIdOf(ref))
      if (page === undefined) return { lacking: ref }
      const before = taken.length
      const below = walk(page)
      if (isLacking(below)) return below
      if (taken.length === before) left.push(ref)
      else {
        dropped.push(ref)
        left.push(
          ...makePage(
            { ...below, versions: [...below.versions], pages: [...below.pages] },
            ref.level,
            tools,
            made,
          ),
        )
      }
    }
    const gone = versions.filter((each) => each !== all.versions[0] && sequences.has(each.sequence))
    taken.push(...gone)
    return { versions: versions.filter((each) => !gone.includes(each)), pages: left }
  }
  const kept = walk(all)
  return isLacking(kept) ? kept : { kept, made, dropped, taken }
}

/**
 * All versions, newest first, or the first page that has to be read for that.
 */
export function allVersions(
  { versions, pages }: Versions,
  known: PageTools['known'],
): VersionRecord[] | Lacking {
  const all = [...versions]
  for (const ref of pages) {
    const page = known.get(pageIdOf(ref))
    if (page === undefined) return { lacking: ref }
    const below = allVersions(page, known)
    if (isLacking(below)) return below
    for (const version of below) all.push(version)
  }
  return all
}

function covers(ref: PageRefRecord, { sequence }: Wanted): boolean {
  return ref.oldest <= sequence && sequence <= ref.newest
}

/** While a level has too many references, they become one, a level up. */
function merge(
  pages: readonly PageRefRecord[],
  tools: PageTools,
  made: MadePage[],
): PageRefRecord[] {
  let refs = [...pages]
  for (let level = 0; ; level++) {
    const end = refs.findLastIndex((ref) => ref.level <= level) + 1
    const start = refs.findIndex((ref) => ref.level >= level)
    if (start < 0 || end - start < PAGE_FAN_OUT) return refs
    const children = refs.slice(end - PAGE_FAN_OUT, end)
    checkInput(
      children.every((child) => child.level === level),
      'an index page has pages of one level',
    )
    const index = makePage({ versions: [], pages: children }, level + 1, tools, made)
    refs = refs.toSpliced(end - PAGE_FAN_OUT, PAGE_FAN_OUT, ...index)
  }
}

function makeLeaf(
  versions: readonly VersionRecord[],
  tools: PageTools,
  made: MadePage[],
): PageRefRecord {
  const [leaf] = makePage({ versions: [...versions], pages: [] }, 0, tools, made)
  assert(leaf !== undefined, 'a leaf is made of versions')
  return leaf
}

/** Nothing when it would be empty. */
function makePage(
  page: PageRecord,
  level: number,
  tools: PageTools,
  made: MadePage[],
): [] | [PageRefRecord] {
  const sequences =
    level === 0
      ? page.versions.map(({ sequence }) => sequence)
      : page.pages.flatMap(({ newest, oldest }) => [newest, oldest])
  const newest = sequences[0]
  const oldest = sequences.at(-1)
  if (newest === undefined || oldest === undefined) return []
  checkInput(newest >= oldest, 'a page goes from new to old')
  const id = tools.draw()
  made.push({ dataId: id, page })
  return [{ dataId: bytesOf(id), level, newest, oldest, count: countOf(page) }]
}

/** About what it takes in a record, in bytes. */
function versionBytes(version: VersionRecord): number {
  let sizeBytes = 32 + version.versionId.length + version.etag.length + version.storageClass.length
  sizeBytes += version.manifest.length + version.uploadId.length + 40 * version.storage.length
  for (const pairs of [version.system, version.user, version.checksums, version.tags]) {
    for (const { name, value } of pairs) sizeBytes += 6 + name.length + value.length
  }
  return sizeBytes
}
