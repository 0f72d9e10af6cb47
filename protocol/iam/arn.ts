/**
 * ARN patterns: arn:partition:service:region:account:resource. Each of the six fields is matched separately, so that
 * a star in one never reaches into the next. The last field may contain colons. A pattern with fewer fields must end
 * in a star, which then matches all fields that follow.
 */

import { ANY_TEXT, compilePattern, matchesPattern } from './pattern.ts'
import { Meter } from '../work.ts'
import { fillTemplate, hasVariables, parseTemplate } from './template.ts'
import type { ContextValues, Template } from './template.ts'
import type { Pattern } from './pattern.ts'

const FIELDS = 6
const COLON = 0x3a

/** An ARN pattern, parsed. It may contain policy variables, which each request fills in. */
export interface ArnTemplate {
  /** '*' alone: every resource, and what is no ARN too. */
  readonly everything: boolean
  /** Up to six. With fewer, the last one ends in a star. */
  readonly fields: readonly Template[]
  /** The compiled fields, when there are no variables. */
  readonly compiled: readonly Pattern[] | undefined
}

/**
 * Parses a pattern. Undefined when the text is neither '*' nor an ARN pattern.
 *
 * @param variables whether `${…}` is a variable: it is literal text in policies of the older version
 */
export function arnPattern(text: string, variables: boolean): ArnTemplate | undefined {
  if (text === '*') return { everything: true, fields: [], compiled: [] }
  const parts = fieldsOf(text, variables)
  if (parts[0] !== 'arn' || parts.length < 2) return undefined
  if (parts.length < FIELDS && !text.endsWith('*')) return undefined
  const known = parts.map((part) => fieldOf(part, variables))
  const fields: Template[] = []
  const compiled: Pattern[] = []
  for (const field of known) {
    if (field === undefined) return undefined
    fields.push(field.template)
    if (field.compiled !== undefined) compiled.push(field.compiled)
  }
  return {
    everything: false,
    fields,
    compiled: compiled.length < parts.length ? undefined : compiled,
  }
}

interface Field {
  readonly template: Template
  /** Absent when it has variables. */
  readonly compiled: Pattern | undefined
}

/** `arn`, `aws`, names of services, nothing: most fields of all policies, kept once. */
const sharedFields = new Map<string, Field>()
const SHARED_FIELDS_MAX = 256
const SHARED_FIELD = /^[a-z0-9-]{0,12}$/

function fieldOf(text: string, variables: boolean): Field | undefined {
  const shared = sharedFields.get(text)
  if (shared !== undefined) return shared
  const template = parseTemplate(text, { wildcards: true, variables })
  if (template === undefined) return undefined
  const [compiled] = hasVariables(template)
    ? []
    : (compiledFields([template], new Map(), new Meter()) ?? [])
  const field = { template, compiled }
  if (SHARED_FIELD.test(text) && sharedFields.size < SHARED_FIELDS_MAX)
    sharedFields.set(text, field)
  return field
}

/**
 * Whether the ARN of a request matches. Undefined when a variable of the pattern has no value in this
 * request: the statement is then unknown (evaluate.ts).
 */
export function matchesArn(
  template: ArnTemplate,
  arn: string,
  context: ContextValues,
  meter: Meter,
): boolean | undefined {
  if (template.everything) return true
  const patterns = template.compiled ?? compiledFields(template.fields, context, meter)
  return patterns === undefined ? undefined : matchesFields(patterns, arn, meter)
}

/** Matches an ARN pattern that is given as units of pattern.ts, for condition values. */
export function arnMatcher(units: readonly number[]): (arn: string, meter: Meter) => boolean {
  if (units.length === 1 && units[0] === ANY_TEXT) return () => true
  const fields: number[][] = [[]]
  for (const unit of units) {
    if (unit === COLON && fields.length < FIELDS) fields.push([])
    else fields.at(-1)?.push(unit)
  }
  const patterns = fields.map(compilePattern)
  return (arn, meter) => matchesFields(patterns, arn, meter)
}

function matchesFields(patterns: readonly Pattern[], arn: string, meter: Meter): boolean {
  const texts = split(arn, patterns.length)
  if (texts.length !== patterns.length) return false
  return patterns.every((pattern, at) => matchesPattern(pattern, texts[at] as string, meter))
}

function compiledFields(
  fields: readonly Template[],
  context: ContextValues,
  meter: Meter,
): Pattern[] | undefined {
  const patterns: Pattern[] = []
  for (const field of fields) {
    const units = fillTemplate(field, context, meter)
    if (units === undefined) return undefined
    patterns.push(compilePattern(units))
  }
  return patterns
}

/** The colons inside `${aws:username}` separate nothing. */
function fieldsOf(text: string, variables: boolean): string[] {
  if (!variables) return split(text, FIELDS)
  const fields: string[] = ['']
  let inside = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string
    if (text.startsWith('${', at)) inside = true
    else if (char === '}') inside = false
    if (char === ':' && !inside && fields.length < FIELDS) fields.push('')
    else fields[fields.length - 1] += char
  }
  return fields
}

/** At most `count` fields; the last holds the rest. */
function split(text: string, count: number): string[] {
  const fields: string[] = []
  let at = 0
  while (fields.length < count - 1) {
    const colon = text.indexOf(':', at)
    if (colon < 0) break
    fields.push(text.slice(at, colon))
    at = colon + 1
  }
  fields.push(text.slice(at))
  return fields
}
