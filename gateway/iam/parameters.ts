/**
 * Rules for the parameters of an action, and their check. Breaking one gets AWS's ValidationError, with the path of
 * the member in AWS's spelling: `tags.1.member.key`.
 *
 * Checked values keep the form of the protocol: numbers and booleans are texts in their canonical spelling.
 */

import { lowerCase } from '../http/ascii.ts'
import { IamError, type QueryRecord, type QueryValue } from '../port/iam-backend.ts'

/** The rule for one parameter or one member of a list or record. */
export type ParameterRule =
  | {
      readonly type: 'text'
      readonly min: number
      readonly max: number
      readonly pattern?: RegExp | undefined
      readonly required?: boolean
    }
  | {
      readonly type: 'integer'
      readonly min: number
      readonly max: number
      readonly required?: boolean
    }
  | { readonly type: 'choice'; readonly choices: readonly string[]; readonly required?: boolean }
  | {
      readonly type: 'list'
      readonly max: number
      readonly items: ParameterRule
      readonly required?: boolean
    }
  | { readonly type: 'record'; readonly fields: ParameterRules; readonly required?: boolean }

/** By the name of the parameter, or of the field of a record. What has no rule is refused. */
export type ParameterRules = Readonly<Record<string, ParameterRule>>

/** The same rule, for a parameter that must be present. */
export function required(rule: ParameterRule): ParameterRule {
  return { ...rule, required: true }
}

/** `min` and `max` limit the length, in UTF-16 units. */
export function plainText(max: number, pattern?: RegExp, min = 1): ParameterRule {
  return { type: 'text', min, max, pattern }
}

/** A whole number from `min` to `max`, inclusive. */
export function integer(min: number, max: number): ParameterRule {
  return { type: 'integer', min, max }
}

/** One of these texts, in exactly this spelling. */
export function choice(...choices: readonly string[]): ParameterRule {
  return { type: 'choice', choices }
}

export const boolean: ParameterRule = { type: 'choice', choices: ['true', 'false'] }

/** A list of at most `max` items. */
export function list(items: ParameterRule, max: number): ParameterRule {
  return { type: 'list', items, max }
}

/** A record with these fields, each under its own rule. */
export function record(fields: ParameterRules): ParameterRule {
  return { type: 'record', fields }
}

/**
 * Empty values of these count as absent. Empty values of others are an error, because an absent name can mean the
 * caller, and an absent policy can mean more rights.
 */
const EMPTY_IS_ABSENT: ReadonlySet<string> = new Set([
  'DurationSeconds',
  'Marker',
  'MaxItems',
  'MaxSessionDuration',
  'NewPath',
  'Path',
  'PathPrefix',
])

/** Parameters of the protocol itself. */
const COMMON: ReadonlySet<string> = new Set(['Action', 'Version'])

/**
 * Checks the parameters and returns them. Throws IamError ValidationError. Throws NotImplemented for a parameter that
 * the action does not know: ignoring it could give more rights than were meant.
 */
export function checkParameters(rules: ParameterRules, given: QueryRecord): QueryRecord {
  return checkRecord(rules, given, '')
}

/**
 * Checks each field, then that none is missing. `place` is the path to the record, '' for the parameters themselves:
 * only there can empty values count as absent, and only there are Action and Version known.
 */
function checkRecord(rules: ParameterRules, given: QueryRecord, place: string): QueryRecord {
  const checked = Object.create(null) as Record<string, QueryValue>
  for (const [name, value] of Object.entries(given)) {
    if (place === '' && COMMON.has(name)) continue
    if (place === '' && value === '' && EMPTY_IS_ABSENT.has(name)) continue
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
    if (rule === undefined) {
      throw new IamError(
        'NotImplemented',
        501,
        `The parameter ${(place + name).slice(0, 100)} is not implemented.`,
      )
    }
    const result = checkValue(rule, value, place + name)
    if (result !== undefined) checked[name] = result
  }
  for (const [name, rule] of Object.entries(rules)) {
    if (rule.required === true && checked[name] === undefined) {
      throw invalid(`Value null at '${camel(place + name)}'`, 'Member must not be null')
    }
  }
  return checked
}

/** Undefined for values that count as absent. */
function checkValue(rule: ParameterRule, value: QueryValue, place: string): QueryValue | undefined {
  switch (rule.type) {
    case 'list':
      // AWS's clients send an empty list as an empty text.
      if (value === '') return []
      if (!Array.isArray(value)) throw wrongShape(place)
      if (value.length > rule.max) {
        throw invalid(
          `Value at '${camel(place)}'`,
          `Member must have length less than or equal to ${rule.max}`,
        )
      }
      return value.map((item: QueryValue, at) => {
        const checked = checkValue(rule.items, item, `${place}.${at + 1}.member`)
        if (checked === undefined) throw wrongShape(place)
        return checked
      })
    case 'record':
      if (typeof value !== 'object' || Array.isArray(value)) throw wrongShape(place)
      return checkRecord(rule.fields, value as QueryRecord, `${place}.`)
    case 'integer':
      return checkInteger(rule, textAt(value, place), place)
    case 'choice':
      if (!rule.choices.includes(textAt(value, place))) {
        throw broken(
          value as string,
          place,
          `Member must satisfy enum value set: [${rule.choices.join(', ')}]`,
        )
      }
      return value
    case 'text':
      return checkText(rule, textAt(value, place), place)
  }
}

function checkInteger(
  rule: { readonly min: number; readonly max: number },
  given: string,
  place: string,
): string {
  const number = Number(given)
  if (!/^-?\d{1,15}$/.test(given)) throw broken(given, place, 'Member must be an integer')
  if (number < rule.min) {
    throw broken(given, place, `Member must have value greater than or equal to ${rule.min}`)
  }
  if (number > rule.max) {
    throw broken(given, place, `Member must have value less than or equal to ${rule.max}`)
  }
  return String(number)
}

function checkText(
  rule: { readonly min: number; readonly max: number; readonly pattern?: RegExp | undefined },
  given: string,
  place: string,
): string {
  if (given.length < rule.min) {
    throw broken(given, place, `Member must have length greater than or equal to ${rule.min}`)
  }
  if (given.length > rule.max) {
    throw broken(given, place, `Member must have length less than or equal to ${rule.max}`)
  }
  if (rule.pattern !== undefined && !rule.pattern.test(given)) {
    throw broken(
      given,
      place,
      `Member must satisfy regular expression pattern: ${rule.pattern.source}`,
    )
  }
  return given
}

/** Throws MalformedInput when there is a list or a record instead of a text. */
function textAt(value: QueryValue, place: string): string {
  if (typeof value !== 'string') throw wrongShape(place)
  return value
}

/** Characters of a wrong value that an error repeats. */
const SHOWN_MAX = 100

/** The ValidationError for a value that breaks a constraint. */
function broken(value: string, place: string, constraint: string): IamError {
  const shown = value.length > SHOWN_MAX ? `${value.slice(0, SHOWN_MAX)}…` : value
  return invalid(`Value '${shown}' at '${camel(place)}'`, constraint)
}

function invalid(what: string, constraint: string): IamError {
  return new IamError(
    'ValidationError',
    400,
    `1 validation error detected: ${what} failed to satisfy constraint: ${constraint}`,
  )
}

function wrongShape(place: string): IamError {
  return new IamError('MalformedInput', 400, `${place.slice(0, 100)} has the wrong form.`)
}

/** In error texts AWS writes the names of members with a small first letter. */
function camel(place: string): string {
  return place.slice(0, 100).replace(/(^|\.)([A-Z])/g, (_, dot: string, letter: string) => {
    return dot + lowerCase(letter)
  })
}
