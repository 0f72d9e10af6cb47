/**
 * The layout on disk:
 *
 *   layout.json       the chain of decided entries with their certificates
 *   layout-vote.json  this node's vote on the next epoch (acceptor.ts), flushed before the reply (A1)
 *
 * Both are replaced whole and carry a checksum (checked-json.ts). They are no index: a damaged layout is an
 * error, never an empty one (A4). A damaged vote is told apart from none, since this node may have given it.
 * Where a node abstains from an epoch the vote file says so instead of a vote:
 *
 *   {"version": 1, "abstains": 7, …}     0: it has not voted yet
 */

import { utf8, utf8Text } from '../../protocol/bytes.ts'
import type { Vote } from '../../protocol/layout/acceptor.ts'
import { readBallot } from '../../protocol/layout/ballot.ts'
import { decidedJson, readDecided } from '../../protocol/layout/certificate.ts'
import type { DecidedEntry } from '../../protocol/layout/entry.ts'
import { decodeEntry, encodeEntry } from '../../protocol/layout/entry.ts'
import { fieldsOf, integerOf, listOf, parseJson, textOf } from '../../protocol/layout/json.ts'
import { checkedFields, withChecksum } from '../checked-json.ts'
import type { Disk } from '../env/ports.ts'
import { MembershipError } from './errors.ts'

export const LAYOUT_FILE = 'layout.json'
export const VOTE_FILE = 'layout-vote.json'
const VERSION = 1
const ENTRIES_MAX = 10_000_000
const ENTRY_TEXT_MAX = 1 << 28

export interface StoredChain {
  readonly chain: readonly DecidedEntry[]
  /** Written by a program that writes a vote file before it (LayoutLog). */
  readonly checked: boolean
}

export type StoredVote =
  | { readonly type: 'none' }
  | { readonly type: 'vote'; readonly vote: Vote; readonly checked: boolean }
  | { readonly type: 'abstains'; readonly epoch: number }
  | { readonly type: 'damaged'; readonly why: string }

export class LayoutStore {
  readonly #disk: Disk

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** Throws MembershipError 'damaged'. */
  async readChain(): Promise<StoredChain> {
    const bytes = await this.#disk.readFile(LAYOUT_FILE)
    if (bytes === undefined) return { chain: [], checked: false }
    try {
      const { fields: json, checked } = checkedFields(parseJson(bytes))
      const fields = fieldsOf(json, ['version', 'entries'])
      integerOf(fields.version, VERSION, VERSION)
      return { chain: listOf(fields.entries, ENTRIES_MAX, readDecided), checked }
    } catch (error) {
      throw damagedLayout(textOfError(error))
    }
  }

  async writeChain(chain: readonly DecidedEntry[]): Promise<void> {
    await this.#write(LAYOUT_FILE, { version: VERSION, entries: chain.map(decidedJson) })
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

/** All members have the same layout, so there are always copies of it. */
export function damagedLayout(why: string): MembershipError {
  return new MembershipError(
    'damaged',
    `${LAYOUT_FILE} is damaged: ${why}. Copy it from any other member (theirs is the same) or a backup`,
  )
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
