/** Damage to what one machine has on its disk, and where it may hit. */

import { bytesOf } from '../../protocol/bytes.ts'
import { RECORD_HEADER_BYTES } from '../../protocol/codec/record.ts'
import { LOG_DIRECTORY, segmentPath } from '../../node/log/segment.ts'
import { LAYOUT_FILE, VOTE_FILE } from '../../node/layout/layout-store.ts'
import { decodePosition } from '../../node/replica/row-format.ts'
import { FORGOTTEN_FILE } from '../../node/repair/forgotten.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import type { SimulatedDisk } from '../world/disk.ts'
import { NODE_FILES, unsoundNodeFiles } from '../world/node-files.ts'
import { flipBits, placesOf, segmentPaths, type FilePlace } from '../world/places.ts'
import type { DamageKind } from './kinds.ts'

const FLIPS_MAX = 6
/** The latest records are those that may not be everywhere yet. */
const RECENT_SHARE = 0.8
/** Rows of blocks and of registers. */
const LIVE = [
  ['b', 'c'],
  ['r', 's'],
] as const

type Fits = (place: FilePlace) => boolean

const recordOf =
  (...types: string[]): Fits =>
  ({ kind, type }) =>
    (kind === 'record-header' || kind === 'record-body') &&
    type !== undefined &&
    types.includes(type)

const FLIPS: Partial<Record<DamageKind, Fits>> = {
  'flip-record-header': ({ kind }) => kind === 'record-header',
  'flip-register': recordOf('register'),
  'flip-block': ({ type }) => type === 'block',
  'flip-mark': recordOf('mark'),
  'flip-minimum': recordOf('minimum'),
  'flip-removal': recordOf('blockGone'),
  'flip-floor': recordOf('registerGone'),
  'flip-duty': recordOf('duty', 'dutyDone'),
  'flip-batch-header': ({ kind }) => kind === 'batch-header',
  'flip-segment-header': ({ kind }) => kind === 'segment-header',
  'flip-footer': ({ kind }) => kind === 'footer',
  'flip-hints': ({ kind }) => kind === 'hints',
  'flip-last-batch': ({ inLastBatch }) => inLastBatch,
  'flip-log-file': ({ kind, path }) => kind === 'file' && path.startsWith('log/'),
  'flip-layout': ({ path }) => path === LAYOUT_FILE,
  'flip-vote': ({ path }) => path === VOTE_FILE,
  'flip-forgotten': ({ path }) => path === FORGOTTEN_FILE,
}

/**
 * Flips bits of some places of this kind; how many. `proven`: nothing of the log's last batch, of which a node
 * that did not stop cleanly can't know whether it was ever flushed. `recent`: above one half, only the latest.
 */
export function flipSome(
  cluster: SimulatedCluster,
  number: number,
  kind: DamageKind,
  proven: boolean,
  recent: number,
): number {
  const { random } = cluster
  const disk = cluster.diskOf(number)
  const fits = FLIPS[kind]
  if (fits === undefined) throw new Error(`${kind} flips nothing`)
  const lastSegment = segmentPaths(disk).at(-1)
  const all = placesOf(disk).filter(
    (place) => fits(place) && !(proven && place.inLastBatch && place.path === lastSegment),
  )
  const places = recent > 0.5 ? all.slice(Math.floor(all.length * RECENT_SHARE)) : all
  let flipped = 0
  for (let i = Math.floor(random() * FLIPS_MAX); i >= 0 && places.length > 0; i--) {
    const place = places[Math.floor(random() * places.length)]!
    const at = Math.floor(random() * place.lengthBytes)
    cluster.trace(`flip ${number} ${place.path} ${place.offset + at}`)
    flipBits(disk, place, at, 1 << Math.floor(random() * 8))
    flipped++
  }
  return flipped
}

/** One byte of node.json or of its copy: never of the last one that is whole. */
export function flipNode(cluster: SimulatedCluster, number: number): number {
  const { random } = cluster
  const disk = cluster.diskOf(number)
  if (unsoundNodeFiles(disk).length > 0) return 0
  const path = NODE_FILES[Math.floor(random() * NODE_FILES.length)]!
  const at = Math.floor(random() * disk.contentOf(path).length)
  cluster.trace(`flip ${number} ${path} ${at}`)
  disk.corrupt(path, at, 1 << Math.floor(random() * 8))
  return 1
}

/** In the body or the payload of live records of a node that runs. */
export function flipLive(cluster: SimulatedCluster, number: number): number {
  const { random } = cluster
  const node = cluster.node(number)
  if (node === undefined) return 0
  const rows: { key: number; row: Uint8Array }[] = []
  for (const [from, to] of LIVE) {
    node.store.range(bytesOf(from), bytesOf(to), 1_000_000, (key, row) => {
      rows.push({ key: key.length - 1, row: row.slice() })
    })
  }
  let flipped = 0
  for (let i = Math.floor(random() * FLIPS_MAX); i >= 0 && rows.length > 0; i--) {
    const { key, row } = rows[Math.floor(random() * rows.length)]!
    const { segment, offset, lengthBytes } = decodePosition(row)
    const before = RECORD_HEADER_BYTES + key
    const at = before + Math.floor(random() * (lengthBytes - before))
    const path = segmentPath(segment)
    cluster.trace(`flip ${number} ${path} ${offset + at}`)
    cluster.diskOf(number).corrupt(path, offset + at, 1 << Math.floor(random() * 8))
    flipped++
  }
  return flipped
}

/** Any segment, the last one too. */
export function loseSegment(cluster: SimulatedCluster, number: number): number {
  const disk: SimulatedDisk = cluster.diskOf(number)
  const paths = segmentPaths(disk)
  const path = paths[Math.floor(cluster.random() * paths.length)]
  if (path === undefined) return 0
  cluster.trace(`lose ${number} ${path}`)
  disk.lose(path)
  return 1
}

/** Everything in the log's directory, and the index. */
export function loseLog(cluster: SimulatedCluster, number: number): number {
  const disk = cluster.diskOf(number)
  const paths = disk.paths().filter((path) => path.startsWith(`${LOG_DIRECTORY}/`))
  cluster.trace(`lose ${number} log`)
  for (const path of paths) disk.lose(path)
  cluster.wipeIndex(number)
  return paths.length
}
