/** What a data directory tells about its node without opening it: whether it is a member, and of which cluster. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LayoutEntry } from '../../protocol/layout/entry.ts'
import { lastEntryOf } from '../layout/layout-file.ts'
import { LAYOUT_FILE } from '../layout/layout-store.ts'
import { readNode } from './node-file.ts'

/**
 * Whether the node founded a cluster or has joined one, and has the layout. It needs no token. A node that was stopped
 * while it joined may lack the layout, and joins again.
 */
export function isMemberDirectory(directory: string): boolean {
  const node = readNode(directory)
  return node?.clusterSecret !== undefined && existsSync(join(directory, LAYOUT_FILE))
}

/** Whether a member has admitted the node and given it the layout. It goes on without a token, even as a learner. */
export function isAdmittedDirectory(directory: string): boolean {
  return readNode(directory)?.origin === 'join' && layoutOfDirectory(directory) !== undefined
}

/** The last layout that a directory knows. Undefined when it has none, or none that can be read. */
export function layoutOfDirectory(directory: string): LayoutEntry | undefined {
  try {
    return lastEntryOf(readFileSync(join(directory, LAYOUT_FILE)))
  } catch {
    return undefined
  }
}
