/**
 * Text of a policy in which `${aws:username}` is replaced by a value of the request. The value is literal
 * text: a user named `*` is not a wildcard. `${*}`, `${?}` and `${$}` are the bare characters, and
 * `${key, 'text'}` gives the text when the request has no such key.
 */

import type { Meter } from '../work.ts'
import { literalUnits, wildcardUnits } from './pattern.ts'

export interface Variable {
  /** Lower case. */
  readonly key: string
  readonly otherwise?: string | undefined
}

/** Fixed units, and variables between them. */
export type Template = readonly (readonly number[] | Variable)[]

/** Values of the request by lower-case key: a Map, or what finds them when they are asked for. */
export interface ContextValues {
  get(key: string): readonly string[] | undefined
  has(key: string): boolean
}

/** Undefined when a `${` is not closed or names no key. */
export function parseTemplate(
  text: string,
  options: { readonly wildcards: boolean; readonly variables: boolean },
): Template | undefined {
  const fixed = options.wildcards ? wildcardUnits : literalUnits
  if (!options.variables) return [fixed(text)]
  const template: (readonly number[] | Variable)[] = []
  let at = 0
  for (;;) {
    const open = text.indexOf('${', at)
    if (open < 0) break
    const close = text.indexOf('}', open)
    if (close < 0) return undefined
    template.push(fixed(text.slice(at, open)))
    const inside = text.slice(open + 2, close)
    if (inside === '*' || inside === '?' || inside === '$') template.push(literalUnits(inside))
    else {
      const variable = parseVariable(inside)
      if (variable === undefined) return undefined
      template.push(variable)
    }
    at = close + 1
  }
  template.push(fixed(text.slice(at)))
  return template
}

function parseVariable(text: string): Variable | undefined {
  const match = /^\s*([A-Za-z0-9:/_.-]+)\s*(?:,\s*'([^']*)'\s*)?$/.exec(text)
  if (match === null) return undefined
  return { key: (match[1] as string).toLowerCase(), otherwise: match[2] }
}

/** A longer text with its variables filled in matches nothing that a request can hold. */
const FILLED_UNITS_MAX = 32_768
/** A unit is copied several times until it is part of a compiled pattern. */
const STEPS_PER_UNIT = 4

/**
 * Units to compile. Undefined when the request has no value, or several, for one of its variables, or when
 * they make it longer than any request.
 */
export function fillTemplate(
  template: Template,
  context: ContextValues,
  meter: Meter,
): number[] | undefined {
  const units: number[] = []
  for (const part of template) {
    if (!('key' in part)) {
      for (const unit of part) units.push(unit)
      continue
    }
    const values = context.get(part.key) ?? []
    if (values.length > 1) return undefined
    const value = values[0] ?? part.otherwise
    if (value === undefined) return undefined
    if (units.length + value.length > FILLED_UNITS_MAX) return undefined
    for (const unit of literalUnits(value)) units.push(unit)
  }
  meter.take(units.length * STEPS_PER_UNIT)
  return units
}

export function hasVariables(template: Template): boolean {
  return template.some((part) => 'key' in part)
}
