/**
 * What a policy says about a request, by the words of AWS's manual and nothing else: walks the raw JSON,
 * builds all it needs anew each time, knows no compiled form. For tests only.
 */

export interface RawStatement {
  Sid?: string
  Effect: 'Allow' | 'Deny'
  Action?: string | string[]
  NotAction?: string | string[]
  Resource?: string | string[]
  NotResource?: string | string[]
  Condition?: Record<string, Record<string, string | string[]>>
}

export interface RawPolicy {
  Version: '2012-10-17'
  Statement: RawStatement | RawStatement[]
}

export interface RawRequest {
  action: string
  resource: string
  context: ReadonlyMap<string, readonly string[]>
  /** Keys that may be absent without being unknown. */
  known: readonly string[]
}

/** 1 yes, 0 no, ½ nobody knows: minimum is "and", maximum is "or", 1 − x is "not". */
type Truth = 0 | 0.5 | 1

export function oracle(
  policies: readonly RawPolicy[],
  request: RawRequest,
): 'deny' | 'allow' | 'none' {
  const statements = policies.flatMap(({ Statement }) => list(Statement))
  const truth = (effect: string): number[] =>
    statements.filter(({ Effect }) => Effect === effect).map((each) => holds(each, request))
  if (truth('Deny').some((value) => value > 0)) return 'deny'
  return truth('Allow').some((value) => value === 1) ? 'allow' : 'none'
}

function holds(statement: RawStatement, request: RawRequest): number {
  const { Action, NotAction, Resource, NotResource, Condition = {} } = statement
  const action = some(list(Action ?? NotAction ?? []), (each) =>
    glob(each.toLowerCase(), request.action.toLowerCase()) ? 1 : 0,
  )
  const resource = some(list(Resource ?? NotResource ?? []), (each) => arn(each, request))
  const parts: number[] = [
    NotAction === undefined ? action : 1 - action,
    NotResource === undefined ? resource : 1 - resource,
  ]
  for (const [operator, keys] of Object.entries(Condition)) {
    for (const [key, values] of Object.entries(keys)) {
      parts.push(condition(operator, key, list(values), request))
    }
  }
  return Math.min(...parts)
}

function condition(operator: string, key: string, values: string[], request: RawRequest): number {
  const found = [...request.context].find(([name]) => name.toLowerCase() === key.toLowerCase())
  const known = request.known.some((name) => name.toLowerCase() === key.toLowerCase())
  const actual = found?.[1] ?? []
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
    const match = some(values, (written) => test(written, value, request))
    return not ? 1 - match : match
  })
  return any ? Math.max(...verdicts) : Math.min(...verdicts)
}

type Test = (written: string, actual: string, request: RawRequest) => Truth

const truthOf = (value: boolean): Truth => (value ? 1 : 0)

/** Replaces variables; a star or question mark that comes out of one is guarded by a backslash. */
function filled(text: string, request: RawRequest): string | undefined {
  let missing = false
  const result = text.replaceAll(/\$\{([^}]*)\}/g, (_, inside: string) => {
    if (['*', '?', '$'].includes(inside)) return `\\${inside}`
    const [name = '', otherwise] = inside.split(',').map((part) => part.trim())
    const found = [...request.context].find(([key]) => key.toLowerCase() === name.toLowerCase())
    const value = found?.[1][0] ?? otherwise?.slice(1, -1)
    if (value === undefined || (found?.[1].length ?? 0) > 1) missing = true
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

const TESTS: Readonly<Record<string, Test>> = {
  StringEquals: withVariables((written, actual) => bare(written) === actual),
  StringEqualsIgnoreCase: withVariables(
    (written, actual) => bare(written).toLowerCase() === actual.toLowerCase(),
  ),
  StringLike: withVariables(glob),
  NumericEquals: withVariables((written, actual) => Number(written) === Number(actual)),
  NumericLessThan: withVariables((written, actual) => Number(actual) < Number(written)),
  Bool: withVariables((written, actual) => written.toLowerCase() === actual.toLowerCase()),
  ArnLike: (written, _actual, request) => arn(written, { ...request, resource: _actual }),
}

function arn(pattern: string, request: RawRequest): Truth {
  if (pattern === '*') return 1
  const text = filled(pattern, request)
  if (text === undefined) return 0.5
  const fields = text.split(':')
  const texts = request.resource.split(':')
  const heads = fields.slice(0, 5)
  const same = heads.every((field, at) => texts[at] !== undefined && glob(field, texts[at] ?? ''))
  return truthOf(same && glob(fields.slice(5).join(':'), texts.slice(5).join(':')))
}

/** As a regular expression: slow where the real one is fast, and written by somebody else. */
function glob(pattern: string, text: string): boolean {
  const source = pattern.replaceAll(/\\(.)|[\s\S]/g, (char, escaped?: string) => {
    if (escaped !== undefined) return `\\u${escaped.charCodeAt(0).toString(16).padStart(4, '0')}`
    if (char === '*') return '[^]*'
    if (char === '?') return '[^]'
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  return new RegExp(`^(?:${source})$`).test(text)
}

function list<T>(value: T | T[]): T[] {
  return Array.isArray(value) ? value : [value]
}

function some<T>(items: readonly T[], test: (item: T) => number): number {
  return items.length === 0 ? 0 : Math.max(...items.map(test))
}
