/** Budgets of one connection under a clock that the test moves; strangers.test.ts has them on real sockets. */

import { expect, test } from 'vitest'
import { StreamClock } from './testing/fake-stream.ts'
import { FrameBudget } from './frame-budget.ts'
import type { MuxedStream } from './frame-budget.ts'
import { KIB, MEMBER_ALLOWANCE, STRANGER_ALLOWANCE, STRANGER_STREAMS } from './limits.ts'
import { openedAndReset, SYN, yamuxFrame } from './testing/raw-peer.ts'
import { TokenBucket } from './token-bucket.ts'

function budgetOf(dialled = false) {
  const clock = new StreamClock()
  const world = { isMember: false, streams: [] as MuxedStream[] }
  const strangersStreams = new TokenBucket(clock, STRANGER_STREAMS)
  const make = (): FrameBudget =>
    new FrameBudget({
      clock,
      dialled,
      isMember: () => world.isMember,
      streams: () => world.streams,
      strangersStreams,
    })
  return { clock, world, make, budget: make() }
}

const { burst, perSecond } = STRANGER_ALLOWANCE.streams

test('streams are counted however the bytes are cut, and the allowance comes back with time', () => {
  const { clock, budget } = budgetOf()
  for (const byte of openedAndReset(burst)) budget.take(new Uint8Array([byte]))
  expect(() => budget.take(openedAndReset(1))).toThrow('too many streams')
  clock.advance(1_000)
  for (let i = 0; i < perSecond; i++) budget.take([openedAndReset(1)])
  expect(() => budget.take(openedAndReset(1))).toThrow('too many streams')
})

test('a peer that becomes a member has a member’s allowance, and loses it with its membership', () => {
  const { world, budget } = budgetOf()
  world.isMember = true
  for (let i = 0; i < MEMBER_ALLOWANCE.streams.burst; i++) budget.take(openedAndReset(1))
  expect(() => budget.take(openedAndReset(1))).toThrow('too many streams')
  world.isMember = false
  for (let i = 0; i < burst; i++) budget.take(openedAndReset(1))
  expect(() => budget.take(openedAndReset(1))).toThrow('too many streams')
})

test('all strangers share one rate of streams, on however many connections', () => {
  const { make } = budgetOf()
  let taken = 0
  expect(() => {
    for (;;) {
      make().take(openedAndReset(1))
      taken++
    }
  }).toThrow('too many streams')
  expect(taken).toBe(STRANGER_STREAMS.burst)
})

test('streams that are open already count', () => {
  const { world, budget } = budgetOf()
  world.streams = Array.from({ length: STRANGER_ALLOWANCE.streamsOpenMax }, (_, i) => ({
    id: `${2 * i + 1}`,
    direction: 'inbound',
    protocol: '/ipfs/ping/1.0.0',
  }))
  expect(() => budget.take(yamuxFrame('window', SYN, 999))).toThrow('too many streams at once')
})

test.each([
  ['inbound', false, 2],
  ['outbound', true, 1],
])('answers to our own requests on an %s connection are not counted', (_name, dialled, id) => {
  const { world, budget } = budgetOf(dialled)
  const block = yamuxFrame('data', 0, id, new Uint8Array(64 * KIB))
  world.streams = [{ id: `${id}`, direction: 'outbound', protocol: '/shoal/join/1' }]
  for (let i = 0; i < 128; i++) budget.take(block)
  // Once the request is over, no one reads these bytes.
  world.streams = []
  expect(() => {
    for (let i = 0; i < 5; i++) budget.take(block)
  }).toThrow('too many bytes')
})

test('a stream may carry a request once its protocol is agreed on', () => {
  const { world, budget } = budgetOf()
  const lines = new Uint8Array(40)
  budget.take(yamuxFrame('window', SYN, 1))
  budget.take(yamuxFrame('data', 0, 1, lines))
  world.streams = [{ id: '1', direction: 'inbound', protocol: '/shoal/join/1' }]
  budget.take(yamuxFrame('data', 0, 1, new Uint8Array(10 * KIB)))
  budget.take(yamuxFrame('window', SYN, 3))
  world.streams.push({ id: '3', direction: 'inbound', protocol: '' })
  expect(() => budget.take(yamuxFrame('data', 0, 3, new Uint8Array(10 * KIB)))).toThrow(
    'too many bytes before a protocol was agreed on',
  )
})
