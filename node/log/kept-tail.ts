/**
 * What a start does with the tail that recovery has found (recovery.ts): it flushes the tail into a new segment
 * before the tail counts, then cuts what it was read from (D5). Without room for that, the tail stays in its place
 * and is flushed there again.
 */

import { assert } from '../../protocol/assert.ts'
import type { Disk, Logger } from '../env/ports.ts'
import { Batch, type ChunkPool } from './batch.ts'
import { errorCode } from './errors.ts'
import type { LogSegments } from './log-segments.ts'
import type { Recovered, Tail } from './recovery.ts'
import { FIRST_BATCH_AT, LOG_DIRECTORY, type LogEnd } from './segment.ts'
import { overwriteSegment } from './segment-file.ts'
import { unlessRefused } from './trusted.ts'
import type { NewRecord } from './types.ts'

/** What keeping a tail needs of the log. */
export interface TailLog {
  readonly disk: Disk
  readonly logger: Logger
  readonly logId: Uint8Array
  readonly pool: ChunkPool
  readonly segments: LogSegments
  readonly flushedEnd: () => LogEnd
  readonly isReadOnly: () => boolean
  readonly append: (records: readonly NewRecord[]) => Promise<unknown>
  /** The log now ends after this batch. */
  readonly endsBehind: (batch: Batch) => void
  readonly prove: () => Promise<void>
}

/**
 * Called by Log.recover, once the log takes appends. When it resolves, the tail is flushed in one place, and
 * old copies are cut. Rejects when the tail can be kept in neither place: the start fails.
 */
export async function keepTail({ tail, cuts }: Recovered, log: TailLog): Promise<void> {
  const { disk, logger, segments } = log
  if (tail !== undefined) {
    try {
      await log.append(tail.records)
    } catch (error) {
      const code = errorCode(error)
      if (code !== 'DISK_FULL' && code !== 'READ_ONLY') throw error
      await keepInPlace(tail, cuts, code === 'READ_ONLY', log)
    }
  }
  if (log.isReadOnly()) return
  for (const [segment, offset] of cuts) {
    const size = segments.sizeOf(segment)
    const remove = offset <= FIRST_BATCH_AT
    if (!remove && size <= offset) continue
    const records = tail?.records.length ?? 0
    logger.info({ segment, offset, size, records }, 'cutting the tail of the log')
    if (remove) {
      // If the manifest can't be written, the segment stays listed, and empty. A start must not fail because of that.
      await segments.drop(segment).catch(unlessRefused)
      await disk.syncDirectory(LOG_DIRECTORY)
    } else {
      await segments.cut(segment, offset)
    }
  }
}

/**
 * Writes the same bytes once more to the same place, which needs no room. Only the count of records in the batch's
 * header may change, within one sector, when the batch was torn.
 */
async function keepInPlace(
  tail: Tail,
  cuts: Map<number, number>,
  isReadOnly: boolean,
  log: TailLog,
): Promise<void> {
  const { start, firstSequence, records, more } = tail
  assert(more.length >= records.length, 'every record of a tail says whether its append goes on')
  const batch = new Batch(start, firstSequence, false, log.logId, log.pool)
  for (const [i, record] of records.entries()) batch.add(record, more[i] as boolean)
  log.logger.warn({ ...start, records: records.length }, 'the tail of the log stays in place')
  if (!isReadOnly) await overwriteSegment(log.disk, start, batch.finish(log.flushedEnd()))
  batch.release()
  cuts.set(start.segment, batch.end.offset)
  log.endsBehind(batch)
  if (!isReadOnly) await log.prove()
}
