/**
 * The network of a simulated cluster: messages late, lost, doubled and out of order, partitions full
 * and one-way, nodes that are gone. Bytes go over it as over the real one, so that codecs are part of
 * what is tried; every delivery goes into the trace.
 */

import type { NodeId } from '../../protocol/ids.ts'
import { fitsFrame } from '../../node/net/framing.ts'
import {
  SERVED_BYTES_MAX,
  STRANGER_REPLY_BYTES_MAX,
  STRANGER_REQUEST_BYTES_MAX,
} from '../../node/net/limits.ts'
import type {
  Network,
  NetworkError,
  NetworkMessage,
  PeerEvent,
  TrafficClass,
} from '../../node/env/ports.ts'
import type { WireEnd, Wires } from './wires.ts'

class SimulatedNetworkError extends Error implements NetworkError {
  override readonly name = 'NetworkError'
  readonly code: NetworkError['code']
  readonly maybeDelivered: boolean

  constructor(code: NetworkError['code'], maybeDelivered: boolean, text: string = code) {
    super(text)
    this.code = code
    this.maybeDelivered = maybeDelivered
  }
}

interface Pending {
  readonly to: NodeId
  settle(answer: NetworkMessage | NetworkError): void
}

export class SimulatedNetwork implements Network, WireEnd {
  readonly self: NodeId
  readonly #wires: Wires
  readonly #pending = new Set<Pending>()
  readonly #up = new Set<NodeId>()
  readonly #listeners: ((event: PeerEvent) => void)[] = []
  readonly #topics = new Map<string, ((from: NodeId, bytes: Uint8Array) => void)[]>()
  readonly #strangers = new Map<
    string,
    (from: NodeId, request: Uint8Array) => Promise<Uint8Array>
  >()
  #members: ReadonlyMap<NodeId, readonly string[]> = new Map()
  /** Bytes of payloads being served, by peer and class. */
  readonly #serving = new Map<string, number>()
  #handler: ((from: NodeId, message: NetworkMessage) => Promise<NetworkMessage>) | undefined
  #walkHandler: ((partition: number) => NodeId[]) | undefined
  #running = false

  constructor(wires: Wires, self: NodeId) {
    this.#wires = wires
    this.self = self
  }

  addresses(): string[] {
    return [`/sim/${this.self}`]
  }

  call(
    peer: NodeId,
    traffic: TrafficClass,
    message: NetworkMessage,
    { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<NetworkMessage> {
    if (signal?.aborted === true) {
      return Promise.reject(new SimulatedNetworkError('ABORTED', false))
    }
    // The limits of the real network: what it refuses, this one refuses.
    if (!fitsFrame(message.body, message.payload)) {
      return Promise.reject(new SimulatedNetworkError('REFUSED', false, 'larger than a frame'))
    }
    if (!this.connected(peer)) {
      return Promise.reject(new SimulatedNetworkError('UNREACHABLE', false))
    }
    // The receiver gets bytes of its own: the sender may use its buffers again.
    const sent = copyOf(message)
    return new Promise((resolve, reject) => {
      const { clock } = this.#wires
      const pending: Pending = {
        to: peer,
        settle: (answer) => {
          if (!this.#pending.delete(pending)) return
          cancel()
          signal?.removeEventListener('abort', abort)
          if (answer instanceof Error) reject(answer)
          else resolve(answer as NetworkMessage)
        },
      }
      const cancel = clock.after(timeoutMs, () =>
        pending.settle(new SimulatedNetworkError('TIMEOUT', true)),
      )
      const abort = (): void => pending.settle(new SimulatedNetworkError('ABORTED', true))
      signal?.addEventListener('abort', abort)
      this.#pending.add(pending)
      this.#wires.carry(this.self, peer, `${message.type}`, sent.body, () => {
        this.#wires.end(peer)?.receive(this.self, traffic, sent, (answer) => {
          if (answer instanceof Error) {
            this.#wires.carry(peer, this.self, 'refused', new Uint8Array(0), () =>
              pending.settle(answer),
            )
            return
          }
          const copy = copyOf(answer)
          this.#wires.carry(peer, this.self, `re ${copy.type}`, copy.body, () =>
            pending.settle(copy),
          )
        })
      })
    })
  }

  /** From the wires. */
  receive(
    from: NodeId,
    traffic: TrafficClass,
    message: NetworkMessage,
    answer: (answer: NetworkMessage | NetworkError) => void,
  ): void {
    if (!this.#running || this.#handler === undefined || !this.#members.has(from)) return
    const refuse = (why: string): void => answer(new SimulatedNetworkError('REFUSED', true, why))
    const share = `${from} ${traffic}`
    const sizeBytes = message.payload?.length ?? 0
    const served = (this.#serving.get(share) ?? 0) + sizeBytes
    if (sizeBytes > 0 && served > SERVED_BYTES_MAX) {
      return answer(new SimulatedNetworkError('OVERLOADED', true, 'too many requests'))
    }
    this.#serving.set(share, served)
    const handled = this.#handler(from, message).finally(() => {
      this.#serving.set(share, this.#serving.get(share)! - sizeBytes)
    })
    handled.then(
      (reply) => {
        if (from === this.self || fitsFrame(reply.body, reply.payload)) answer(reply)
        else refuse('the reply is larger than a frame')
      },
      (error: unknown) => refuse(textOf(error)),
    )
  }

  serve(handler: (from: NodeId, message: NetworkMessage) => Promise<NetworkMessage>): void {
    this.#handler = handler
  }

  setMembers(members: ReadonlyMap<NodeId, readonly string[]>): void {
    this.#members = new Map(members)
    if (this.#running) this.#wires.announce()
  }

  connected(peer: NodeId): boolean {
    return this.#running && (peer === this.self || this.#up.has(peer))
  }

  onPeer(listener: (event: PeerEvent) => void): void {
    this.#listeners.push(listener)
  }

  publish(topic: string, bytes: Uint8Array): void {
    for (const peer of this.#members.keys()) {
      if (peer === this.self) continue
      this.#wires.carry(this.self, peer, `topic ${topic}`, bytes, () =>
        this.#wires.end(peer)?.hear(topic, this.self, bytes),
      )
    }
  }

  hear(topic: string, from: NodeId, bytes: Uint8Array): void {
    if (!this.#running || !this.#members.has(from)) return
    for (const listener of this.#topics.get(topic) ?? []) listener(from, bytes)
  }

  subscribe(topic: string, listener: (from: NodeId, bytes: Uint8Array) => void): void {
    this.#topics.set(topic, [...(this.#topics.get(topic) ?? []), listener])
  }

  callStranger(
    addresses: readonly string[],
    protocol: string,
    request: Uint8Array,
    { timeoutMs }: { timeoutMs: number },
  ): Promise<{ peer: NodeId; reply: Uint8Array }> {
    const peer = addresses
      .map((address) => /^\/sim\/([^/]+)/.exec(address)?.[1] as NodeId | undefined)
      .find((node) => node !== undefined && this.#wires.end(node) !== undefined)
    if (request.length > STRANGER_REQUEST_BYTES_MAX) {
      return Promise.reject(new SimulatedNetworkError('REFUSED', false, 'larger than a frame'))
    }
    if (peer === undefined) {
      return Promise.reject(new SimulatedNetworkError('UNREACHABLE', false))
    }
    return new Promise((resolve, reject) => {
      const cancel = this.#wires.clock.after(timeoutMs, () =>
        reject(new SimulatedNetworkError('TIMEOUT', true)),
      )
      this.#wires.carry(this.self, peer, protocol, request, () => {
        this.#wires
          .end(peer)
          ?.meet(protocol, this.self, request)
          ?.then(
            (reply) => {
              this.#wires.carry(peer, this.self, `re ${protocol}`, reply, () => {
                cancel()
                resolve({ peer, reply })
              })
            },
            (error: unknown) => {
              this.#wires.carry(peer, this.self, `refused ${protocol}`, new Uint8Array(0), () => {
                cancel()
                reject(new SimulatedNetworkError('REFUSED', true, textOf(error)))
              })
            },
          )
      })
    })
  }

  meet(protocol: string, from: NodeId, request: Uint8Array): Promise<Uint8Array> | undefined {
    const met = this.#running ? this.#strangers.get(protocol)?.(from, request) : undefined
    return met?.then((reply) => {
      if (reply.length > STRANGER_REPLY_BYTES_MAX) throw new Error('larger than a frame')
      return reply
    })
  }

  serveStrangers(
    protocol: string,
    handler: (from: NodeId, request: Uint8Array) => Promise<Uint8Array>,
  ): void {
    this.#strangers.set(protocol, handler)
  }

  provideSlices(): Promise<void> {
    return Promise.resolve()
  }

  walk(
    partition: number,
  ): Promise<{ replicas: NodeId[]; provider: NodeId; hops: number } | undefined> {
    for (const peer of this.#up) {
      const replicas = this.#wires.end(peer)?.answerWalk(partition)
      if (replicas?.includes(peer)) return Promise.resolve({ replicas, provider: peer, hops: 1 })
    }
    return Promise.resolve(undefined)
  }

  answerWalk(partition: number): NodeId[] | undefined {
    return this.#walkHandler?.(partition)
  }

  serveWalk(handler: (partition: number) => NodeId[]): void {
    this.#walkHandler = handler
  }

  start(): Promise<void> {
    this.#running = true
    this.#wires.plug(this)
    return Promise.resolve()
  }

  stop(): Promise<void> {
    for (const pending of this.#pending) {
      pending.settle(new SimulatedNetworkError('UNREACHABLE', true))
    }
    this.pull()
    return Promise.resolve()
  }

  /** The process is gone: nothing is answered, nothing is heard any more. */
  pull(): void {
    this.#running = false
    this.#pending.clear()
    this.#wires.unplug(this)
  }

  /** Looks, after a while, who has come up or gone down. */
  noticeLater(delayMs: number): void {
    this.#wires.clock.after(delayMs, () => this.#notice())
  }

  #notice(): void {
    if (!this.#running) return
    const seen = new Set<NodeId>()
    for (const peer of this.#members.keys()) {
      if (peer === this.self) continue
      if (this.#wires.connected(this.self, peer) && this.#wires.end(peer)!.knows(this.self)) {
        seen.add(peer)
      }
    }
    for (const peer of seen) {
      if (this.#up.has(peer)) continue
      this.#up.add(peer)
      for (const listener of this.#listeners) listener({ type: 'up', peer })
    }
    for (const peer of this.#up) {
      if (seen.has(peer)) continue
      this.#up.delete(peer)
      for (const pending of this.#pending) {
        if (pending.to === peer) pending.settle(new SimulatedNetworkError('UNREACHABLE', true))
      }
      for (const listener of this.#listeners) listener({ type: 'down', peer })
    }
  }

  /** Both must be members to each other, as the real gate has it. */
  knows(peer: NodeId): boolean {
    return this.#members.has(peer)
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function copyOf(message: NetworkMessage): NetworkMessage {
  return { type: message.type, body: message.body.slice(), payload: message.payload?.slice() }
}
