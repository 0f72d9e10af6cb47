/** The keys that one member of P has of some partitions, in ascending order, at exactly one epoch. */

import { byteString, EMPTY_BYTES } from '../../protocol/bytes.ts'
import type { NodeId, RegisterKey } from '../../protocol/ids.ts'
import type { Ballot } from '../../protocol/register/ballot.ts'
import { ballotOfWire } from '../../protocol/rpc/message.ts'
import type { WirePairsReply } from '../../protocol/rpc/messages.js'
import { ENUMERATE } from '../repair/sync-answers.ts'
import type { Peers } from '../quorum/peers.ts'
import type { Bitmap } from '../../protocol/keyspace/bitmap.ts'

export const PAIRS_CALL_TIMEOUT_MS = 10_000

export interface Pair {
  readonly key: RegisterKey
  /** ZERO_BALLOT when the register is damaged there. */
  readonly ballot: Ballot
}

/** The epoch is over, or the peer is no longer a witness of all the partitions. */
export class NoWitness extends Error {
  override readonly name = 'NoWitness'
}

export type PairPeers = Pick<Peers, 'pairs'>

/**
 * Yields the pages in order, each asked for when the caller wants it. Rejects with NoWitness, or with the error of
 * the call.
 *
 * @param wanted the partitions, one bit each
 * @param what ENUMERATE.registers or ENUMERATE.minima
 */
export async function* pairPages(
  peers: PairPeers,
  peer: NodeId,
  epoch: number,
  wanted: Bitmap,
  what: number,
): AsyncGenerator<WirePairsReply> {
  let after: Uint8Array<ArrayBuffer> = EMPTY_BYTES
  for (;;) {
    const request = { epoch, wanted, what, after }
    const page = await peers.pairs(peer, request, { timeoutMs: PAIRS_CALL_TIMEOUT_MS })
    if (page.epoch !== epoch || !page.answered) throw new NoWitness()
    yield page
    if (page.after.length === 0) return
    if (byteString(page.after) <= byteString(after))
      throw new Error('a page does not go on from the one before')
    after = page.after
  }
}

/**
 * The registers of one peer, key by key, so that those of several peers can be merged. While `isDry`, the caller
 * awaits `fill`; then it looks at `head` and calls `advance`.
 */
export class PairStream {
  readonly peer: NodeId
  readonly #pages: AsyncGenerator<WirePairsReply>
  /** The page after the one that is worked on, once it was asked for. */
  #coming: Promise<IteratorResult<WirePairsReply>> | undefined
  #pairs: readonly Pair[] = []
  #at = 0
  /** The last page is here. */
  #isOver = false

  constructor(peers: PairPeers, peer: NodeId, epoch: number, wanted: Bitmap) {
    this.peer = peer
    this.#pages = pairPages(peers, peer, epoch, wanted, ENUMERATE.registers)
  }

  /** Whether the next page has to be fetched before `head` is known. */
  get isDry(): boolean {
    return !this.#isOver && this.#at === this.#pairs.length
  }

  /** Asks for the next page at once, so that it arrives while this one is worked on. */
  async fill(): Promise<void> {
    while (this.isDry) {
      const { value, done } = await (this.#coming ?? this.#pages.next())
      this.#at = 0
      this.#pairs = done === true ? [] : pairsOf(value)
      this.#isOver = done === true
      this.#coming = this.#isOver ? undefined : this.#pages.next()
      // The next call reports its error.
      this.#coming?.catch(() => {})
    }
  }

  /** The present key. Undefined at the end. */
  get head(): Pair | undefined {
    return this.#pairs[this.#at]
  }

  advance(): void {
    this.#at++
  }
}

function pairsOf({ keys, ballots }: WirePairsReply): Pair[] {
  return keys.map((bytes, i) => ({
    key: byteString(bytes) as RegisterKey,
    ballot: ballotOfWire(ballots[i]),
  }))
}
