/**
 * Which cluster secret is in force: part of the layout, so that all members agree, and that the next one comes
 * exactly once however many ask for it. The layout names a secret and never holds it: members hold it
 * (node/layout/secret-office.ts), and each accepts an entry only once it has the secret that the entry names.
 *
 * The first secret of a cluster is in no entry; the second has generation 2.
 */

import { hex, utf8 } from '../bytes.ts'
import { blake3 } from '../hash.ts'
import { fieldsOf, integerOf, matchOf, textOf } from './json.ts'

const SECRET_ID = /^[0-9a-f]{32}$/
/** How long sessions that an earlier secret signed stay good at most: as long as the longest session. */
export const OVERLAP_MS_MAX = 129_600_000

export interface SecretRecord {
  readonly generation: number
  /** `secretId` of the one in force. */
  readonly id: string
  /** `secretId` of the one before. */
  readonly previousId: string
  /** Wall clock of the member that proposed it. */
  readonly sinceMs: number
  /** How long sessions that the one before has signed stay good; 0 ends them at once. */
  readonly overlapMs: number
  /** The root account's secret of the genesis record, sealed with this one. */
  readonly rootSealed: string
}

/** Names a secret without telling it, hex. */
export function secretId(secret: Uint8Array): string {
  return hex(blake3(utf8('shoal secret id'), secret)).slice(0, 32)
}

/** The generation in force. 1 while the first secret is, which is in no entry. */
export function generationOf(record: SecretRecord | undefined): number {
  return record?.generation ?? 1
}

/** Why `after` can't follow `before`; undefined when it can. */
export function rotationFault(
  before: SecretRecord | undefined,
  after: SecretRecord | undefined,
): string | undefined {
  if (after === undefined) return 'a rotation names the new secret'
  if (after.generation !== generationOf(before) + 1) return 'a rotation is one generation'
  if (before !== undefined && after.previousId !== before.id) return 'a rotation follows another'
  return after.id === after.previousId ? 'a rotation changes the secret' : undefined
}

export function secretJson(record: SecretRecord): SecretRecord {
  const { generation, id, previousId, sinceMs, overlapMs, rootSealed } = record
  return { generation, id, previousId, sinceMs, overlapMs, rootSealed }
}

/** Throws ShapeError. */
export function readSecret(value: unknown): SecretRecord {
  const fields = fieldsOf(value, [
    'generation',
    'id',
    'previousId',
    'sinceMs',
    'overlapMs',
    'rootSealed',
  ])
  return {
    generation: integerOf(fields.generation, 2, Number.MAX_SAFE_INTEGER),
    id: matchOf(fields.id, SECRET_ID),
    previousId: matchOf(fields.previousId, SECRET_ID),
    sinceMs: integerOf(fields.sinceMs, 0, Number.MAX_SAFE_INTEGER),
    overlapMs: integerOf(fields.overlapMs, 0, OVERLAP_MS_MAX),
    rootSealed: textOf(fields.rootSealed, 4096),
  }
}
