import { describe, expect, it } from 'vitest'
import { LayoutRefusal, type LayoutChange, type PlannedChange } from '../../gateway/port/layout.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { replicationOf, type LayoutEntry, type Member } from '../../protocol/layout/entry.ts'
import { nextOf, type MemberChange } from '../../protocol/layout/member-change.ts'
import { testMember, stable } from '../../protocol/layout/testing/entries.ts'
import { planEntry } from '../../protocol/layout/transition.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import { LayoutAdmin } from './layout-admin.ts'
import { MembershipError } from '../layout/errors.ts'
import { REPLY } from '../testing/status-reply.ts'

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => testMember(name, { name })) as [
  Member,
  Member,
  Member,
  Member,
]

interface World {
  readonly admin: LayoutAdmin
  readonly asked: { change: MemberChange; force: boolean }[]
  readonly said: () => LayoutEntry
}

/** The nodes in `up` answer; each has used this much of 10^12 bytes. */
function world(
  members: readonly Member[],
  up: readonly Member[],
  { usedBytes = 1e9, fails = undefined as Error | undefined, replication = 3 } = {},
): World {
  let entry = stable(members, { epoch: 5, replication })
  const asked: World['asked'] = []
  const admin = new LayoutAdmin({
    self: a.nodeId,
    view: () => new LayoutView(entry),
    replies: () =>
      Promise.resolve(
        new Map<NodeId, typeof REPLY>(
          up.map(({ nodeId }) => [nodeId, { ...REPLY, epoch: 5, logBytes: usedBytes }]),
        ),
      ),
    changes: {
      apply(change, { force }) {
        if (fails !== undefined) return Promise.reject(fails)
        asked.push({ change, force })
        const next = nextOf(entry.members, replicationOf(entry), [change])
        if ('fault' in next) throw new Error(next.fault)
        entry = planEntry(entry, next)
        return Promise.resolve(entry)
      },
      cancel: () => (fails === undefined ? Promise.resolve(entry) : Promise.reject(fails)),
      proceed: () => (fails === undefined ? Promise.resolve(entry) : Promise.reject(fails)),
    },
  })
  return { admin, asked, said: () => entry }
}

const four = [a, b, c, d]

async function refusalOf(sent: Promise<unknown>): Promise<string> {
  const error = await sent.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof LayoutRefusal) return `${error.status} ${error.message}`
  throw new Error(`no refusal: ${String(error)}`)
}

describe('a requested change', () => {
  it.each<[LayoutChange, Partial<MemberChange>, Partial<Record<'node' | 'by', string>>]>([
    [{ kind: 'drain', node: 'b' }, { kind: 'drain', nodeId: b.nodeId }, { node: b.nodeId }],
    [
      { kind: 'drain', node: b.nodeId.slice(-8) },
      { kind: 'drain', nodeId: b.nodeId },
      { node: b.nodeId },
    ],
    [
      { kind: 'set', node: 'b', zone: 'z', name: 'bb', capacityBytes: 2e12 },
      { kind: 'set', nodeId: b.nodeId, zone: 'z', name: 'bb', capacityBytes: 2e12 },
      { node: b.nodeId },
    ],
    [{ kind: 'replication', replication: 2 }, { kind: 'replication', replication: 2 }, {}],
  ])('%j', async (change, made, nodes) => {
    const { admin, asked } = world(four, four)
    expect(await admin.apply(change)).toMatchObject({ epoch: 6, state: 'PLANNED', ...nodes })
    expect(asked).toEqual([{ change: made, force: false }])
    const table = await admin.table()
    expect(table.changes).toHaveLength(1)
    expect(table.underWay).toContain(table.changes[0])
  })

  it('that names an unknown node changes nothing', async () => {
    const { admin, asked } = world(four, four)
    expect(await refusalOf(admin.apply({ kind: 'drain', node: 'x' }))).toBe(
      '404 no member is called x: the members are a, b, c, d'.replace(
        'a, b, c, d',
        stable(four)
          .members.map(({ name }) => name)
          .join(', '),
      ),
    )
    expect(asked).toEqual([])
  })

  it('may put one member in the place of another one that is gone', async () => {
    const { admin, asked } = world(four, [a, c, d])
    const change = { kind: 'replace', node: 'b', by: 'd' } as const
    const begun = await admin.apply(change)
    expect(begun).toMatchObject({ node: b.nodeId, by: d.nodeId, changes: ['d replaces b'] })
    expect(asked).toHaveLength(1)
    const up = world(four, four)
    expect(await refusalOf(up.admin.apply(change))).toMatch(
      /^409 b answers: `shoal layout drain b` moves .* lets it go; stop it first if its disk is lost$/,
    )
    expect(await refusalOf(up.admin.apply({ ...change, by: 'b' }))).toBe(
      '400 a node can not replace itself',
    )
    expect(await refusalOf(up.admin.apply({ ...change, by: 'x' }))).toMatch(/^404 no member/)
  })

  it('that fails says whether to try again', async () => {
    const of = (code: ConstructorParameters<typeof MembershipError>[0]) =>
      world(four, four, { fails: new MembershipError(code, `it is ${code}`) }).admin
    for (const send of [
      (admin: LayoutAdmin) => admin.apply({ kind: 'drain', node: 'b' }),
      (admin: LayoutAdmin) => admin.cancel(),
    ]) {
      expect(await refusalOf(send(of('holds-data')))).toBe('409 it is holds-data')
      await expect(send(of('no-answer'))).rejects.toThrow(StoreError)
    }
  })
})

describe('removing a node', () => {
  const remove = (force: boolean): LayoutChange => ({ kind: 'remove', node: 'b', force })

  it('that is gone is accepted', async () => {
    const { admin, asked } = world(four, [a, c, d])
    expect(await admin.apply(remove(false))).toMatchObject({ node: b.nodeId })
    expect(asked).toEqual([{ change: { kind: 'remove', nodeId: b.nodeId }, force: false }])
  })

  it('that answers is refused without --force', async () => {
    const { admin, asked } = world(four, four)
    expect(await refusalOf(admin.apply(remove(false)))).toMatch(
      /^409 b answers: `shoal layout drain b` moves .*--force/,
    )
    expect(asked).toEqual([])
    await admin.apply(remove(true))
    expect(asked).toEqual([{ change: { kind: 'remove', nodeId: b.nodeId }, force: true }])
  })

  it.each([false, true])('that had the last copies is refused, with force %s', async (force) => {
    const { admin, asked } = world([a, b, c], [a])
    expect(await refusalOf(admin.apply(remove(force)))).toBe(
      '409 without b 64 partitions have no majority of their replicas left, so what was written there last ' +
        'would be lost: start c again first',
    )
    const two = world([a, b], [a])
    expect(await refusalOf(two.admin.apply(remove(force)))).toMatch(
      /^409 without b 64 partitions .*: start b again, let more nodes join, and drain it$/,
    )
    expect([...asked, ...two.asked]).toEqual([])
  })

  it('counts the partitions of that node only', async () => {
    const { admin } = world(four, [a, c])
    const view = new LayoutView(stable(four))
    const both = view.placement
      .partitionsOf(b.nodeId)
      .filter((partition) => view.replicas(partition).includes(d.nodeId)).length
    expect(both).toBeGreaterThan(5)
    expect(both).toBeLessThan(64)
    expect(await refusalOf(admin.apply(remove(false)))).toContain(`without b ${both} partitions`)
  })
})

describe('a member that has been away for longer than removeAfter', () => {
  const why = (members: readonly Member[], up: readonly Member[], options = {}) =>
    world(members, up, options).admin.keptBecause(b.nodeId)

  it('may be removed when nothing is lost, and is otherwise kept with a reason', async () => {
    expect(await why(four, [a, c, d])).toBeUndefined()
    expect(await why([a, b, c], [a, c])).toMatch(/^2 members for 3 replicas: /)
    expect(await why(four, [a, c])).toMatch(/^without b \d+ partitions have no majority .* start d/)
    expect(await why(four, [a, c, d], { usedBytes: 8.5e11 })).toMatch(/^it does not fit: /)
    // The other node of its zone would have to take everything, and has no room for it.
    const zoned = four.map((each, i) => ({
      ...each,
      zone: ['z0', 'z1', 'z2', 'z2'][i]!,
      capacityBytes: i === 3 ? 5e11 : 1e12,
    }))
    const weak = world(zoned, [zoned[0]!, zoned[1]!, zoned[3]!], { usedBytes: 3e11 }).admin
    expect(await weak.keptBecause(zoned[2]!.nodeId)).toMatch(/^it does not fit: d would hold /)
    // It is the last node of its zone.
    const last = [a, b, c, d].map((each, i) => ({ ...each, zone: ['z0', 'z1', 'z2', 'z0'][i]! }))
    expect(await why(last, [last[0]!, last[2]!, last[3]!])).toMatch(/^2 zones instead of 3 /)
  })
})

describe('changes that leave too few members or zones', () => {
  const zoned = four.map((each, i) => ({ ...each, zone: `z${Math.min(i, 2)}` }))

  it.each<[string, readonly Member[], LayoutChange, RegExp]>([
    [
      'members',
      [a, b, c],
      { kind: 'drain', node: 'b' },
      /^2 members for 3 replicas: let 1 more join/,
    ],
    ['members', [a, b, c], { kind: 'replication', replication: 5 }, /^3 members for 5 replicas/],
    ['zones', zoned, { kind: 'drain', node: 'b' }, /^2 zones instead of 3 for 3 replicas, /],
    [
      'zones',
      zoned,
      { kind: 'set', node: 'b', zone: 'z0' },
      /^2 zones instead of 3 for 3 replicas, /,
    ],
  ])('%s: %j', async (_what, members, change, line) => {
    const { admin, asked } = world(members, members)
    const said = await refusalOf(admin.apply(change))
    expect(said.replace(/^409 /, '')).toMatch(line)
    expect(said).toMatch(/; or give --force to make the change anyway$/)
    expect(asked).toEqual([])
    const plan = await admin.plan(change)
    expect([plan.fits, plan.faults]).toEqual([false, [said.replace(/^409 /, '')]])
    const forced = { ...change, force: true } as LayoutChange
    expect(await admin.plan(forced)).toMatchObject({ fits: true, faults: [] })
    await admin.apply(forced)
    expect(asked).toHaveLength(1)
  })

  it('are refused for lack of room even with force', async () => {
    const { admin, asked } = world(four, four, { usedBytes: 8.5e11 })
    expect(await refusalOf(admin.apply({ kind: 'drain', node: 'b', force: true }))).toMatch(
      /^409 it does not fit: \w+ would hold .* of .* \(\d+ %; 90 % is full\).*: let another node join first$/,
    )
    expect(asked).toEqual([])
  })
})

describe('a plan of a change', () => {
  it.each<PlannedChange>([
    { kind: 'add', zone: 'z', capacityBytes: 1e12 },
    { kind: 'drain', node: 'b' },
    { kind: 'replace', node: 'b' },
    { kind: 'replace', node: 'b', zone: 'z', capacityBytes: 5e11 },
    { kind: 'remove', node: 'b' },
    { kind: 'set', node: 'b', capacityBytes: 2e12 },
    { kind: 'replication', replication: 2 },
  ])('%j', async (change) => {
    const { admin, asked, said } = world(four, change.kind === 'drain' ? four : [a, c, d])
    const before = said()
    const plan = await admin.plan(change)
    expect(plan).toMatchObject({ partitions: 64, fits: true, faults: [] })
    expect(plan.changes).toHaveLength(1)
    expect(plan.nodes.length).toBeGreaterThan(3)
    expect(plan.nodes.every(({ node }) => node.length > 0)).toBe(true)
    expect(JSON.stringify(plan)).not.toContain('nodeId')
    expect([asked, said()]).toEqual([[], before])
  })

  it('says what would be refused', async () => {
    const { admin } = world(four, four)
    expect((await admin.plan({ kind: 'remove', node: 'b' })).faults).toEqual([
      expect.stringMatching(/^b answers: /),
    ])
    const full = world([a, b, c, d], four, { usedBytes: 8.5e11 })
    const plan = await full.admin.plan({ kind: 'drain', node: 'b' })
    expect(plan.fits).toBe(false)
    expect(plan.faults).toEqual([expect.stringMatching(/^it does not fit/)])
    expect(await refusalOf(full.admin.apply({ kind: 'drain', node: 'b' }))).toMatch(
      /^409 it does not fit/,
    )
    expect(full.asked).toEqual([])
  })
})
