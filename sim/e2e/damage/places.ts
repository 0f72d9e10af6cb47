/** Finds the bytes of a stopped node by what they are, and damages them. */

import { closeSync, existsSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import {
  RECORD_HEADER_BYTES,
  recordMetaBytes,
  type RecordHeader,
} from '../../../protocol/codec/record.ts'
import { readLogId } from '../../../node/log/open-segments.ts'
import { FIRST_BATCH_AT, LOG_DIRECTORY, segmentOfName } from '../../../node/log/segment.ts'
import { walkSegment } from '../../../node/log/walk.ts'
import { createDisk } from '../../../node/env/disk.ts'
import { VOTE_FILE } from '../../../node/layout/layout-store.ts'
import { RECORD } from '../../../node/replica/record-types.ts'
import { NODE_FILE } from '../../../node/process/node-record.ts'

/** A packed block has at most this; larger ones have a record that is not read in one go. */
const PACKED_MAX = 64 << 10

export interface FoundPlace {
  readonly path: string
  readonly segment: number
  readonly offset: number
  readonly header: RecordHeader
}

export interface Segments {
  readonly records: readonly FoundPlace[]
  /** Footers with hints. */
  readonly footers: readonly { readonly path: string; readonly offset: number }[]
  /** Paths, oldest first. */
  readonly paths: readonly string[]
}

/** Everything in the log of a stopped node. */
export async function segmentsOf(directory: string): Promise<Segments> {
  const disk = createDisk(directory)
  const logId = await readLogId(disk)
  if (logId === undefined) throw new Error('no log id')
  const numbers = (await disk.list(LOG_DIRECTORY))
    .flatMap((name) => segmentOfName(name) ?? [])
    .sort((a, b) => a - b)
  const records: FoundPlace[] = []
  const footers: { path: string; offset: number }[] = []
  const paths: string[] = []
  for (const segment of numbers) {
    const name = join(LOG_DIRECTORY, `${String(segment).padStart(10, '0')}.seg`)
    const path = join(directory, name)
    paths.push(path)
    const file = await disk.open(name, 'read')
    try {
      for await (const batch of walkSegment(file, segment, FIRST_BATCH_AT, logId)) {
        const { header } = batch
        if (header?.kind === 'footer') footers.push({ path, offset: header.offset })
        for (const { header: record, position } of batch.records) {
          records.push({ path, segment, offset: position.offset, header: record })
        }
      }
    } finally {
      await file.close()
    }
  }
  return { records, footers, paths }
}

export function flipByte(path: string, offset: number): void {
  const file = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, offset)
  byte[0] = (byte[0] ?? 0) ^ (1 << Math.floor(Math.random() * 8))
  writeSync(file, byte, 0, 1, offset)
  closeSync(file)
}

const headerOf = ({ offset }: FoundPlace): number => offset + 20
const bodyOf = ({ offset, header }: FoundPlace): number =>
  offset + RECORD_HEADER_BYTES + header.key.length + Math.floor(Math.random() * header.bodyBytes)
const payloadOf = ({ offset, header }: FoundPlace): number =>
  offset +
  recordMetaBytes(header.key.length, header.bodyBytes) +
  Math.floor(Math.random() * header.payloadBytes)

/** The result says what was damaged; undefined: there is nothing of the kind. */
export type DamagePlace = (directory: string) => Promise<string | undefined>

function records(
  count: number,
  isOne: (found: FoundPlace) => boolean,
  where: (found: FoundPlace) => number,
): DamagePlace {
  return async (directory) => {
    const all = (await segmentsOf(directory)).records.filter(isOne)
    const some = all.sort(() => Math.random() - 0.5).slice(0, count)
    for (const found of some) flipByte(found.path, where(found))
    return some.length === 0 ? undefined : `${some.length} of ${all.length}`
  }
}

const isOf =
  (type: number) =>
  ({ header }: FoundPlace): boolean =>
    header.type === type

function file(name: string): DamagePlace {
  return (directory) => {
    const path = join(directory, name)
    if (!existsSync(path)) return Promise.resolve(undefined)
    flipByte(path, 40)
    return Promise.resolve(name)
  }
}

export const PLACES: Readonly<Record<string, DamagePlace>> = {
  'record headers': records(5, ({ header }) => header.type !== RECORD.compacted, headerOf),
  registers: records(5, isOf(RECORD.register), bodyOf),
  marks: records(99, isOf(RECORD.mark), bodyOf),
  minima: records(99, isOf(RECORD.minimum), bodyOf),
  removals: records(5, isOf(RECORD.blockGone), headerOf),
  floors: records(5, isOf(RECORD.registerGone), bodyOf),
  'packed blocks': records(
    5,
    ({ header: { type, payloadBytes } }) =>
      type === RECORD.block && payloadBytes > 0 && payloadBytes <= PACKED_MAX,
    payloadOf,
  ),
  blocks: records(
    5,
    ({ header: { type, payloadBytes } }) => type === RECORD.block && payloadBytes > PACKED_MAX,
    payloadOf,
  ),
  hints: async (directory) => {
    const { footers } = await segmentsOf(directory)
    for (const { path, offset } of footers) flipByte(path, offset + 200)
    return footers.length === 0 ? undefined : `${footers.length} footers`
  },
  'node.json': file(NODE_FILE),
  'vote file': file(VOTE_FILE),
  'a whole segment': async (directory) => {
    const { paths } = await segmentsOf(directory)
    const path = paths[Math.floor(paths.length / 2)]
    if (path === undefined || paths.length < 3) return undefined
    rmSync(path)
    return path.slice(-14)
  },
  'the last batch': async (directory) => {
    const last = (await segmentsOf(directory)).records.at(-1)
    if (last === undefined) return undefined
    flipByte(last.path, headerOf(last))
    return `at ${last.offset} of segment ${last.segment}`
  },
}
