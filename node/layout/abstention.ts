/**
 * Ends an abstention (D8). A node that may have forgotten its vote on the next entry votes again after that entry. While all
 * goes well, no member has a reason to propose one. If another member of three then died for good, one vote would be left,
 * and the dead node could be neither removed nor replaced.
 *
 *   1. The node that abstains asks the other voters, in random order, until one proposes. It can't propose itself: a
 *      proposer promises its own ballot first, and this one may have used any ballot already (P1).
 *   2. The voter that is asked proposes an entry that changes nothing: the join tokens as they are. Every earlier
 *      program knows that step.
 *   3. Until that helps, the node asks again after pauses that double.
 *
 * Invariants:
 *   - an entry is proposed only for the epoch that the asker named, so several askers get one entry
 *   - only in STABLE: a change that is under way brings entries of its own
 *   - one voter proposes at most ENTRIES_MAX of them in ENTRIES_MS, whatever happens to the others' files
 */

import type { NodeId } from '../../protocol/ids.ts'
import { entryHash } from '../../protocol/layout/entry.ts'
import { fieldsOf, integerOf, parseJson, ShapeError } from '../../protocol/layout/json.ts'
import { tokensEntry } from '../../protocol/layout/transition.ts'
import { majority } from '../../protocol/register/quorum.ts'
import { utf8 } from '../../protocol/bytes.ts'
import type { Logger, Random } from '../env/ports.ts'
import type { LayoutLog } from './layout-log.ts'
import type { LayoutPeers } from './layout-peers.ts'
import { epochMessage, LAYOUT_RPC } from './messages.ts'
import type { LayoutProposer } from './layout-proposer.ts'
import type { Timer } from './timer.ts'

const PAUSE_MS_MIN = 10_000
const PAUSE_MS_MAX = 300_000
/** How long a voter's answer about itself counts, in milliseconds. Its file may be back after that. */
const HEARD_MS = 2 * PAUSE_MS_MAX
const DECIDE_MS = 5_000
const ENTRIES_MAX = 8
const ENTRIES_MS = 3_600_000

export interface AbstentionParts {
  readonly log: LayoutLog
  readonly peers: LayoutPeers
  readonly proposer: Pick<LayoutProposer, 'decide'>
  readonly timer: Timer
  readonly random: Random
  readonly logger: Logger
  readonly connected: (node: NodeId) => boolean
  readonly catchUp: (epoch: number, from: NodeId) => Promise<void>
}

/** Which members do not vote on the next entry, as far as this node knows. */
export interface Abstaining {
  /** The epoch on which they do not vote. */
  readonly epoch: number
  readonly nodes: readonly NodeId[]
  readonly voters: number
  /** Whether enough others are left to decide it. */
  readonly isDecidable: boolean
  /** Whether enough would be left without one more of these. */
  readonly canLoseOne: boolean
}

/** What a voter says to one that abstains. */
interface Answer {
  /** The epoch of the node that answers. */
  readonly epoch: number
  readonly abstains: boolean
  /** It has begun to propose the entry that ends the abstention. */
  readonly proposes: boolean
}

export class Abstention {
  readonly #parts: AbstentionParts
  /**
   * Voters that have said that they abstain: on which epoch, and when this node heard it, in monotonic milliseconds.
   */
  readonly #heard = new Map<NodeId, { readonly epoch: number; readonly atMs: number }>()
  #isAsking = false
  #isProposing = false
  /** When the entries were decided that this node proposed for others in the last ENTRIES_MS. */
  #proposedMs: number[] = []
  /** The epoch of the last warning. */
  #saidEpoch = 0

  constructor(parts: AbstentionParts) {
    this.#parts = parts
  }

  /** Which members abstain. Undefined when this node knows of none. */
  now(): Abstaining | undefined {
    const { log, peers, timer } = this.#parts
    if (log.view === undefined) return undefined
    const epoch = log.epoch + 1
    const { voters } = log
    const nodes = voters.filter((node) => {
      if (node === peers.self) return log.votes && log.abstainsFrom !== undefined
      const heard = this.#heard.get(node)
      return heard?.epoch === epoch && timer.nowMs() - heard.atMs < HEARD_MS
    })
    if (nodes.length === 0) return undefined
    const spare = voters.length - nodes.length - majority(voters.length)
    return {
      epoch,
      nodes,
      voters: voters.length,
      isDecidable: spare >= 0,
      canLoseOne: spare >= 1,
    }
  }

  /** Called now and then: asks another voter when it is time. */
  look(): void {
    if (this.#isAsking || !this.#isDue()) return
    this.#isAsking = true
    void this.#run()
      .catch(() => undefined)
      .finally(() => {
        this.#isAsking = false
      })
  }

  /**
   * Handler of LAYOUT_RPC.abstains. Notes that the peer abstains and, when this voter may, begins to propose an
   * entry. The answer does not wait for the decision.
   */
  async answer(from: NodeId, body: Uint8Array): Promise<Uint8Array> {
    const { log, catchUp, timer } = this.#parts
    const asked = epochMessage.decode(body)
    if (asked > log.epoch + 1) await catchUp(asked - 1, from).catch(() => undefined)
    this.#heard.set(from, { epoch: asked, atMs: timer.nowMs() })
    this.#say()
    const proposes = this.#mayPropose(asked, from)
    if (proposes && !this.#isProposing) void this.#propose().catch(() => undefined)
    const abstains = log.abstainsFrom !== undefined
    return abstainsAnswer.encode({ epoch: log.epoch, abstains, proposes })
  }

  #isDue(): boolean {
    const { log } = this.#parts
    return log.abstainsFrom !== undefined && log.votes
  }

  async #run(): Promise<void> {
    const { log, timer } = this.#parts
    let pauseMs = PAUSE_MS_MIN
    while (this.#isDue()) {
      await timer.sleep(timer.jittered(pauseMs))
      if (!this.#isDue() || log.view?.state !== 'STABLE') continue
      await this.#ask(log.epoch + 1)
      this.#say()
      pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX)
    }
  }

  async #ask(epoch: number): Promise<void> {
    const { log, peers, timer, catchUp } = this.#parts
    for (const node of this.#others()) {
      if (log.epoch + 1 !== epoch || timer.stopped) return
      let answer: Answer
      try {
        const body = await peers.call(node, LAYOUT_RPC.abstains, epochMessage.encode(epoch))
        answer = abstainsAnswer.decode(body)
      } catch {
        // The voter is away, or its program does not know the message.
        continue
      }
      if (answer.epoch >= epoch) {
        await catchUp(answer.epoch, node).catch(() => undefined)
        return
      }
      if (answer.abstains) this.#heard.set(node, { epoch, atMs: timer.nowMs() })
      else this.#heard.delete(node)
      if (answer.proposes) return
    }
  }

  /** The other voters in random order, so that not all askers choose the same one. */
  #others(): NodeId[] {
    const { log, peers, random, connected } = this.#parts
    return log.voters
      .filter((node) => node !== peers.self && connected(node))
      .map((node) => ({ node, at: random.float() }))
      .sort((a, b) => a.at - b.at)
      .map(({ node }) => node)
  }

  #mayPropose(epoch: number, asker: NodeId): boolean {
    const { log, timer } = this.#parts
    if (log.view?.state !== 'STABLE' || epoch !== log.epoch + 1) return false
    if (!log.votes || log.abstainsFrom !== undefined || !log.voters.includes(asker)) return false
    const sinceMs = timer.nowMs() - ENTRIES_MS
    this.#proposedMs = this.#proposedMs.filter((atMs) => atMs > sinceMs)
    return this.#proposedMs.length < ENTRIES_MAX
  }

  async #propose(): Promise<void> {
    const { log, proposer, timer, logger } = this.#parts
    const { entry } = log.view!
    const own = tokensEntry(entry, entry.tokens ?? [])
    this.#isProposing = true
    try {
      const decided = await proposer.decide(own, DECIDE_MS)
      if (entryHash(decided) !== entryHash(own)) return
      this.#proposedMs.push(timer.nowMs())
      logger.info(
        { epoch: own.epoch },
        'decided an entry of the layout that changes nothing, so that a member that may have forgotten its vote votes again',
      )
    } finally {
      this.#isProposing = false
    }
  }

  /** Warns once for each epoch. */
  #say(): void {
    const now = this.now()
    if (now === undefined || now.isDecidable || now.epoch === this.#saidEpoch) return
    this.#saidEpoch = now.epoch
    this.#parts.logger.error(
      { epoch: now.epoch, nodes: now.nodes, voters: now.voters },
      'too many members may have forgotten their votes: no majority can decide the next layout, so it cannot change any more',
    )
  }
}

const abstainsAnswer = {
  encode: (answer: Answer): Uint8Array => utf8(JSON.stringify(answer)),
  decode(bytes: Uint8Array): Answer {
    const fields = fieldsOf(parseJson(bytes), ['epoch', 'abstains', 'proposes'])
    const { abstains, proposes } = fields
    if (typeof abstains !== 'boolean' || typeof proposes !== 'boolean') {
      throw new ShapeError('not a boolean')
    }
    return {
      epoch: integerOf(fields.epoch, 0, Number.MAX_SAFE_INTEGER),
      abstains,
      proposes,
    }
  },
}
