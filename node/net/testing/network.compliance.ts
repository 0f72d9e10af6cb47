/** The tests that every Network passes, the real one and the simulated one alike. */

import { afterEach, describe, expect, test } from 'vitest'
import { EMPTY_BYTES, utf8, utf8Text } from '../../../protocol/bytes.ts'
import type { NodeId } from '../../../protocol/ids.ts'
import type { Network, NetworkError, NetworkMessage, PeerEvent } from '../../env/ports.ts'
import { generateNodeKey } from '../identity.ts'

export interface TestCluster {
  /** Started, and strangers to each other. */
  readonly networks: readonly Network[]
  /** Waits for a promise; a simulation runs its events meanwhile. */
  run<T>(promise: Promise<T>): Promise<T>
  until(condition: () => boolean): Promise<void>
  close(): Promise<void>
}

const timeoutMs = 20_000
const MIB = 1024 * 1024

function message(text: string, payload?: Uint8Array): NetworkMessage {
  return { type: 1, body: utf8(text), payload }
}

export function introduce(networks: readonly Network[]): void {
  const members = new Map(networks.map((network) => [network.self, network.addresses()]))
  for (const network of networks) network.setMembers(members)
}

export function allConnected(networks: readonly Network[]): boolean {
  return networks.every((a) => networks.every((b) => a.connected(b.self)))
}

/** A cluster for each test, closed after it. */
class Opened {
  readonly #open: (count: number) => Promise<TestCluster>
  #cluster: TestCluster | undefined

  constructor(open: (count: number) => Promise<TestCluster>) {
    this.#open = open
  }

  async close(): Promise<void> {
    await this.#cluster?.close()
    this.#cluster = undefined
  }

  async cluster(count: number): Promise<TestCluster> {
    this.#cluster = await this.#open(count)
    return this.#cluster
  }

  /** Two members that are connected and answer each message with itself. */
  async pair(): Promise<{ cluster: TestCluster; a: Network; b: Network }> {
    const cluster = await this.cluster(2)
    const [a, b] = cluster.networks
    if (a === undefined || b === undefined) throw new Error('two networks')
    a.serve((_from, message) => Promise.resolve(message))
    b.serve((_from, message) => Promise.resolve(message))
    introduce(cluster.networks)
    await cluster.until(() => allConnected(cluster.networks))
    return { cluster, a, b }
  }

  /** The error with which the call fails. */
  async failure(call: Promise<unknown>): Promise<NetworkError> {
    const error = await this.#cluster?.run(
      call.then(
        () => undefined,
        (error: unknown) => error,
      ),
    )
    expect(error).toBeInstanceOf(Error)
    return error as NetworkError
  }
}

export function networkCompliance(
  name: string,
  open: (count: number) => Promise<TestCluster>,
): void {
  describe(name, () => {
    const opened = new Opened(open)
    afterEach(() => opened.close())
    callsArrive(opened)
    callsFail(opened)
    peersComeAndGo(opened)
    membersAreFound(opened)
  })
}

function callsArrive(opened: Opened): void {
  test('a call carries type, body and payload both ways', async () => {
    const { cluster, a, b } = await opened.pair()
    b.serve((from, { type, body, payload }) =>
      Promise.resolve({ type: type + 1, body: utf8(`${from} ${utf8Text(body)}`), payload }),
    )
    const payload = new Uint8Array(MIB).map((_, i) => i & 255)
    const plain = await cluster.run(a.call(b.self, 'control', message('hello'), { timeoutMs }))
    expect(plain.type).toBe(2)
    expect(utf8Text(plain.body)).toBe(`${a.self} hello`)
    expect(plain.payload).toBeUndefined()
    const block = await cluster.run(
      a.call(b.self, 'bulk', message('block', payload), { timeoutMs }),
    )
    expect(Buffer.compare(block.payload ?? EMPTY_BYTES, payload)).toBe(0)
    const back = await cluster.run(b.call(a.self, 'bulk', message('', EMPTY_BYTES), { timeoutMs }))
    expect(back.payload).toEqual(EMPTY_BYTES)
  })

  test('a node calls itself', async () => {
    const { cluster, a } = await opened.pair()
    const reply = await cluster.run(a.call(a.self, 'control', message('me'), { timeoutMs }))
    expect(utf8Text(reply.body)).toBe('me')
    expect(a.connected(a.self)).toBe(true)
  })

  test('replies find their calls in any order', async () => {
    const { cluster, a, b } = await opened.pair()
    const waiting: (() => void)[] = []
    b.serve((_from, message) => new Promise((resolve) => waiting.push(() => resolve(message))))
    const calls = Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        a.call(b.self, 'control', message(`call ${i}`), { timeoutMs }),
      ),
    )
    await cluster.until(() => waiting.length === 50)
    for (const answer of waiting.reverse()) answer()
    const replies = await cluster.run(calls)
    expect(replies.map(({ body }) => utf8Text(body))).toEqual(
      Array.from({ length: 50 }, (_, i) => `call ${i}`),
    )
  })
}

function callsFail(opened: Opened): void {
  test('when the handler rejects, the caller gets REFUSED with its text', async () => {
    const { a, b } = await opened.pair()
    b.serve(() => Promise.reject(new Error('not today')))
    const error = await opened.failure(a.call(b.self, 'control', message('x'), { timeoutMs }))
    expect(error).toMatchObject({ code: 'REFUSED', message: 'not today', maybeDelivered: true })
  })

  test('a call to a peer that is unknown or not connected is UNREACHABLE and surely not delivered', async () => {
    const { a } = await opened.pair()
    const nobody = generateNodeKey().nodeId
    const error = await opened.failure(a.call(nobody, 'control', message('x'), { timeoutMs }))
    expect(error).toMatchObject({ code: 'UNREACHABLE', maybeDelivered: false })
  })

  test('a call without an answer until the deadline is TIMEOUT, maybe delivered', async () => {
    const { cluster, a, b } = await opened.pair()
    let calls = 0
    b.serve(() => {
      calls++
      return new Promise(() => {})
    })
    const call = opened.failure(a.call(b.self, 'control', message('x'), { timeoutMs: 200 }))
    await cluster.until(() => calls === 1)
    expect(await call).toMatchObject({ code: 'TIMEOUT', maybeDelivered: true })
  })

  test('an aborted signal ends a call, before and during it', async () => {
    const { cluster, a, b } = await opened.pair()
    let calls = 0
    b.serve(() => {
      calls++
      return new Promise(() => {})
    })
    const stop = new AbortController()
    const { signal } = stop
    const call = opened.failure(a.call(b.self, 'control', message('x'), { timeoutMs, signal }))
    await cluster.until(() => calls === 1)
    stop.abort()
    expect(await call).toMatchObject({ code: 'ABORTED', maybeDelivered: true })
    const late = await opened.failure(
      a.call(b.self, 'control', message('x'), { timeoutMs, signal }),
    )
    expect(late).toMatchObject({ code: 'ABORTED', maybeDelivered: false })
  })
}

function peersComeAndGo(opened: Opened): void {
  test('peers are reported up and down, and calls in flight fail', async () => {
    const { cluster, a, b } = await opened.pair()
    const events: PeerEvent[] = []
    a.onPeer((event) => events.push(event))
    b.serve(() => new Promise(() => {}))
    const call = opened.failure(a.call(b.self, 'bulk', message('x'), { timeoutMs }))
    await cluster.run(b.stop())
    await cluster.until(() => !a.connected(b.self))
    expect(events).toEqual([{ type: 'down', peer: b.self }])
    expect((await call).code).toBe('UNREACHABLE')
  })

  test('a node that is no longer a member can no longer call', async () => {
    const { cluster, a, b } = await opened.pair()
    let served = 0
    a.serve((_from, message) => {
      served++
      return Promise.resolve(message)
    })
    a.setMembers(new Map([[a.self, a.addresses()]]))
    await cluster.until(() => !b.connected(a.self) && !a.connected(b.self))
    const error = await opened.failure(b.call(a.self, 'control', message('x'), { timeoutMs: 500 }))
    expect(['UNREACHABLE', 'TIMEOUT']).toContain(error.code)
    expect(served).toBe(0)
  })

  test('a stranger reaches what is served to strangers, and its id is known', async () => {
    const cluster = await opened.cluster(2)
    const [a, b] = cluster.networks
    if (a === undefined || b === undefined) throw new Error('two networks')
    b.serveStrangers('/shoal/test/1', (from, request) =>
      Promise.resolve(utf8(`${from} ${utf8Text(request)}`)),
    )
    const { peer, reply } = await cluster.run(
      a.callStranger(b.addresses(), '/shoal/test/1', utf8('let me in'), { timeoutMs }),
    )
    expect(peer).toBe(b.self)
    expect(utf8Text(reply)).toBe(`${a.self} let me in`)
    expect(a.connected(b.self)).toBe(false)
    b.serveStrangers('/shoal/test/2', () => Promise.reject(new Error('expired')))
    const refused = await opened.failure(
      a.callStranger(b.addresses(), '/shoal/test/2', utf8('x'), { timeoutMs }),
    )
    expect(refused).toMatchObject({ code: 'REFUSED', message: 'expired' })
  })
}

function membersAreFound(opened: Opened): void {
  test('gossip reaches the other members', async () => {
    const cluster = await opened.cluster(3)
    const [a] = cluster.networks
    if (a === undefined) throw new Error('three networks')
    const heard = new Map<NodeId, string>()
    for (const network of cluster.networks) {
      network.subscribe('load', (from, bytes) => {
        heard.set(network.self, `${from} ${utf8Text(bytes)}`)
      })
    }
    introduce(cluster.networks)
    await cluster.until(() => allConnected(cluster.networks))
    await cluster.until(() => {
      a.publish('load', utf8('high'))
      return cluster.networks.every(({ self }) => self === a.self || heard.has(self))
    })
    for (const { self } of cluster.networks) {
      if (self !== a.self) expect(heard.get(self)).toBe(`${a.self} high`)
    }
  })

  test('a walk finds a provider of the slice and its replica set', async () => {
    const cluster = await opened.cluster(3)
    const [a, b, c] = cluster.networks
    if (a === undefined || b === undefined || c === undefined) throw new Error('three networks')
    introduce(cluster.networks)
    await cluster.until(() => allConnected(cluster.networks))
    b.serveWalk((partition) => (partition === (5 << 6) + 17 ? [b.self, c.self] : []))
    // Best effort: routing tables fill after the peers are up.
    let walk: Awaited<ReturnType<Network['walk']>>
    while (walk === undefined) {
      await cluster.run(b.provideSlices([5]))
      walk = await cluster.run(a.walk((5 << 6) + 17, { slice: 5, timeoutMs: 1_000 }))
    }
    expect(walk.provider).toBe(b.self)
    expect(walk.replicas).toEqual([b.self, c.self])
    expect(await cluster.run(a.walk(6 << 6, { slice: 6, timeoutMs: 1_000 }))).toBeUndefined()
  })
}
