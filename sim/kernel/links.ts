/** Messages between the nodes of one kernel world: lost, doubled, late or cut off as the scenario has it. */

import type { RegisterReply, RegisterRequest } from '../../protocol/register/types.ts'
import type { KernelClock, KernelLinks, KernelReplica } from './parts.ts'

const CALL_TIMEOUT = 60

export class SeedLinks implements KernelLinks {
  /** A directed scenario says which messages never come. */
  isLost: ((from: number, to: number, request: RegisterRequest | undefined) => boolean) | undefined
  readonly #clock: KernelClock
  readonly #mix: (word: number) => void
  /** Bit b of entry a: messages from a to b are lost. */
  readonly #cuts: number[]
  #quiet = false

  /** `mix` takes what was answered into the digest of the run. */
  constructor(clock: KernelClock, nodes: number, mix: (word: number) => void) {
    this.#clock = clock
    this.#mix = mix
    this.#cuts = Array.from({ length: nodes }, () => 0)
  }

  /** From now on every message arrives once and soon. */
  quiet(): void {
    this.#quiet = true
    this.#cuts.fill(0)
  }

  /** Cuts one node off from some others for a while, in both directions or in one. */
  cutSome(): void {
    const { random } = this.#clock
    const victim = random.int(this.#cuts.length)
    const oneWay = random.chance(300)
    const mask = random.next()
    this.#cuts.forEach((_, from) => {
      if (from === victim) this.#cuts[from] = mask
      else if (!oneWay && ((mask >> from) & 1) === 1) this.#cuts[from] = 1 << victim
      else this.#cuts[from] = 0
    })
    this.#clock.after(20 + random.int(150), () => this.#cuts.fill(0))
  }

  message(from: number, to: number, deliver: () => void): void {
    const { random, scenario } = this.#clock
    if (this.isLost?.(from, to, undefined) === true) return
    const arrive = (): void => {
      if (this.#clock.replica(to).up) deliver()
    }
    if (from === to) return this.#clock.after(random.int(2), arrive)
    if (!this.#quiet) {
      if (this.#cut(from, to) || random.chance(scenario.lossPermille)) return
      if (random.chance(scenario.duplicatePermille)) this.#clock.after(this.#delay(), arrive)
    }
    this.#clock.after(this.#delay(), arrive)
  }

  call(
    from: KernelReplica,
    to: number,
    request: RegisterRequest,
    options: {
      done: (reply: RegisterReply | undefined, maybeDelivered: boolean) => void
      before?: (() => void) | undefined
    },
  ): void {
    this.ask<RegisterReply>(
      from,
      to,
      (respond) => {
        options.before?.()
        if (this.isLost?.(from.index, to, request) === true) return
        this.#clock.replica(to).receive(from.index, request, (reply) => {
          this.#mix(reply.type.length * 31 + to)
          respond(reply)
        })
      },
      options.done,
    )
  }

  ask<Reply>(
    from: KernelReplica,
    to: number,
    serve: (respond: (reply: Reply) => void) => void,
    done: (reply: Reply | undefined, maybeDelivered: boolean) => void,
  ): void {
    const { life, index } = from
    let open = true
    const finish = (reply: Reply | undefined, maybeDelivered: boolean): void => {
      if (!open || from.life !== life) return
      open = false
      done(reply, maybeDelivered)
    }
    if (index !== to && !this.#quiet && this.#cut(index, to) && this.#clock.random.chance(500)) {
      // The connection is known to be down.
      return this.#clock.after(1, () => finish(undefined, false))
    }
    this.message(index, to, () =>
      serve((reply) => this.message(to, index, () => finish(reply, true))),
    )
    this.#clock.after(CALL_TIMEOUT, () => finish(undefined, true))
  }

  #cut(from: number, to: number): boolean {
    return (((this.#cuts[from] as number) >> to) & 1) === 1
  }

  #delay(): number {
    const { random, scenario } = this.#clock
    const usual = 1 + random.int(6)
    if (this.#quiet || !random.chance(scenario.latePermille)) return usual
    return usual + random.int(200)
  }
}
