/**
 * Condition operators: how one value of the request compares with one value of the policy. `NotX` is
 * X turned round: no policy value may match.
 */

import type { Meter } from '../work.ts'
import { arnMatcher, arnPattern } from './arn.ts'
import { parseInstant } from './instant.ts'
import { inIpRange, parseIp, parseIpRange } from './ip.ts'
import { compilePattern, matchesPattern } from './pattern.ts'

/** Does one value of the request match the policy's value that this was made of? */
export type Matcher = (actual: string, meter: Meter) => boolean

interface Operator {
  /** `*` and `?` in the policy's value are wildcards. */
  readonly wildcards: boolean
  /** Holds when no value matches. */
  readonly negated: boolean
  /** Refuses a policy's value when it is written. */
  readonly valid?: (written: string) => boolean
  /**
   * Compiles a policy's value, given as units of pattern.ts. The result is false for values of the request
   * that are of another form.
   */
  readonly matcher: (units: readonly number[]) => Matcher
}

function textOf(units: readonly number[]): string {
  return units.map((unit) => String.fromCharCode(unit)).join('')
}

/**
 * Texts that are compared whole. The policy's value is compared in the form that `fold` gives to
 * both.
 */
function text(fold: (text: string, meter: Meter) => string, negated = false): Operator {
  return {
    wildcards: false,
    negated,
    matcher(units) {
      const written = textOf(units)
      let folded: string | undefined
      return (actual, meter) => {
        meter.take(4 + (written.length >> 2))
        return (folded ??= fold(written, meter)) === fold(actual, meter)
      }
    },
  }
}

/** Numbers, dates and addresses are short: what is longer is refused after the first characters. */
const READ_STEPS = 64

/** Both sides as numbers; what is none never matches. */
function ordered(
  read: (text: string) => number | undefined,
  holds: (actual: number, written: number) => boolean,
  negated = false,
): Operator {
  return {
    wildcards: false,
    negated,
    valid: (written) => read(written) !== undefined,
    matcher(units) {
      const right = read(textOf(units))
      return (actual, meter) => {
        meter.take(READ_STEPS)
        const left = read(actual)
        return left !== undefined && right !== undefined && holds(left, right)
      }
    },
  }
}

/** Texts with wildcards. */
function like(negated: boolean): Operator {
  return {
    wildcards: true,
    negated,
    matcher(units) {
      const pattern = compilePattern(units)
      return (actual, meter) => matchesPattern(pattern, actual, meter)
    },
  }
}

/** ARNs with wildcards, field by field. */
function arn(negated: boolean): Operator {
  return {
    wildcards: true,
    negated,
    valid: (written) => arnPattern(written, false) !== undefined,
    matcher: arnMatcher,
  }
}

/** Characters of an address in its longest form. */
const IP_CHARACTERS_MAX = 45

function ip(negated: boolean): Operator {
  return {
    wildcards: false,
    negated,
    valid: (written) => parseIpRange(written) !== undefined,
    matcher(units) {
      const range = parseIpRange(textOf(units))
      return (actual, meter) => {
        meter.take(READ_STEPS)
        const address = actual.length > IP_CHARACTERS_MAX ? undefined : parseIp(actual)
        return range !== undefined && address !== undefined && inIpRange(range, address)
      }
    },
  }
}

/** 'true' and 'false' as numbers, in any case. */
function truth(written: string): number | undefined {
  const word = written.length > 5 ? '' : written.toLowerCase()
  return word === 'true' ? 1 : word === 'false' ? 0 : undefined
}

/** A decimal number without an exponent. */
function parseNumber(written: string): number | undefined {
  return /^[+-]?\d{1,30}(\.\d{1,30})?$/.test(written) ? Number(written) : undefined
}

const same = (text: string): string => text
const lowered = (text: string, meter: Meter): string => {
  meter.take(text.length >> 2)
  return text.toLowerCase()
}
const equal = (a: number, b: number): boolean => a === b
const less = (a: number, b: number): boolean => a < b
const lessOrEqual = (a: number, b: number): boolean => a <= b
const greater = (a: number, b: number): boolean => a > b
const greaterOrEqual = (a: number, b: number): boolean => a >= b

/** All operators that this program knows, by AWS's names. */
export const CONDITION_OPERATORS = {
  StringEquals: text(same),
  StringNotEquals: text(same, true),
  StringEqualsIgnoreCase: text(lowered),
  StringNotEqualsIgnoreCase: text(lowered, true),
  StringLike: like(false),
  StringNotLike: like(true),
  NumericEquals: ordered(parseNumber, equal),
  NumericNotEquals: ordered(parseNumber, equal, true),
  NumericLessThan: ordered(parseNumber, less),
  NumericLessThanEquals: ordered(parseNumber, lessOrEqual),
  NumericGreaterThan: ordered(parseNumber, greater),
  NumericGreaterThanEquals: ordered(parseNumber, greaterOrEqual),
  DateEquals: ordered(parseInstant, equal),
  DateNotEquals: ordered(parseInstant, equal, true),
  DateLessThan: ordered(parseInstant, less),
  DateLessThanEquals: ordered(parseInstant, lessOrEqual),
  DateGreaterThan: ordered(parseInstant, greater),
  DateGreaterThanEquals: ordered(parseInstant, greaterOrEqual),
  Bool: ordered(truth, equal),
  BinaryEquals: text(same),
  IpAddress: ip(false),
  NotIpAddress: ip(true),
  ArnEquals: arn(false),
  ArnLike: arn(false),
  ArnNotEquals: arn(true),
  ArnNotLike: arn(true),
  /** Handled apart: it asks whether the key is there at all. */
  Null: ordered(truth, equal),
} as const satisfies Readonly<Record<string, Operator>>

export type OperatorName = keyof typeof CONDITION_OPERATORS

export function operatorOf(name: OperatorName): Operator {
  return CONDITION_OPERATORS[name]
}
