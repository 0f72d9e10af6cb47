/**
 * `shoal index rebuild`: makes the index of a stopped node again from its segments (D6).
 *
 * The log is opened first and the old index deleted then: without its log, the index would be all
 * that is left. What the log has lost is written down as at a start (D8).
 */

import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { lockStopped } from '../process/data-directory.ts'
import { readNode } from '../process/node-file.ts'
import { createDisk } from '../env/disk.ts'
import { openLmdb } from '../env/lmdb.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { SystemRandom } from '../env/system.ts'
import { openStore } from '../assembly/open-store.ts'
import { formatSize } from '../tools/units.ts'
import { progressBar } from './table.ts'
import type { Terminal } from './terminal.ts'

/** Nothing is appended, so the size of new segments does not matter. */
const SEGMENT_BYTES = 2 ** 31
/** The bar is drawn at most ten times a second. */
const DRAW_MS = 100
/** The command prints its own lines. */
const QUIET: Logger = { debug() {}, info() {}, warn() {}, error() {} }

export interface RebuildOptions {
  readonly data?: string | undefined
  readonly json?: boolean | undefined
}

/**
 * Rebuilds the index. Returns exit code 1 when parts of the log are damaged or missing; the index
 * holds the rest. Throws UsageError when the node runs or the directory holds none.
 */
export async function runIndexRebuild(
  { data = './shoal-data', json = false }: RebuildOptions,
  terminal: Terminal,
  clock: Clock,
): Promise<number> {
  const path = resolve(data)
  const lock = lockStopped(path)
  try {
    const index = join(path, 'index')
    const startMs = clock.monotonicMs()
    let records = 0
    let drawnMs = startMs
    const store = await openStore(
      {
        clock,
        random: new SystemRandom(),
        disk: createDisk(path),
        logger: QUIET,
        // Called once the log has been found: without it the index would be all that is left.
        openIndex: () => {
          rmSync(index, { recursive: true, force: true })
          return openLmdb(index)
        },
        fail(reason) {
          terminal.error(`shoal: ${reason}`)
          process.exit(1)
        },
      },
      {
        segmentSizeBytes: SEGMENT_BYTES,
        expectedLogId: readNode(path)?.logId,
        note: () => void records++,
        progress(done, total) {
          const now = clock.monotonicMs()
          if (json || now - drawnMs < DRAW_MS) return
          drawnMs = now
          terminal.draw([progressBar('of the log read', done, total, terminal.columns)])
        },
      },
    )
    await store.commitIndex()
    const { logBytes, segments } = store.stats()
    const damage = store.damage()
    const losses = store.losses()
    await store.close()
    const seconds = Math.max(0.001, (clock.monotonicMs() - startMs) / 1_000)
    terminal.draw([])
    if (json) {
      terminal.out(JSON.stringify({ records, segments, logBytes, seconds, damage, losses }))
    } else {
      const rate = `${Math.round(records / seconds)} records/s, ${formatSize(logBytes / seconds)}/s`
      terminal.out(
        `index rebuilt: ${records} records of ${segments} segments (${formatSize(logBytes)}) ` +
          `in ${seconds.toFixed(1)} s: ${rate}`,
      )
      for (const { segment, offset, lengthBytes } of damage) {
        terminal.error(`damaged: ${lengthBytes} bytes at ${offset} of segment ${segment}`)
      }
      for (const { reason, detail } of losses) terminal.error(`lost: ${detail} (${reason})`)
      if (damage.length + losses.length > 0)
        terminal.error('start the node: it fetches these from the other replicas')
    }
    return damage.length + losses.length === 0 ? 0 : 1
  } finally {
    lock.release()
  }
}
