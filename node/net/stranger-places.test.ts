/** How long a stranger may stay, under a clock that the test moves. */

import type { Connection, Libp2p } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import type { Logger } from '../env/ports.ts'
import { StreamClock } from './testing/fake-stream.ts'
import { STRANGER_CONNECTIONS_MAX, STRANGER_IDLE_MS, STRANGER_LIFETIME_MS } from './limits.ts'
import { Strangers } from './strangers.ts'

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

class FakeConnection {
  readonly id: string
  readonly remoteAddr
  readonly direction: 'inbound' | 'outbound'
  streams: { protocol: string }[] = []
  status = 'open'

  constructor(id: string, address = '192.0.2.1', direction: 'inbound' | 'outbound' = 'inbound') {
    this.id = id
    this.remoteAddr = multiaddr(`/ip4/${address}/tcp/1`)
    this.direction = direction
  }

  close(): Promise<void> {
    this.status = 'closed'
    return Promise.resolve()
  }

  abort(): void {
    this.status = 'aborted'
  }
}

function world() {
  const clock = new StreamClock()
  const strangers = new Strangers({} as Libp2p, clock, silent)
  const meet = (connection: FakeConnection): FakeConnection => {
    strangers.onConnection(connection as unknown as Connection)
    return connection
  }
  return { clock, strangers, meet }
}

test('an idle stranger is closed; one that joins stays until its time is over', () => {
  const { clock, meet } = world()
  const idle = meet(new FakeConnection('idle'))
  const joins = meet(new FakeConnection('joins'))
  joins.streams = [{ protocol: '/shoal/join/1' }]
  clock.advance(STRANGER_IDLE_MS)
  expect([idle.status, joins.status]).toEqual(['closed', 'open'])
  clock.advance(STRANGER_LIFETIME_MS - STRANGER_IDLE_MS)
  expect(joins.status).toBe('closed')
})

test('a stranger that has become a member is not closed', () => {
  const { clock, strangers, meet } = world()
  const joiner = meet(new FakeConnection('joiner'))
  strangers.forget('joiner')
  clock.advance(2 * STRANGER_LIFETIME_MS)
  expect(joiner.status).toBe('open')
  expect(strangers.size).toBe(0)
})

test('strangers from many addresses are limited, too; the address with the most makes room', () => {
  const { strangers, meet } = world()
  const greedy = [1, 2, 3].map((i) => meet(new FakeConnection(`g${i}`, '192.0.2.9')))
  const others = Array.from({ length: STRANGER_CONNECTIONS_MAX - 1 }, (_, i) =>
    meet(new FakeConnection(`o${i}`, `198.51.100.${i}`)),
  )
  expect(strangers.size).toBe(STRANGER_CONNECTIONS_MAX)
  expect(greedy.filter(({ status }) => status === 'aborted')).toHaveLength(2)
  expect(others.at(-1)!.status).toBe('open')
})

test('connections that this node dialled take no places', () => {
  const { strangers, meet } = world()
  meet(new FakeConnection('ours', '192.0.2.1', 'outbound'))
  expect(strangers.size).toBe(0)
})
