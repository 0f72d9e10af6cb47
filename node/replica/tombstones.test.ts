import { beforeEach, expect, test } from 'vitest'
import type { NodeId, ProposerId, RegisterKey } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { StreamClock } from '../net/testing/fake-stream.ts'
import { TOMBSTONE, Tombstones, type Tombstone } from './tombstones.ts'

const NODES = ['a', 'b', 'c'] as NodeId[]
const { exact, absent, other } = TOMBSTONE

let clock: StreamClock
/** What each node says of each register. */
let states: Map<NodeId, Map<RegisterKey, number>>
let messages: { to: NodeId; keys: RegisterKey[]; forget: boolean }[]
let down: Set<NodeId>
let state: 'STABLE' | 'JOINT'
let tombstones: Tombstones

beforeEach(() => {
  clock = new StreamClock()
  states = new Map(NODES.map((node) => [node, new Map()]))
  messages = []
  down = new Set()
  state = 'STABLE'
  tombstones = new Tombstones({
    peers: {
      connected: (node) => !down.has(node),
      collect: (to, _, asked, forget) => {
        const keys = asked.map(({ key }) => key)
        messages.push({ to, keys, forget })
        return Promise.resolve(keys.map((key) => states.get(to)!.get(key) ?? exact))
      },
    },
    view: () => ({ epoch: 3, state, replicas: () => NODES }) as unknown as LayoutView,
    clock,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    delayMs: 10_000,
  })
})

const tombstone = (name: string, counter = 5): Tombstone => ({
  key: `\0\x01${name}` as RegisterKey,
  ballot: { counter, proposer: 'p' as ProposerId },
})

async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 500) {
    clock.advance(500)
    for (let i = 0; i < 30; i++) await Promise.resolve()
  }
}

const told = (): RegisterKey[] =>
  messages.filter(({ forget, to }) => forget && to === 'a').flatMap(({ keys }) => keys)

test('all have it: all are told to forget it, after all were asked', async () => {
  expect(await tombstones.collect([tombstone('x'), tombstone('y')])).toBe(2)
  expect(messages.map(({ to, forget }) => [to, forget])).toEqual([
    ['a', false],
    ['b', false],
    ['c', false],
    ['a', true],
    ['b', true],
    ['c', true],
  ])
})

test('one that has something else keeps them all', async () => {
  const [x, y] = [tombstone('x'), tombstone('y')]
  states.get('b' as NodeId)!.set(x.key, other)
  expect(await tombstones.collect([x, y])).toBe(1)
  expect(told()).toEqual([y.key])
})

test('one that has forgotten it already is no obstacle', async () => {
  const x = tombstone('x')
  states.get('b' as NodeId)!.set(x.key, absent)
  expect(await tombstones.collect([x])).toBe(1)
})

test('no replica is asked while one is away, or while the layout changes', async () => {
  down.add('c' as NodeId)
  expect(await tombstones.collect([tombstone('x')])).toBe(0)
  down.clear()
  state = 'JOINT'
  expect(await tombstones.collect([tombstone('x')])).toBe(0)
  expect(messages).toEqual([])
})

test('young ones wait; one that was written again waits from the beginning', async () => {
  tombstones.add(tombstone('x'))
  tombstones.add(tombstone('y'))
  await pass(6_000)
  tombstones.add(tombstone('x'))
  tombstones.add(tombstone('y', 9))
  await pass(5_000)
  expect(told()).toEqual([tombstone('x').key])
  await pass(6_000)
  expect(told()).toEqual([tombstone('x').key, tombstone('y').key])
  expect(tombstones.pending).toBe(0)
  expect(tombstones.collected).toBe(2)
})
