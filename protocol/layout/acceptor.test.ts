import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AcceptedEntry, Vote } from './acceptor.ts'
import { acceptVote, bindingEntry, prepareVote } from './acceptor.ts'
import type { LayoutBallot } from './ballot.ts'
import { compareLayoutBallots } from './ballot.ts'
import type { LayoutEntry } from './entry.ts'
import { entryHash } from './entry.ts'
import { testMember, stable } from './testing/entries.ts'
import { jointEntry } from './transition.ts'

const [a, b, c] = ['a', 'b', 'c'].map((name) => testMember(name))
const first = stable([a!])
const EPOCH = 2
const entryOf = (name: string): LayoutEntry => jointEntry(first, [a!, testMember(name)], 'join')
const ballot = (counter: number, by = a!): LayoutBallot => ({ counter, nodeId: by.nodeId })

describe('acceptor of a layout entry', () => {
  test('promises only ever higher ballots', () => {
    const one = prepareVote(undefined, EPOCH, ballot(2))
    expect(one.reply.type).toBe('promised')
    expect(prepareVote(one.persist, EPOCH, ballot(2)).reply).toEqual({
      type: 'conflict',
      seen: ballot(2),
    })
    expect(prepareVote(one.persist, EPOCH, ballot(1, b)).reply.type).toBe('conflict')
    expect(prepareVote(one.persist, EPOCH, ballot(3)).persist?.promised).toEqual(ballot(3))
  })

  test('accepts at its promise or above, the same again too, and raises the promise', () => {
    const promised = prepareVote(undefined, EPOCH, ballot(2)).persist
    expect(acceptVote(promised, EPOCH, ballot(1), entryOf('x')).reply.type).toBe('conflict')
    const accepted = acceptVote(promised, EPOCH, ballot(5), entryOf('x'))
    expect(accepted.reply.type).toBe('accepted')
    expect(accepted.persist?.promised).toEqual(ballot(5))
    const again = acceptVote(accepted.persist, EPOCH, ballot(5), entryOf('x'))
    expect(again).toEqual({ reply: { type: 'accepted' } })
    expect(() => acceptVote(accepted.persist, EPOCH, ballot(5), entryOf('y'))).toThrow(/one ballot/)
  })

  test('tells what it accepted to the next who prepares', () => {
    const accepted = acceptVote(undefined, EPOCH, ballot(1), entryOf('x')).persist
    const reply = prepareVote(accepted, EPOCH, ballot(2)).reply
    expect(reply.type === 'promised' && reply.accepted?.ballot).toEqual(ballot(1))
  })
})

describe('proposals for a layout entry', () => {
  test('bindingEntry is the one at the highest ballot', () => {
    const low = { ballot: ballot(1), entry: entryOf('x') }
    const high = { ballot: ballot(1, b!.nodeId > a!.nodeId ? b : a), entry: entryOf('y') }
    expect(bindingEntry([undefined, undefined])).toBeUndefined()
    expect(bindingEntry([low, undefined])).toBe(low.entry)
    if (compareLayoutBallots(high.ballot, low.ballot) > 0) {
      expect(bindingEntry([low, high])).toBe(high.entry)
      expect(bindingEntry([high, low])).toBe(high.entry)
    }
  })

  test('of any proposals in any order, at most one entry is ever decided (L1)', () => {
    const acceptors = 3
    // Each step: a proposer starts a new ballot at some acceptors, or sends its accept to some.
    const step = fc.record({
      proposer: fc.nat(2),
      kind: fc.constantFrom('prepare', 'accept'),
      to: fc.uniqueArray(fc.nat(acceptors - 1), { minLength: 1, maxLength: acceptors }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const votes: (Vote | undefined)[] = [undefined, undefined, undefined]
        const proposers = [a!, b!, c!].map((by, i) => ({
          by,
          own: entryOf(`joiner ${i}`),
          ballot: undefined as LayoutBallot | undefined,
          promises: new Map<number, AcceptedEntry | undefined>(),
          entry: undefined as LayoutEntry | undefined,
        }))
        const accepts = new Map<string, Set<number>>()
        const decided = new Set<string>()
        let counter = 0
        for (const { proposer: p, kind, to } of steps) {
          const proposer = proposers[p]!
          if (kind === 'prepare') {
            proposer.ballot = ballot(++counter, proposer.by)
            proposer.promises = new Map()
            proposer.entry = undefined
            for (const at of to) {
              const { persist, reply } = prepareVote(votes[at], EPOCH, proposer.ballot)
              if (persist) votes[at] = persist
              if (reply.type === 'promised') proposer.promises.set(at, reply.accepted)
            }
          } else if (proposer.ballot !== undefined && proposer.promises.size >= 2) {
            proposer.entry ??= bindingEntry([...proposer.promises.values()]) ?? proposer.own
            const hash = entryHash(proposer.entry)
            const name = `${proposer.ballot.counter} ${hash}`
            for (const at of to) {
              const { persist, reply } = acceptVote(
                votes[at],
                EPOCH,
                proposer.ballot,
                proposer.entry,
              )
              if (persist) votes[at] = persist
              if (reply.type !== 'accepted') continue
              const by = accepts.get(name) ?? new Set()
              accepts.set(name, by.add(at))
              if (by.size >= 2) decided.add(hash)
            }
          }
        }
        expect(decided.size).toBeLessThanOrEqual(1)
      }),
      { numRuns: 2_000 },
    )
  })
})
