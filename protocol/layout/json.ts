/**
 * Reading JSON that others wrote: exact fields, checked types, bounded sizes. An unknown field, a missing one or
 * `__proto__` is refused, so nothing is misread or inherited (F20, F28).
 *
 * Every function throws ShapeError when the value is not what it should be.
 */

import { utf8Text } from '../bytes.ts'

/** The bytes are not what they should be. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError'
}

/** The fields of an object by name, not yet checked themselves. It has no prototype. */
export type Fields<Name extends string> = { readonly [name in Name]: unknown }

export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8Text(bytes)) as unknown
  } catch {
    throw new ShapeError('not JSON')
  }
}

/** The named fields of an object that has exactly these, besides any of `optional`. */
export function fieldsOf<Name extends string, Optional extends string = never>(
  value: unknown,
  names: readonly Name[],
  optional: readonly Optional[] = [],
): Fields<Name | Optional> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ShapeError('not an object')
  }
  const known: readonly string[] = [...names, ...optional]
  const result = Object.create(null) as Record<string, unknown>
  for (const [name, field] of Object.entries(value)) {
    if (!known.includes(name)) throw new ShapeError(`unknown field ${name.slice(0, 40)}`)
    result[name] = field
  }
  for (const name of names) {
    if (!(name in result)) throw new ShapeError(`field ${name} is missing`)
  }
  return result as Fields<Name | Optional>
}

/** A text of at most `lengthMax` UTF-16 code units. */
export function textOf(value: unknown, lengthMax: number): string {
  if (typeof value !== 'string' || value.length > lengthMax) throw new ShapeError('not a text')
  return value
}

/** A text that the pattern matches, of at most 4,096 code units. Anchor the pattern: a match anywhere is enough. */
export function matchOf(value: unknown, pattern: RegExp): string {
  const text = textOf(value, 4096)
  if (!pattern.test(text)) throw new ShapeError('text of another form')
  return text
}

/** A whole number from `min` to `max`, both included. */
export function integerOf(value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    throw new ShapeError('not a number in its range')
  }
  return value
}

/** A list of at most `lengthMax` items. `read` is called for each and throws for a wrong one. */
export function listOf<T>(value: unknown, lengthMax: number, read: (item: unknown) => T): T[] {
  if (!Array.isArray(value) || value.length > lengthMax) throw new ShapeError('not a list')
  return value.map(read)
}

/** One of the given words. */
export function oneOf<const T extends string>(value: unknown, choices: readonly T[]): T {
  const choice = choices.find((choice) => choice === value)
  if (choice === undefined) throw new ShapeError('not one of the known words')
  return choice
}
