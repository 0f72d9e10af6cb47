/**
 * The layout on disk:
 *
 *   layout.json       the chain of decided entries with their certificates
 *   layout-vote.json  this node's vote on the next epoch (acceptor.ts), flushed before the reply (A1)
 *
 * Both are replaced whole. They are no index: a damaged one is an error, never an empty layout (A4).
 */

import { utf8, utf8Text } from '../../protocol/bytes.ts'
import type { Vote } from '../../protocol/layout/acceptor.ts'
import { readBallot } from '../../protocol/layout/ballot.ts'
import { decidedJson, readDecided } from '../../protocol/layout/certificate.ts'
import type { DecidedEntry } from '../../protocol/layout/entry.ts'
import { decodeEntry, encodeEntry } from '../../protocol/layout/entry.ts'
import { fieldsOf, integerOf, listOf, parseJson, textOf } from '../../protocol/layout/json.ts'
import type { Disk } from '../env/ports.ts'
import { MembershipError } from './errors.ts'

export const LAYOUT_FILE = 'layout.json'
export const VOTE_FILE = 'layout-vote.json'
const VERSION = 1
const ENTRIES_MAX = 10_000_000
const ENTRY_TEXT_MAX = 1 << 28

export class LayoutStore {
  readonly #disk: Disk

  constructor(disk: Disk) {
    this.#disk = disk
  }

  async readChain(): Promise<DecidedEntry[]> {
    const json = await this.#read(LAYOUT_FILE)
    if (json === undefined) return []
    return this.#decode(LAYOUT_FILE, () => {
      const fields = fieldsOf(json, ['version', 'entries'])
      integerOf(fields.version, VERSION, VERSION)
      return listOf(fields.entries, ENTRIES_MAX, readDecided)
    })
  }

  async writeChain(chain: readonly DecidedEntry[]): Promise<void> {
    const json = { version: VERSION, entries: chain.map(decidedJson) }
    await this.#disk.writeFile(LAYOUT_FILE, utf8(JSON.stringify(json)))
  }

  async readVote(): Promise<Vote | undefined> {
    const json = await this.#read(VOTE_FILE)
    if (json === undefined) return undefined
    return this.#decode(VOTE_FILE, () => {
      const fields = fieldsOf(json, ['version', 'epoch', 'promised', 'accepted'])
      integerOf(fields.version, VERSION, VERSION)
      return {
        epoch: integerOf(fields.epoch, 1, Number.MAX_SAFE_INTEGER),
        promised: readBallot(fields.promised),
        accepted: fields.accepted === null ? undefined : readAccepted(fields.accepted),
      }
    })
  }

  async writeVote(vote: Vote): Promise<void> {
    const json = {
      version: VERSION,
      epoch: vote.epoch,
      promised: vote.promised,
      accepted: vote.accepted === undefined ? null : acceptedJson(vote.accepted),
    }
    await this.#disk.writeFile(VOTE_FILE, utf8(JSON.stringify(json)))
  }

  async #read(path: string): Promise<unknown> {
    const bytes = await this.#disk.readFile(path)
    return bytes === undefined ? undefined : this.#decode(path, () => parseJson(bytes))
  }

  #decode<T>(path: string, decode: () => T): T {
    try {
      return decode()
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new MembershipError('damaged', `${path} is damaged: ${why}`)
    }
  }
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
