/**
 * The directory of `shoal cluster`: the nodes in it, and the members of their cluster. Only reads;
 * cluster-plan.ts decides what to start.
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { NodeId } from '../../protocol/ids.ts'
import { nodeIdOfKey } from '../net/identity.ts'
import { probeListen } from '../net/listen-probe.ts'
import { isMemberDirectory, layoutOfDirectory } from '../process/known-directory.ts'
import { readNode } from '../process/node-file.ts'
import type { NodeRecord } from '../process/node-record.ts'
import { UsageError } from '../tools/usage-error.ts'
import type { ExistingNode, KnownMember } from './cluster-plan.ts'

/**
 * Looks into each node's directory, DATA/node-0 and so on, in no particular order. Empty when `data`
 * does not exist. Throws UsageError when it is the directory of one node or holds something else:
 * nodes must not be started among foreign files.
 */
export function existingNodes(data: string): ExistingNode[] {
  let names: string[]
  try {
    names = readdirSync(data)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return []
    if (code === 'ENOTDIR') throw new UsageError(`${data} is a file, not a directory`)
    throw error
  }
  if (names.includes('node.json')) {
    throw new UsageError(`${data} is the directory of one node: use \`shoal start --data\``)
  }
  const existing: ExistingNode[] = []
  for (const name of names) {
    if (name === 'lost+found') continue
    const index = /^node-(0|[1-9]\d?)$/.exec(name)?.[1]
    if (index === undefined) {
      throw new UsageError(
        `${data} holds ${JSON.stringify(name)}, so it is not the directory of a cluster: give another one`,
      )
    }
    existing.push(existingNode(Number(index), join(data, name)))
  }
  return existing
}

/** A directory without node.json is that of a node whose first start was interrupted. */
function existingNode(index: number, directory: string): ExistingNode {
  let node: NodeRecord | undefined
  try {
    node = readNode(directory)
  } catch {
    // Its own start refuses a damaged one and says why; the others go on.
    return { index, isMember: true }
  }
  return {
    index,
    isMember: isMemberDirectory(directory) || node?.addresses.s3 !== undefined,
    s3Address: node?.addresses.s3,
    nodeId: node === undefined ? undefined : nodeIdOf(node),
  }
}

/** The id that belongs to the node's key. Undefined for a damaged key. */
function nodeIdOf({ privateKey }: NodeRecord): NodeId | undefined {
  try {
    return nodeIdOfKey(new Uint8Array(Buffer.from(privateKey, 'base64')))
  } catch {
    return undefined
  }
}

/**
 * The members of the latest layout that any of the directories has. Empty when that can't be said for
 * sure.
 */
export function knownMembers(data: string, existing: readonly ExistingNode[]): KnownMember[] {
  // A node whose node.json can't be read may be any of the members.
  if (existing.some(({ isMember, nodeId }) => isMember && nodeId === undefined)) return []
  const layouts = existing
    .map(({ index }) => layoutOfDirectory(join(data, `node-${index}`)))
    .filter((layout) => layout !== undefined)
  const latest = layouts.sort((a, b) => b.epoch - a.epoch)[0]
  return (latest?.members ?? []).map(({ nodeId, addresses }) => {
    const port = /\/tcp\/(\d+)/.exec(addresses[0] ?? '')?.[1]
    return { nodeId, port: port === undefined ? undefined : Number(port) }
  })
}

/**
 * Leaves out the members that run. A member that has no directory here, but whose port is in use, has joined from
 * outside and is not lost.
 */
export async function membersNotRunning(
  members: readonly KnownMember[],
  existing: readonly ExistingNode[],
): Promise<readonly KnownMember[]> {
  const own = new Set(existing.map(({ nodeId }) => nodeId))
  const away: KnownMember[] = []
  for (const member of members) {
    const { nodeId, port } = member
    const isFree =
      own.has(nodeId) ||
      port === undefined ||
      (await probeListen([{ host: '127.0.0.1', port }]).then(
        () => true,
        (error: NodeJS.ErrnoException) => error.code !== 'EADDRINUSE',
      ))
    if (isFree) away.push(member)
  }
  return away
}
