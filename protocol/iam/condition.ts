/**
 * Condition operators: how one value of the request compares with one value of the policy. `NotX` is
 * X turned round: no policy value may match.
 */

import { arnPattern, matchesArnUnits } from './arn.ts'
import { parseInstant } from './instant.ts'
import { inIpRange, parseIp, parseIpRange } from './ip.ts'
import { compilePattern, matchesPattern } from './pattern.ts'

interface Operator {
  /** `*` and `?` in the policy's value are wildcards. */
  readonly wildcards: boolean
  /** Holds when no value matches. */
  readonly negated: boolean
  /** Refuses a policy's value when it is written. */
  readonly valid?: (written: string) => boolean
  /** `units` of pattern.ts. False for values of the request that are of another form. */
  readonly matches: (units: readonly number[], actual: string) => boolean
}

function textOf(units: readonly number[]): string {
  return units.map((unit) => String.fromCharCode(unit)).join('')
}

function text(same: (written: string, actual: string) => boolean, negated = false): Operator {
  return {
    wildcards: false,
    negated,
    matches: (units, actual) => same(textOf(units), actual),
  }
}

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
    matches(units, actual) {
      const [right, left] = [read(textOf(units)), read(actual)]
      return left !== undefined && right !== undefined && holds(left, right)
    },
  }
}

function like(negated: boolean): Operator {
  return {
    wildcards: true,
    negated,
    matches: (units, actual) => matchesPattern(compilePattern(units), actual),
  }
}

function arn(negated: boolean): Operator {
  return {
    wildcards: true,
    negated,
    valid: (written) => arnPattern(written, false) !== undefined,
    matches: matchesArnUnits,
  }
}

function ip(negated: boolean): Operator {
  return {
    wildcards: false,
    negated,
    valid: (written) => parseIpRange(written) !== undefined,
    matches(units, actual) {
      const [range, address] = [parseIpRange(textOf(units)), parseIp(actual)]
      return range !== undefined && address !== undefined && inIpRange(range, address)
    },
  }
}

function truth(written: string): number | undefined {
  const word = written.toLowerCase()
  return word === 'true' ? 1 : word === 'false' ? 0 : undefined
}

function parseNumber(written: string): number | undefined {
  return /^[+-]?\d{1,30}(\.\d{1,30})?$/.test(written) ? Number(written) : undefined
}

const same = (a: string, b: string): boolean => a === b
const sameIgnoringCase = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
const equal = (a: number, b: number): boolean => a === b
const less = (a: number, b: number): boolean => a < b
const lessOrEqual = (a: number, b: number): boolean => a <= b
const greater = (a: number, b: number): boolean => a > b
const greaterOrEqual = (a: number, b: number): boolean => a >= b

export const CONDITION_OPERATORS = {
  StringEquals: text(same),
  StringNotEquals: text(same, true),
  StringEqualsIgnoreCase: text(sameIgnoringCase),
  StringNotEqualsIgnoreCase: text(sameIgnoringCase, true),
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
