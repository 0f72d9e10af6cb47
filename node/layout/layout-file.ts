/**
 * The text of layout.json: one line for each decided entry, so that one more costs one line.
 *
 * ```
 * {"version":2}
 * {"epoch":1,"entry":"…","ballot":{…},"signatures":[…],"checksum":"…"}
 * {"epoch":2, …
 * ```
 *
 * Every line ends in a line feed. The checksum is that of checked-json.ts, over the line's other fields. Programs
 * before version 2 wrote a single JSON object, `{"version":1,"entries":[{"entry":…,"ballot":…,"signatures":…},…]}`.
 *
 * Lines are decoded when their entry is asked for. A long chain is kept as text.
 */

import { assert } from '../../protocol/assert.ts'
import { utf8 } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import { decidedJson, readDecided } from '../../protocol/layout/certificate.ts'
import { CAUSES, STATES, type DecidedEntry, type LayoutEntry } from '../../protocol/layout/entry.ts'
import {
  fieldsOf,
  integerOf,
  listOf,
  oneOf,
  parseJson,
  ShapeError,
} from '../../protocol/layout/json.ts'
import { checkedFields, withChecksum } from '../tools/checked-json.ts'

const HEADER = '{"version":2}'
const LINE_FEED = 10
const OLD_VERSION = 1
const ENTRIES_MAX = 10_000_000
/** How a line begins. The epoch of its entry is known without decoding the rest. */
const HEAD =
  /^\{"epoch":(\d{1,16}),"entry":"\{\\"version\\":1,\\"epoch\\":\1,\\"previousHash\\":\\"[0-9a-f]{64}\\",\\"state\\":\\"([A-Z]+)\\",\\"cause\\":\\"([a-z-]+)\\",/
const HEAD_LENGTH_MAX = 256

/** A decided entry as a line of the file. */
export class ChainLine {
  /** Without its line feed. */
  readonly bytes: Uint8Array
  readonly epoch: number
  readonly state: LayoutEntry['state']
  readonly cause: LayoutEntry['cause']
  #decided: DecidedEntry | undefined

  private constructor(
    bytes: Uint8Array,
    head: Pick<LayoutEntry, 'epoch' | 'state' | 'cause'>,
    decided?: DecidedEntry,
  ) {
    this.bytes = bytes
    this.epoch = head.epoch
    this.state = head.state
    this.cause = head.cause
    this.#decided = decided
  }

  static of(decided: DecidedEntry): ChainLine {
    const { epoch } = decided.entry
    const text = JSON.stringify(withChecksum({ epoch, ...(decidedJson(decided) as object) }))
    return new ChainLine(utf8(text), decided.entry, decided)
  }

  /** Throws ShapeError. Only decoding shows whether the line is whole. */
  static parse(bytes: Uint8Array): ChainLine {
    const start = String.fromCharCode(...bytes.subarray(0, HEAD_LENGTH_MAX))
    const head = HEAD.exec(start)
    if (head === null) throw new ShapeError('not a line of a layout')
    const epoch = integerOf(Number(head[1]), 1, Number.MAX_SAFE_INTEGER)
    return new ChainLine(bytes, {
      epoch,
      state: oneOf(head[2], STATES),
      cause: oneOf(head[3], CAUSES),
    })
  }

  /** Throws ShapeError or ChecksumError. */
  get decided(): DecidedEntry {
    this.#decided ??= this.#read()
    return this.#decided
  }

  #read(): DecidedEntry {
    const { fields, checked } = checkedFields(parseJson(this.bytes))
    if (!checked) throw new ShapeError('a line without checksum')
    const { epoch, ...rest } = fieldsOf(fields, ['epoch', 'entry', 'ballot', 'signatures'])
    const decided = readDecided({ ...rest })
    if (decided.entry.epoch !== epoch) throw new ShapeError('a line of another epoch')
    return decided
  }
}

export interface LayoutLines {
  readonly lines: readonly Uint8Array[]
  /** Bytes follow the last whole line. */
  readonly isCut: boolean
}

/** Undefined when this is no file of this version. */
export function splitLayout(bytes: Uint8Array): LayoutLines | undefined {
  const header = utf8(`${HEADER}\n`)
  if (bytes.length < header.length) return undefined
  if (header.some((byte, i) => bytes[i] !== byte)) return undefined
  const lines: Uint8Array[] = []
  let at = header.length
  for (;;) {
    const end = bytes.indexOf(LINE_FEED, at)
    if (end < 0) break
    lines.push(bytes.subarray(at, end))
    at = end + 1
  }
  return { lines, isCut: at < bytes.length }
}

export function layoutBytes(lines: readonly ChainLine[]): Uint8Array {
  return joined([utf8(HEADER), ...lines.map(({ bytes }) => bytes)])
}

/** The length of `layoutBytes`, in bytes. */
export function layoutLength(lines: readonly ChainLine[]): number {
  return lines.reduce((sum, { bytes }) => sum + bytes.length + 1, HEADER.length + 1)
}

/** The bytes to append to a file for these lines. */
export function appendedBytes(lines: readonly ChainLine[]): Uint8Array {
  assert(lines.length > 0, 'there is something to append')
  return joined(lines.map(({ bytes }) => bytes))
}

function joined(lines: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(lines.reduce((sum, line) => sum + line.length + 1, 0))
  let at = 0
  for (const line of lines) {
    bytes.set(line, at)
    at += line.length
    bytes[at++] = LINE_FEED
  }
  return bytes
}

/** A digest of the lines so far and this one, in their order. */
export function nextDigest(digest: Uint8Array, line: Uint8Array): Uint8Array {
  return blake3(digest, line)
}

/** `checked`: written by a program that wrote a vote file before it. Throws ShapeError or ChecksumError. */
export function readOldLayout(bytes: Uint8Array): { lines: ChainLine[]; checked: boolean } {
  const { fields: json, checked } = checkedFields(parseJson(bytes))
  const fields = fieldsOf(json, ['version', 'entries'])
  integerOf(fields.version, OLD_VERSION, OLD_VERSION)
  const entries = listOf(fields.entries, ENTRIES_MAX, readDecided)
  return { lines: entries.map((entry) => ChainLine.of(entry)), checked }
}

/** The last entry of a layout.json, without verification. Throws when there is none. */
export function lastEntryOf(bytes: Uint8Array): LayoutEntry {
  const split = splitLayout(bytes)
  const last =
    split === undefined
      ? readOldLayout(bytes).lines.at(-1)
      : split.lines.slice(-1).map((line) => ChainLine.parse(line))[0]
  if (last === undefined) throw new ShapeError('a layout without entries')
  return last.decided.entry
}
