/**
 * What becomes of a link that has fallen silent: proxies between the nodes hold back what is sent on connections
 * of before, as TCP does for a while after a cut, or what is sent on all of them.
 */

import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { utf8, utf8Text } from '../../protocol/bytes.ts'
import type { PeerEvent } from '../env/ports.ts'
import type { Libp2pNetwork } from './network.ts'
import { openNetwork } from './testing/open-network.ts'

const running: { stop(): Promise<void> | void }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map(async (each) => each.stop()))
})

/** Forwards to one node. */
class Proxy {
  readonly #server: Server
  #pairs: (readonly [Socket, Socket])[] = []
  /** Whether new connections are held too. */
  holds = false
  accepted = 0

  constructor(port: number) {
    this.#server = createServer({ pauseOnConnect: true }, (inner) => {
      this.accepted++
      const outer = connect(port, '127.0.0.1')
      for (const socket of [inner, outer]) socket.on('error', () => {})
      inner.on('close', () => outer.destroy())
      outer.on('close', () => inner.destroy())
      this.#pairs.push([inner, outer])
      inner.on('data', (bytes) => outer.write(bytes))
      outer.on('data', (bytes) => inner.write(bytes))
      if (this.holds) outer.pause()
      else inner.resume()
    })
    running.push({ stop: () => this.stop() })
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `/ip4/127.0.0.1/tcp/${(this.#server.address() as AddressInfo).port}`
  }

  /** Lets nothing pass any more on the present connections, without closing them. */
  hold(): void {
    for (const socket of this.#pairs.flat()) socket.pause()
  }

  release(): void {
    for (const socket of this.#pairs.flat()) socket.resume()
  }

  stop(): void {
    for (const socket of this.#pairs.flat()) socket.destroy()
    this.#server.close()
  }
}

async function open(): Promise<{ network: Libp2pNetwork; proxy: Proxy; address: string }> {
  const network = await openNetwork()
  running.push(network)
  const port = Number(/\/tcp\/(\d+)/.exec(network.addresses()[0]!)![1])
  const proxy = new Proxy(port)
  return { network, proxy, address: await proxy.listen() }
}

async function pair() {
  const [a, b] = [await open(), await open()]
  a.network.setMembers(new Map([[b.network.self, [b.address]]]))
  b.network.setMembers(new Map([[a.network.self, [a.address]]]))
  const both = (): boolean =>
    a.network.connected(b.network.self) && b.network.connected(a.network.self)
  while (!both()) await sleep(10)
  // Both may dial at once: let a second link become ready before the test begins.
  await sleep(500)
  return { a: a.network, b: b.network, proxies: [a.proxy, b.proxy], both }
}

async function answers(
  from: Libp2pNetwork,
  to: Libp2pNetwork,
  timeoutMs = 5_000,
): Promise<boolean> {
  const message = { type: 1, body: utf8('x') }
  return from.call(to.self, 'control', message, { timeoutMs }).then(
    ({ body }) => utf8Text(body) === 'x',
    () => false,
  )
}

test('a silent link is replaced by one dialled beside it', async () => {
  const { a, b, proxies } = await pair()
  for (const proxy of proxies) proxy.hold()
  const heldMs = performance.now()
  while (!((await answers(a, b, 300)) && (await answers(b, a, 300)))) await sleep(20)
  expect(performance.now() - heldMs).toBeLessThan(6_000)
  // The new link stays: it is not the old one that came back.
  await sleep(1_000)
  expect(await answers(a, b)).toBe(true)
}, 20_000)

test('a call that waits on a silent link fails when the link is replaced, not at its deadline', async () => {
  const { a, b, proxies } = await pair()
  for (const proxy of proxies) proxy.hold()
  const call = a.call(b.self, 'control', { type: 1, body: utf8('x') }, { timeoutMs: 15_000 })
  await expect(call).rejects.toMatchObject({ code: 'UNREACHABLE', maybeDelivered: true })
}, 10_000)

test('a deaf peer counts as down, is dialled at growing intervals, and is up again as soon as it hears', async () => {
  const { a, b, proxies, both } = await pair()
  const events: PeerEvent['type'][] = []
  a.onPeer(({ type }) => events.push(type))
  const before = proxies.map(({ accepted }) => accepted)
  for (const proxy of proxies) {
    proxy.hold()
    proxy.holds = true
  }
  await sleep(9_000)
  expect(a.connected(b.self)).toBe(false)
  await expect(
    a.call(b.self, 'control', { type: 1, body: utf8('x') }, { timeoutMs: 5_000 }),
  ).rejects.toMatchObject({ code: 'UNREACHABLE', maybeDelivered: false })
  for (const [i, { accepted }] of proxies.entries()) expect(accepted - before[i]!).toBeLessThan(5)
  for (const proxy of proxies) {
    proxy.holds = false
    proxy.release()
  }
  const releasedMs = performance.now()
  while (!both()) await sleep(20)
  expect(performance.now() - releasedMs).toBeLessThan(2_000)
  expect(await answers(a, b)).toBe(true)
  expect(events).toEqual(['down', 'up'])
}, 30_000)
