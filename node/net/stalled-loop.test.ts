/** A node whose event loop stalls, or whose process is stopped, is not given up by its links (F13). */

import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { utf8, utf8Text } from '../../protocol/bytes.ts'
import { nodeId } from '../../protocol/ids.ts'
import type { PeerEvent } from '../env/ports.ts'
import type { Libp2pNetwork } from './network.ts'
import { PeerLink, type Hearing } from './peer-link.ts'
import { newStats } from './stats.ts'
import { fakePair, StreamClock, type FakeStream } from './testing/fake-stream.ts'
import { openNetwork } from './testing/open-network.ts'

/** Longer than it takes until a peer that says nothing counts as down. */
const STALL_MS = 4_500

const running: Libp2pNetwork[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((network) => network.stop()))
})

test('an event loop that stalls for 4.5 s keeps its links', async () => {
  const [a, b] = [await openNetwork(), await openNetwork()]
  running.push(a, b)
  a.setMembers(new Map([[b.self, b.addresses()]]))
  b.setMembers(new Map([[a.self, a.addresses()]]))
  while (!a.connected(b.self) || !b.connected(a.self)) await sleep(10)
  // Both may dial at once: let a second link become ready before the test begins.
  await sleep(500)
  const events: PeerEvent['type'][] = []
  for (const network of [a, b]) network.onPeer(({ type }) => events.push(type))
  // Nothing else of this process runs meanwhile.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STALL_MS)
  const { body } = await a.call(
    b.self,
    'control',
    { type: 1, body: utf8('x') },
    { timeoutMs: 1_000 },
  )
  expect(utf8Text(body)).toBe('x')
  await sleep(1_200)
  expect(events).toEqual([])
}, 20_000)

/** Two links to each other, each with a clock of its own. */
async function linked() {
  const heard: Hearing[] = []
  const closed: string[] = []
  const newLink = (clock: StreamClock): PeerLink =>
    new PeerLink({
      peer: nodeId('NodeNodePeer'),
      clock,
      stats: newStats(),
      serve: (_from, message) => Promise.resolve(message),
      onReady: () => {},
      afterTurn: queueMicrotask,
      onHearing: (link) => heard.push(link.hearing),
      onClose: (_link, reason) => closed.push(reason),
    })
  const clocks = [new StreamClock(), new StreamClock()] as const
  const links = [newLink(clocks[0]), newLink(clocks[1])] as const
  const streams: FakeStream[] = []
  for (const traffic of ['control', 'bulk'] as const) {
    const pair = fakePair()
    streams.push(...pair)
    for (const [i, link] of links.entries()) link.attach(traffic, pair[i]!)
  }
  const flow = async (): Promise<void> => {
    for (;;) {
      for (let i = 0; i < 5; i++) await Promise.resolve()
      if (!streams.map((stream) => stream.deliver()).includes(true)) return
    }
  }
  await flow()
  return { links, clocks, heard, closed, flow }
}

test('a peer that is stopped for 30 s counts as down, and is back with its first byte', async () => {
  const { links, clocks, heard, closed, flow } = await linked()
  // The clock of the second one does not move: its process is stopped, and nothing it got is read.
  clocks[0].advance(30_000)
  expect(links[0].hearing).toBe('lost')
  expect(heard).toEqual(['silent', 'lost'])
  await flow()
  clocks[0].advance(500)
  expect(links[0].hearing).toBe('clear')
  expect(closed).toEqual([])
})
