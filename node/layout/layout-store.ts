/**
 * The layout on disk:
 *
 *   layout.json          the chain of decided entries with their certificates, a line each (layout-file.ts)
 *   layout-checked.json  up to which entry this node has verified the chain, and has obeyed it
 *   layout-vote.json     this node's vote on the next epoch (acceptor.ts), flushed before the reply (A1)
 *
 * An entry costs one line. A start verifies only the signatures that layout-checked.json (the note) does not name as verified:
 *
 *   {"version": 1, "digest": "over the lines so far, hex", "last": "the last of them", …}
 *
 * Invariants:
 *   - the note is written when the lines that it names are flushed, and before any node can see the entries
 *   - so lines after those were never obeyed: a torn line there is cut off, and a whole one counts once its
 *     signatures are verified
 *   - lines that the note names exist: a chain that ends earlier is an error (A4, L4), even if each of
 *     its lines is sound. Without a note every line must be sound, the last one, too
 *   - the last line is in the note as well: an entry that was decided a moment ago may have no other copy from
 *     which a damaged line could be restored
 *   - after a failed write or flush the whole file is written again and replaced at once (D5)
 *
 * A damaged layout is an error, never an empty layout (A4). A damaged vote is not the same as no vote, because this node may
 * have given it. When a node abstains from an epoch, the vote file says so instead of a vote:
 *
 *   {"version": 1, "abstains": 7, …}     0: it has not voted yet
 */

import { equalBytes, hex, utf8, utf8Text } from '../../protocol/bytes.ts'
import type { Vote } from '../../protocol/layout/acceptor.ts'
import { readBallot } from '../../protocol/layout/ballot.ts'
import { decodeEntry, encodeEntry, entryHash, HASH } from '../../protocol/layout/entry.ts'
import { fieldsOf, integerOf, matchOf, parseJson, textOf } from '../../protocol/layout/json.ts'
import { checkedFields, withChecksum } from '../tools/checked-json.ts'
import type { Disk } from '../env/ports.ts'
import { MembershipError } from './errors.ts'
import {
  appendedBytes,
  ChainLine,
  layoutBytes,
  layoutLength,
  nextDigest,
  readOldLayout,
  splitLayout,
  type LayoutLines,
} from './layout-file.ts'

export const LAYOUT_FILE = 'layout.json'
export const CHECKED_FILE = 'layout-checked.json'
export const VOTE_FILE = 'layout-vote.json'
const VERSION = 1
const ENTRY_TEXT_MAX = 1 << 28
const NO_DIGEST: Uint8Array = new Uint8Array(32)

export interface StoredChain {
  readonly chain: readonly ChainLine[]
  /** How many of them, from the first one on, this node has verified before. */
  readonly verified: number
  /** Whether the program that wrote it writes a vote file first (LayoutLog). */
  readonly checked: boolean
}

/** What layout-checked.json says. */
interface CheckedNote {
  readonly digest: string
  readonly last: ChainLine
}

export type StoredVote =
  | { readonly type: 'none' }
  | { readonly type: 'vote'; readonly vote: Vote; readonly checked: boolean }
  | { readonly type: 'abstains'; readonly epoch: number }
  | { readonly type: 'damaged'; readonly why: string }

export class LayoutStore {
  readonly #disk: Disk
  /** The digest of the lines that are on disk. */
  #digest: Uint8Array = NO_DIGEST
  #count = 0
  #bytes = 0
  /** The file is not in the form in which this node writes it. */
  #mustRewrite = true

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** Reads the chain. Throws MembershipError 'damaged'. */
  async readChain(): Promise<StoredChain> {
    const bytes = await this.#disk.readFile(LAYOUT_FILE)
    const note = await this.#readNote()
    if (bytes === undefined) {
      if (note !== undefined) throw damagedLayout('it is missing')
      return { chain: [], verified: 0, checked: false }
    }
    try {
      const split = splitLayout(bytes)
      if (split === undefined) {
        const { lines, checked } = readOldLayout(bytes)
        return { chain: reaching(lines, note), verified: 0, checked }
      }
      const covered = note === undefined ? 0 : coveredBy(note, split.lines)
      const chain = split.lines.slice(0, covered).map((line) => ChainLine.parse(line))
      const why = takeSoundLines(chain, split)
      // A line that is not sound was never obeyed, or is in the note as well.
      if (why !== undefined && note === undefined) throw why
      this.#count = chain.length
      this.#bytes = layoutLength(chain)
      this.#digest = digestOf(chain, NO_DIGEST)
      // Lines after those of the note may not have been flushed yet.
      this.#mustRewrite = covered < chain.length
      return { chain: reaching(chain, note, why), verified: covered, checked: true }
    } catch (error) {
      throw damagedLayout(textOfError(error))
    }
  }

  /**
   * Writes the chain, of which all lines but the last `added` were written before or read from disk. Resolves when it is
   * durable and noted as verified.
   */
  async writeChain(chain: readonly ChainLine[], added: number): Promise<void> {
    const last = chain.at(-1)
    if (last === undefined) return
    const fresh = chain.slice(chain.length - added)
    const isWhole = this.#mustRewrite || this.#count + added !== chain.length
    this.#mustRewrite = true
    if (isWhole) {
      const bytes = layoutBytes(chain)
      await this.#disk.writeFile(LAYOUT_FILE, bytes)
      this.#digest = digestOf(chain, NO_DIGEST)
      this.#bytes = bytes.length
    } else if (fresh.length > 0) {
      const bytes = appendedBytes(fresh)
      await this.#append(bytes)
      this.#digest = digestOf(fresh, this.#digest)
      this.#bytes += bytes.length
    }
    this.#count = chain.length
    const digest = hex(this.#digest)
    await this.#write(CHECKED_FILE, { version: VERSION, digest, last: utf8Text(last.bytes) })
    this.#mustRewrite = false
  }

  /** Appends after the last line that counts. A torn line is cut off. */
  async #append(bytes: Uint8Array): Promise<void> {
    const file = await this.#disk.open(LAYOUT_FILE, 'write')
    try {
      const size = await file.sizeBytes()
      if (size > this.#bytes) await file.truncate(this.#bytes)
      await file.write([bytes], this.#bytes)
      await file.flush()
    } finally {
      await file.close()
    }
  }

  /** Undefined when there is none, or it can't be read. Then the chain is verified again. */
  async #readNote(): Promise<CheckedNote | undefined> {
    const bytes = await this.#disk.readFile(CHECKED_FILE)
    if (bytes === undefined) return undefined
    try {
      const { fields, checked } = checkedFields(parseJson(bytes))
      const note = fieldsOf(fields, ['version', 'digest', 'last'])
      if (!checked) return undefined
      integerOf(note.version, VERSION, VERSION)
      const last = readLine(utf8(textOf(note.last, ENTRY_TEXT_MAX)))
      if (!(last instanceof ChainLine)) return undefined
      return { digest: matchOf(note.digest, HASH), last }
    } catch {
      return undefined
    }
  }

  async readVote(): Promise<StoredVote> {
    const bytes = await this.#disk.readFile(VOTE_FILE)
    if (bytes === undefined) return { type: 'none' }
    try {
      const { fields, checked } = checkedFields(parseJson(bytes))
      if (isAbstention(fields)) return abstentionOf(fields)
      return { type: 'vote', vote: voteOf(fields), checked }
    } catch (error) {
      return { type: 'damaged', why: textOfError(error) }
    }
  }

  async writeVote(vote: Vote): Promise<void> {
    await this.#write(VOTE_FILE, {
      version: VERSION,
      epoch: vote.epoch,
      promised: vote.promised,
      accepted: vote.accepted === undefined ? null : acceptedJson(vote.accepted),
    })
  }

  async writeAbstention(epoch: number): Promise<void> {
    await this.#write(VOTE_FILE, { version: VERSION, abstains: epoch })
  }

  async #write(path: string, fields: object): Promise<void> {
    await this.#disk.writeFile(path, utf8(JSON.stringify(withChecksum(fields))))
  }
}

/** The message names a way out: all members have the same layout, so there are always copies of it. */
export function damagedLayout(why: string): MembershipError {
  return new MembershipError(
    'damaged',
    `${LAYOUT_FILE} is damaged: ${why}. Copy it from any other member that runs (theirs is the same) or a backup`,
  )
}

/** @param before the digest of the lines before these */
function digestOf(lines: readonly ChainLine[], before: Uint8Array): Uint8Array {
  let digest = before
  for (const { bytes } of lines) digest = nextDigest(digest, bytes)
  return digest
}

/** The decoded line, or why it can't be decoded. */
function readLine(bytes: Uint8Array): ChainLine | Error {
  try {
    const line = ChainLine.parse(bytes)
    return line.decided.entry.epoch === line.epoch ? line : new Error('a line of another epoch')
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** Adds the lines that follow, up to the first that is not sound. Returns what is wrong with that one. */
function takeSoundLines(chain: ChainLine[], { lines, isCut }: LayoutLines): Error | undefined {
  for (const bytes of lines.slice(chain.length)) {
    const line = readLine(bytes)
    if (!(line instanceof ChainLine)) return line
    chain.push(line)
  }
  return isCut ? new Error('its last line is cut short') : undefined
}

/** How many lines the note names: all up to its epoch, or none when the lines are not those that it saw. */
function coveredBy({ digest, last }: CheckedNote, lines: readonly Uint8Array[]): number {
  let so = NO_DIGEST
  for (const [i, line] of lines.entries()) {
    so = nextDigest(so, line)
    if (equalBytes(line, last.bytes)) return hex(so) === digest ? i + 1 : 0
  }
  return 0
}

/**
 * The chain, completed with the last entry that this node has obeyed if only that one is missing. Throws when more is
 * missing: a node must not go back before an entry that it obeyed.
 *
 * @param why what was wrong with the line after the chain
 */
function reaching(
  chain: readonly ChainLine[],
  note: CheckedNote | undefined,
  why?: Error,
): readonly ChainLine[] {
  if (note === undefined) return chain
  const { last } = note
  const [end, { epoch }] = [chain.at(-1)?.epoch ?? 0, last]
  if (end + 1 === epoch) return [...chain, last]
  if (end < epoch) {
    throw why ?? new Error(`it ends at epoch ${end}, and this node has been at ${epoch}`)
  }
  const same = chain.find((line) => line.epoch === epoch)
  if (same !== undefined && entryHash(same.decided.entry) !== entryHash(last.decided.entry)) {
    throw new Error(`its entry of epoch ${epoch} differs from the one that this node has obeyed`)
  }
  return chain
}

function isAbstention(fields: unknown): boolean {
  return typeof fields === 'object' && fields !== null && 'abstains' in fields
}

function abstentionOf(json: unknown): StoredVote {
  const fields = fieldsOf(json, ['version', 'abstains'])
  integerOf(fields.version, VERSION, VERSION)
  return { type: 'abstains', epoch: integerOf(fields.abstains, 0, Number.MAX_SAFE_INTEGER) }
}

function voteOf(json: unknown): Vote {
  const fields = fieldsOf(json, ['version', 'epoch', 'promised', 'accepted'])
  integerOf(fields.version, VERSION, VERSION)
  return {
    epoch: integerOf(fields.epoch, 1, Number.MAX_SAFE_INTEGER),
    promised: readBallot(fields.promised),
    accepted: fields.accepted === null ? undefined : readAccepted(fields.accepted),
  }
}

function textOfError(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

export function acceptedJson({ ballot, entry }: NonNullable<Vote['accepted']>): unknown {
  return {
    ballot: { counter: ballot.counter, nodeId: ballot.nodeId },
    entry: utf8Text(encodeEntry(entry)),
  }
}

export function readAccepted(value: unknown): NonNullable<Vote['accepted']> {
  const fields = fieldsOf(value, ['ballot', 'entry'])
  return {
    ballot: readBallot(fields.ballot),
    entry: decodeEntry(utf8(textOf(fields.entry, ENTRY_TEXT_MAX))),
  }
}
