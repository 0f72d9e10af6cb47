/**
 * node.json and its copy on a simulated disk: read, mended and written at once and durably, as
 * node/process/data-directory.ts does it on a real one.
 */

import type { StorageId } from '../../protocol/ids.ts'
import { utf8 } from '../../protocol/bytes.ts'
import type { NodeChanges } from '../../node/process/data-directory.ts'
import {
  decodeNodeRecord,
  encodeNodeRecord,
  laterOf,
  NODE_COPY_FILE,
  NODE_FILE,
  NODE_VERSION,
  type NodeRecord,
  type ParsedNode,
} from '../../node/process/node-record.ts'
import type { SimulatedDisk } from './disk.ts'

/** The copy is written first. */
export const NODE_FILES = [NODE_COPY_FILE, NODE_FILE] as const

/** No simulated node signs with it. */
const PRIVATE_KEY = Buffer.from('simulated').toString('base64')

export class NodeFiles {
  /** Which of the two was damaged or missing beside the other, and was written again. */
  readonly mended: readonly string[]
  readonly #disk: SimulatedDisk
  #record: NodeRecord

  constructor(disk: SimulatedDisk, record: NodeRecord, mended: readonly string[]) {
    this.#disk = disk
    this.#record = record
    this.mended = mended
    this.#write()
  }

  /** As last written, whatever became of the files meanwhile. */
  get record(): NodeRecord {
    return this.#record
  }

  /** Durable when it returns. */
  remember(changes: NodeChanges): void {
    this.#record = { ...this.#record, ...changes }
    this.#write()
  }

  #write(): void {
    const bytes = utf8(encodeNodeRecord(this.#record))
    for (const name of NODE_FILES) this.#disk.put(name, bytes)
  }
}

/** At a start: raises the boot number in both files (P1). Throws when neither can be believed. */
export function openNodeFiles(
  disk: SimulatedDisk,
  birth: { readonly storageId: StorageId; readonly origin: NodeRecord['origin'] },
): NodeFiles {
  const stored = readNodeRecord(disk)
  if (stored === undefined) {
    if (disk.paths().length > 0) throw new Error(`the directory holds files and no ${NODE_FILE}`)
    const version = NODE_VERSION
    const record = { ...birth, version, privateKey: PRIVATE_KEY, boot: 1, addresses: {} } as const
    return new NodeFiles(disk, record, [])
  }
  return new NodeFiles(disk, { ...stored, boot: stored.boot + 1 }, unsoundNodeFiles(disk))
}

/** What counts of the two files, as commands read it. Undefined when there is none. */
export function readNodeRecord(disk: SimulatedDisk): NodeRecord | undefined {
  const parsed = laterOf(parsedAt(disk, NODE_FILE), parsedAt(disk, NODE_COPY_FILE))
  if (parsed === undefined || parsed.type === 'record') return parsed?.record
  throw new Error(`${NODE_FILE} ${parsed.why}`)
}

/** Which of the two are damaged or missing. */
export function unsoundNodeFiles(disk: SimulatedDisk): string[] {
  return NODE_FILES.filter((name) => parsedAt(disk, name)?.type !== 'record')
}

function parsedAt(disk: SimulatedDisk, name: string): ParsedNode | undefined {
  if (!disk.paths().includes(name)) return undefined
  // As readFileSync does: what is no UTF-8 becomes a sign of its own.
  return decodeNodeRecord(Buffer.from(disk.contentOf(name)).toString('utf8'))
}
