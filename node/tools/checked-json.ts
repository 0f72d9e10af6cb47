/**
 * Small JSON files with a checksum over all their other fields: node.json, its copy, credentials.json and the
 * files of the layout. JSON alone does not notice a digit that has become another one (A4).
 *
 *   {"version": 1, …, "checksum": "first 16 bytes of BLAKE3 over the JSON text of the other fields, hex"}
 *
 * A file of an earlier program has no checksum. It is accepted as it is, and its reader writes it again.
 */

import { hex, utf8 } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'

const CHECKSUM_BYTES = 16

export interface CheckedFields {
  /** Without the checksum. */
  readonly fields: unknown
  /** False for a file of an earlier program. */
  readonly checked: boolean
}

export class ChecksumError extends Error {
  override readonly name = 'ChecksumError'

  constructor() {
    super('its checksum does not fit')
  }
}

/** The fields with their checksum behind them. */
export function withChecksum(fields: object): object {
  return { ...fields, checksum: checksumOf(fields) }
}

/** Throws ChecksumError. */
export function checkedFields(json: unknown): CheckedFields {
  if (typeof json !== 'object' || json === null || !('checksum' in json)) {
    return { fields: json, checked: false }
  }
  const { checksum, ...fields } = json
  if (checksum !== checksumOf(fields)) throw new ChecksumError()
  return { fields, checked: true }
}

function checksumOf(fields: object): string {
  return hex(blake3(utf8(JSON.stringify(fields))).subarray(0, CHECKSUM_BYTES))
}
