/**
 * A parser that is given generated inputs, and what it may do with them: take one, or refuse it with one of
 * its documented errors. Anything else is a fault, and so is a broken promise about what was taken.
 */

import { S3Error } from '../../gateway/http/errors.ts'
import { IamError } from '../../gateway/port/iam-backend.ts'
import { MalformedPolicyError } from '../../protocol/iam/policy.ts'
import { BudgetError } from '../../protocol/work.ts'
import type { SmallRandom } from '../../protocol/iam/testing/cases.ts'

export interface Subject {
  readonly name: string
  /** How many of a thousand inputs are for it. */
  readonly share: number
  /** Characters of the longest input that can reach it. */
  readonly sizeMax: number
  /** What a valid input is made of: pieces that are left out, repeated, exchanged. */
  readonly pieces: RegExp
  /** Drawn by the grammar: the parser takes it. */
  valid(random: SmallRandom): string
  /**
   * Parses the text. True when it was taken; false, or a documented error, when it was refused. Throws Broken when the
   * parser does not keep what it promises.
   */
  take(text: string, random: SmallRandom): boolean
}

/** A promise that a parser did not keep. */
export class Broken extends Error {
  override readonly name = 'Broken'
}

export function promise(holds: boolean, what: string): void {
  if (!holds) throw new Broken(what)
}

/** The errors by which parsers refuse: of the client's making, never 5xx but "not implemented". */
export function isParserRefusal(error: unknown): boolean {
  if (error instanceof S3Error || error instanceof IamError) {
    return (error.status >= 400 && error.status < 500) || error.status === 501
  }
  return error instanceof MalformedPolicyError || error instanceof BudgetError
}

export function some<T>(random: SmallRandom, most: number, draw: () => T): T[] {
  return Array.from({ length: random.below(most + 1) }, draw)
}

export function subjectText(
  random: SmallRandom,
  characters: string,
  most: number,
  least = 0,
): string {
  let drawn = ''
  for (let left = least + random.below(most - least + 1); left > 0; left--) {
    drawn += characters[random.below(characters.length)] as string
  }
  return drawn.toWellFormed()
}

export const WORD = 'abcdefghijklmnopqrstuvwxyzABCXYZ0123456789'
export const HEX = '0123456789abcdef'
