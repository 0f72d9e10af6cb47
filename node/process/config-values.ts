/**
 * Kinds of values that the configuration's fields take (config-fields.ts): each reads what was written, checks it and
 * says in one line what is wrong with it.
 */

import { z } from 'zod'
import { parseIpRange } from '../../protocol/iam/ip.ts'
import { parseDuration, parseSize } from '../tools/units.ts'

/** Where a server listens. */
export interface HostPort {
  /** A name or an address, IPv6 without brackets. */
  readonly host: string
  /** 0: any free port. */
  readonly port: number
}

/** A text that fits the pattern. `problem` completes the sentence "FIELD: VALUE …". */
export function textValue(pattern: RegExp, problem: string): z.ZodType<string> {
  return z.string(problem).regex(pattern, problem)
}

/** 'HOST:PORT', with brackets around an IPv6 address. */
export function hostPortValue(): z.ZodType<HostPort> {
  const problem = 'is not HOST:PORT, such as 127.0.0.1:9000'
  return z.string(problem).transform((value, context): HostPort => {
    const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(value)
    const port = Number(match?.[2])
    if (match !== null && port <= 65_535) {
      return { host: (match[1] as string).replaceAll(/[[\]]/g, ''), port }
    }
    context.addIssue({ code: 'custom', message: problem })
    return z.NEVER
  })
}

/** A size such as '2GiB', in bytes from `min` to `max`. `range` says which sizes are allowed. */
export function sizeValue(min: number, max: number, range: string): z.ZodType<number> {
  const problem = 'is not a size, such as 512MiB, 2GiB or 1TiB'
  return z.string(problem).transform((value, context): number => {
    // Zero is the same in every unit.
    const sizeBytes = value === '0' ? 0 : parseSize(value)
    if (sizeBytes !== undefined && sizeBytes >= min && sizeBytes <= max) return sizeBytes
    context.addIssue({ code: 'custom', message: sizeBytes === undefined ? problem : range })
    return z.NEVER
  })
}

/** A duration such as '10s', in milliseconds from `min` to `max`. `range` says which are allowed. */
export function durationValue(min: number, max: number, range: string): z.ZodType<number> {
  const problem = 'is not a duration, such as 500ms, 10s or 5m'
  return z.string(problem).transform((value, context): number => {
    const durationMs = parseDuration(value)
    if (durationMs !== undefined && durationMs >= min && durationMs <= max) return durationMs
    context.addIssue({ code: 'custom', message: durationMs === undefined ? problem : range })
    return z.NEVER
  })
}

/** A whole number; variables bring it as text. */
export function countValue(min: number, max: number): z.ZodType<number> {
  const problem = `is not a whole number from ${min} to ${max}`
  return z.union([z.number(), z.string()], problem).transform((value, context): number => {
    const number =
      typeof value === 'string' && !/^\d{1,9}$/.test(value) ? Number.NaN : Number(value)
    if (Number.isInteger(number) && number >= min && number <= max) return number
    context.addIssue({ code: 'custom', message: problem })
    return z.NEVER
  })
}

/** A fraction; variables bring it as text. */
export function shareValue(min: number, max: number): z.ZodType<number> {
  const problem = `is not a number from ${min} to ${max}`
  return z.union([z.number(), z.string()], problem).transform((value, context): number => {
    const text = typeof value === 'number' || /^\d{0,9}\.?\d{1,9}$/.test(value)
    const number = text ? Number(value) : Number.NaN
    if (number >= min && number <= max) return number
    context.addIssue({ code: 'custom', message: problem })
    return z.NEVER
  })
}

/** Host names; variables bring them as one text with commas. */
export function hostNamesValue(): z.ZodType<readonly string[]> {
  const problem = 'is not a list of host names, such as s3.example.org'
  return namesValue(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, problem, ' (lower case)')
}

/** IP addresses and CIDR ranges; variables bring them as one text with commas. */
export function addressesValue(): z.ZodType<readonly string[]> {
  const problem = 'is not a list of IP addresses and ranges, such as 10.0.0.0/8'
  return listValue((text) => parseIpRange(text) !== undefined, problem)
}

/** Names of files; variables bring them as one text with commas. */
export function fileNamesValue(): z.ZodType<readonly string[]> {
  return namesValue(/^[^\0]+$/, 'is not a list of file names')
}

/** `hint` is added where the value is a list, and a name in it does not fit. */
function namesValue(pattern: RegExp, problem: string, hint = ''): z.ZodType<readonly string[]> {
  return listValue((name) => pattern.test(name), problem, hint)
}

function listValue(
  fits: (text: string) => boolean,
  problem: string,
  hint = '',
): z.ZodType<readonly string[]> {
  return z.union([z.string(), z.array(z.string())], problem).transform((value, context) => {
    const names = typeof value === 'string' ? value.split(',').map((name) => name.trim()) : value
    if (names.every(fits)) return names
    context.addIssue({ code: 'custom', message: `${problem}${hint}` })
    return z.NEVER
  })
}
