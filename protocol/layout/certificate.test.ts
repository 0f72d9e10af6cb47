import { describe, expect, test } from 'vitest'
import { utf8 } from '../bytes.ts'
import { clusterId } from '../ids.ts'
import { decidedJson, entryFault, laterEntryFault, readDecided, spineOf } from './certificate.ts'
import type { DecidedEntry, LayoutEntry, Member } from './entry.ts'
import { entryHash } from './entry.ts'
import { parseJson } from './json.ts'
import { decidedEntry, testMember, stable, verify } from './testing/entries.ts'
import {
  jointEntry,
  movedEntry,
  planEntry,
  plannedJointEntry,
  stableEntry,
  transitionFault,
} from './transition.ts'

const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map((name) => testMember(name))
const three = stable([a!, b!, c!], { epoch: 3, previousHash: '12'.repeat(32) })
const joint = jointEntry(three, [...three.members, d!, e!], 'join')
const before = { previous: three, stable: three }

describe('an entry is obeyed only with the signatures of a majority (L1)', () => {
  test('two of three are one, at any ballot', () => {
    expect(entryFault(before, decidedEntry(joint, [a!, b!]), verify)).toBeUndefined()
    expect(entryFault(before, decidedEntry(joint, [a!, b!, c!]), verify)).toBeUndefined()
    const ballot = { counter: 77, nodeId: e!.nodeId }
    expect(entryFault(before, decidedEntry(joint, [c!, b!], ballot), verify)).toBeUndefined()
  })

  test('one of three is none, nor is one that signs twice', () => {
    expect(entryFault(before, decidedEntry(joint, [a!]), verify)).toMatch(/no majority/)
    expect(entryFault(before, decidedEntry(joint, [a!, a!]), verify)).toMatch(/no majority/)
    expect(
      entryFault(
        before,
        decidedEntry(joint, [] as never[], { counter: 1, nodeId: a!.nodeId }),
        verify,
      ),
    ).toMatch(/no majority/)
  })

  test('joiners have no vote', () => {
    expect(entryFault(before, decidedEntry(joint, [a!, d!]), verify)).toMatch(/has no vote/)
  })

  test('signatures are for this entry, this ballot', () => {
    const good = decidedEntry(joint, [a!, b!])
    const other = jointEntry(three, [...three.members, d!], 'join')
    expect(entryFault(before, { ...good, entry: other }, verify)).toMatch(/does not verify/)
    const ballot = { counter: 2, nodeId: a!.nodeId }
    const moved = { entry: joint, certificate: { ...good.certificate, ballot } }
    expect(entryFault(before, moved, verify)).toMatch(/does not verify/)
    // Votes at different ballots never add up.
    const later = decidedEntry(joint, [b!], ballot)
    const mixed = [good.certificate.signatures[0]!, later.certificate.signatures[0]!]
    const certificate = { ballot, signatures: mixed }
    expect(entryFault(before, { entry: joint, certificate }, verify)).toMatch(/does not verify/)
  })

  test('what ends a JOINT is decided by the members of the last STABLE', () => {
    const forward = stableEntry(joint, 'synced')
    const inJoint = { previous: joint, stable: three }
    expect(entryFault(inJoint, decidedEntry(forward, [a!, b!]), verify)).toBeUndefined()
    expect(entryFault(inJoint, decidedEntry(forward, [a!, d!, e!]), verify)).toMatch(/has no vote/)
  })

  test('the first is signed by its only member', () => {
    const first = stable([a!])
    expect(entryFault(undefined, decidedEntry(first, [a!]), verify)).toBeUndefined()
    expect(entryFault(undefined, decidedEntry(first, [b!]), verify)).toMatch(/has no vote/)
    expect(entryFault(undefined, decidedEntry(stable([a!, b!]), [a!, b!]), verify)).toMatch(
      /by one/,
    )
    expect(entryFault(undefined, decidedEntry(three, [a!, b!]), verify)).toMatch(/epoch 1/)
  })

  test('entry and certificate come back from JSON', () => {
    const decided = decidedEntry(joint, [a!, b!])
    const read = readDecided(parseJson(utf8(JSON.stringify(decidedJson(decided)))))
    expect(entryHash(read.entry)).toBe(entryHash(joint))
    expect(read.certificate).toEqual(decided.certificate)
    expect(entryFault(before, read, verify)).toBeUndefined()
  })
})

describe('STABLE(P) → JOINT(P, P′) → STABLE(P′) or STABLE(P) (L2, L8)', () => {
  const fault = (previous: LayoutEntry, entry: LayoutEntry): string | undefined =>
    transitionFault(previous, entry)

  test('the steps', () => {
    expect(fault(three, joint)).toBeUndefined()
    expect(fault(joint, stableEntry(joint, 'synced'))).toBeUndefined()
    expect(fault(joint, stableEntry(joint, 'holds-data'))).toBeUndefined()
    expect(fault(joint, stableEntry(joint, 'no-answer'))).toBeUndefined()
    expect(stableEntry(joint, 'synced').members).toHaveLength(5)
    expect(stableEntry(joint, 'holds-data').members).toEqual(three.members)
  })

  test('nothing else', () => {
    const end = stableEntry(joint, 'synced')
    expect(fault(three, { ...joint, epoch: 5 })).toMatch(/does not follow/)
    expect(fault(three, { ...joint, previousHash: 'ab'.repeat(32) })).toMatch(/another/)
    expect(fault(three, { ...three, epoch: 4, previousHash: entryHash(three) })).toMatch(
      /STABLE follows/,
    )
    expect(fault(joint, { ...end, members: [a!, b!] })).toMatch(/no step/)
    expect(fault(joint, { ...end, cause: 'join' })).toMatch(/cause/)
    expect(fault(joint, { ...end, cause: 'no-answer' })).toMatch(/no step/)
    expect(fault(joint, { ...joint, epoch: 5, previousHash: entryHash(joint) })).toMatch(/cause/)
    expect(fault(three, { ...joint, members: [a!] })).toMatch(/no step/)
    expect(fault(three, jointEntry(three, three.members, 'join'))).toMatch(/nothing to change/)
    const genesis = { ...three.genesis, replication: 1 }
    expect(fault(three, { ...joint, genesis })).toMatch(/no step/)
    const foreign = { ...three.genesis, clusterId: clusterId('cd'.repeat(16)) }
    expect(fault(three, { ...joint, genesis: foreign })).toMatch(/another cluster/)
  })

  test('a join never swaps a storage id (D1)', () => {
    const renewed = testMember('a', { storageId: d!.storageId })
    expect(fault(three, jointEntry(three, [renewed, b!, c!], 'join'))).toMatch(/another storage id/)
    const copied = testMember('d', { storageId: a!.storageId })
    expect(fault(three, jointEntry(three, [b!, c!, copied], 'join'))).toMatch(/another storage id/)
  })
})

/** The members change completely, with other entries before, between and behind. */
const chain: DecidedEntry[] = []
let voters = [a!]
const add = (entry: LayoutEntry): LayoutEntry => {
  chain.push(decidedEntry(entry, voters))
  if (entry.state === 'STABLE') voters = [...entry.members]
  return entry
}
let last = add(stable([a!]))
const change = (members: readonly Member[], isAbandoned = false): void => {
  last = add(planEntry(last, { members, replication: 3 }))
  last = add(plannedJointEntry(last))
  last = add(stableEntry(last, isAbandoned ? 'abandoned' : 'synced', true))
  for (const { epoch } of last.sources ?? []) last = add(movedEntry(last, epoch))
}
change([a!, b!, c!])
change([b!], true)
change([d!, e!])
change([e!])
last = add(planEntry(last, { members: [a!, e!], replication: 3 }))

const apply = (known: DecidedEntry[], told: readonly DecidedEntry[]): string | undefined => {
  for (const one of told) {
    const previous = known.at(-1)!.entry
    const stable = known.findLast(({ entry }) => entry.state === 'STABLE')!.entry
    const fault =
      one.entry.epoch > previous.epoch + 1
        ? laterEntryFault(stable, one, verify)
        : entryFault({ previous, stable }, one, verify)
    if (fault !== undefined) return fault
    known.push(one)
  }
  return undefined
}
const spine = (of: readonly DecidedEntry[]): DecidedEntry[] => {
  const kept = new Set(spineOf(of.map(({ entry }) => entry)))
  return of.filter(({ entry }) => kept.has(entry))
}

describe('a node that was away for long gets what proves the last entry, not every one', () => {
  test('from any epoch on; and a node can prove it to others with what it got', () => {
    for (let known = 1; known < chain.length; known++) {
      const chainKnown = chain.slice(0, known)
      const told = spine(chain.slice(known))
      expect(apply(chainKnown, told)).toBeUndefined()
      expect(chainKnown.at(-1)).toBe(chain.at(-1))
      for (let later = 1; later < known; later++) {
        const behind = chain.slice(0, later)
        const from = spine(chainKnown.filter(({ entry }) => entry.epoch > behind.length))
        expect(apply(behind, from)).toBeUndefined()
        expect(behind.at(-1)).toBe(chain.at(-1))
      }
    }
    expect(spine(chain).map(({ entry }) => entry.cause)).toEqual([
      'founded',
      'synced',
      'synced',
      'synced',
      'moved',
      'plan',
    ])
  })

  test('not without the entries that changed the members, nor by other signatures', () => {
    const told = spine(chain)
    const without = (left: number): DecidedEntry[] => told.filter((_, i) => i !== left)
    for (const left of [1, 2, 3]) {
      expect(apply([chain[0]!], without(left).slice(1))).toMatch(/has no vote|no majority/)
    }
    expect(apply([chain[0]!], told.slice(-1))).toMatch(/entries are missing/)
    const { entry } = told[1]!
    const first = chain[0]!.entry
    expect(laterEntryFault(first, decidedEntry(entry, [b!]), verify)).toMatch(/has no vote/)
    expect(laterEntryFault(first, decidedEntry(entry, [a!]), verify)).toBeUndefined()
    const foreign = { ...entry, genesis: { ...entry.genesis, replication: 5 } }
    expect(laterEntryFault(first, decidedEntry(foreign, [a!]), verify)).toMatch(/another cluster/)
    expect(laterEntryFault(entry, decidedEntry(first, [a!, b!]), verify)).toMatch(/missing/)
  })
})
