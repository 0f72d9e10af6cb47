/** Finds the segments of a data directory and makes sure that they are one log. */

import { LOG_ID_BYTES } from '../../protocol/codec/record.ts'
import { equalBytes, utf8 } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { Clock, Disk, DiskFile, Logger, Random } from '../env/ports.ts'
import { LogError } from './errors.ts'
import {
  decodeSegmentHeader,
  LOG_DIRECTORY,
  SEGMENT_HEADER_BYTES,
  segmentOfName,
  segmentPath,
} from './segment.ts'

/** The log's random id, kept beside the segments too, for when the only segment's header is damaged. */
const ID_PATH = `${LOG_DIRECTORY}/id`

export interface OpenSegments {
  readonly logId: Uint8Array
  readonly files: Map<number, DiskFile>
  readonly sizes: Map<number, number>
}

export async function openSegments(options: {
  readonly disk: Disk
  readonly clock: Clock
  readonly random?: Random | undefined
  readonly logger: Logger
}): Promise<OpenSegments> {
  const { disk, logger } = options
  await disk.makeDirectory(LOG_DIRECTORY)
  const names = await disk.list(LOG_DIRECTORY)
  const numbers = names.map(segmentOfName).filter((segment) => segment !== undefined)
  numbers.sort((a, b) => a - b)

  const files = new Map<number, DiskFile>()
  const sizes = new Map<number, number>()
  let logId = await readLogId(disk)
  const known = logId !== undefined
  const headerBytes = new Uint8Array(SEGMENT_HEADER_BYTES)
  for (const segment of numbers) {
    const file = await disk.open(segmentPath(segment), 'read')
    files.set(segment, file)
    sizes.set(segment, await file.sizeBytes())
    const length = await file.read(headerBytes, 0).catch(() => 0)
    const header = decodeSegmentHeader(headerBytes.subarray(0, length))
    if (header === 'UNKNOWN_VERSION') {
      throw new LogError('UNKNOWN_VERSION', `segment ${segment} was written by a later version`)
    }
    if (header === 'INVALID') {
      // Torn, when it is the newest; its batches tell on their own whose they are.
      logger.warn({ segment }, 'a segment has no sound header')
      continue
    }
    logId ??= header.logId
    if (!equalBytes(header.logId, logId) || header.segment !== segment) {
      throw new LogError('MISDIRECTED', `segment ${segment} belongs to another log or place`)
    }
  }
  logId ??= drawId(options)
  if (!known) await disk.writeFile(ID_PATH, withChecksum(logId))
  return { logId, files, sizes }
}

/** Undefined when the file is not there or damaged. */
export async function readLogId(disk: Disk, path = ID_PATH): Promise<Uint8Array | undefined> {
  const bytes = await disk.readFile(path)
  if (bytes === undefined) return undefined
  const id = bytes.slice(0, LOG_ID_BYTES)
  return equalBytes(bytes, withChecksum(id)) ? id : undefined
}

function withChecksum(id: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(id.length + LOG_ID_BYTES)
  bytes.set(id)
  bytes.set(blake3(id).subarray(0, LOG_ID_BYTES), id.length)
  return bytes
}

function drawId({ random, clock }: { random?: Random | undefined; clock: Clock }): Uint8Array {
  if (random !== undefined) return random.bytes(LOG_ID_BYTES)
  return blake3(utf8(`${clock.nowMs()} ${clock.monotonicMs()}`)).subarray(0, LOG_ID_BYTES)
}
