/** What one member of P has of some partitions, key by key in ascending order, at exactly one epoch. */

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
  /** ZERO_BALLOT: it is damaged there. */
  readonly ballot: Ballot
}

/** The epoch is over, or the peer does not answer for all of the partitions (any more). */
export class NoWitness extends Error {
  override readonly name = 'NoWitness'
}

export type PairPeers = Pick<Peers, 'pairs'>

/** Pages in order. Throws NoWitness, or what the call throws. */
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
    if (byteString(page.after) <= byteString(after)) throw new Error('pages that lead nowhere')
    after = page.after
  }
}

export class PairStream {
  readonly peer: NodeId
  readonly #pages: AsyncGenerator<WirePairsReply>
  #coming: Promise<IteratorResult<WirePairsReply>> | undefined
  #pairs: readonly Pair[] = []
  #at = 0
  #isOver = false

  constructor(peers: PairPeers, peer: NodeId, epoch: number, wanted: Bitmap) {
    this.peer = peer
    this.#pages = pairPages(peers, peer, epoch, wanted, ENUMERATE.registers)
  }

  /** The next page has to be fetched before `head` tells. */
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
      // Its error is for the next call.
      this.#coming?.catch(() => {})
    }
  }

  /** Undefined at the end. */
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
