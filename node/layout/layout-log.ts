/**
 * The chain of decided layout entries that this node knows, and its vote on the next one.
 *
 * Invariants:
 *   - an entry is adopted only with the signatures of a majority of the last STABLE members (L1)
 *   - an entry and a vote are flushed before any node can see them (A1, L4)
 *   - signatures are verified once: a start trusts entries that are noted as verified (layout-store.ts)
 *   - epochs never go back. Some may be missing: a joiner, and a node that was away for long, gets only those entries that
 *     prove the last one (`spineOf`). No entry that changed the members is missing
 *   - the vote belongs to the epoch after the last entry, or no longer counts
 *   - a node that may have forgotten a vote abstains from its epoch (D8). A vote is given only on the epoch
 *     after the last adopted entry, and entries stay adopted. So a vote that can't be read belongs to the next epoch
 *     or to an earlier one. The node votes again from the epoch after the next one on.
 *   - the vote file exists before the first entry does, so that a missing vote file is noticed
 *
 * Adoption and voting run one after the other, so that no vote is given on a decided epoch.
 */

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

/** A node that lacks more entries than this gets only those that prove the last one. */
const ENTRIES_TOLD_MAX = 64

/** A node that was a member once and is unknown to the layout now. */
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
  /** This node does not vote on this epoch or an earlier one. */
  #abstainsUntil = 0
  /** The vote file does not say so yet, because the disk was full. */
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
    const isRenewed = await ifRoom(() => this.#renewVoteFile())
    // An earlier program wrote no vote file, so a missing one beside its chain was not lost. That must stay so.
    if (!isRenewed && !checked) return
    if (stored.type === 'vote' && !stored.checked) {
      await ifRoom(() => this.#store.writeVote(stored.vote))
    }
    if (verified < chain.length) await this.#noteVerified(verified)
  }

  /** Writes the vote file, if the disk has room. Until then each start finds the file as this one did, and abstains again. */
  async #renewVoteFile(): Promise<void> {
    if (!this.#owesVoteFile) return
    await this.#store.writeAbstention(this.#abstainsUntil)
    this.#owesVoteFile = false
  }

  /** Notes the entries as verified. A full disk does not keep the node from starting. */
  async #noteVerified(before: number): Promise<void> {
    try {
      await this.#store.writeChain(this.#chain, 0)
    } catch {
      // Without the note, everything is verified again at the next start. Lines after those of the note may not have been
      // flushed, and were not obeyed: the other members send them again.
      if (before === 0) return
      this.#chain.length = before
      this.#view = new LayoutView(this.last!)
    }
  }

  /** Whether this node alone decides the next entry. Then only it can have proposed, and it knows what was decided. */
  #votesAlone(): boolean {
    return this.votes && this.voters.length === 1
  }

  /** Makes durable that this node votes on neither `epoch` nor an earlier one: it may have forgotten such a vote (D2). */
  abstain(epoch: number): Promise<void> {
    return this.#serially(async () => {
      if (this.#votesAlone()) return
      if (epoch > this.#abstainsUntil) {
        this.#abstainsUntil = epoch
        this.#vote = undefined
        this.#owesVoteFile = true
      }
      await this.#renewVoteFile()
    })
  }

  /** The epoch on which this node does not vote because it may have forgotten its vote. */
  get abstainsFrom(): number | undefined {
    const next = this.epoch + 1
    return this.#chain.length > 0 && next <= this.#abstainsUntil ? next : undefined
  }

  /** The last epoch; 0 without a layout. */
  get epoch(): number {
    return this.#chain.at(-1)?.epoch ?? 0
  }

  get view(): LayoutView | undefined {
    return this.#view
  }

  /** The last entry, if there is one. */
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
    if (entry === undefined) throw new MembershipError('bad-layout', 'there is no layout')
    return entry
  }

  get voters(): readonly NodeId[] {
    return votersOf(this.stable)
  }

  /** Whether this node, by its node id and storage id, votes on the next epoch (D1). */
  get votes(): boolean {
    if (this.#chain.length === 0) return false
    const { signer, storageId } = this.#identity
    return this.stable.members.some(
      (member) => member.nodeId === signer.nodeId && member.storageId === storageId,
    )
  }

  /** Decided entries after `epoch`. */
  entriesAfter(epoch: number): readonly DecidedEntry[] {
    const after = this.#chain.findLastIndex((line) => line.epoch <= epoch) + 1
    return this.#chain.slice(after).map(({ decided }) => decided)
  }

  /** For a node that knows the chain up to `epoch`: the entries that it lacks or, where these are many, those that prove the last one. */
  entriesFor(epoch: number): readonly DecidedEntry[] {
    const after = this.#chain.findLastIndex((line) => line.epoch <= epoch) + 1
    const lacking = this.#chain.slice(after)
    const told = lacking.length > ENTRIES_TOLD_MAX ? spineOf(lacking) : lacking
    return told.map(({ decided }) => decided)
  }

  /** Whether any entry passes the test. The latest ones are tried first. */
  hasEntry(is: (entry: LayoutEntry) => boolean): boolean {
    return this.#chain.findLast(({ decided }) => is(decided.entry)) !== undefined
  }

  /** A node that was a member with this storage and is not known to the layout any more. */
  formerMember(nodeId: NodeId, storageId: StorageId): FormerMember | undefined {
    if (this.#view?.knownMember(nodeId)?.storageId === storageId) return undefined
    const leftEpoch = this.leftEpoch(nodeId, storageId)
    return leftEpoch === undefined ? undefined : { leftEpoch }
  }

  /** The epoch of the first STABLE entry without a node that was a member before. Blocks may still be copied from it. */
  leftEpoch(nodeId: NodeId, storageId: StorageId): number | undefined {
    return this.#former.leftEpoch(this.#chain, nodeId, storageId)
  }

  onAdopt(listener: (view: LayoutView) => void): void {
    this.#listeners.push(listener)
  }

  /**
   * Verifies, flushes and adopts the entries that follow. Known ones are passed over. Rejects with MembershipError
   * 'bad-layout' at the first that must not be obeyed; those before it stay adopted.
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
        await this.#renewVoteFile()
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
   * Votes on an epoch and flushes the vote before the answer leaves. Resolves with undefined when the next epoch is another
   * one by now, or this node has no vote.
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

/** Resolves with false when a full disk has no room for it. */
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
