/** The figures of a checkout that `npm run house` prints: rooms, sizes, comments, asserts, tests. */

import { bestOrder, type RoomOrder } from './best-order.ts'
import { reportRooms } from './rooms.ts'
import {
  isSource,
  isTest,
  isTestSupport,
  listFiles,
  readSource,
  type SourceFile,
} from './source.ts'
import { parseSyntax, type Passage, type Syntax } from './syntax.ts'

export interface House {
  /** Of protocol/, gateway/ and node/, without tests and what only tests use. */
  readonly rooms: number
  readonly orders: readonly RoomOrder[]
  readonly circles: readonly string[]
  readonly sizes: readonly GroupSizes[]
  /** Of the lines of `what ships` that are not blank. */
  readonly commentShare: number
  readonly protocolAsserts: number
  /** Functions and methods with a name, of protocol/ without tests. */
  readonly protocolFunctions: number
  readonly nodeTestLines: number
  readonly nodeSourceLines: number
  /** Comments of what ships, and those of them with a word that usually means that a sentence must be read twice. */
  readonly shippedComments: number
  readonly knottyComments: number
  /** 'path:line text'. Comments of everything, messages of what ships. */
  readonly comments: readonly string[]
  readonly messages: readonly string[]
}

export interface GroupSizes {
  readonly group: string
  readonly files: Spread
  readonly functions: Spread
  /** Without arrow functions that are arguments of a call. */
  readonly namedFunctions: Spread
}

/** Lines: the median, the 90th percentile and the largest one with its place. */
export interface Spread {
  readonly count: number
  readonly p50: number
  readonly p90: number
  readonly max: number
  readonly largest: string
}

/** Words that usually mean that a sentence wants rewriting, and such beginnings of a sentence. */
const KNOTTY =
  /\b(?:[Ss]tands?|[Ll]ies?|anew|[Nn]obody|[Ww]hoever|[Ss]o long)\b|(?:^\/\*+|^\/\/|[.:]) (?:Of|That|Absent:|True:|Undefined:) /m

type Parsed = SourceFile & { readonly syntax: Syntax }

/** Lines of a file as `wc -l` counts them. */
export function linesOf(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
}

/** `root`: a checkout of this repository. Parses every file: some seconds. */
export function measureHouse(root: string): House {
  const sources: Parsed[] = listFiles(root)
    .filter(isSource)
    .map((path) => readSource(path, root))
    .map((source) => ({ ...source, syntax: parseSyntax(source.text) }))
  const shipped = sources.filter(({ path }) => isShipped(path))
  const lines = shipped.flatMap(({ text }) => text.split('\n'))
  const protocol = shipped.filter(({ path }) => path.startsWith('protocol/'))
  const node = sources.filter(({ path }) => path.startsWith('node/'))
  const { rooms, circles } = reportRooms(sources)
  const comments = shipped.flatMap(({ syntax }) => syntax.comments)
  return {
    rooms,
    orders: ['gateway', 'node'].map((top) => bestOrder(sources, top)),
    circles,
    sizes: [
      sizesOf('what ships', shipped),
      sizesOf(
        'tests',
        sources.filter(({ path }) => isTest(path)),
      ),
      sizesOf('everything', sources),
    ],
    commentShare:
      sum(shipped, ({ syntax }) => syntax.commentLines) /
      lines.filter((line) => line.trim() !== '').length,
    protocolAsserts: sum(protocol, ({ syntax }) => syntax.asserts),
    protocolFunctions: sum(
      protocol,
      ({ syntax }) => syntax.functions.filter(({ name }) => name !== '=>').length,
    ),
    nodeTestLines: sum(
      node.filter(({ path }) => isTestSupport(path)),
      ({ text }) => linesOf(text),
    ),
    nodeSourceLines: sum(
      node.filter(({ path }) => isShipped(path)),
      ({ text }) => linesOf(text),
    ),
    shippedComments: comments.length,
    knottyComments: comments.filter(({ text }) => KNOTTY.test(text)).length,
    comments: passagesOf(sources, ({ comments }) =>
      comments.filter(({ text }) => !isDirective(text)),
    ),
    messages: passagesOf(shipped, ({ messages }) => messages),
  }
}

function isShipped(path: string): boolean {
  return /^(protocol|gateway|node)\//.test(path) && !isTestSupport(path)
}

/** For a tool, not for readers. */
function isDirective(comment: string): boolean {
  return /^\/[/*] *(oxlint|eslint|@ts-|prettier|v8)/.test(comment)
}

function sizesOf(group: string, sources: readonly Parsed[]): GroupSizes {
  const files = sources.map(({ path, text }) => ({ place: path, lines: linesOf(text) }))
  const functions = sources.flatMap(({ path, syntax }) =>
    syntax.functions.map(({ name, line, lines }) => ({
      name,
      place: `${path}:${line} ${name}`,
      lines,
    })),
  )
  const named = functions.filter(({ name }) => name !== '=>')
  return {
    group,
    files: spreadOf(files),
    functions: spreadOf(functions),
    namedFunctions: spreadOf(named),
  }
}

function spreadOf(sizes: readonly { readonly place: string; readonly lines: number }[]): Spread {
  const sorted = sizes.toSorted((a, b) => a.lines - b.lines)
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]?.lines ?? 0
  const last = sorted.at(-1)
  return {
    count: sorted.length,
    p50: at(0.5),
    p90: at(0.9),
    max: last?.lines ?? 0,
    largest: last?.place ?? '',
  }
}

function passagesOf(
  sources: readonly Parsed[],
  pick: (syntax: Syntax) => readonly Passage[],
): string[] {
  return sources.flatMap(({ path, syntax }) =>
    pick(syntax).map(({ line, text }) => `${path}:${line} ${text.replaceAll(/\n\s*/g, '\n    ')}`),
  )
}

function sum<T>(items: readonly T[], size: (item: T) => number): number {
  return items.reduce((total, item) => total + size(item), 0)
}
