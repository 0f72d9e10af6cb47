/**
 * The chain of decided layout entries that this node knows, and its vote on the next one.
 *
 * Invariants:
 *   - an entry is adopted only with the signatures of a majority of the last STABLE members (L1)
 *   - an entry and a vote are flushed before anyone can see them (A1, L4)
 *   - epochs never go back
 *   - the vote belongs to the epoch behind the last entry, or is over
 *   - a node that may have forgotten a vote abstains from its epoch (D8). A vote is given only on the epoch
 *     behind the last adopted entry, and entries are never un-adopted: so a vote that can't be read belongs to
 *     the next epoch or to an earlier one. The node votes again from the epoch after that on.
 *   - the vote file exists before the first entry does, so that one that is missing is noticed
 *
 * Adoption and voting run one after the other, so that no vote is given on a decided epoch.
 */

import { assert } from '../../protocol/assert.ts'
import type { NodeId, StorageId } from '../../protocol/ids.ts'
import type { Vote, VoteReady, VoteReply } from '../../protocol/layout/acceptor.ts'
import { entryFault, votersOf } from '../../protocol/layout/certificate.ts'
import type { Predecessors } from '../../protocol/layout/certificate.ts'
import type { DecidedEntry, LayoutEntry } from '../../protocol/layout/entry.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import type { Disk, Signer } from '../env/ports.ts'
import { MembershipError } from './errors.ts'
import { damagedLayout, LayoutStore, type StoredChain } from './layout-store.ts'

export interface LayoutIdentity {
  readonly signer: Signer
  readonly storageId: StorageId
}

export class LayoutLog {
  readonly #store: LayoutStore
  readonly #identity: LayoutIdentity
  readonly #chain: DecidedEntry[]
  readonly #listeners: ((view: LayoutView) => void)[] = []
  #vote: Vote | undefined
  /** No vote in this epoch or an earlier one. */
  #abstainsUntil = 0
  #view: LayoutView | undefined
  #queue: Promise<unknown> = Promise.resolve()

  private constructor(store: LayoutStore, identity: LayoutIdentity) {
    this.#store = store
    this.#identity = identity
    this.#chain = []
  }

  /** Reads and verifies what is on disk. Throws MembershipError 'damaged'. */
  static async open(disk: Disk, identity: LayoutIdentity): Promise<LayoutLog> {
    const store = new LayoutStore(disk)
    const stored = await store.readChain()
    const log = new LayoutLog(store, identity)
    for (const decided of stored.chain) {
      const fault = log.#fault(log.#chain, decided)
      if (fault !== undefined) throw damagedLayout(fault)
      log.#chain.push(decided)
    }
    const last = stored.chain.at(-1)
    if (last !== undefined) log.#view = new LayoutView(last.entry)
    await log.#openVote(stored)
    return log
  }

  async #openVote({ chain, checked }: StoredChain): Promise<void> {
    const stored = await this.#store.readVote()
    const isLost = stored.type === 'damaged' || (stored.type === 'none' && checked)
    if (stored.type === 'vote') this.#vote = stored.vote
    if (stored.type === 'abstains') this.#abstainsUntil = stored.epoch
    if (isLost && !this.#votesAlone()) this.#abstainsUntil = this.epoch + 1
    if (isLost || (stored.type === 'none' && chain.length > 0)) {
      await this.#store.writeAbstention(this.#abstainsUntil)
    }
    if (stored.type === 'vote' && !stored.checked) await this.#store.writeVote(stored.vote)
    if (!checked && chain.length > 0) await this.#store.writeChain(chain)
  }

  /** The only member of a STABLE layout: only it can have proposed, and it knows what was decided. */
  #votesAlone(): boolean {
    return this.#view?.state === 'STABLE' && this.#view.members.length === 1 && this.votes
  }

  /** Durably: no vote on `epoch` or an earlier one, since this node may have given and forgotten it (D2). */
  abstain(epoch: number): Promise<void> {
    return this.#serially(async () => {
      if (epoch <= this.#abstainsUntil || this.#votesAlone()) return
      await this.#store.writeAbstention(epoch)
      this.#abstainsUntil = epoch
      this.#vote = undefined
    })
  }

  /** The epoch on which this node does not vote because it may have forgotten its vote. */
  get abstainsFrom(): number | undefined {
    const next = this.epoch + 1
    return this.#chain.length > 0 && next <= this.#abstainsUntil ? next : undefined
  }

  /** 0 without a layout. */
  get epoch(): number {
    return this.#chain.length
  }

  get view(): LayoutView | undefined {
    return this.#view
  }

  /** The last entry, when there is one. */
  get last(): LayoutEntry | undefined {
    return this.#chain.at(-1)?.entry
  }

  /** An accepted entry for the next epoch that is not known to be decided. */
  get undecided(): LayoutEntry | undefined {
    return this.#currentVote()?.accepted?.entry
  }

  /** The last STABLE entry: its members decide the next epoch. */
  get stable(): LayoutEntry {
    const entry = stableOf(this.#chain)
    assert(entry !== undefined, 'there is no layout')
    return entry
  }

  get voters(): readonly NodeId[] {
    return votersOf(this.stable)
  }

  /** Whether this node votes on the next epoch: as (node id, storage id) (D1). */
  get votes(): boolean {
    if (this.#chain.length === 0) return false
    const { signer, storageId } = this.#identity
    return this.stable.members.some(
      (member) => member.nodeId === signer.nodeId && member.storageId === storageId,
    )
  }

  /** Decided entries behind `epoch`. */
  entriesAfter(epoch: number): readonly DecidedEntry[] {
    return this.#chain.slice(epoch)
  }

  onAdopt(listener: (view: LayoutView) => void): void {
    this.#listeners.push(listener)
  }

  /**
   * Verifies, flushes and adopts the entries that follow; known ones are passed over. Throws
   * MembershipError 'bad-layout' on the first that must not be obeyed; what came before it stays.
   */
  adopt(decided: readonly DecidedEntry[]): Promise<void> {
    return this.#serially(async () => {
      const fresh: DecidedEntry[] = []
      let fault: string | undefined
      for (const one of decided) {
        if (one.entry.epoch <= this.#chain.length + fresh.length) continue
        fault = this.#fault([...this.#chain, ...fresh], one)
        if (fault !== undefined) break
        fresh.push(one)
      }
      const last = fresh.at(-1)
      if (last !== undefined) {
        if (this.#chain.length === 0) await this.#store.writeAbstention(0)
        await this.#store.writeChain([...this.#chain, ...fresh])
        this.#chain.push(...fresh)
        const view = new LayoutView(last.entry, this.#view)
        this.#view = view
        for (const listener of this.#listeners) listener(view)
      }
      if (fault !== undefined) throw new MembershipError('bad-layout', fault)
    })
  }

  /**
   * Votes on an epoch and flushes the vote before it is told. Undefined when the next epoch is
   * another one by now, or this node has no vote.
   */
  vote(
    epoch: number,
    step: (vote: Vote | undefined, last: LayoutEntry) => VoteReady,
  ): Promise<VoteReply | undefined> {
    return this.#serially(async () => {
      const last = this.last
      if (last === undefined || epoch !== this.epoch + 1 || !this.votes) return undefined
      // A vote of a later epoch: the layout was put back from an old copy.
      if (epoch <= this.#abstainsUntil || epoch < (this.#vote?.epoch ?? 0)) return undefined
      const { persist, reply } = step(this.#currentVote(), last)
      if (persist !== undefined) {
        await this.#store.writeVote(persist)
        this.#vote = persist
      }
      return reply
    })
  }

  #currentVote(): Vote | undefined {
    return this.#vote?.epoch === this.epoch + 1 ? this.#vote : undefined
  }

  #fault(chain: readonly DecidedEntry[], decided: DecidedEntry): string | undefined {
    const previous = chain.at(-1)?.entry
    const stable = stableOf(chain)
    const before: Predecessors | undefined =
      previous === undefined || stable === undefined ? undefined : { previous, stable }
    return entryFault(before, decided, (node, bytes, signature) =>
      this.#identity.signer.verify(node, bytes, signature),
    )
  }

  #serially<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(run)
    this.#queue = result.catch(() => undefined)
    return result
  }
}

function stableOf(chain: readonly DecidedEntry[]): LayoutEntry | undefined {
  for (let i = chain.length - 1; i >= 0; i--) {
    if (chain[i]!.entry.state === 'STABLE') return chain[i]!.entry
  }
  return undefined
}
