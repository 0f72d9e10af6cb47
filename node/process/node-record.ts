/**
 * What node.json holds: the identity of the node, and which log belongs to it. Works on text, so that the simulation can
 * use it too.
 *
 * The record is kept twice (NODE_FILE, NODE_COPY_FILE), and the copy is written first. A damaged one is made again from
 * the other. When both are whole, the one of the later start counts, so that no boot number is used twice (P1, G5).
 */

import { z } from 'zod'
import { storageId } from '../../protocol/ids.ts'
import { ChecksumError, checkedFields, withChecksum } from '../tools/checked-json.ts'

export const NODE_FILE = 'node.json'
export const NODE_COPY_FILE = 'node.json.copy'
export const NODE_VERSION = 1
export const BOOT_MAX = 2 ** 32 - 1

const base64 = z.string().regex(/^[A-Za-z0-9+/]+={0,2}$/)

const nodeRecord = z.strictObject({
  version: z.literal(NODE_VERSION),
  /** libp2p's protobuf of the Ed25519 key, base64. */
  privateKey: base64,
  storageId: z
    .string()
    .regex(/^[0-9a-f]{24}$/)
    .transform(storageId),
  /** Raised durably at each start, so that ballots and data ids of an earlier run are never used again. */
  boot: z.int().min(0).max(BOOT_MAX),
  /** Why the directory was made. A node that was made to join must never found a cluster of its own (L1). */
  origin: z.enum(['found', 'join']),
  /** Where the node last served. `shoal start --data DIR` uses the same addresses again. */
  addresses: z.strictObject({
    s3: z.string().optional(),
    admin: z.string().optional(),
    listen: z.string().optional(),
  }),
  /** The S3 port spoke TLS when the node last served. */
  s3Tls: z.boolean().optional(),
  zone: z.string().optional(),
  capacityBytes: z.int().min(0).optional(),
  /** 32 bytes, base64. Present once the node founded a cluster or was admitted to one. */
  clusterSecret: base64.optional(),
  /** The cluster secret before that one, and one that may be decided next (layout/secret-office.ts). */
  moreSecrets: z.array(base64).max(16).optional(),
  /** Id of the log that belongs to this directory, hex. If there is another log or none, the log is lost (D9). */
  logId: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional(),
})

export type NodeRecord = Readonly<z.output<typeof nodeRecord>>

export type ParsedNode =
  | { readonly type: 'record'; readonly record: NodeRecord }
  /** The bytes are not what was written. */
  | { readonly type: 'damaged'; readonly why: string }
  /** Undamaged, but in a form that this program does not know. */
  | { readonly type: 'unknown'; readonly why: string }

/** JSON with a checksum, indented for people. */
export function encodeNodeRecord(record: NodeRecord): string {
  return `${JSON.stringify(withChecksum(record), undefined, 2)}\n`
}

/**
 * Reads node.json. Never throws: what is wrong is part of the result. A file with a good checksum and
 * fields that do not fit is `unknown` and not `damaged`, because a later program wrote it (F20).
 */
export function decodeNodeRecord(text: string): ParsedNode {
  let fields: unknown
  let checked: boolean
  try {
    ;({ fields, checked } = checkedFields(JSON.parse(text)))
  } catch (error) {
    const why = error instanceof ChecksumError ? error.message : 'it is not JSON'
    return { type: 'damaged', why: `is damaged: ${why}` }
  }
  const version = (fields as { version?: unknown } | null)?.version
  if (version !== NODE_VERSION) {
    const shown = JSON.stringify(version)?.slice(0, 40) ?? 'none'
    const why = `has version ${shown}: this program knows only ${NODE_VERSION}`
    return { type: 'unknown', why }
  }
  const result = nodeRecord.safeParse(fields)
  if (result.success) return { type: 'record', record: result.data }
  const why = `is damaged: field ${result.error.issues[0]?.path.join('.') || '?'}`
  return { type: checked ? 'unknown' : 'damaged', why }
}

/** Chooses between the file and its copy. Undefined when neither exists. */
export function laterOf(
  main: ParsedNode | undefined,
  copy: ParsedNode | undefined,
): ParsedNode | undefined {
  if (main?.type === 'unknown') return main
  if (main?.type === 'record' && copy?.type === 'record') {
    return copy.record.boot > main.record.boot ? copy : main
  }
  if (main?.type === 'record') return main
  return copy?.type === 'record' ? copy : main
}
