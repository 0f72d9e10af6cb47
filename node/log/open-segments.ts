/**
 * Finds the segments of a data directory, and checks that they belong to one log and that none is missing (D9). Called
 * once, by Log.open.
 *
 *  1. Read the manifest, and open every segment file for reading.
 *  2. Whose log is it? The manifest, the file `id` and the segments' headers must agree; where one of them is
 *     damaged, the others tell. Segments of two logs, or under a wrong name, are never mixed: the start fails.
 *  3. Compare the manifest with the files: what it lists and is not there is lost. What is there and not listed is
 *     deleted when a creation or removal was interrupted, and otherwise kept and reported.
 *  4. Once the caller has written the losses down (D8), `reconcile` writes to the manifest what there is now.
 *
 * ```
 * id   0 log id (16) | 16 form (8) | 17 BLAKE3 of what comes before (first 16 bytes)       form 2: there is a manifest
 *      0 log id (16) | 16 BLAKE3 of the id (first 16 bytes)                                from before manifests
 * ```
 */

import { LOG_ID_BYTES } from '../../protocol/codec/record.ts'
import { equalBytes, hex, utf8 } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { Clock, Disk, DiskFile, Logger, Random } from '../env/ports.ts'
import { errorCode, LogError } from './errors.ts'
import { Manifest } from './manifest.ts'
import { readManifest, type ManifestContent } from './manifest-format.ts'
import {
  decodeSegmentHeader,
  LOG_DIRECTORY,
  SEGMENT_HEADER_BYTES,
  segmentOfName,
  segmentPath,
} from './segment.ts'
import { isLogRefusal } from './trusted.ts'
import type { LogLoss } from './types.ts'

/** The log's random id. The segments' headers have it too; this file helps when the only one is damaged. */
const ID_PATH = `${LOG_DIRECTORY}/id`
const ID_FORM = 2

/** What was found. */
export interface OpenSegments {
  readonly logId: Uint8Array
  /** By number, open for reading. */
  readonly files: Map<number, DiskFile>
  /** By number, the size of the file in bytes. */
  readonly sizes: Map<number, number>
  /** Empty when the log is new, or its manifest was damaged or missing. */
  readonly manifest: Manifest
  /** What files and manifest alone show to be lost. */
  readonly losses: readonly LogLoss[]
  /** Segments that this start is the first to miss. */
  readonly missing: readonly number[]
  /** Writes to the manifest which segments there are. Call it once the losses are written down (D8). */
  reconcile(mode: MissingMode): Promise<void>
}

export interface OpenSegmentsOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly random?: Random | undefined
  readonly logger: Logger
  /** The log that must be there. */
  readonly expected?: { readonly logId: Uint8Array } | undefined
  /** If the expected log is gone, begin a new one and count everything as lost. */
  readonly acceptLost?: boolean | undefined
}

/**
 * Rejects with LogError: LOG_MISSING (another log is expected), MISDIRECTED (segments of another log, or under
 * a wrong name), UNKNOWN_VERSION; or with the disk's own error. It deletes only files that hold nothing.
 */
export async function openSegments(options: OpenSegmentsOptions): Promise<OpenSegments> {
  const { disk } = options
  await disk.makeDirectory(LOG_DIRECTORY)
  const found = await readManifest(disk)
  const manifest = typeof found === 'string' ? undefined : found
  const numbers = (await disk.list(LOG_DIRECTORY))
    .map(segmentOfName)
    .filter((segment) => segment !== undefined)
    .toSorted((a, b) => a - b)
  const files = new Map<number, DiskFile>()
  const sizes = new Map<number, number>()
  for (const segment of numbers) {
    const file = await disk.open(segmentPath(segment), 'read')
    files.set(segment, file)
    sizes.set(segment, await file.sizeBytes())
  }
  const id = await readId(disk)
  const known = manifest?.logId ?? id?.logId
  const owner = await ownerOf(files, known, options)
  const missing = [...(manifest?.segments ?? [])].filter((segment) => !files.has(segment))
  const losses: LogLoss[] = []
  const isLost = isGivenUp(owner, files, manifest, options)
  if (isLost) losses.push(lossOfAll('log-missing', 'the log is gone, and a new one was begun'))
  const logId = isLost ? drawId(options) : (owner ?? drawId(options))
  if (!isLost) {
    losses.push(...missing.map(lossOfSegment))
    losses.push(...(await unlisted(options, manifest, files, sizes)))
    // A log from before manifests has an id of the old form: it can't miss a manifest.
    const isOlder = found === 'absent' && id?.hasManifest === false
    if (manifest === undefined && files.size > 0 && !isOlder) {
      losses.push(lossOfAll('damage', `the manifest of the log is ${found as string}`))
    }
  }
  const kept = isLost || manifest === undefined ? undefined : manifest
  const opened = new Manifest(disk, logId, kept)
  const newly = isLost ? [] : missing
  const reconcile = async (mode: MissingMode): Promise<void> => {
    try {
      await reconcileManifest(opened, files.keys(), newly, mode)
      // Written after the manifest, because this form of the id says that there is one.
      if (id?.hasManifest === true && equalBytes(id.logId, logId)) return
      await disk.writeFile(ID_PATH, encodeId(logId))
    } catch (error) {
      if (!isLogRefusal(error)) throw error
      options.logger.warn({ error: String(error) }, 'the manifest of the log can’t be written yet')
    }
  }
  return { logId, files, sizes, manifest: opened, missing: newly, losses, reconcile }
}

/**
 * What becomes of missing segments. `forgotten`: the index is rebuilt without them. `to be noted`: the index still
 * has what they held, and it has to be written to the log again. `noted`: that was done.
 */
type MissingMode = 'forgotten' | 'to be noted' | 'noted'

/** `files`: the segments that are there. `missing`: those that this start is the first to miss. */
function reconcileManifest(
  manifest: Manifest,
  files: Iterable<number>,
  missing: readonly number[],
  mode: MissingMode,
): Promise<void> {
  const there = new Set(files)
  if (mode === 'forgotten') return manifest.reconcile(there, new Set())
  if (mode === 'noted') return manifest.reconcile(there, new Set([...manifest.missing, ...missing]))
  // They stay listed, so that the next start misses them again.
  return manifest.reconcile(new Set([...there, ...missing]), manifest.missing)
}

/** The id of the log that the segments belong to. Rejects when they belong to more than one. */
async function ownerOf(
  files: ReadonlyMap<number, DiskFile>,
  known: Uint8Array | undefined,
  { logger }: OpenSegmentsOptions,
): Promise<Uint8Array | undefined> {
  let logId = known
  const headerBytes = new Uint8Array(SEGMENT_HEADER_BYTES)
  for (const [segment, file] of files) {
    const length = await file.read(headerBytes, 0).catch(() => 0)
    const header = decodeSegmentHeader(headerBytes.subarray(0, length))
    if (header === 'UNKNOWN_VERSION') {
      throw new LogError('UNKNOWN_VERSION', `segment ${segment} was written by a later version`)
    }
    if (header === 'INVALID') {
      // If it is the newest, it may be torn. Its batches say themselves which log they belong to.
      logger.warn({ segment }, 'a segment has no sound header')
      continue
    }
    logId ??= header.logId
    if (!equalBytes(header.logId, logId) || header.segment !== segment) {
      throw new LogError('MISDIRECTED', `segment ${segment} belongs to another log or place`)
    }
  }
  return logId
}

/** True when the expected log is gone and that is accepted. Throws LOG_MISSING when it is not accepted. */
function isGivenUp(
  owner: Uint8Array | undefined,
  files: ReadonlyMap<number, DiskFile>,
  manifest: ManifestContent | undefined,
  { expected, acceptLost = false }: OpenSegmentsOptions,
): boolean {
  if (expected === undefined) return false
  const isOther = owner === undefined || !equalBytes(owner, expected.logId)
  const isEmpty = files.size === 0
  if (!isOther && !(isEmpty && (manifest === undefined || manifest.segments.size > 0))) return false
  if (isOther && !isEmpty) {
    throw new LogError(
      'LOG_MISSING',
      `${LOG_DIRECTORY}/ holds another log than ${hex(expected.logId)}, which this node had: put the right one in ` +
        'its place. Nothing was changed',
    )
  }
  if (!acceptLost) {
    throw logIsMissing(expected.logId)
  }
  return true
}

/** The error that tells an operator what to do about a log that is gone. */
export function logIsMissing(logId: Uint8Array): LogError {
  return new LogError(
    'LOG_MISSING',
    `the log ${hex(logId)} is gone: ${LOG_DIRECTORY}/ holds no segments of it. Is a volume not mounted? ` +
      'Nothing was changed. If it is lost for good, start once with --accept-lost-log: the node comes back ' +
      'without a vote and fetches its data from the replicas',
  )
}

/** A segment may have held anything: all partitions, and the mark. */
export function lossOfSegment(segment: number): LogLoss {
  return lossOfAll('segment-missing', `segment ${segment} of the log is missing`)
}

/**
 * Deletes files that the manifest does not list: a crash interrupted their creation or removal. A file that the
 * manifest must have listed is kept: the manifest is not the latest one.
 */
async function unlisted(
  { disk, logger }: OpenSegmentsOptions,
  manifest: ManifestContent | undefined,
  files: Map<number, DiskFile>,
  sizes: Map<number, number>,
): Promise<LogLoss[]> {
  if (manifest === undefined) return []
  const losses: LogLoss[] = []
  for (const [segment, file] of files) {
    if (manifest.segments.has(segment)) continue
    if (segment > manifest.highest && (sizes.get(segment) ?? 0) > SEGMENT_HEADER_BYTES) {
      losses.push(lossOfAll('damage', `the manifest does not know of segment ${segment}`))
      continue
    }
    logger.info({ segment }, 'deleting a segment whose creation or removal was interrupted')
    files.delete(segment)
    sizes.delete(segment)
    await file.close()
    await disk.remove(segmentPath(segment))
  }
  return losses
}

function lossOfAll(reason: LogLoss['reason'], detail: string): LogLoss {
  return { partitions: 'all', mark: true, reason, detail }
}

/** Undefined when the file is not there or damaged. */
export async function readLogId(disk: Disk, path = ID_PATH): Promise<Uint8Array | undefined> {
  return (await readId(disk, path))?.logId
}

/** The second form, a byte longer, says that the log has a manifest. */
async function readId(
  disk: Disk,
  path = ID_PATH,
): Promise<{ logId: Uint8Array; hasManifest: boolean } | undefined> {
  const bytes = await disk.readFile(path).catch((error: unknown) => {
    if (errorCode(error) !== 'EIO') throw error
    return undefined
  })
  if (bytes === undefined) return undefined
  const logId = bytes.slice(0, LOG_ID_BYTES)
  if (equalBytes(bytes, encodeId(logId))) return { logId, hasManifest: true }
  return equalBytes(bytes, withChecksum(logId)) ? { logId, hasManifest: false } : undefined
}

/** The form that says that there is a manifest. */
function encodeId(logId: Uint8Array): Uint8Array {
  return withChecksum(Uint8Array.of(...logId, ID_FORM))
}

function withChecksum(id: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(id.length + LOG_ID_BYTES)
  bytes.set(id)
  bytes.set(blake3(id).subarray(0, LOG_ID_BYTES), id.length)
  return bytes
}

/** A new log's id: random, or from the clock where no random source was given. */
function drawId({ random, clock }: { random?: Random | undefined; clock: Clock }): Uint8Array {
  if (random !== undefined) return random.bytes(LOG_ID_BYTES)
  return blake3(utf8(`${clock.nowMs()} ${clock.monotonicMs()}`)).subarray(0, LOG_ID_BYTES)
}
