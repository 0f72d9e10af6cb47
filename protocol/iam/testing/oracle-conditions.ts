/**
 * The part of the oracle that compares values: conditions with what a request carries, patterns with resources. Like the rest of
 * it, it shares nothing with decide.ts.
 */

/** 1 yes, 0 no, ½ unknown: minimum is "and", maximum is "or", 1 − x is "not". */
type Truth = 0 | 0.5 | 1

export interface OracleRequest {
  action: string
  resource: string
  values: Map<string, readonly string[]>
  known: ReadonlySet<string>
  ids: ReadonlyMap<string, string>
}

export function oracleCondition(
  operator: string,
  key: string,
  values: string[],
  request: OracleRequest,
): number {
  const found = request.values.get(key)
  const known =
    request.known.has(key) ||
    /^s3:existingobjecttag\/./.test(key) ||
    /^[^:]+\.[^:]+:(aud|azp|sub|oaud|amr)$/.test(key)
  const actual = found ?? []
  if (found === undefined && !known) return 0.5
  if (operator === 'Null') {
    return values.some((value) => (value.toLowerCase() === 'true') === (actual.length === 0))
      ? 1
      : 0
  }
  const each = operator.startsWith('ForAllValues:')
  const any = operator.startsWith('ForAnyValue:')
  const plain = operator.replace(/^For(All|Any)Values?:/, '').replace(/IfExists$/, '')
  const test = TESTS[plain.replace('Not', '')]
  if (test === undefined) return 0.5
  const not = plain.includes('Not')
  if (actual.length === 0) {
    if (each || operator.endsWith('IfExists')) return 1
    return not && !any ? 1 : 0
  }
  if (actual.length > 1 && !each && !any) return 0.5
  const verdicts = actual.map((value) => {
    const match = highestOf(values, (written) => test(written, value, request))
    return not ? 1 - match : match
  })
  return any ? Math.max(...verdicts) : Math.min(...verdicts)
}

type Test = (written: string, actual: string, request: OracleRequest) => Truth

const truthOf = (value: boolean): Truth => (value ? 1 : 0)

/** Replaces variables; a star or question mark that comes out of one is guarded by a backslash. */
function filled(text: string, request: OracleRequest): string | undefined {
  let missing = false
  const result = text.replaceAll(/\$\{([^}]*)\}/g, (_, inside: string) => {
    if (['*', '?', '$'].includes(inside)) return `\\${inside}`
    const [name = '', otherwise] = inside.split(',').map((part) => part.trim())
    const found = request.values.get(name.toLowerCase()) ?? []
    const value = found[0] ?? otherwise?.slice(1, -1)
    if (value === undefined || found.length > 1) missing = true
    return (value ?? '').replaceAll(/[*?\\]/g, '\\$&')
  })
  return missing ? undefined : result
}

function withVariables(test: (written: string, actual: string) => boolean): Test {
  return (written, actual, request) => {
    const text = filled(written, request)
    return text === undefined ? 0.5 : truthOf(test(text, actual))
  }
}

const bare = (text: string): string => text.replaceAll(/\\(.)/g, '$1')

function compared(
  read: (text: string) => number | undefined,
  holds: (actual: number, written: number) => boolean,
): Test {
  return withVariables((written, actual) => {
    const [left, right] = [read(actual), read(bare(written))]
    return left !== undefined && right !== undefined && holds(left, right)
  })
}

const numberIn = (text: string): number | undefined =>
  /^[+-]?[0-9]+([.][0-9]+)?$/.test(text) ? Number.parseFloat(text) : undefined

const COMPARISONS = {
  Equals: (a: number, b: number) => a === b,
  LessThan: (a: number, b: number) => a < b,
  LessThanEquals: (a: number, b: number) => a <= b,
  GreaterThan: (a: number, b: number) => a > b,
  GreaterThanEquals: (a: number, b: number) => a >= b,
}

const TESTS: Readonly<Record<string, Test>> = {
  StringEquals: withVariables((written, actual) => bare(written) === actual),
  StringEqualsIgnoreCase: withVariables(
    (written, actual) => bare(written).toLowerCase() === actual.toLowerCase(),
  ),
  StringLike: withVariables(slowGlob),
  BinaryEquals: withVariables((written, actual) => bare(written) === actual),
  Bool: withVariables((written, actual) => {
    const [left, right] = [bare(written).toLowerCase(), actual.toLowerCase()]
    return left === right && (left === 'true' || left === 'false')
  }),
  ArnEquals: withVariables(arnTest),
  ArnLike: withVariables(arnTest),
  IpAddress: withVariables((written, actual) => inRange(bare(written), actual)),
  ...Object.fromEntries(
    Object.entries(COMPARISONS).flatMap(([name, holds]) => [
      [`Numeric${name}`, compared(numberIn, holds)],
      [`Date${name}`, compared(secondsIn, holds)],
    ]),
  ),
}

/** A resource: variables never hold the colons that part its fields. */
export function oracleResource(pattern: string, request: OracleRequest): Truth {
  const masked = pattern.replaceAll(/\$\{[^}]*\}/g, (each) => each.replaceAll(':', '\u0001'))
  const fields = masked.split(':').map((field) => field.replaceAll('\u0001', ':'))
  const filledFields = fields.map((field) => filled(field, request))
  if (filledFields.includes(undefined)) return 0.5
  if (pattern === '*') return 1
  return truthOf(arnFields(filledFields as string[], request.resource))
}

function arnTest(pattern: string, actual: string): boolean {
  return pattern === '*' || arnFields(pattern.split(':'), actual)
}

function arnFields(fields: string[], actual: string): boolean {
  const last = Math.min(fields.length, 6) - 1
  const texts = actual.split(':')
  if (texts.length <= last) return false
  const heads = fields.slice(0, last).every((field, at) => slowGlob(field, texts[at] ?? ''))
  return heads && slowGlob(fields.slice(last).join(':'), texts.slice(last).join(':'))
}

/** As a regular expression: slow where the real one is fast, and written independently. */
export function slowGlob(pattern: string, text: string): boolean {
  const source = pattern.replaceAll(/\\(.)|[\s\S]/g, (char, escaped?: string) => {
    if (escaped !== undefined) return `\\u${escaped.charCodeAt(0).toString(16).padStart(4, '0')}`
    if (char === '*') return '[^]*'
    if (char === '?') return '[^]'
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  return new RegExp(`^(?:${source})$`).test(text)
}

/** '2026-01-31T10:20:30Z', a day, or seconds since 1970: counted day by day. */
function secondsIn(text: string): number | undefined {
  if (/^[0-9]+$/.test(text) && text.length !== 4) return Number(text)
  const match = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?Z)?$/.exec(text)
  if (match === null) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0))
  let days = 0
  const leap = (each: number): boolean => each % 400 === 0 || (each % 4 === 0 && each % 100 !== 0)
  for (let each = 1970; each < year; each++) days += leap(each) ? 366 : 365
  const lengths = [31, leap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  for (let each = 1; each < month; each++) days += lengths[each - 1] ?? 0
  days += day - 1
  return days * 86_400 + hour * 3_600 + minute * 60 + second + Number(`0.${match[7] ?? 0}`)
}

/** Addresses as binary text. */
function inRange(range: string, actual: string): boolean {
  const [network = '', bits] = range.split('/')
  const [want, have] = [binary(network), binary(actual)]
  if (want === undefined || have?.length !== want.length) return false
  const length = bits === undefined ? want.length : Number(bits)
  return have.slice(0, length) === want.slice(0, length)
}

function binary(address: string): string | undefined {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(address)) {
    return address
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('')
  }
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1]
  if (mapped !== undefined) return binary(mapped)
  if (!address.includes(':')) return undefined
  const [head = '', tail] = address.split('::')
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const front = groups(head)
  const back = groups(tail ?? '')
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => '0')
  return [...front, ...(tail === undefined ? [] : zeros), ...back]
    .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
    .join('')
}

export function listed<T>(value: T | T[]): T[] {
  return Array.isArray(value) ? value : [value]
}

export function highestOf<T>(items: readonly T[], test: (item: T) => number): number {
  return items.length === 0 ? 0 : Math.max(...items.map(test))
}
