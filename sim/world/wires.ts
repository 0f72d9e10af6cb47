/** The wires between all nodes of a simulated cluster: what is lost, late, doubled or cut, and who is stopped or deaf. */

import type { NodeId } from '../../protocol/ids.ts'
import type { Clock, NetworkError, NetworkMessage, TrafficClass } from '../../node/env/ports.ts'

/** How long a connection takes to be noticed as there or gone. */
const DETECT_MS = 20

export interface NetworkFaults {
  /** The chance for each message, in [0, 1). */
  loss: number
  doubling: number
  latencyMsMax: number
  /** Now and then a message takes this much longer. */
  lateness: number
  lateMsMax: number
}

export const CALM: NetworkFaults = {
  loss: 0,
  doubling: 0,
  latencyMsMax: 2,
  lateness: 0,
  lateMsMax: 0,
}

/** One node's end of the wires. */
export interface WireEnd {
  readonly self: NodeId
  receive(
    from: NodeId,
    traffic: TrafficClass,
    message: NetworkMessage,
    answer: (answer: NetworkMessage | NetworkError) => void,
  ): void
  hear(topic: string, from: NodeId, bytes: Uint8Array): void
  meet(protocol: string, from: NodeId, request: Uint8Array): Promise<Uint8Array> | undefined
  answerWalk(partition: number): NodeId[] | undefined
  /** Whether the peer is a member to this node. */
  knows(peer: NodeId): boolean
  /** Looks, after a while, who has come up or gone down. */
  noticeLater(delayMs: number): void
}

export class Wires {
  faults: NetworkFaults = { ...CALM }
  messages = 0
  lost = 0
  readonly clock: Clock
  readonly random: () => number
  readonly trace: (line: string, bytes?: Uint8Array) => void
  readonly #ends = new Map<NodeId, WireEnd>()
  /** "from>to" pairs that nothing passes. */
  readonly #cut = new Set<string>()
  /** The same, but both ends still believe in their link. */
  readonly #silent = new Set<string>()
  readonly #deaf = new Set<NodeId>()
  /** What came for those that are stopped, in order. */
  readonly #stopped = new Map<NodeId, (() => void)[]>()

  constructor(
    clock: Clock,
    random: () => number,
    trace: (line: string, bytes?: Uint8Array) => void,
  ) {
    this.clock = clock
    this.random = random
    this.trace = trace
  }

  end(node: NodeId): WireEnd | undefined {
    return this.#ends.get(node)
  }

  plug(end: WireEnd): void {
    this.#ends.set(end.self, end)
    this.announce()
  }

  unplug(end: WireEnd): void {
    if (this.#ends.get(end.self) === end) this.#ends.delete(end.self)
    this.announce()
  }

  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from}>${to}`)
    this.announce()
  }

  /** Ends cuts, silence and deafness. Stopped nodes stay stopped. */
  mend(): void {
    this.#cut.clear()
    this.#silent.clear()
    this.#deaf.clear()
    this.announce()
  }

  /** Nothing passes any more, yet the link stays up on both sides: what a cut looks like until TCP gives up,
   * and after it until TCP sends again. */
  silence(from: NodeId, to: NodeId): void {
    this.#silent.add(`${from}>${to}`)
  }

  /** The link is replaced, or revived. */
  unsilence(from: NodeId, to: NodeId): void {
    this.#silent.delete(`${from}>${to}`)
  }

  /** Nothing reaches the node any more, neither requests nor answers. Its links stay up. */
  deafen(node: NodeId): void {
    this.#deaf.add(node)
  }

  undeafen(node: NodeId): void {
    this.#deaf.delete(node)
  }

  /** SIGSTOP: what comes waits in the socket. The node's own timers are the cluster's to stop. */
  stop(node: NodeId): void {
    if (!this.#stopped.has(node)) this.#stopped.set(node, [])
  }

  resume(node: NodeId): void {
    const waiting = this.#stopped.get(node) ?? []
    this.#stopped.delete(node)
    for (const deliver of waiting) deliver()
  }

  passes(from: NodeId, to: NodeId): boolean {
    return !this.#cut.has(`${from}>${to}`)
  }

  #isHeard(from: NodeId, to: NodeId): boolean {
    return this.passes(from, to) && !this.#silent.has(`${from}>${to}`) && !this.#deaf.has(to)
  }

  /** A connection needs both directions and both ends. */
  connected(a: NodeId, b: NodeId): boolean {
    return this.#ends.has(a) && this.#ends.has(b) && this.passes(a, b) && this.passes(b, a)
  }

  /** Delivers once, twice or never. */
  carry(from: NodeId, to: NodeId, what: string, bytes: Uint8Array, deliver: () => void): void {
    this.messages++
    const { loss, doubling } = this.faults
    if (!this.#isHeard(from, to) || this.random() < loss) {
      this.lost++
      return
    }
    const times = this.random() < doubling ? 2 : 1
    for (let i = 0; i < times; i++) {
      this.clock.after(this.#latencyMs(), () => {
        // Cut meanwhile: what was under way is lost with the connection.
        if (!this.#isHeard(from, to)) return
        this.trace(`${from}>${to} ${what}`, bytes)
        const waiting = this.#stopped.get(to)
        if (waiting === undefined) deliver()
        else waiting.push(deliver)
      })
    }
  }

  #latencyMs(): number {
    const { latencyMsMax, lateness, lateMsMax } = this.faults
    const late = this.random() < lateness ? this.random() * lateMsMax : 0
    return 0.05 + this.random() * latencyMsMax + late
  }

  /** Everyone looks again who is there, after a while. */
  announce(): void {
    for (const end of this.#ends.values()) end.noticeLater(DETECT_MS * (0.5 + this.random()))
  }
}
