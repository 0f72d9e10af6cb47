/** Hosts one proposer or reader: carries its steps out over the simulated network until its outcome. */

import type { Step } from '../../protocol/register/step.ts'
import type {
  PrepareRequest,
  RegisterReply,
  RegisterRequest,
} from '../../protocol/register/types.ts'
import { ballotNumber } from './ballots.ts'
import type { KernelMachine } from './rules.ts'
import type { KernelReplica, KernelWorld } from './parts.ts'

/** What the checker must know of a proposer: on what state its next accept builds. */
export interface Track {
  /** '' for an identity change. */
  readonly operation: string
  /** Operation of the state that `change` saw last. */
  seen: string | undefined
  /** Ballot of the state in a cached `prior` (P2). */
  readonly priorBase: number
  prepare?: PrepareRequest
  base?: number
  lastAccept?: RegisterRequest
}

export interface DriveOptions<Outcome> {
  readonly key: number
  readonly machine: KernelMachine<Outcome>
  readonly track?: Track
  readonly deadline: number
  /** Undefined when the node crashed meanwhile. */
  readonly done: (outcome: Outcome | undefined) => void
}

export class Drive<Outcome> {
  readonly #world: KernelWorld
  readonly #replica: KernelReplica
  readonly #life: number
  readonly #options: DriveOptions<Outcome>
  #finished = false

  constructor(world: KernelWorld, replica: KernelReplica, options: DriveOptions<Outcome>) {
    this.#world = world
    this.#replica = replica
    this.#life = replica.life
    this.#options = options
  }

  start(): void {
    const { machine, deadline, done } = this.#options
    const world = this.#world
    world.after(Math.max(1, deadline - world.now), () => {
      if (this.#finished) return
      this.#finished = true
      done(this.#alive ? machine.giveUp() : undefined)
    })
    this.#carryOut(machine.start())
  }

  get #alive(): boolean {
    return this.#replica.life === this.#life
  }

  #carryOut(step: Step<Outcome>): void {
    const { machine, done } = this.#options
    for (const { to, request } of step.send) this.#send(this.#world.indexOf(to), request)
    if (step.needBlocks) {
      const { node, blocks, request } = step.needBlocks
      const to = this.#world.indexOf(node)
      this.#send(to, request, () => {
        for (const block of blocks) this.#world.replica(to).blocks.add(block)
      })
    }
    if (step.backoff) {
      const most = 10 << Math.min(step.backoff.attempt, 4)
      this.#world.after(1 + this.#world.random.int(most), () => {
        if (this.#alive && !this.#finished) this.#carryOut(machine.onBackoffOver())
      })
    }
    if (step.outcome && !this.#finished) {
      this.#finished = true
      done(step.outcome)
    }
  }

  #send(to: number, request: RegisterRequest, before?: () => void): void {
    const { machine } = this.#options
    const node = this.#world.nodeId(to)
    this.#note(request)
    const { epoch } = this.#replica
    const late = this.#world.rules.stampLate && request.epoch < epoch
    this.#world.links.call(this.#replica, to, late ? { ...request, epoch } : request, {
      before,
      done: (reply, maybeDelivered) => {
        if (this.#finished || !this.#alive) return
        if (reply) this.#noteReply(request, reply)
        this.#carryOut(
          reply
            ? machine.onReply(node, request, reply)
            : machine.onFailure(node, request, maybeDelivered),
        )
      },
    })
  }

  #note(request: RegisterRequest): void {
    const { track, key } = this.#options
    if (!track) return
    if (request.type === 'prepare' && request !== track.prepare) {
      track.prepare = request
      track.base = 0
    } else if (request.type === 'accept' && request !== track.lastAccept) {
      track.lastAccept = request
      const ownPrepare =
        track.prepare && ballotNumber(track.prepare.ballot) === ballotNumber(request.ballot)
      const base = ownPrepare ? (track.base ?? 0) : track.priorBase
      const { operation, seen } = track
      this.#world.checker.proposing(key, request, { operation, base, seen })
    }
  }

  #noteReply(request: RegisterRequest, reply: RegisterReply): void {
    const { track } = this.#options
    if (!track || reply.type !== 'promised' || request !== track.prepare || !reply.accepted) return
    track.base = Math.max(track.base ?? 0, ballotNumber(reply.accepted.ballot))
  }
}
