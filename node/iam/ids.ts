/** Ids, tokens and secrets: drawn from the Random port, in AWS's form. */

import { hex } from '../../protocol/bytes.ts'
import { ID_PREFIXES } from '../../protocol/iam/identity.ts'
import type { Random } from '../env/ports.ts'

/** Base32 of RFC 4648: 32 letters, so five random bits choose one without bias. */
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** 17 letters of five bits: 85 random bits. */
const DRAWN = 17
const SECRET_BYTES = 30

/**
 * A new id such as 'AIDA…' for a user: four letters for the kind and 85 random bits, so that no id is
 * ever used again. References name ids, so a new entity under the name of a deleted one is another
 * entity.
 */
export function uniqueId(random: Random, kind: keyof typeof ID_PREFIXES): string {
  let drawn = ''
  for (const byte of random.bytes(DRAWN)) drawn += LETTERS.charAt(byte & 31)
  return ID_PREFIXES[kind] + drawn
}

/** Tells one grant of the same thing from another one: 16 hexadecimal digits, 64 random bits. */
export function drawToken(random: Random): string {
  return hex(random.bytes(8))
}

/** 40 characters: 30 bytes in base64, which need no padding. */
export function drawSecret(random: Random): string {
  return Buffer.from(random.bytes(SECRET_BYTES)).toString('base64')
}

/** Twelve digits, as AWS account ids have. The caller checks that no account has it yet. */
export function drawAccountId(random: Random): string {
  const number = random.bytes(8).reduce((sum, byte) => (sum * 256 + byte) % 1e12, 0)
  return String(number).padStart(12, '0')
}
