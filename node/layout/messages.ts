/**
 * Messages about the layout between members, as JSON, because they are rare and small. A message that does not have exactly
 * its fields is refused. They have the types 200 to 239 (protocol/rpc/message.ts).
 */

import { bytesOfHex, hex, utf8, utf8Text } from '../../protocol/bytes.ts'
import type { AcceptedEntry } from '../../protocol/layout/acceptor.ts'
import type { LayoutBallot } from '../../protocol/layout/ballot.ts'
import { readBallot } from '../../protocol/layout/ballot.ts'
import type { LayoutEntry } from '../../protocol/layout/entry.ts'
import { decodeEntry, encodeEntry } from '../../protocol/layout/entry.ts'
import {
  fieldsOf,
  integerOf,
  matchOf,
  oneOf,
  parseJson,
  ShapeError,
  textOf,
} from '../../protocol/layout/json.ts'
import { acceptedJson, readAccepted } from './layout-store.ts'

export const LAYOUT_RPC = {
  /** {epoch, ballot} → VoteAnswer */
  prepare: 200,
  /** {ballot, entry} → VoteAnswer */
  accept: 201,
  /** "Epoch e exists" → {epoch: the receiver's} */
  notice: 202,
  /** {after, offset} → EntriesChunk */
  entries: 203,
  /** {epoch} → {epoch, holds}: does the node hold registers, at exactly which epoch */
  ready: 204,
  /** {secret}: keep it, it may come into force (secret-office.ts) → nothing */
  offer: 205,
  /** {id} → {secret} */
  secret: 206,
  /** {epoch} → Progress (progress.ts) */
  progress: 207,
  /** {node} → {silentMs}: for how long the receiver has not been connected to it (removal.ts) */
  silence: 208,
  /** {epoch}: the sender does not vote on it, and asks for an entry → who answers (abstention.ts) */
  abstains: 209,
} as const

const EPOCH_MAX = Number.MAX_SAFE_INTEGER
const ENTRY_TEXT_MAX = 1 << 28

/**
 * A voter's answer to `prepare` and `accept`. With 'promised' it names the entry that it accepted before, which binds
 * the proposer (bindingEntry). 'no-vote' says that it does not vote on this epoch, or lacks the secret that the entry
 * names.
 */
export type VoteAnswer =
  | { readonly type: 'promised'; readonly accepted?: AcceptedEntry | undefined }
  | { readonly type: 'accepted'; readonly signature: Uint8Array }
  | { readonly type: 'conflict'; readonly seen: LayoutBallot }
  /** The receiver is at another epoch: a later one than was asked for, or an earlier one. */
  | { readonly type: 'epoch'; readonly epoch: number }
  | { readonly type: 'no-vote' }

/** A piece of the text of entries, which may not fit into one message. */
export interface EntriesChunk {
  /** Length of the whole text. */
  readonly total: number
  readonly text: string
}

const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value))

/** All `decode` functions of this file throw ShapeError for bytes that are not such a message. */
export const prepareMessage = {
  encode: (epoch: number, ballot: LayoutBallot) => json({ epoch, ballot }),
  decode(bytes: Uint8Array): { epoch: number; ballot: LayoutBallot } {
    const fields = fieldsOf(parseJson(bytes), ['epoch', 'ballot'])
    return { epoch: integerOf(fields.epoch, 1, EPOCH_MAX), ballot: readBallot(fields.ballot) }
  },
}

export const acceptMessage = {
  encode: (ballot: LayoutBallot, entry: LayoutEntry) =>
    json({ ballot, entry: utf8Text(encodeEntry(entry)) }),
  decode(bytes: Uint8Array): { ballot: LayoutBallot; entry: LayoutEntry } {
    const fields = fieldsOf(parseJson(bytes), ['ballot', 'entry'])
    const entry = decodeEntry(utf8(textOf(fields.entry, ENTRY_TEXT_MAX)))
    return { ballot: readBallot(fields.ballot), entry }
  },
}

export const voteAnswer = {
  encode(answer: VoteAnswer): Uint8Array {
    if (answer.type === 'accepted') {
      return json({ type: answer.type, signature: hex(answer.signature) })
    }
    if (answer.type !== 'promised') return json(answer)
    const { accepted } = answer
    return json({
      type: answer.type,
      accepted: accepted === undefined ? null : acceptedJson(accepted),
    })
  },
  decode(bytes: Uint8Array): VoteAnswer {
    const raw = parseJson(bytes)
    const fields = fieldsOf(raw, ['type'], ['accepted', 'signature', 'seen', 'epoch'])
    const type = oneOf(fields.type, ['promised', 'accepted', 'conflict', 'epoch', 'no-vote'])
    switch (type) {
      case 'promised':
        return {
          type,
          accepted: fields.accepted === null ? undefined : readAccepted(fields.accepted),
        }
      case 'accepted':
        return {
          type,
          signature: bytesOfHex(matchOf(fields.signature, /^([0-9a-f]{2}){1,256}$/)),
        }
      case 'conflict':
        return { type, seen: readBallot(fields.seen) }
      case 'epoch':
        return { type, epoch: integerOf(fields.epoch, 0, EPOCH_MAX) }
      case 'no-vote':
        return { type }
    }
  },
}

/** An epoch: a notice, its answer, and the question of `ready`. */
export const epochMessage = {
  encode: (epoch: number) => json({ epoch }),
  decode(bytes: Uint8Array): number {
    return integerOf(fieldsOf(parseJson(bytes), ['epoch']).epoch, 0, EPOCH_MAX)
  },
}

export const entriesMessage = {
  encode: (after: number, offset: number) => json({ after, offset }),
  decode(bytes: Uint8Array): { after: number; offset: number } {
    const fields = fieldsOf(parseJson(bytes), ['after', 'offset'])
    return {
      after: integerOf(fields.after, 0, EPOCH_MAX),
      offset: integerOf(fields.offset, 0, EPOCH_MAX),
    }
  },
}

export const chunkMessage = {
  encode: ({ total, text }: EntriesChunk) => json({ total, text }),
  decode: (bytes: Uint8Array): EntriesChunk => readChunk(parseJson(bytes)),
}

export function readChunk(value: unknown): EntriesChunk {
  const fields = fieldsOf(value, ['total', 'text'])
  return {
    total: integerOf(fields.total, 0, ENTRY_TEXT_MAX),
    text: textOf(fields.text, ENTRY_TEXT_MAX),
  }
}

/**
 * Whether the node holds registers at exactly this epoch, its own. True as well while an accepted state is not
 * flushed yet.
 */
export interface Readiness {
  readonly epoch: number
  readonly holds: boolean
}

export const readyMessage = {
  encode: ({ epoch, holds }: Readiness) => json({ epoch, holds }),
  decode(bytes: Uint8Array): Readiness {
    const fields = fieldsOf(parseJson(bytes), ['epoch', 'holds'])
    if (typeof fields.holds !== 'boolean') throw new ShapeError('not a boolean')
    return { epoch: integerOf(fields.epoch, 0, EPOCH_MAX), holds: fields.holds }
  },
}
