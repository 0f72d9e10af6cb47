/**
 * What only a parser can tell about a file: its functions, its comments and the texts that people read.
 * Used by the figures of `npm run house` and by the repository's test of sizes.
 */

import { parseAst } from 'rolldown/parseAst'

export interface FunctionSize {
  /** 'put', 'Store.flush', or '=>' for a function without a name. */
  readonly name: string
  /** Of its first line, counted from 1. */
  readonly line: number
  /** From its first line to its last one, both included. */
  readonly lines: number
}

/** A comment or a message, with the line on which it begins. */
export interface Passage {
  readonly line: number
  readonly text: string
}

export interface Syntax {
  readonly functions: readonly FunctionSize[]
  /** Consecutive lines of `//` are one comment. */
  readonly comments: readonly Passage[]
  /** Lines that hold a comment and nothing else. */
  readonly commentLines: number
  /** Texts of errors, of the log and of the command line. */
  readonly messages: readonly Passage[]
  /** Calls of assert() and of checkInput(). */
  readonly asserts: number
}

interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [field: string]: unknown
}

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'])
/** Methods whose arguments are read by people: of the log, the terminal and the command line's description. */
const SPEAKING =
  /^(fatal|error|warn|info|debug|out|description|summary|option|argument|addHelpText)$/

/** Throws when the text is not TypeScript. */
export function parseSyntax(text: string): Syntax {
  const program = parseAst(text, { lang: 'ts' }) as unknown as SyntaxNode
  const lineOf = lineCounter(text)
  const functions: FunctionSize[] = []
  const messages: Passage[] = []
  const literals: SyntaxNode[] = []
  let asserts = 0

  const visit = (node: SyntaxNode, parents: readonly SyntaxNode[], isSpoken: boolean): void => {
    if (FUNCTIONS.has(node.type) && isNode(node['body'])) {
      // A method begins with its name, the function in it with its parameters.
      const whole = parents.at(-1)?.type === 'MethodDefinition' ? parents.at(-1)! : node
      const line = lineOf(whole.start)
      const name = nameOf(node, parents)
      functions.push({ name, line, lines: lineOf(node.end) - line + 1 })
    }
    if (node.type === 'CallExpression' && isCheck(identifierOf(node['callee']))) asserts += 1
    if (isText(node)) literals.push(node)
    if (isSpoken && isWhole(node)) {
      const said = text.slice(node.start + 1, node.end - 1)
      // One word is a code or a name.
      if (/ /.test(said.trim())) messages.push({ line: lineOf(node.start), text: said })
    }
    const inside = [...parents, node]
    for (const [field, child] of Object.entries(node)) {
      const spoken = field === 'arguments' ? speaks(node) : isSpoken && !FUNCTIONS.has(node.type)
      for (const each of Array.isArray(child) ? child : [child])
        if (isNode(each)) visit(each, inside, spoken)
    }
  }
  visit(program, [], false)
  return { functions, messages, asserts, ...commentsOf(text, literals, lineOf) }
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value
}

/** True for string, template and regular expression: what may hold `//` without beginning a comment. */
function isText(node: SyntaxNode): boolean {
  if (node.type === 'TemplateElement') return true
  return node.type === 'Literal' && (typeof node['value'] === 'string' || 'regex' in node)
}

/** A string, or a template with what is put into it. */
function isWhole(node: SyntaxNode): boolean {
  return node.type === 'TemplateLiteral' || typeof node['value'] === 'string'
}

/** True for `new SomeError(…)` and for calls such as `log.warn(…)`. */
function speaks(call: SyntaxNode): boolean {
  const callee = call['callee']
  if (!isNode(callee)) return false
  if (call.type === 'NewExpression') return (identifierOf(callee) ?? '').endsWith('Error')
  return callee.type === 'MemberExpression' && SPEAKING.test(identifierOf(callee['property']) ?? '')
}

/** A check of what must hold, by us (protocol/assert.ts) or by others (protocol/input.ts). */
function isCheck(callee: string | undefined): boolean {
  return callee === 'assert' || callee === 'checkInput'
}

function identifierOf(node: unknown): string | undefined {
  return isNode(node) && typeof node['name'] === 'string' ? node['name'] : undefined
}

/** The function's own name, or that of the method, property or constant that holds it. */
function nameOf(node: SyntaxNode, parents: readonly SyntaxNode[]): string {
  const holder = parents.at(-1)
  const own =
    identifierOf(node['id']) ?? identifierOf(holder?.['key']) ?? identifierOf(holder?.['id'])
  if (own === undefined) return '=>'
  const type =
    parents.at(-2)?.type === 'ClassBody' ? identifierOf(parents.at(-3)?.['id']) : undefined
  return type === undefined ? own : `${type}.${own}`
}

function lineCounter(text: string): (offset: number) => number {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    let [low, high] = [0, starts.length]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (starts[middle]! <= offset) low = middle
      else high = middle
    }
    return low + 1
  }
}

function commentsOf(
  text: string,
  literals: readonly SyntaxNode[],
  lineOf: (offset: number) => number,
): Pick<Syntax, 'comments' | 'commentLines'> {
  let code = ''
  for (const { start, end } of literals.toSorted((a, b) => a.start - b.start))
    // The same length without a slash, so that offsets stay true.
    code += text.slice(code.length, start) + '.'.repeat(end - start)
  code += text.slice(code.length)
  const comments: { line: number; last: number; text: string }[] = []
  let commentLines = 0
  for (const match of code.matchAll(/\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm)) {
    const line = lineOf(match.index)
    const said = text.slice(match.index, match.index + match[0].length)
    const isWhole = code.slice(code.lastIndexOf('\n', match.index) + 1, match.index).trim() === ''
    if (isWhole) commentLines += said.split('\n').length
    const before = comments.at(-1)
    if (
      isWhole &&
      said.startsWith('//') &&
      before?.last === line - 1 &&
      before.text.startsWith('//')
    ) {
      before.text += `\n${said}`
      before.last = line
    } else
      comments.push({ line, last: isWhole ? line + said.split('\n').length - 1 : -1, text: said })
  }
  return { comments: comments.map((each) => ({ line: each.line, text: each.text })), commentLines }
}
