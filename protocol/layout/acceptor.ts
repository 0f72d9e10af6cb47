/**
 * Acceptor of one layout entry: single-decree Paxos (L1). Pure: the host persists what it is given
 * BEFORE the reply leaves (A1).
 *
 * Invariants, over one epoch:
 *   - promised never decreases, and promised >= accepted.ballot
 *   - a ballot below promised is neither promised nor accepted
 *   - one ballot carries one entry
 *
 * An epoch's vote is over once its entry is adopted; the next epoch starts with none.
 */

import { assert } from '../assert.ts'
import { checkInput } from '../input.ts'
import type { LayoutBallot } from './ballot.ts'
import { compareLayoutBallots } from './ballot.ts'
import type { LayoutEntry } from './entry.ts'
import { entryHash } from './entry.ts'

/** What an acceptor keeps of one epoch, durably. A vote of an earlier epoch no longer counts. */
export interface Vote {
  readonly epoch: number
  readonly promised: LayoutBallot
  readonly accepted?: AcceptedEntry | undefined
}

/** An entry that this acceptor has accepted. It may be decided, if a majority has accepted it at the same ballot. */
export interface AcceptedEntry {
  readonly ballot: LayoutBallot
  readonly entry: LayoutEntry
}

export type VoteReply =
  | { readonly type: 'promised'; readonly accepted?: AcceptedEntry | undefined }
  | { readonly type: 'accepted' }
  /** A higher ballot was promised: use one above it (P6). */
  | { readonly type: 'conflict'; readonly seen: LayoutBallot }

/** `persist` is to be flushed before `reply` is sent; absent when nothing changed. */
export interface VoteReady {
  readonly persist?: Vote
  readonly reply: VoteReply
}

/**
 * Promises the ballot if it is above every promise before, and says which entry was accepted, if any.
 *
 * @param vote what is durable of this epoch; undefined before the first promise
 */
export function prepareVote(
  vote: Vote | undefined,
  epoch: number,
  ballot: LayoutBallot,
): VoteReady {
  assert(vote === undefined || vote.epoch === epoch, 'the vote of another epoch')
  if (vote !== undefined && compareLayoutBallots(ballot, vote.promised) <= 0) {
    return { reply: { type: 'conflict', seen: vote.promised } }
  }
  const accepted = vote?.accepted
  const persist = risen(vote, { epoch, promised: ballot, accepted })
  return { persist, reply: { type: 'promised', accepted } }
}

/**
 * Accepts the entry at a ballot that is not below the promise. The same ballot again is answered as accepted again,
 * and nothing is to be flushed. The caller has checked that the entry is a legal step (transitionFault). Throws
 * InputError when the ballot has carried another entry.
 */
export function acceptVote(
  vote: Vote | undefined,
  epoch: number,
  ballot: LayoutBallot,
  entry: LayoutEntry,
): VoteReady {
  assert(vote === undefined || vote.epoch === epoch, 'the vote of another epoch')
  assert(entry.epoch === epoch, 'the entry of another epoch')
  if (vote !== undefined && compareLayoutBallots(ballot, vote.promised) < 0) {
    return { reply: { type: 'conflict', seen: vote.promised } }
  }
  const before = vote?.accepted
  if (before !== undefined && compareLayoutBallots(ballot, before.ballot) === 0) {
    checkInput(entryHash(before.entry) === entryHash(entry), 'one ballot carries one entry')
    return { reply: { type: 'accepted' } }
  }
  assert(
    before === undefined || compareLayoutBallots(ballot, before.ballot) > 0,
    'an accepted ballot never falls',
  )
  const persist = risen(vote, { epoch, promised: ballot, accepted: { ballot, entry } })
  return { persist, reply: { type: 'accepted' } }
}

/** The vote after an answer, which is checked against the one before. */
function risen(before: Vote | undefined, after: Vote): Vote {
  const { promised, accepted } = after
  assert(
    before === undefined || compareLayoutBallots(promised, before.promised) >= 0,
    'a promise never falls (A1)',
  )
  assert(
    accepted === undefined || compareLayoutBallots(promised, accepted.ballot) >= 0,
    'what is accepted is promised',
  )
  return after
}

/** The entry that must be proposed: the one accepted at the highest ballot, if any was. */
export function bindingEntry(
  promises: readonly (AcceptedEntry | undefined)[],
): LayoutEntry | undefined {
  let highest: AcceptedEntry | undefined
  for (const accepted of promises) {
    if (accepted === undefined) continue
    if (highest === undefined || compareLayoutBallots(accepted.ballot, highest.ballot) > 0) {
      highest = accepted
    }
  }
  return highest?.entry
}
