/** node.json and its copy on disk. A start writes them; commands read them to find their node. */

import { join } from 'node:path'
import { UsageError } from '../tools/usage-error.ts'
import { readTextFile, replaceFile } from './durable-file.ts'
import {
  decodeNodeRecord,
  encodeNodeRecord,
  laterOf,
  NODE_COPY_FILE,
  NODE_FILE,
  type NodeRecord,
  type ParsedNode,
} from './node-record.ts'

/**
 * Reads node.json of a directory, which may be in use by its node. Undefined when there is none. Throws UsageError when
 * it can't be understood.
 */
export function readNode(directory: string): NodeRecord | undefined {
  const parsed = laterOf(parsedAt(directory, NODE_FILE), parsedAt(directory, NODE_COPY_FILE))
  if (parsed === undefined) return undefined
  if (parsed.type === 'record') return parsed.record
  throw new UsageError(`${join(directory, NODE_FILE)} ${parsed.why}`)
}

/** Which of the two files is damaged or missing beside the other. Undefined when both are whole. */
export function damagedNodeFile(directory: string): string | undefined {
  const names = [NODE_FILE, NODE_COPY_FILE]
  const damaged = names.filter((name) => parsedAt(directory, name)?.type === 'damaged')
  const main = parsedAt(directory, NODE_FILE)
  return main === undefined ? NODE_FILE : damaged[0]
}

function parsedAt(directory: string, name: string): ParsedNode | undefined {
  const text = readTextFile(join(directory, name))
  return text === undefined ? undefined : decodeNodeRecord(text)
}

/** Durable when it returns. The copy is written first. */
export function writeNode(directory: string, node: NodeRecord): void {
  const text = encodeNodeRecord(node)
  for (const name of [NODE_COPY_FILE, NODE_FILE]) replaceFile(join(directory, name), text)
}
