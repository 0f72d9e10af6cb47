import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { entryFault, type Predecessors } from './certificate.ts'
import { CAUSES, replicationOf, STATES } from './entry.ts'
import type { LayoutEntry, Member, Source } from './entry.ts'
import { decidedEntry, testMember, stable, verify } from './testing/entries.ts'
import type { TokenRecord } from './token-record.ts'
import {
  jointEntry,
  movedEntry,
  planEntry,
  plannedJointEntry,
  replanEntry,
  stableEntry,
  tokensEntry,
  transitionFault,
} from './transition.ts'

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => testMember(name)) as Member[]
const token: TokenRecord = {
  id: '1'.repeat(16),
  verifier: '1'.repeat(64),
  expiresMs: 1_700_000_000_000,
  uses: 2,
  nodes: [c!.nodeId, d!.nodeId],
}
const P = [a!, b!]
const N1 = [a!, b!, c!]
const N2 = [a!, d!]
const R = 3
const N1_REPLICATION = 2
const secret = {
  generation: 2,
  id: '1'.repeat(32),
  previousId: '2'.repeat(32),
  sinceMs: 5,
  overlapMs: 0,
  rootSealed: 'x',
}

function sourcesOf(count: number): Source[] {
  return Array.from({ length: count }, (_, i) => ({ epoch: 3 + i, members: P, replication: 1 }))
}

function before(state: LayoutEntry['state'], sources: number): LayoutEntry {
  const from = stable(P, {
    epoch: 20,
    tokens: [token],
    sources: sourcesOf(sources),
    previousHash: 'ab'.repeat(32),
  })
  if (state === 'STABLE') return from
  const planned = planEntry(from, { members: N1, replication: N1_REPLICATION })
  return state === 'PLANNED' ? planned : plannedJointEntry(planned)
}

/** What an entry says, by name, besides state and cause. */
interface Choice {
  readonly members: 'P' | 'N1'
  readonly replication: number
  readonly next: 'none' | 'P' | 'N1' | 'N2'
  readonly nextReplication: number
  readonly sources:
    'same' | 'one more' | 'one more of P′' | 'without oldest' | 'without newest' | 'none'
  readonly tokens: 'same' | 'none'
  readonly secret: 'same' | 'next'
}

const CHOICES: Choice[] = []
for (const members of ['P', 'N1'] as const) {
  for (const replication of [R, N1_REPLICATION]) {
    for (const next of ['none', 'P', 'N1', 'N2'] as const) {
      for (const nextReplication of next === 'none' ? [R] : [R, N1_REPLICATION]) {
        for (const sources of [
          'same',
          'one more',
          'one more of P′',
          'without oldest',
          'without newest',
          'none',
        ] as const) {
          for (const tokens of ['same', 'none'] as const) {
            for (const secret of ['same', 'next'] as const) {
              CHOICES.push({
                members,
                replication,
                next,
                nextReplication,
                sources,
                tokens,
                secret,
              })
            }
          }
        }
      }
    }
  }
}

/** The rules once more, written as a table and not as entries. */
function isLegal(
  from: LayoutEntry['state'],
  cause: LayoutEntry['cause'],
  to: LayoutEntry['state'],
  sourceCount: number,
  choice: Choice,
): boolean {
  const { members, replication, next, nextReplication, sources } = choice
  const isP = members === 'P' && replication === R
  const changes = next !== 'none' && !(next === 'P' && nextReplication === R)
  const isN1 = next === 'N1' && nextReplication === N1_REPLICATION
  const keepsSources = sources === 'same' || (sourceCount === 0 && !sources.startsWith('one'))
  const keepsTokens = choice.tokens === 'same'
  const keepsSecret = choice.secret === 'same'
  const keepsAll = keepsSources && keepsTokens && keepsSecret
  const room = sourceCount < 3
  const rests = from === 'STABLE' && to === 'STABLE' && isP && next === 'none'
  switch (cause) {
    case 'plan':
      return from === 'STABLE' && to === 'PLANNED' && isP && changes && keepsAll && room
    case 'join':
      return from === 'STABLE' && to === 'JOINT' && isP && changes && keepsAll && room
    case 'replan':
      return from === 'PLANNED' && to === 'PLANNED' && isP && changes && !isN1 && keepsAll
    case 'joint':
      return from === 'PLANNED' && to === 'JOINT' && isP && isN1 && keepsAll
    case 'synced':
      return (
        from === 'JOINT' &&
        to === 'STABLE' &&
        members === 'N1' &&
        replication === N1_REPLICATION &&
        next === 'none' &&
        (keepsSources || sources === 'one more') &&
        keepsTokens &&
        keepsSecret
      )
    case 'abandoned':
      return from !== 'STABLE' && to === 'STABLE' && isP && next === 'none' && keepsAll
    case 'holds-data':
    case 'no-answer':
      return from === 'JOINT' && to === 'STABLE' && isP && next === 'none' && keepsAll
    case 'moved': {
      const isOneLess = sources.startsWith('without') || (sources === 'none' && sourceCount === 1)
      return rests && sourceCount > 0 && isOneLess && keepsTokens && keepsSecret
    }
    case 'token': {
      const keepsNext = from === 'STABLE' ? next === 'none' : isN1
      return from !== 'JOINT' && from === to && isP && keepsNext && keepsSources && keepsSecret
    }
    case 'secret':
      return rests && keepsSources && !keepsTokens && !keepsSecret
    case 'founded':
      return false
  }
}

function entryOf(
  from: LayoutEntry,
  cause: LayoutEntry['cause'],
  state: LayoutEntry['state'],
  choice: Choice,
): LayoutEntry {
  const { replication, nextReplication } = choice
  const back = stableEntry(from, 'abandoned')
  const sources = from.sources ?? []
  const members = { none: undefined, P, N1, N2 }
  const more = (of: readonly Member[], replicas: number): Source[] => [
    ...sources,
    { epoch: back.epoch, members: of, replication: replicas },
  ]
  return {
    ...back,
    cause,
    state,
    members: members[choice.members],
    replication,
    next: members[choice.next],
    nextReplication,
    sources: {
      same: sources,
      'one more': more(P, R),
      'one more of P′': more(N1, N1_REPLICATION),
      'without oldest': sources.slice(1),
      'without newest': sources.slice(0, -1),
      none: [],
    }[choice.sources],
    tokens: choice.tokens === 'same' ? [token] : [],
    secret: choice.secret === 'same' ? undefined : secret,
  }
}

describe('every step of the table is accepted, every other one refused (L2)', () => {
  const worlds = [
    ...[0, 1, 2, 3].map((count) => ['STABLE', count] as const),
    ...[0, 1, 2].flatMap((count) => [['PLANNED', count] as const, ['JOINT', count] as const]),
  ]
  test.each(worlds)('behind %s with %i sources', (from, sourceCount) => {
    const previous = before(from, sourceCount)
    let accepted = 0
    for (const cause of CAUSES) {
      for (const to of STATES) {
        for (const choice of CHOICES) {
          // Such entries can't be read at all.
          if ((to === 'STABLE') !== (choice.next === 'none')) continue
          const entry = entryOf(previous, cause, to, choice)
          const fault = transitionFault(previous, entry)
          const legal = isLegal(from, cause, to, sourceCount, choice)
          if ((fault === undefined) !== legal) {
            expect.fail(`${cause} to ${to}, ${JSON.stringify(choice)}: ${fault ?? 'accepted'}`)
          }
          if (legal) accepted++
        }
      }
    }
    expect(accepted).toBeGreaterThan(3)
  })
})

const from = before('STABLE', 1)
const plan = (members: readonly Member[], replication = R, tokens = from.tokens) =>
  transitionFault(from, planEntry(from, { members, replication }, tokens))

describe('a change of the members', () => {
  test('of a name, an address, a zone, a capacity or the replication alone is one', () => {
    for (const change of [
      { name: 'n' },
      { addresses: ['/ip4/1.2.3.4/tcp/1'] },
      { zone: 'other' },
      { capacityBytes: 5 },
      { place: d!.nodeId },
    ]) {
      expect(plan([{ ...a!, ...change }, b!])).toBeUndefined()
    }
    expect(plan(P, 1)).toBeUndefined()
    expect(plan([{ ...a!, place: a!.nodeId }, b!])).toMatch(
      /^this is what the layout says already: nothing to change$/,
    )
  })

  test('never swaps a storage id, not of a node that is a source only either (D1)', () => {
    expect(plan([a!, testMember('b', { storageId: c!.storageId })])).toMatch(/another storage id/)
    expect(plan([...P, testMember('c', { storageId: a!.storageId })])).toMatch(/another storage id/)
    const source = { epoch: 3, members: [a!, c!], replication: 1 }
    const left = stable(P, { epoch: 20, tokens: [token], sources: [source] })
    const renewed = testMember('c', { storageId: d!.storageId })
    const entry = planEntry(left, { members: [...P, renewed], replication: R })
    expect(transitionFault(left, entry)).toMatch(/another storage id/)
    const same = planEntry(left, { members: N1, replication: R })
    expect(transitionFault(left, same)).toBeUndefined()
  })

  test('waits while the blocks of three earlier ones move', () => {
    const full = before('STABLE', 3)
    const entry = planEntry(full, { members: N1, replication: R })
    expect(transitionFault(full, entry)).toMatch(/3 earlier changes are still being moved/)
    for (const change of [{ zone: 'other' }, { capacityBytes: 5 }, { place: d!.nodeId }]) {
      const next = { members: [{ ...a!, ...change }, b!], replication: R }
      expect(transitionFault(full, planEntry(full, next))).toMatch(/still being moved/)
    }
    const replicated = planEntry(full, { members: P, replication: 1 })
    expect(transitionFault(full, replicated)).toMatch(/still being moved/)
  })

  test('of names and addresses alone waits for no blocks, and makes no source', () => {
    const full = before('STABLE', 3)
    const renamed = { ...a!, name: 'alpha', addresses: ['/ip4/1.2.3.4/tcp/1'] }
    const planned = planEntry(full, { members: [renamed, b!], replication: R })
    expect(transitionFault(full, planned)).toBeUndefined()
    const more = replanEntry(planned, { members: [renamed, b!, c!], replication: R })
    expect(transitionFault(planned, more)).toMatch(/still being moved/)
    const joint = plannedJointEntry(planned)
    expect(transitionFault(planned, joint)).toBeUndefined()
    expect(transitionFault(joint, stableEntry(joint, 'synced'))).toBeUndefined()
    expect(transitionFault(joint, stableEntry(joint, 'synced', true))).toMatch(/4 sources/)
  })
})

describe('tokens of joiners', () => {
  test('needs tokens for joiners, in a plan and for those who are added to it', () => {
    const fresh = { ...token, nodes: [] }
    const used = (...nodes: Member[]) => [{ ...token, nodes: nodes.map(({ nodeId }) => nodeId) }]
    const start = stable(P, { epoch: 20, tokens: [fresh] })
    const planOf = (members: readonly Member[], tokens: readonly TokenRecord[]) =>
      planEntry(start, { members, replication: R }, tokens)
    expect(transitionFault(start, planOf(N1, [fresh]))).toMatch(/has no token/)
    const planned = planOf(N1, used(c!))
    expect(transitionFault(start, planned)).toBeUndefined()
    const replan = (
      from: LayoutEntry,
      members: readonly Member[],
      tokens: readonly TokenRecord[] | undefined,
    ): string | undefined =>
      transitionFault(from, replanEntry(from, { members, replication: R }, tokens))
    expect(replan(planned, [...N1, d!], used(c!))).toMatch(/has no token/)
    expect(replan(planned, [...N1, d!], used(c!, d!))).toBeUndefined()
    expect(replan(planned, [...P, d!], used(c!, d!))).toBeUndefined()
    expect(replan(planned, [...N1, d!], used(d!))).toMatch(/keeps all nodes/)
    // Who learns already stays when its token is revoked, but not with other data.
    const revoked = tokensEntry(planned, [])
    expect(transitionFault(planned, revoked)).toBeUndefined()
    expect(replan(revoked, [a!, c!], [])).toBeUndefined()
    expect(replan(revoked, [...N1, d!], [])).toMatch(/has no token/)
    const other = testMember('c', { storageId: d!.storageId })
    expect(replan(revoked, [...P, other], [])).toMatch(/has no token/)
  })

  test('a token that was used stays used when the plan is abandoned', () => {
    const planned = planEntry(from, { members: N1, replication: R })
    expect(stableEntry(planned, 'abandoned').tokens).toEqual([token])
  })
})

describe('sources', () => {
  test('are added at the end of a JOINT, newest last, and dropped one by one', () => {
    const joint = before('JOINT', 2)
    const synced = stableEntry(joint, 'synced', true)
    expect(synced.sources?.at(-1)).toEqual({ epoch: synced.epoch, members: P, replication: R })
    expect(replicationOf(synced)).toBe(N1_REPLICATION)
    const dropped = movedEntry(synced, 3)
    expect(transitionFault(synced, dropped)).toBeUndefined()
    expect(dropped.sources?.map(({ epoch }) => epoch)).toEqual([4, synced.epoch])
    const unknown = movedEntry(synced, 17)
    expect(transitionFault(synced, unknown)).toMatch(/no source is dropped/)
    const changed = {
      ...dropped,
      sources: dropped.sources!.map((each) => ({ ...each, members: N2 })),
    }
    expect(transitionFault(synced, changed)).toMatch(/no step/)
  })
})

test('any walk of legal steps is a chain that verifies, decided by the last STABLE members (L1)', () => {
  const people = ['a', 'b', 'c', 'd', 'e'].map((name) => testMember(name))
  const arbitraryNext = fc.record({
    members: fc
      .uniqueArray(fc.nat(4), { minLength: 1, maxLength: 5 })
      .map((numbers) => numbers.map((i) => people[i]!)),
    replication: fc.integer({ min: 1, max: 4 }),
  })
  const step = fc.record({ choice: fc.nat(9), next: arbitraryNext, isSource: fc.boolean() })
  let reached = 0
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const first = stable([people[0]!])
      let chain: Predecessors = { previous: first, stable: first }
      const seen = new Set<string>()
      for (const { choice, next, isSource } of steps) {
        const { previous } = chain
        const builders: Record<LayoutEntry['state'], (() => LayoutEntry)[]> = {
          STABLE: [
            () => planEntry(previous, next),
            () => jointEntry(previous, next.members, 'join', previous.tokens, next.replication),
            () => movedEntry(previous, previous.sources?.[0]?.epoch ?? 0),
          ],
          PLANNED: [
            () => plannedJointEntry(previous),
            () => replanEntry(previous, next),
            () => stableEntry(previous, 'abandoned'),
            () => tokensEntry(previous, previous.tokens ?? []),
          ],
          JOINT: [
            () => stableEntry(previous, 'synced', isSource),
            () => stableEntry(previous, 'abandoned'),
          ],
        }
        const able = builders[previous.state]
        const entry = able[choice % able.length]!()
        if (transitionFault(previous, entry) !== undefined) continue
        const voters = chain.stable.members
        expect(entryFault(chain, decidedEntry(entry, voters), verify)).toBeUndefined()
        const stranger = people.find((one) => !voters.some(({ nodeId }) => nodeId === one.nodeId))
        if (stranger !== undefined) {
          const forged = decidedEntry(entry, [...voters, stranger])
          expect(entryFault(chain, forged, verify)).toMatch(/has no vote/)
        }
        seen.add(`${previous.state} ${entry.cause}`)
        chain = { previous: entry, stable: entry.state === 'STABLE' ? entry : chain.stable }
      }
      reached = Math.max(reached, seen.size)
    }),
    { numRuns: 300 },
  )
  expect(reached).toBeGreaterThan(5)
})
