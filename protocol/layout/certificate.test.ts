import { describe, expect, test } from 'vitest'
import { utf8 } from '../bytes.ts'
import { clusterId } from '../ids.ts'
import { decidedJson, entryFault, readDecided } from './certificate.ts'
import type { LayoutEntry } from './entry.ts'
import { entryHash } from './entry.ts'
import { parseJson } from './json.ts'
import { decide, member, stable, verify } from './testing.ts'
import { jointEntry, stableEntry, transitionFault } from './transition.ts'

const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map((name) => member(name))
const three = stable([a!, b!, c!], { epoch: 3, previousHash: '12'.repeat(32) })
const joint = jointEntry(three, [...three.members, d!, e!], 'join')
const before = { previous: three, stable: three }

describe('an entry is obeyed only with the signatures of a majority (L1)', () => {
  test('two of three are one, at any ballot', () => {
    expect(entryFault(before, decide(joint, [a!, b!]), verify)).toBeUndefined()
    expect(entryFault(before, decide(joint, [a!, b!, c!]), verify)).toBeUndefined()
    const ballot = { counter: 77, nodeId: e!.nodeId }
    expect(entryFault(before, decide(joint, [c!, b!], ballot), verify)).toBeUndefined()
  })

  test('one of three is none, nor is one that signs twice', () => {
    expect(entryFault(before, decide(joint, [a!]), verify)).toMatch(/no majority/)
    expect(entryFault(before, decide(joint, [a!, a!]), verify)).toMatch(/no majority/)
    expect(
      entryFault(before, decide(joint, [] as never[], { counter: 1, nodeId: a!.nodeId }), verify),
    ).toMatch(/no majority/)
  })

  test('joiners have no vote', () => {
    expect(entryFault(before, decide(joint, [a!, d!]), verify)).toMatch(/has no vote/)
  })

  test('signatures are for this entry, this ballot', () => {
    const good = decide(joint, [a!, b!])
    const other = jointEntry(three, [...three.members, d!], 'join')
    expect(entryFault(before, { ...good, entry: other }, verify)).toMatch(/does not verify/)
    const ballot = { counter: 2, nodeId: a!.nodeId }
    const moved = { entry: joint, certificate: { ...good.certificate, ballot } }
    expect(entryFault(before, moved, verify)).toMatch(/does not verify/)
    // Votes at different ballots never add up.
    const later = decide(joint, [b!], ballot)
    const mixed = [good.certificate.signatures[0]!, later.certificate.signatures[0]!]
    const certificate = { ballot, signatures: mixed }
    expect(entryFault(before, { entry: joint, certificate }, verify)).toMatch(/does not verify/)
  })

  test('what ends a JOINT is decided by the members of the last STABLE', () => {
    const forward = stableEntry(joint, 'synced')
    const inJoint = { previous: joint, stable: three }
    expect(entryFault(inJoint, decide(forward, [a!, b!]), verify)).toBeUndefined()
    expect(entryFault(inJoint, decide(forward, [a!, d!, e!]), verify)).toMatch(/has no vote/)
  })

  test('the first is signed by its only member', () => {
    const first = stable([a!])
    expect(entryFault(undefined, decide(first, [a!]), verify)).toBeUndefined()
    expect(entryFault(undefined, decide(first, [b!]), verify)).toMatch(/has no vote/)
    expect(entryFault(undefined, decide(stable([a!, b!]), [a!, b!]), verify)).toMatch(/by one/)
    expect(entryFault(undefined, decide(three, [a!, b!]), verify)).toMatch(/epoch 1/)
  })

  test('entry and certificate come back from JSON', () => {
    const decided = decide(joint, [a!, b!])
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
    expect(fault(three, jointEntry(three, three.members, 'join'))).toMatch(/changes nothing/)
    const genesis = { ...three.genesis, replication: 1 }
    expect(fault(three, { ...joint, genesis })).toMatch(/no step/)
    const foreign = { ...three.genesis, clusterId: clusterId('cd'.repeat(16)) }
    expect(fault(three, { ...joint, genesis: foreign })).toMatch(/another cluster/)
  })

  test('a join never swaps a storage id (D1)', () => {
    const renewed = member('a', { storageId: d!.storageId })
    expect(fault(three, jointEntry(three, [renewed, b!, c!], 'join'))).toMatch(/another storage id/)
    const copied = member('d', { storageId: a!.storageId })
    expect(fault(three, jointEntry(three, [b!, c!, copied], 'join'))).toMatch(/another storage id/)
  })
})
