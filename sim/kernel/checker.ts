/**
 * Checker A (docs/correctness.md 9): looks into every acceptor and judges what is answered.
 *
 * It knows each proposal's base, that is the state that the proposer's quorum showed it, and notes when
 * a quorum of the proposal's epoch has flushed it: then it is chosen. Checked, always:
 *   - one value per ballot                                                  (P1)
 *   - a proposal builds on the highest state its quorum reported            (P3)
 *   - chosen never changes: from each chosen state, the bases lead back to the chosen one before it
 *   - an operation is applied once                                          (P4)
 *   - promised never falls, what was acknowledged stays                     (A1-A3)
 *   - a state is accepted only where its blocks are                         (A5)
 *   - no block is freed that a chosen state names, then or later             (G5)
 *   - a read, or a failed condition, shows a state that was the latest chosen one at some instant of
 *     the call; a write answered is chosen: real-time order implies ballot order (R1, P3)
 */

import type { BlockKey } from '../../protocol/ids.ts'
import type {
  AcceptRequest,
  Accepted,
  PrepareRequest,
  RegisterReply,
  RegisterRequest,
} from '../../protocol/register/types.ts'
import { ballotNumber, showBallot } from './ballots.ts'
import { bits, type SetMask } from './masks.ts'
import {
  beginsAgain,
  emptyHistory,
  pathBack,
  type Proposal,
  type RegisterHistory,
} from './register-history.ts'

/** What one node has said about one register. */
interface Said {
  promised: number
  acknowledged: number
  /** Ballot of what is flushed now; 0 when nothing is. */
  held: number
}

export class Checker {
  readonly violations: string[] = []
  readonly #registers: RegisterHistory[] = []
  readonly #said: Said[][] = []
  readonly #freed = new Set<BlockKey>()
  readonly #now: () => number
  #epochs = 0
  readonly #setsOf: (epoch: number) => readonly SetMask[]
  readonly #chosen: (key: number) => void

  constructor(options: {
    keys: number
    nodes: number
    now: () => number
    setsOf: (epoch: number) => readonly SetMask[]
    /** A key has a new latest chosen state. */
    chosen: (key: number) => void
  }) {
    this.#now = options.now
    this.#chosen = options.chosen
    this.#setsOf = options.setsOf
    for (let key = 0; key < options.keys; key++) {
      this.#registers.push(emptyHistory())
      this.#said.push(
        Array.from({ length: options.nodes }, () => ({ promised: 0, acknowledged: 0, held: 0 })),
      )
    }
  }

  violation(text: string): void {
    this.violations.push(`at ${this.#now()}: ${text}`)
  }

  /**
   * A proposer sends an accept for the first time. `base`: ballot of the highest state reported to it;
   * `seen`: operation of the state its change was applied to, undefined when that was absent.
   */
  proposing(
    key: number,
    request: AcceptRequest,
    by: { operation: string; base: number; seen: string | undefined },
  ): void {
    const register = this.#register(key)
    const ballot = ballotNumber(request.ballot)
    const { operation, tombstone } = request.value
    const known = register.proposals.get(ballot)
    if (known && known.operation !== operation) {
      this.violation(`two values at ${showBallot(ballot)}: ${known.operation}, ${operation} (P1)`)
    }
    if (known) return
    const { base } = by
    const expected = base === 0 ? undefined : register.proposals.get(base)?.operation
    const builtOn = operation === by.operation && expected !== operation ? by.seen : operation
    if (builtOn !== expected) {
      this.violation(
        `${operation} at ${showBallot(ballot)} builds on ${builtOn}, not on ${expected} (P3)`,
      )
    }
    const { epoch } = request
    register.proposals.set(ballot, {
      ballot,
      operation,
      tombstone,
      blocks: request.value.blocks,
      epoch,
      base,
      proposedAt: this.#now(),
      acceptedBy: 0,
      chosenAt: -1,
      life: register.life,
    })
  }

  /**
   * A node has flushed an accepted state, proposed to it or copied. A copy counts: it is made only of
   * what F+1 of P hold in JOINT, which every proposer of JOINT sees (L3, L5).
   */
  flushed(node: number, key: number, accepted: Accepted, holdsBlocks: boolean): void {
    const register = this.#register(key)
    const ballot = ballotNumber(accepted.ballot)
    const proposal = register.proposals.get(ballot)
    if (!proposal) return this.violation(`n${node} accepted ${showBallot(ballot)} from nobody`)
    if (!holdsBlocks) this.violation(`n${node} accepted ${showBallot(ballot)} without blocks (A5)`)
    this.#saidBy(key, node).held = ballot
    proposal.acceptedBy |= 1 << node
    if (proposal.chosenAt < 0 && this.#isChosen(key, proposal)) this.#choose(key, proposal)
  }

  /** A node is about to take over a pair as it is: only what F+1 of P hold may be copied (L5, G3). */
  copying(node: number, key: number, { ballot, value }: Accepted, epoch: number): void {
    const proposal = this.#register(key).proposals.get(ballotNumber(ballot))
    const [set] = this.#setsOf(epoch)
    if (!proposal || !set || proposal.chosenAt >= 0) return
    if (bits(set.mask & proposal.acceptedBy) < set.need) {
      this.violation(`n${node} copies ${value.operation}, which F+1 of P do not hold (L5, G3)`)
    }
  }

  /** A reply leaves its node. */
  replied(node: number, key: number, request: RegisterRequest, reply: RegisterReply): void {
    const said = this.#saidBy(key, node)
    if (reply.type === 'promised') {
      said.promised = Math.max(said.promised, ballotNumber(reply.ballot))
    } else if (reply.type === 'accepted' && request.type === 'accept') {
      said.promised = Math.max(said.promised, ballotNumber(request.next))
      said.acknowledged = Math.max(said.acknowledged, ballotNumber(reply.ballot))
    }
  }

  /** A node decides to promise or accept a ballot that it did not hold before. */
  voting(node: number, key: number, { type, ballot: voted }: PrepareRequest | AcceptRequest): void {
    const { promised } = this.#saidBy(key, node)
    const ballot = ballotNumber(voted)
    if (ballot < promised) {
      this.violation(
        `n${node} votes to ${type} ${showBallot(ballot)}, having promised ${showBallot(promised)} (A2, A3)`,
      )
    }
  }

  /** What a node finds on its disk at a start. */
  restarted(node: number, key: number, accepted: Accepted | undefined, floor: number): void {
    const { acknowledged } = this.#saidBy(key, node)
    const kept = accepted ? ballotNumber(accepted.ballot) : floor
    if (kept < acknowledged) {
      this.violation(`n${node} lost ${showBallot(acknowledged)}, which it had acknowledged (A1)`)
    }
  }

  /** A node dropped what it had from an earlier membership (L9). */
  discarded(node: number, key: number): void {
    const said = this.#saidBy(key, node)
    said.acknowledged = 0
    said.held = 0
  }

  /** A node forgets a tombstone (G2). */
  collected(node: number, key: number): void {
    const said = this.#saidBy(key, node)
    const register = this.#register(key)
    register.collections.push({ ballot: said.held, at: this.#now() })
    said.held = 0
  }

  /** A block is about to be deleted everywhere (G5). */
  freed(key: number, block: BlockKey): void {
    this.#freed.add(block)
    const latest = this.#register(key).chosen.at(-1)
    if (latest) this.#checkBlocks(latest)
  }

  isFreed(block: BlockKey): boolean {
    return this.#freed.has(block)
  }

  #checkBlocks({ operation, blocks }: Proposal): void {
    const gone = blocks.find((block) => this.#freed.has(block))
    if (gone !== undefined) this.violation(`${gone} was freed, and ${operation} names it (G5)`)
  }

  /** A layout entry is decided. */
  newEpoch(epoch: number): void {
    this.#epochs = epoch
    this.#registers.forEach((register, key) => {
      const held = (this.#said[key] as Said[]).map((said) => said.held)
      for (const ballot of held) {
        const proposal = register.proposals.get(ballot)
        if (proposal && proposal.chosenAt < 0 && this.#isChosen(key, proposal)) {
          this.#choose(key, proposal)
        }
      }
    })
  }

  /** A read, or a condition that failed upon `current`, is answered. */
  answeredRead(key: number, startedAt: number, current: Accepted | undefined): void {
    const register = this.#register(key)
    if (!current) {
      const { liveSince } = register
      if (liveSince >= 0 && liveSince < startedAt) {
        this.violation(`read since ${startedAt} found nothing; present since ${liveSince} (R1)`)
      }
      return
    }
    const ballot = ballotNumber(current.ballot)
    const proposal = register.proposals.get(ballot)
    if (!proposal || proposal.chosenAt < 0) {
      return this.violation(`answered ${showBallot(ballot)}, which is not chosen (R1, P3)`)
    }
    if (proposal.operation !== current.value.operation) {
      this.violation(`answered ${current.value.operation} at ${showBallot(ballot)} (P1)`)
    }
    if (proposal.life < register.life && register.bornAt < startedAt) {
      return this.violation(`answered ${showBallot(ballot)}, collected before ${register.bornAt}`)
    }
    for (let at = register.chosen.length - 1; at >= 0; at--) {
      const later = register.chosen[at] as Proposal
      if (later.ballot <= ballot) break
      if (later.chosenAt < startedAt) {
        return this.violation(
          `answered ${showBallot(ballot)} to a call of ${startedAt}, when ` +
            `${showBallot(later.ballot)} was chosen at ${later.chosenAt} (R1)`,
        )
      }
    }
  }

  answeredWrite(key: number, operation: string, ballot: number): void {
    const proposal = this.#register(key).proposals.get(ballot)
    if (!proposal || proposal.chosenAt < 0) {
      this.violation(`${operation} answered, ${showBallot(ballot)} not chosen`)
    } else if (proposal.operation !== operation) {
      this.violation(`${operation} answered with the ballot of ${proposal.operation}`)
    }
  }

  /** A write that was replaced before its proposer learnt that it had happened. */
  answeredOvertaken(key: number, operation: string): void {
    if (!this.#register(key).applied.has(operation)) {
      this.violation(`${operation} answered as overtaken, and never applied (P4)`)
    }
  }

  /** The latest chosen operation; undefined when there is none. */
  latest(key: number): { operation: string; tombstone: boolean } | undefined {
    return this.#register(key).chosen.at(-1)
  }

  /**
   * Accepted by a majority of each set of the epoch in which it was proposed; or held at one moment by
   * such majorities of a later epoch: what P' alone accepted in JOINT is chosen as soon as P' alone
   * decides, since it holds the promises of each JOINT proposer too.
   */
  #isChosen(key: number, { epoch, acceptedBy, ballot }: Proposal): boolean {
    if (this.#haveMajorities(epoch, acceptedBy)) return true
    if (epoch === this.#epochs) return false
    let holders = 0
    const said = this.#said[key] as Said[]
    for (let node = 0; node < said.length; node++) {
      if (said[node]?.held === ballot) holders |= 1 << node
    }
    for (let at = epoch + 1; at <= this.#epochs; at++) {
      if (this.#haveMajorities(at, holders)) return true
    }
    return false
  }

  #haveMajorities(epoch: number, nodes: number): boolean {
    for (const { mask, need } of this.#setsOf(epoch)) if (bits(mask & nodes) < need) return false
    return true
  }

  #choose(key: number, proposal: Proposal): void {
    const register = this.#register(key)
    proposal.chosenAt = this.#now()
    if (beginsAgain(register, proposal)) {
      const top = register.chosen.at(-1)
      if (top && top.ballot > proposal.ballot) {
        this.violation(
          `${showBallot(proposal.ballot)} chosen below ${showBallot(top.ballot)}, which was collected (L5, G2)`,
        )
      }
      register.chosen = []
      register.collections = []
      register.life++
      register.bornAt = proposal.chosenAt
    }
    proposal.life = register.life
    const { chosen } = register
    let at = chosen.length
    while (at > 0 && (chosen[at - 1] as Proposal).ballot > proposal.ballot) at--
    const before = chosen[at - 1]
    const after = chosen[at]
    chosen.splice(at, 0, proposal)
    const path = this.#link(register, before, proposal)
    if (after) {
      this.#link(register, proposal, after)
      return
    }
    this.#checkBlocks(proposal)
    for (let step = path.length - 1; step >= 0; step--)
      this.#apply(register, path[step] as Proposal)
    if (proposal.tombstone) register.liveSince = -1
    else if (register.liveSince < 0) register.liveSince = proposal.chosenAt
    this.#chosen(key)
  }

  /** Follows the bases from `to` back to `from`. Returns the proposals on the way, `to` first. */
  #link(register: RegisterHistory, from: Proposal | undefined, to: Proposal): Proposal[] {
    const { path, joined } = pathBack(register, from, to)
    if (!joined) {
      this.violation(
        `chosen changed: ${to.operation} at ${showBallot(to.ballot)} does not follow ` +
          `${from?.operation ?? 'nothing'} at ${showBallot(from?.ballot ?? 0)}`,
      )
    }
    return path
  }

  #apply(register: RegisterHistory, { operation, ballot }: Proposal): void {
    if (operation === register.lastApplied) return
    if (register.applied.has(operation)) {
      this.violation(`${operation} applied again at ${showBallot(ballot)} (P4)`)
    }
    register.applied.add(operation)
    register.lastApplied = operation
  }

  #register(key: number): RegisterHistory {
    return this.#registers[key] as RegisterHistory
  }

  #saidBy(key: number, node: number): Said {
    return (this.#said[key] as Said[])[node] as Said
  }
}
