/** Logs once that the disk does not answer, and once that it answers again (D11). */

import type { Clock, Logger } from '../env/ports.ts'
import type { DiskWatch } from '../env/watched-disk.ts'

const LOOK_MS = 1_000
const SILENT_MS = 3_000

/** Looks every second until the returned function is called. */
export function logDiskSilence(
  { clock, logger }: { clock: Clock; logger: Logger },
  disk: Pick<DiskWatch, 'silentMs'>,
): () => void {
  let cancel = (): void => {}
  let reportedMs = 0
  const look = (): void => {
    const silentMs = disk.silentMs()
    if (silentMs >= SILENT_MS) {
      if (reportedMs === 0) logger.error({ seconds: silentMs / 1_000 }, 'the disk does not answer')
      reportedMs = silentMs
    } else if (reportedMs > 0) {
      logger.warn({ seconds: reportedMs / 1_000 }, 'the disk answers again')
      reportedMs = 0
    }
    cancel = clock.after(LOOK_MS, look)
  }
  cancel = clock.after(LOOK_MS, look)
  return () => cancel()
}
