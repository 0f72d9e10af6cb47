/** A store on the real disk and on LMDB, for what a disk in memory can't show. */

import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDisk } from '../../env/disk.ts'
import { openLmdb } from '../../env/lmdb.ts'
import { SystemClock, SystemRandom } from '../../env/system.ts'
import type { StoreOptions } from '../types.ts'
import { SILENT_LOGGER } from './log-lab.ts'

/** Makes directories below a fresh one in the system's place for temporary files. The caller removes `root` at the end. */
export class RealDirectories {
  readonly root: string
  #count = 0

  constructor(prefix: string) {
    this.root = mkdtempSync(join(tmpdir(), prefix))
  }

  /** A new, empty directory. */
  fresh(): string {
    const directory = join(this.root, String(this.#count++))
    mkdirSync(directory)
    return directory
  }
}

/** Log and index are in the directory. Records make no rows unless `options` has another `apply`. */
export function realStoreOptions(
  directory: string,
  options: Partial<StoreOptions> = {},
): StoreOptions {
  return {
    disk: createDisk(directory),
    clock: new SystemClock(),
    random: new SystemRandom(),
    openIndex: () => openLmdb(join(directory, 'index')),
    logger: SILENT_LOGGER,
    segmentSizeBytes: 4 << 20,
    reserveBytes: 0,
    fail: (reason) => {
      throw new Error(reason)
    },
    compactedType: 10,
    apply: () => [],
    ...options,
  }
}
