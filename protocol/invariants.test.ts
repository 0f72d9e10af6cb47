/** A state that breaks an invariant makes the function that would build upon it throw. No call of the product is like these. */

import { describe, expect, test } from 'vitest'
import { AssertionError } from './assert.ts'
import type { PageRefRecord } from './codec/versioned.ts'
import { dataId, type NodeId, type OperationId, type ProposerId, type RegisterKey } from './ids.ts'
import { blockKey } from './keyspace/block-key.ts'
import { acceptVote, prepareVote, type Vote } from './layout/acceptor.ts'
import { stable, testMember } from './layout/testing/entries.ts'
import {
  jointEntry,
  movedEntry,
  planEntry,
  plannedJointEntry,
  replanEntry,
  stableEntry,
} from './layout/transition.ts'
import { LayoutView } from './layout/view.ts'
import { objectOf } from './object/object.ts'
import { spill } from './object/pages.ts'
import { VERSIONING, withDeleteMarker } from './object/versions.ts'
import { accept, type AcceptorEnv, prepare, recovered } from './register/acceptor.ts'
import { type Ballot, ZERO_BALLOT } from './register/ballot.ts'
import { collect } from './register/copy.ts'
import { RegisterProposer } from './register/proposer.ts'
import { isQuorum, Quorum } from './register/quorum.ts'
import type { Accepted } from './register/types.ts'
import { EMPTY_DIGEST, toggleBlock } from './sync/digest.ts'
import { testVersion } from './object/testing/version.ts'

const KEY = 'key' as RegisterKey
const ballot = (counter: number): Ballot => ({ counter, proposer: 'p' as ProposerId })
const pair = (counter: number): Accepted => ({
  ballot: ballot(counter),
  value: {
    operation: 'o' as OperationId,
    tombstone: true,
    body: new Uint8Array(0),
    blocks: [],
  },
})
const env: AcceptorEnv = {
  mark: 100,
  floor: ZERO_BALLOT,
  epoch: 1,
  minimumGeneration: 0,
  holdsBlock: () => true,
  clockMs: 1,
  faulty: false,
}

describe('a register', () => {
  /** It has accepted more than it has promised. */
  const unsound = { promised: ballot(1), accepted: pair(5) }

  test('whose acceptor has accepted what it has not promised (A1, A3)', () => {
    const request = { key: KEY, epoch: 1, ballot: ballot(3) }
    expect(() => prepare(unsound, env, { type: 'prepare', ...request })).toThrow(AssertionError)
    const { value } = pair(3)
    const next = ballot(2)
    expect(() => accept(unsound, env, { type: 'accept', ...request, value, next })).toThrow(
      /no less than its own ballot/,
    )
    expect(() => recovered(undefined, -1)).toThrow(/a mark is a counter/)
  })

  test('that is collected at a ballot above its promise (G2)', () => {
    expect(() => collect(unsound, ZERO_BALLOT, ballot(5))).toThrow(/the floor covers/)
  })

  test('without replicas (L3)', () => {
    expect(() => new Quorum([])).toThrow(/in some set/)
    expect(() => isQuorum([], [])).toThrow(/in some set/)
  })

  test('at a ballot that carries a value already (P1)', () => {
    const proposer = new RegisterProposer({
      key: KEY,
      operation: 'o' as OperationId,
      proposer: 'p' as ProposerId,
      nextCounter: (above) => above + 1,
      sets: [['a' as NodeId]],
      epoch: 1,
      change: () => ({ write: pair(1).value }),
      prior: { epoch: 1, ballot: ZERO_BALLOT, accepted: pair(0) },
    })
    expect(() => proposer.start()).toThrow(/a ballot carries one value/)
  })
})

describe('a layout', () => {
  const [a, b] = [testMember('a'), testMember('b')]
  const entry = stable([a], { epoch: 20 })
  const next = { members: [a, b], replication: 3 }
  const planned = planEntry(entry, next)
  const joint = plannedJointEntry(planned)

  test('whose acceptor has accepted what it has not promised', () => {
    const high = { counter: 5, nodeId: a.nodeId }
    const low = { counter: 2, nodeId: a.nodeId }
    const vote: Vote = {
      epoch: 20,
      promised: { counter: 1, nodeId: a.nodeId },
      accepted: { ballot: high, entry },
    }
    expect(() => prepareVote(vote, 20, low)).toThrow(/what is accepted is promised/)
    expect(() => acceptVote(vote, 20, low, entry)).toThrow(/never falls/)
  })

  test('that goes from one state to one that does not follow (L2)', () => {
    expect(() => planEntry(planned, next)).toThrow(/follows STABLE/)
    expect(() => replanEntry(entry, next)).toThrow(/follows PLANNED/)
    expect(() => plannedJointEntry(entry)).toThrow(/next members/)
    expect(() => jointEntry(joint, [a, b], 'join')).toThrow(/begins at STABLE/)
    expect(() => stableEntry(planned, 'synced')).toThrow(/only JOINT leads forward/)
    expect(() => movedEntry(joint, 3)).toThrow(/sources end in STABLE/)
  })

  test('with next members in STABLE, or with no members (L2)', () => {
    expect(() => new LayoutView({ ...entry, next: [b] })).toThrow(/STABLE has none/)
    expect(() => new LayoutView({ ...entry, members: [] }).replicaSets(0)).toThrow(/has replicas/)
  })
})

describe('what a node holds', () => {
  test('a digest that is cut off', () => {
    const key = blockKey(1, dataId('d'.repeat(24)), 0)
    expect(() => toggleBlock(EMPTY_DIGEST.subarray(0, 16), key, 1)).toThrow(/in the digest/)
  })

  test('an object whose time does not rise (T4)', () => {
    const tools = { known: new Map(), draw: () => dataId('d'.repeat(24)) }
    expect(() =>
      withDeleteMarker(objectOf(undefined), {
        versioning: VERSIONING.never,
        random: new Uint8Array(8),
        nowMs: Number.NaN,
        pages: tools,
        maySpill: true,
      }),
    ).toThrow(/Last-Modified rises/)
  })

  test('pages whose levels fall', () => {
    const levels = [0, 1, 0, 0, 0, 0, 0, 0]
    const pages: PageRefRecord[] = levels.map((level, at) => ({
      dataId: new Uint8Array(24),
      level,
      newest: 100 - at,
      oldest: 100 - at,
      count: 1,
    }))
    const versions = Array.from({ length: 9 }, (_, at) => testVersion({ sequence: 200 - at }))
    const tools = { known: new Map(), draw: () => dataId('d'.repeat(24)) }
    expect(() => spill({ versions, pages }, tools)).toThrow(/pages of one level/)
  })
})
