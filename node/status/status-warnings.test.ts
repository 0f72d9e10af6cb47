import { describe, expect, it } from 'vitest'
import type { NodeId } from '../../protocol/ids.ts'
import type { Member } from '../../protocol/layout/entry.ts'
import { stable, testMember } from '../../protocol/layout/testing/entries.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import type { WireStatusReply } from '../../protocol/rpc/messages.js'
import { REPLY } from '../testing/status-reply.ts'
import { warningsOf, type WarningFacts, type WarningSources } from './status-warnings.ts'

const [a, b, c] = ['a', 'b', 'c'].map((name) => testMember(name, { name })) as [
  Member,
  Member,
  Member,
]

/** A node without anything to warn of. */
const SOUND: WarningSources = {
  layout: { status: () => ({ undecided: false }) },
  peers: { connected: () => true },
  store: { stats: () => ({ full: false }) },
  disk: { silentMs: () => 0 },
  blocks: { damagedCount: 0 },
  damaged: { waiting: () => 0 },
  upkeep: { status: () => ({ scrub: { left: 0 } }) },
}

function factsOf(
  members: readonly Member[],
  of: Readonly<Record<string, Partial<WireStatusReply>>> = {},
): WarningFacts {
  const replies = new Map<NodeId, WireStatusReply>(
    members.map(({ nodeId, name = '' }) => [nodeId, { ...REPLY, ...of[name] }]),
  )
  const view = new LayoutView(stable(members, { epoch: 5 }))
  const lost = { objects: [], unanswered: 0 }
  return { view, replies, lost, held: undefined, abstains: undefined }
}

const facts = factsOf([a, b, c])

describe('the warnings about the cluster', () => {
  it('are none for a sound cluster of three', () => {
    expect(warningsOf(SOUND, facts)).toEqual([])
  })

  it('say that a cluster of two can lose no node', () => {
    expect(warningsOf(SOUND, factsOf([a, b]))).toEqual([
      expect.stringMatching(/^two members: both must answer/),
    ])
  })

  it('say what nodes may have forgotten and why, and what they have lost (D8)', () => {
    const told = factsOf([a, b, c], {
      b: { forgotten: 7, forgottenWhy: ['segment-missing: 3', 'end-lost: 9'] },
      c: { lostPartitions: 2 },
    })
    expect(warningsOf(SOUND, told)).toEqual([
      `node ${b.nodeId} may have forgotten something and does not vote on 7 of its partitions ` +
        'until they are compared with their other replicas (segment-missing: 3; end-lost: 9)',
      `node ${c.nodeId} has lost something of 2 partitions for good: they had no other replica`,
    ])
  })

  it('name members that neither answer nor are connected', () => {
    const away = { ...facts, replies: new Map([...facts.replies].slice(0, 2)) }
    expect(warningsOf(SOUND, away)).toEqual([])
    const isConnected = (node: NodeId): boolean => away.replies.has(node)
    expect(warningsOf({ ...SOUND, peers: { connected: isConnected } }, away)).toEqual([
      expect.stringMatching(/ is away: start it again/),
    ])
  })

  it('repeat why a change does not move on, and which members do not vote on it', () => {
    const sources = { ...SOUND, layout: { status: () => ({ undecided: true }) } }
    expect(warningsOf(sources, { ...facts, held: 'held', abstains: 'abstains' })).toEqual([
      'held',
      'a change of the layout is undecided',
      'abstains',
    ])
  })

  it('count what is lost for good', () => {
    const object = { bucket: 'b', key: 'k', versionId: 'null', sizeBytes: 1, foundMs: 0 }
    const lost = { objects: [object, object], unanswered: 0 }
    expect(warningsOf(SOUND, { ...facts, lost })).toEqual([
      '2 LOST for good: `shoal status --lost` names them',
    ])
  })
})

describe('the disk of this node', () => {
  it.each<[string, Partial<WarningSources>, string]>([
    ['silent', { disk: { silentMs: () => 3_400 } }, 'the disk has not answered for 3 s'],
    [
      'full',
      { store: { stats: () => ({ full: true }) } },
      'the disk is full: only deletes and reads work',
    ],
    ['holding damaged blocks', { blocks: { damagedCount: 4 } }, '4 damaged blocks'],
    [
      'holding damaged registers',
      { damaged: { waiting: () => 2 } },
      '2 damaged registers do not vote on this node until the other replicas repair them',
    ],
    [
      'damaged after a scrub',
      { upkeep: { status: () => ({ scrub: { left: 5 } }) } },
      'the last scrub could not repair 5: run `shoal scrub` again',
    ],
  ])('is warned of when it is %s', (_, changed, line) => {
    expect(warningsOf({ ...SOUND, ...changed }, facts)).toEqual([line])
  })

  it('is not warned of when it was silent for a moment', () => {
    expect(warningsOf({ ...SOUND, disk: { silentMs: () => 2_900 } }, facts)).toEqual([])
  })
})
