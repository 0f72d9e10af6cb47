/**
 * The keyspace's slices in the DHT: slice s of 256 is provided by every node that holds a partition in
 * it, under the CID of sha256("shoal slice s"). A walk finds a provider and asks it for the exact replica
 * set, so that it needs no layout. Announcing takes milliseconds each: a slow worker in the background.
 *
 * Records live in other nodes' memory, so they are announced again from time to time and whenever a peer
 * has appeared. kad-dht accepts provider CIDs with sha2-256 multihashes only.
 */

import { createHash } from 'node:crypto'
import type { PeerId } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import type { Multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { create } from 'multiformats/hashes/digest'
import { utf8 } from '../../protocol/bytes.ts'
import type { Clock } from '../env/ports.ts'
import {
  LOOKUP_TIMEOUT_MS,
  PROVIDE_AFTER_UP_MS,
  PROVIDE_AGAIN_MS,
  PROVIDE_PAUSE_MS,
  PROVIDE_PAUSE_MS_FIRST,
  PROVIDE_TIMEOUT_MS,
} from './limits.ts'
import { sleep } from '../tools/sleep.ts'

const RAW_CODEC = 0x55
const SHA2_256 = 0x12

/** Under which a slice is provided and found. Every node computes the same one. */
export function sliceCid(slice: number): CID {
  const digest = createHash('sha256')
    .update(utf8(`shoal slice ${slice}`))
    .digest()
  return CID.createV1(RAW_CODEC, create(SHA2_256, new Uint8Array(digest)))
}

/** A peer that says it has partitions of the slice. */
export interface FoundProvider {
  readonly peer: PeerId
  readonly addresses: readonly Multiaddr[]
  /** Peers that the walk had asked when it found this one. */
  readonly hops: number
}

/** One for each network. Nothing here fails for the caller: the DHT is a help. */
export class Kademlia {
  readonly #dht: KadDHT
  readonly #clock: Clock
  readonly #stopping = new AbortController()
  readonly #firstSlice: number
  /** Ascending. */
  #slices: readonly number[] = []
  /** Raised when the wanted slices change, which ends an older pass. */
  #generation = 0
  /** A caller waits for the pass under way, or for the next one. */
  #first = true
  #running: Promise<void> | undefined
  #cancelNext = (): void => {}

  constructor(dht: KadDHT, clock: Clock, self: PeerId) {
    this.#dht = dht
    this.#clock = clock
    this.#firstSlice = self.toMultihash().bytes.at(-1) ?? 0
  }

  /** Announces only these slices from now on. Resolves after the first pass. */
  async provideSlices(slices: readonly number[]): Promise<void> {
    const gone = this.#slices.filter((slice) => !slices.includes(slice))
    this.#slices = [...slices].sort((a, b) => a - b)
    this.#generation++
    this.#first = true
    for (const slice of gone) await this.#dht.cancelReprovide(sliceCid(slice)).catch(() => {})
    await this.#run()
  }

  /** Whether this node announces the slice, or is about to. */
  provides(slice: number): boolean {
    return this.#slices.includes(slice)
  }

  /** Called when a peer appears, which has none of our records. */
  peerUp(): void {
    if (this.#slices.length === 0) return
    this.#scheduleNext(PROVIDE_AFTER_UP_MS)
  }

  stop(): void {
    this.#generation++
    this.#cancelNext()
    this.#stopping.abort()
  }

  /** Yields providers of a slice as the walk meets them, those of the local store first. Ends when `signal` fires. */
  async *providers(slice: number, signal: AbortSignal): AsyncGenerator<FoundProvider> {
    const asked = new Set<string>()
    const both = AbortSignal.any([signal, this.#stopping.signal])
    for await (const event of this.#dht.findProviders(sliceCid(slice), { signal: both })) {
      if (event.name === 'SEND_QUERY') asked.add(event.to.toString())
      if (event.name !== 'PROVIDER') continue
      for (const { id, multiaddrs } of event.providers) {
        yield { peer: id, addresses: multiaddrs, hops: asked.size }
      }
    }
  }

  /** Addresses that other members know for a peer. Empty when none does. */
  async findAddresses(peer: PeerId): Promise<readonly Multiaddr[]> {
    const limit = AbortSignal.timeout(LOOKUP_TIMEOUT_MS)
    const signal = AbortSignal.any([limit, this.#stopping.signal])
    try {
      for await (const event of this.#dht.findPeer(peer, { signal })) {
        if (event.name === 'FINAL_PEER') return event.peer.multiaddrs
      }
    } catch {
      // No member knows the peer now.
    }
    return []
  }

  /** One pass runs at a time. A pass that starts while another one ends follows it. */
  #run(): Promise<void> {
    const before = this.#running ?? Promise.resolve()
    const run = before.then(() => this.#pass(this.#generation))
    this.#running = run
    return run
  }

  /** Announces all slices once, with pauses. Ends early when other slices are wanted meanwhile. */
  async #pass(generation: number): Promise<void> {
    const pauseMs = this.#first ? PROVIDE_PAUSE_MS_FIRST : PROVIDE_PAUSE_MS
    for (const slice of this.#inOwnOrder()) {
      if (generation !== this.#generation || this.#stopping.signal.aborted) return
      const limit = AbortSignal.timeout(PROVIDE_TIMEOUT_MS)
      const signal = AbortSignal.any([limit, this.#stopping.signal])
      try {
        for await (const _event of this.#dht.provide(sliceCid(slice), { signal }));
      } catch {
        // The next pass tries again.
      }
      await sleep(this.#clock, pauseMs)
    }
    if (generation !== this.#generation) return
    this.#first = false
    this.#scheduleNext(PROVIDE_AGAIN_MS)
  }

  /** Nodes that start together begin at different slices, so that each slice soon has some provider. */
  #inOwnOrder(): readonly number[] {
    const at = this.#slices.findIndex((slice) => slice >= this.#firstSlice)
    return [...this.#slices.slice(Math.max(at, 0)), ...this.#slices.slice(0, Math.max(at, 0))]
  }

  #scheduleNext(delayMs: number): void {
    if (this.#stopping.signal.aborted) return
    this.#cancelNext()
    this.#cancelNext = this.#clock.after(delayMs, () => void this.#run())
  }
}
