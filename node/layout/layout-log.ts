/**
 * The chain of decided layout entries that this node knows, and its vote on the next one.
 *
 * Invariants:
 *   - an entry is adopted only with the signatures of a majority of the last STABLE members (L1)
 *   - an entry and a vote are flushed before anyone can see them (A1, L4)
 *   - signatures are verified once: a start trusts what it finds noted as verified (layout-store.ts)
 *   - epochs never go back. Some may be missing: a joiner, and who was away for long, gets only those entries that
 *     prove the last one (`spineOf`). None is missing that changed the members
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
import {
  entryFault,
  laterEntryFault,
  spineOf,
  votersOf,
  type Verify,
} from '../../protocol/layout/certificate.ts'
import type { DecidedEntry, LayoutEntry } from '../../protocol/layout/entry.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import { isNoSpace } from '../log/errors.ts'
import type { Disk, Signer } from '../env/ports.ts'
import { MembershipError } from './errors.ts'
import { FormerMembers } from './former-members.ts'
import { ChainLine } from './layout-file.ts'
import { damagedLayout, LayoutStore, type StoredChain } from './layout-store.ts'

export interface LayoutIdentity {
  readonly signer: Signer
  readonly storageId: StorageId
}

/** More than these are not told one by one. */
const ENTRIES_TOLD_MAX = 64

/** A node that was a member once and is nothing to the layout any more. */
export interface FormerMember {
  readonly leftEpoch: number
}

export class LayoutLog {
  readonly #store: LayoutStore
  readonly #identity: LayoutIdentity
  readonly #chain: ChainLine[]
  readonly #former = new FormerMembers()
  readonly #listeners: ((view: LayoutView) => void)[] = []
  #vote: Vote | undefined
  /** No vote in this epoch or an earlier one. */
  #abstainsUntil = 0
  /** The vote file does not say so yet: the disk was full. */
  #owesVoteFile = false
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
    log.#chain.push(...stored.chain.slice(0, stored.verified))
    for (const line of stored.chain.slice(stored.verified)) {
      const fault = log.#fault(log.#chain, line.decided)
      if (fault !== undefined) throw damagedLayout(fault)
      log.#chain.push(line)
    }
    if (log.last !== undefined) log.#view = new LayoutView(log.last)
    await log.#openVote(stored)
    return log
  }

  async #openVote({ chain, verified, checked }: StoredChain): Promise<void> {
    const stored = await this.#store.readVote()
    const isLost = stored.type === 'damaged' || (stored.type === 'none' && checked)
    if (stored.type === 'vote') this.#vote = stored.vote
    if (stored.type === 'abstains') this.#abstainsUntil = stored.epoch
    if (isLost && !this.#votesAlone()) this.#abstainsUntil = this.epoch + 1
    this.#owesVoteFile = isLost || (stored.type === 'none' && chain.length > 0)
    const isSettled = await ifRoom(() => this.#settleVoteFile())
    // Of a chain that an earlier program wrote, a missing vote file is none that was lost: that must stay so.
    if (!isSettled && !checked) return
    if (stored.type === 'vote' && !stored.checked) {
      await ifRoom(() => this.#store.writeVote(stored.vote))
    }
    if (verified < chain.length) await this.#noteVerified(verified)
  }

  /** A full disk put it off. Until then each start finds the file as this one did, and abstains again. */
  async #settleVoteFile(): Promise<void> {
    if (!this.#owesVoteFile) return
    await this.#store.writeAbstention(this.#abstainsUntil)
    this.#owesVoteFile = false
  }

  /** What was verified just now is so for good. A full disk doesn't keep the node from starting. */
  async #noteVerified(before: number): Promise<void> {
    try {
      await this.#store.writeChain(this.#chain, 0)
    } catch {
      // Of a chain that is as it was put there, everything is verified again at the next start. Behind a note lies
      // what may not have been flushed, and was not obeyed: the others tell it again.
      if (before === 0) return
      this.#chain.length = before
      this.#view = new LayoutView(this.last!)
    }
  }

  /** The only one that decides the next entry: only it can have proposed, and it knows what was decided. */
  #votesAlone(): boolean {
    return this.votes && this.voters.length === 1
  }

  /** Durably: no vote on `epoch` or an earlier one, since this node may have given and forgotten it (D2). */
  abstain(epoch: number): Promise<void> {
    return this.#serially(async () => {
      if (this.#votesAlone()) return
      if (epoch > this.#abstainsUntil) {
        this.#abstainsUntil = epoch
        this.#vote = undefined
        this.#owesVoteFile = true
      }
      await this.#settleVoteFile()
    })
  }

  /** The epoch on which this node does not vote because it may have forgotten its vote. */
  get abstainsFrom(): number | undefined {
    const next = this.epoch + 1
    return this.#chain.length > 0 && next <= this.#abstainsUntil ? next : undefined
  }

  /** 0 without a layout. */
  get epoch(): number {
    return this.#chain.at(-1)?.epoch ?? 0
  }

  get view(): LayoutView | undefined {
    return this.#view
  }

  /** The last entry, when there is one. */
  get last(): LayoutEntry | undefined {
    return this.#chain.at(-1)?.decided.entry
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
    const after = this.#chain.findLastIndex((line) => line.epoch <= epoch) + 1
    return this.#chain.slice(after).map(({ decided }) => decided)
  }

  /** For a node that knows the chain up to `epoch`: what it lacks, or, where that is much, what proves the last one. */
  entriesFor(epoch: number): readonly DecidedEntry[] {
    const after = this.#chain.findLastIndex((line) => line.epoch <= epoch) + 1
    const lacking = this.#chain.slice(after)
    const told = lacking.length > ENTRIES_TOLD_MAX ? spineOf(lacking) : lacking
    return told.map(({ decided }) => decided)
  }

  /** Whether some entry is like this; asked of the latest ones first. */
  hasEntry(is: (entry: LayoutEntry) => boolean): boolean {
    return this.#chain.findLast(({ decided }) => is(decided.entry)) !== undefined
  }

  /** A node that was a member with this storage and is not known to the layout any more. */
  formerMember(nodeId: NodeId, storageId: StorageId): FormerMember | undefined {
    if (this.#view?.knownMember(nodeId)?.storageId === storageId) return undefined
    const leftEpoch = this.leftEpoch(nodeId, storageId)
    return leftEpoch === undefined ? undefined : { leftEpoch }
  }

  /** Of the first STABLE entry without a node that was a member before. Blocks may still be copied from it. */
  leftEpoch(nodeId: NodeId, storageId: StorageId): number | undefined {
    return this.#former.leftEpoch(this.#chain, nodeId, storageId)
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
      const fresh: ChainLine[] = []
      let fault: string | undefined
      const chain = [...this.#chain]
      for (const one of decided) {
        if (one.entry.epoch <= (chain.at(-1)?.epoch ?? 0)) continue
        fault = this.#fault(chain, one)
        if (fault !== undefined) break
        const line = ChainLine.of(one)
        fresh.push(line)
        chain.push(line)
      }
      const last = fresh.at(-1)
      if (last !== undefined) {
        if (this.#chain.length === 0) this.#owesVoteFile = true
        await this.#settleVoteFile()
        await this.#store.writeChain(chain, fresh.length)
        this.#chain.push(...fresh)
        const view = new LayoutView(last.decided.entry, this.#view)
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
        this.#owesVoteFile = false
      }
      return reply
    })
  }

  #currentVote(): Vote | undefined {
    return this.#vote?.epoch === this.epoch + 1 ? this.#vote : undefined
  }

  #fault(chain: readonly ChainLine[], decided: DecidedEntry): string | undefined {
    const previous = chain.at(-1)?.decided.entry
    const stable = stableOf(chain)
    const verify: Verify = (...signed) => this.#identity.signer.verify(...signed)
    if (previous === undefined || stable === undefined) {
      return entryFault(undefined, decided, verify)
    }
    return decided.entry.epoch > previous.epoch + 1
      ? laterEntryFault(stable, decided, verify)
      : entryFault({ previous, stable }, decided, verify)
  }

  #serially<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(run)
    this.#queue = result.catch(() => undefined)
    return result
  }
}

/** False where a full disk has no room for it. */
async function ifRoom(write: () => Promise<void>): Promise<boolean> {
  try {
    await write()
    return true
  } catch (error) {
    if (isNoSpace(error)) return false
    throw error
  }
}

function stableOf(chain: readonly ChainLine[]): LayoutEntry | undefined {
  return chain.findLast(({ state }) => state === 'STABLE')?.decided.entry
}
