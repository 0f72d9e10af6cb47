/**
 * Ports of a few nodes in memory, for the tests of this folder: virtual time that jumps to the next timer once nothing else
 * can run, messages that take a millisecond, nodes that can be cut off.
 */

import { setImmediate } from 'node:timers/promises'
import { assert } from '../../../protocol/assert.ts'
import { equalBytes, hex, utf8 } from '../../../protocol/bytes.ts'
import { blake3 } from '../../../protocol/hash.ts'
import type { NodeId, StorageId } from '../../../protocol/ids.ts'
import { nodeId, storageId } from '../../../protocol/ids.ts'
import type {
  Clock,
  Disk,
  DiskFile,
  Network,
  NetworkError,
  NetworkMessage,
  PeerEvent,
  Random,
  Signer,
} from '../../env/ports.ts'
import type { LayoutManagerOptions } from '../layout-manager.ts'
import { LayoutManager } from '../layout-manager.ts'
import { bitsOf, type MoveReporter } from '../progress.ts'

const WALL_START_MS = 1_700_000_000_000
const LATENCY_MS = 1
/** Virtual time. A test that needs more hangs. */
const PATIENCE_MS = 600_000

export class LayoutWorld {
  readonly nodes = new Map<NodeId, FakeNode>()
  #nowMs = 0
  #timers: { atMs: number; order: number; run: () => void }[] = []
  #order = 0
  #seed: number

  constructor(seed = 1) {
    this.#seed = seed
  }

  readonly clock: Clock = {
    nowMs: () => WALL_START_MS + this.#nowMs,
    monotonicMs: () => this.#nowMs,
    after: (delayMs, run) => {
      const timer = { atMs: this.#nowMs + delayMs, order: this.#order++, run }
      this.#timers.push(timer)
      return () => {
        this.#timers = this.#timers.filter((other) => other !== timer)
      }
    },
  }

  readonly random: Random = {
    bytes: (length) => {
      const bytes = new Uint8Array(length)
      for (let i = 0; i < length; i++) bytes[i] = Math.floor(this.#next() * 256)
      return bytes
    },
    float: () => this.#next(),
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(delayMs, resolve))
  }

  /** Runs the world until the promise has resolved or rejected. */
  async run<T>(promise: Promise<T>): Promise<T> {
    const run = { isDone: false }
    const mark = (): void => {
      run.isDone = true
    }
    promise.then(mark, mark)
    const untilMs = this.#nowMs + PATIENCE_MS
    while (!run.isDone) {
      await setImmediate()
      await setImmediate()
      if (run.isDone) break
      this.#timers.sort((a, b) => a.atMs - b.atMs || a.order - b.order)
      const timer = this.#timers.shift()
      assert(
        timer !== undefined && timer.atMs <= untilMs,
        'no timer is left that could end the wait',
      )
      this.#nowMs = Math.max(this.#nowMs, timer.atMs)
      timer.run()
    }
    return promise
  }

  /** Runs the world until the condition holds. */
  until(condition: () => boolean): Promise<void> {
    const poll = async (): Promise<void> => {
      while (!condition()) await this.sleep(10)
    }
    return this.run(poll())
  }

  /** Runs the world for a while. */
  pass(delayMs: number): Promise<void> {
    return this.run(this.sleep(delayMs))
  }

  async node(name: string, options: Partial<LayoutManagerOptions> = {}): Promise<FakeNode> {
    const node = new FakeNode(this, name)
    this.nodes.set(node.nodeId, node)
    await node.open(options)
    return node
  }

  async found(name: string, replication = 3): Promise<FakeNode> {
    const node = await this.node(name)
    const rootAccount = { accountId: 'root', accessKeyId: 'AK', sealedSecret: 'sealed' }
    await this.run(node.manager.found({ rootAccount, replication, partitionBits: 6 }))
    return node
  }

  #next(): number {
    // xorshift32
    this.#seed ^= this.#seed << 13
    this.#seed ^= this.#seed >>> 17
    this.#seed ^= this.#seed << 5
    return (this.#seed >>> 0) / 2 ** 32
  }
}

class FakeNetworkError extends Error implements NetworkError {
  readonly code: NetworkError['code']
  readonly maybeDelivered: boolean

  constructor(code: NetworkError['code'], message: string) {
    super(message)
    this.code = code
    this.maybeDelivered = code !== 'UNREACHABLE'
  }
}

/** Looks at each message, request or reply, when it is sent: false drops it, a number delays it. */
export type MessageFilter = (from: NodeId, to: NodeId, type: number | string) => boolean | number

export class FakeNode {
  readonly world: LayoutWorld
  readonly nodeId: NodeId
  readonly storageId: StorageId
  readonly files = new Map<string, Uint8Array>()
  readonly writes: string[] = []
  readonly network: Network
  manager!: LayoutManager
  holds = false
  up = true
  filter: MessageFilter = () => true
  /** What the node reports of its copying. */
  readonly moves = { isCaughtUp: true, isSynced: true, isWhole: true, copied: 0, doneBytes: 0 }
  /** Lines of the node's log, warnings and errors apart from the rest. */
  readonly lines: string[] = []
  readonly warnings: string[] = []
  /** Nodes to which it has no connection. */
  readonly cut = new Set<NodeId>()
  secret: Uint8Array | undefined
  moreSecrets: readonly Uint8Array[] = []
  members: ReadonlyMap<NodeId, readonly string[]> = new Map()
  #strangers = new Map<string, (from: NodeId, request: Uint8Array) => Promise<Uint8Array>>()
  #topics = new Map<string, (from: NodeId, bytes: Uint8Array) => void>()
  readonly #listeners: ((event: PeerEvent) => void)[] = []

  constructor(world: LayoutWorld, name: string) {
    this.world = world
    this.nodeId = fakeNodeId(name)
    this.storageId = storageId(hex(blake3(utf8(`storage ${name}`))).slice(0, 24))
    this.network = this.#makeNetwork()
  }

  get address(): string {
    return `/memory/${this.nodeId}`
  }

  async open(options: Partial<LayoutManagerOptions> = {}): Promise<void> {
    this.manager = await LayoutManager.open({
      network: this.network,
      disk: this.disk,
      clock: this.world.clock,
      random: this.world.random,
      signer: fakeSigner(this.nodeId),
      logger: {
        debug: () => undefined,
        info: (_fields, message) => void this.lines.push(message),
        warn: (_fields, message) => void this.warnings.push(message),
        error: (_fields, message) => void this.warnings.push(message),
      },
      storageId: this.storageId,
      zone: 'default',
      capacityBytes: 1e12,
      holdsRegisters: () => this.holds,
      clusterSecret: {
        get: () => this.secret,
        set: async (secret) => {
          await this.world.sleep(0.1)
          if (!this.up) throw new Error('the node is gone')
          this.secret = secret
        },
        more: {
          get: () => this.moreSecrets,
          set: async (secrets) => {
            await this.world.sleep(0.1)
            if (!this.up) throw new Error('the node is gone')
            this.moreSecrets = secrets
          },
        },
      },
      ...options,
    })
    this.manager.report({ progress: () => this.#progress() })
    this.manager.start()
  }

  #progress(): ReturnType<MoveReporter['progress']> {
    const view = this.manager.current()!
    const { isCaughtUp, isSynced, isWhole, copied, doneBytes } = this.moves
    const { length: total } = view.learning(this.nodeId)
    return {
      learning: { total, done: isCaughtUp ? total : 0, isCaughtUp },
      synced: bitsOf(view.partitions, isSynced),
      copied,
      whole: view.sources.map(({ epoch }) => ({
        source: epoch,
        bits: bitsOf(view.partitions, isWhole),
      })),
      move: { pendingBytes: 0, doneBytes, bytesPerSecond: 0 },
    }
  }

  /** As kill -9: what is flushed stays. */
  crash(): void {
    this.up = false
    this.manager.stop()
    this.#strangers = new Map()
    this.#topics = new Map()
  }

  async restart(): Promise<void> {
    assert(!this.up, 'it runs')
    this.up = true
    await this.open()
  }

  readonly disk = {
    readFile: (path: string) => Promise.resolve(this.files.get(path)),
    writeFile: async (path: string, bytes: Uint8Array) => {
      await this.#untilDurable()
      this.files.set(path, bytes.slice())
      this.writes.push(path)
    },
    open: (path: string) => Promise.resolve(this.#openFile(path)),
  } as unknown as Disk

  /** A crash before the write is durable loses it. */
  async #untilDurable(): Promise<void> {
    await this.world.sleep(0.1)
    if (!this.up) throw new Error('the node is gone')
  }

  /** Opens a file that exists. A crash loses what is not flushed. */
  #openFile(path: string): DiskFile {
    let bytes = this.files.get(path) ?? new Uint8Array()
    const file: Pick<DiskFile, 'sizeBytes' | 'truncate' | 'write' | 'flush' | 'close'> = {
      sizeBytes: () => Promise.resolve(bytes.length),
      truncate: (sizeBytes) => {
        bytes = bytes.slice(0, sizeBytes)
        return Promise.resolve()
      },
      write: (buffers, position) => {
        bytes = new Uint8Array(Buffer.concat([bytes.subarray(0, position), ...buffers]))
        return Promise.resolve()
      },
      flush: async () => {
        await this.#untilDurable()
        this.files.set(path, bytes)
        this.writes.push(path)
      },
      close: () => Promise.resolve(),
    }
    return file as DiskFile
  }

  #makeNetwork(): Network {
    const network: Pick<
      Network,
      | 'self'
      | 'addresses'
      | 'call'
      | 'setMembers'
      | 'connected'
      | 'onPeer'
      | 'publish'
      | 'subscribe'
      | 'callStranger'
      | 'serveStrangers'
    > = {
      self: this.nodeId,
      addresses: () => [this.address],
      call: (peer, _traffic, message, { timeoutMs }) => this.#call(peer, message, timeoutMs),
      setMembers: (members) => {
        this.members = members
      },
      connected: (peer) => this.#isConnected(peer),
      onPeer: (listener) => {
        this.#listeners.push(listener)
      },
      publish: (topic, bytes) => {
        for (const peer of this.members.keys()) {
          void this.#deliver(peer, topic).then(
            (node) => node.#topics.get(topic)?.(this.nodeId, bytes),
            () => undefined,
          )
        }
      },
      subscribe: (topic, listener) => {
        this.#topics.set(topic, listener)
      },
      callStranger: async (addresses, protocol, request, { timeoutMs }) => {
        const peer = nodeId(addresses[0]!.split('/p2p/')[1]!)
        const reply = await this.#timed(timeoutMs, async () => {
          const node = await this.#deliver(peer, protocol)
          const handler = node.#strangers.get(protocol)
          if (handler === undefined) throw new FakeNetworkError('REFUSED', 'not served')
          const answer = await handler(this.nodeId, request)
          await node.#deliver(this.nodeId, protocol)
          return answer
        })
        return { peer, reply }
      },
      serveStrangers: (protocol, handler) => {
        this.#strangers.set(protocol, handler)
      },
    }
    return network as Network
  }

  async #call(peer: NodeId, message: NetworkMessage, timeoutMs: number): Promise<NetworkMessage> {
    if (!this.members.has(peer)) throw new FakeNetworkError('REFUSED', 'no member')
    return this.#timed(timeoutMs, async () => {
      const node = await this.#deliver(peer, message.type)
      if (!node.members.has(this.nodeId)) throw new FakeNetworkError('REFUSED', 'members only')
      const answer = node.manager.handle(this.nodeId, message.type, message.body)
      assert(answer !== undefined, 'not a layout message')
      const body = await answer
      await node.#deliver(this.nodeId, message.type)
      return { type: message.type, body }
    })
  }

  /** Whether both run, let each other in, and are not cut off from each other. */
  #isConnected(peer: NodeId): boolean {
    const node = this.world.nodes.get(peer)
    if (node === undefined || !this.up || !node.up || !this.members.has(peer)) return false
    return node.members.has(this.nodeId) && !this.cut.has(peer) && !node.cut.has(this.nodeId)
  }

  /** When a message is lost, only the deadline ends the call. */
  async #deliver(to: NodeId, type: number | string): Promise<FakeNode> {
    const verdict = this.filter(this.nodeId, to, type)
    await this.world.sleep(typeof verdict === 'number' ? verdict : LATENCY_MS)
    const node = this.world.nodes.get(to)
    if (node === undefined) throw new FakeNetworkError('UNREACHABLE', 'no node listens there')
    const isCut = this.cut.has(to) || node?.cut.has(this.nodeId)
    const lost = !this.up || !node.up || isCut || verdict === false
    return lost ? new Promise<never>(() => undefined) : node
  }

  #timed<T>(timeoutMs: number, run: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.world.clock.after(timeoutMs, () =>
        reject(new FakeNetworkError('TIMEOUT', 'no answer in time')),
      )
      void run().then(resolve, reject).finally(cancel)
    })
  }
}

export function fakeNodeId(name: string): NodeId {
  return nodeId(
    `Node${hex(blake3(utf8(name)))
      .slice(0, 20)
      .replaceAll('0', 'z')}`,
  )
}

/** Not a real signature scheme: it only tells one signer and one text from another. */
export function fakeSigner(self: NodeId): Signer {
  const signature = (node: NodeId, bytes: Uint8Array): Uint8Array =>
    blake3(utf8(`signature of ${node}`), bytes)
  return {
    nodeId: self,
    sign: (bytes) => signature(self, bytes),
    verify: (node, bytes, given) => equalBytes(signature(node, bytes), given),
  }
}
