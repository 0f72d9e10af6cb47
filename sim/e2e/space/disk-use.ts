/** What a node's data directory takes, as the file system counts it. */

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

export interface DiskUse {
  readonly logBytes: number
  readonly indexBytes: number
}

export function diskUse(nodeDir: string): DiskUse {
  return { logBytes: sizeOf(join(nodeDir, 'log')), indexBytes: sizeOf(join(nodeDir, 'index')) }
}

function sizeOf(directory: string): number {
  let sum = 0
  for (const name of readdirSync(directory)) {
    try {
      sum += statSync(join(directory, name)).blocks * 512
    } catch {
      // Compacted away since it was listed.
    }
  }
  return sum
}
