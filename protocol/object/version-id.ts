/**
 * Version ids (T5): the sequence of the write inverted, so that newer ids sort first, then 8 random bytes,
 * as 32 lower-case hex digits. Opaque to clients; the sequence in it finds the version's page.
 *
 * ```
 * 0                    16              32
 * +--------------------+---------------+
 * | 2^64 − 1 − sequence| random        |
 * +--------------------+---------------+
 * ```
 */

import { assert } from '../assert.ts'
import { hex } from '../bytes.ts'
import { checkInput } from '../input.ts'

/** How the version without an id is called at S3; in a record its id is empty. */
export const NULL_VERSION_ID = 'null'
export const VERSION_RANDOM_BYTES = 8

const WORD = 0x1_0000_0000

/** `random`: 8 bytes, drawn once for an operation. */
export function versionIdOf(sequence: number, random: Uint8Array): string {
  checkInput(Number.isSafeInteger(sequence) && sequence > 0, 'a version has a sequence')
  assert(random.length === VERSION_RANDOM_BYTES, 'a version id has 8 random bytes')
  const high = WORD - 1 - Math.floor(sequence / WORD)
  const low = WORD - 1 - (sequence % WORD)
  return word(high) + word(low) + hex(random)
}

/** Undefined when no version of any key can have this id, and for the null version, whose id has no sequence. */
export function sequenceOfVersionId(id: string): number | undefined {
  if (!/^[0-9a-f]{32}$/.test(id)) return undefined
  const high = WORD - 1 - Number.parseInt(id.slice(0, 8), 16)
  const low = WORD - 1 - Number.parseInt(id.slice(8, 16), 16)
  const sequence = high * WORD + low
  return Number.isSafeInteger(sequence) && sequence > 0 ? sequence : undefined
}

/** Could some version of some key have it? */
export function isVersionId(text: string): boolean {
  return text === NULL_VERSION_ID || sequenceOfVersionId(text) !== undefined
}

function word(value: number): string {
  return value.toString(16).padStart(8, '0')
}
