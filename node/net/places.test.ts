import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { groupOfAddress } from './address-group.ts'
import { StreamClock } from './testing/fake-stream.ts'
import { Handshakes } from './handshakes.ts'
import { ADDRESS_CONNECTS, ADDRESSES_MAX, HANDSHAKES_MAX, STRANGER_CONNECTS } from './limits.ts'
import { Places } from './places.ts'
import { TokenBucket } from './token-bucket.ts'

test.each([
  ['/ip4/192.0.2.7/tcp/1', '192.0.2.7'],
  ['/ip6/2001:db8:1:2:3:4:5:6/tcp/1', '2001:db8:1:2::/64'],
  ['/ip6/2001:db8:1:2:ffff::/tcp/1', '2001:db8:1:2::/64'],
  ['/ip6/2001:db8::1/tcp/1', '2001:db8:0:0::/64'],
  ['/ip6/::1/tcp/1', '0:0:0:0::/64'],
  ['/ip6/::ffff:192.0.2.7/tcp/1', '192.0.2.7'],
  ['/ip6/::ffff:c000:207/tcp/1', '192.0.2.7'],
  ['/dns4/example.org/tcp/1', undefined],
])('%s counts as %s', (address, group) => {
  expect(groupOfAddress(multiaddr(address))).toBe(group)
})

interface Held {
  readonly name: string
  readonly release: () => void
}

function room(init: { max: number; groupMax: number; favoured?: string }) {
  const evicted: string[] = []
  const busy = new Set<string>()
  const places = new Places({ ...init, favours: (group) => group === init.favoured })
  const take = (name: string, group: string): Held => ({
    name,
    release: places.take({ group, busy: () => busy.has(name), evict: () => evicted.push(name) }),
  })
  return { places, take, evicted, busy }
}

test('when there is no place, the oldest of the group with the most makes room', () => {
  const { places, take, evicted } = room({ max: 4, groupMax: 9 })
  take('a1', 'a')
  take('b1', 'b')
  take('b2', 'b')
  take('a2', 'a')
  take('b3', 'b')
  expect(evicted).toEqual(['a1'])
  take('c1', 'c')
  expect(evicted).toEqual(['a1', 'b1'])
  expect(places.size).toBe(4)
})

test('idle holders make room before busy ones', () => {
  const { take, evicted, busy } = room({ max: 9, groupMax: 2 })
  busy.add('a1')
  take('a1', 'a')
  take('a2', 'a')
  take('a3', 'a')
  expect(evicted).toEqual(['a2'])
})

test('a favoured group has no limit of its own, and makes room only when no other group can', () => {
  const { take, evicted } = room({ max: 4, groupMax: 2, favoured: 'm' })
  for (const name of ['m1', 'm2', 'm3']) take(name, 'm')
  take('a1', 'a')
  take('m4', 'm')
  expect(evicted).toEqual(['a1'])
  take('m5', 'm')
  expect(evicted).toEqual(['a1', 'm1'])
})

test('a place that was given back is free', () => {
  const { places, take, evicted } = room({ max: 2, groupMax: 2 })
  const first = take('a1', 'a')
  first.release()
  first.release()
  take('a2', 'a')
  take('a3', 'a')
  expect(evicted).toEqual([])
  expect(places.size).toBe(2)
})

test('a rate lets a burst through, and then the number that it allows', () => {
  const clock = new StreamClock()
  const bucket = new TokenBucket(clock, { burst: 3, perSecond: 2 })
  expect([1, 2, 3, 4].map(() => bucket.take())).toEqual([true, true, true, false])
  clock.advance(500)
  expect([bucket.take(), bucket.take()]).toEqual([true, false])
  clock.advance(60_000)
  expect(bucket.take(4)).toBe(false)
  expect(bucket.take(3)).toBe(true)
})

test('strangers from one address are limited by a rate, members are not', () => {
  const clock = new StreamClock()
  const handshakes = new Handshakes(clock, (group) => group === 'member')
  const begin = (group: string): boolean =>
    handshakes.begin({ group, evict: () => {} }) !== undefined
  const many = Array.from({ length: ADDRESS_CONNECTS.burst + 10 }, () => begin('a'))
  expect(many.filter(Boolean)).toHaveLength(ADDRESS_CONNECTS.burst)
  expect(begin('b')).toBe(true)
  for (let i = 0; i < 2 * HANDSHAKES_MAX; i++) expect(begin('member')).toBe(true)
  expect(handshakes.size).toBe(HANDSHAKES_MAX)
  clock.advance(1_000)
  expect(begin('a')).toBe(true)
})

test('strangers from ever new addresses are limited by a rate, too, and take bounded memory', () => {
  const clock = new StreamClock()
  const handshakes = new Handshakes(clock, () => false)
  let letIn = 0
  for (let i = 0; i < 3 * ADDRESSES_MAX; i++) {
    if (handshakes.begin({ group: `address ${i}`, evict: () => {} }) !== undefined) letIn++
  }
  expect(letIn).toBe(STRANGER_CONNECTS.burst)
})

test("strangers' handshakes begin one after the other, members' at once", async () => {
  const clock = new StreamClock()
  const handshakes = new Handshakes(clock, (group) => group === 'member')
  const begun: string[] = []
  for (const group of ['a', 'b', 'c', 'member']) {
    void handshakes.turn(group).then(() => begun.push(group))
  }
  await Promise.resolve()
  expect(begun).toEqual(['a', 'member'])
  clock.advance(1_000)
  await Promise.resolve()
  expect(begun).toEqual(['a', 'member', 'b', 'c'])
})
