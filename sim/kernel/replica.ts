/**
 * A simulated node's acceptor half: memory, disk and group commit around the pure acceptor, obeying
 * `Ready` as a real host must (A1), and losing what was not flushed when it crashes.
 */

import { assert } from '../../protocol/assert.ts'
import type { BlockKey, NodeId } from '../../protocol/ids.ts'
import { type AcceptorEnv, type AcceptorState } from '../../protocol/register/acceptor.ts'
import {
  type Ballot,
  compareBallots,
  maxBallot,
  sameBallot,
  ZERO_BALLOT,
} from '../../protocol/register/ballot.ts'
import type { Accepted, RegisterReply, RegisterRequest } from '../../protocol/register/types.ts'
import { ballotNumber } from './ballots.ts'
import type { World } from './world.ts'

/** One record on its way to the disk, and what waits for it. */
interface Entry {
  readonly key: number
  readonly persist?: Accepted
  /** Discarded before its flush was over (L9): acknowledged, but no longer of effect. */
  readonly discarded?: boolean
  readonly mark?: number
  readonly collected?: Ballot
  readonly whenFlushed?: () => void
}

export type Respond = (reply: RegisterReply) => void

export class Replica {
  readonly index: number
  readonly id: NodeId
  up = true
  /** Raised by a crash: what belongs to an earlier life is void. */
  life = 0
  boot = 0
  /** Durable at once (L4). */
  epoch = 0
  /** Flushed no later than any state that names them. */
  readonly blocks = new Set<BlockKey>()

  readonly #world: World
  readonly #states: (AcceptorState | undefined)[]
  readonly #disk: (Accepted | undefined)[]
  #diskFloor: Ballot = ZERO_BALLOT
  #diskMark = 1
  #floor: Ballot = ZERO_BALLOT
  /** The mark found at the last start. */
  #startMark = 0
  #gathering: Entry[] = []
  #flushing: Entry[] | undefined
  /** Was out of the replica set in an epoch since it last served (L9). */
  #wasOut = false
  /** Epoch of the last discard. */
  #discardedAt = 0

  constructor(world: World, index: number) {
    this.#world = world
    this.index = index
    this.id = world.nodeId(index)
    this.#states = Array.from({ length: world.scenario.keys }, () => undefined)
    this.#disk = Array.from({ length: world.scenario.keys }, () => undefined)
    this.#wasOut = !world.layout.member(0, index)
  }

  /** One request of a proposer or reader. */
  receive(request: RegisterRequest, respond: Respond): void {
    const { rules, checker } = this.#world
    if (request.epoch > this.epoch) this.adopt(request.epoch)
    const key = this.#world.keyIndex(request.key)
    const state = this.state(key)
    const ready = rules.handle(state, this.#env(), request)
    if (request.type === 'accept' && ready.persist) {
      const held = state.accepted && sameBallot(state.accepted.ballot, request.ballot)
      if (!held) checker.voting(this.index, key, request)
    } else if (request.type === 'prepare' && ready.state) checker.voting(this.index, key, request)
    if (ready.state) this.#states[key] = ready.state
    const send = (): void => {
      // What was acknowledged before a discard is owed by the others alone (L9).
      if (request.epoch >= this.#discardedAt) {
        checker.replied(this.index, key, request, ready.reply)
      }
      respond(ready.reply)
    }
    const { persist, reserve, reports } = ready
    const onDisk = this.#disk[key]
    const waits = reports && !(onDisk && sameBallot(onDisk.ballot, reports))
    if (!persist && reserve === undefined && !waits) return send()
    if (!rules.flushFirst) send()
    this.#append({
      key,
      ...(persist && { persist }),
      ...(reserve !== undefined && { mark: reserve + this.#world.scenario.markStep }),
      ...(rules.flushFirst && { whenFlushed: send }),
    })
  }

  state(key: number): AcceptorState {
    return this.#states[key] ?? this.#world.rules.recovered(this.#disk[key], this.#startMark)
  }

  /** A raw copy of a pair known to be chosen (L5, G3). Calls back once it counts as synced, or with false. */
  copy(key: number, chosen: Accepted, done: (synced: boolean) => void): void {
    const result = this.#world.rules.install(this.state(key), this.#floor, chosen)
    switch (result.type) {
      case 'refused':
        return done(false)
      case 'held':
        return this.#append({ key, whenFlushed: () => done(true) })
      case 'installed':
        for (const block of chosen.value.blocks) this.blocks.add(block)
        this.#states[key] = result.state
        this.#append({ key, persist: result.persist, whenFlushed: () => done(true) })
    }
  }

  /** What is flushed here of a tombstone at this ballot: exactly it, or nothing, and no way for it to come
   * back (G2). */
  tombstoneState(key: number, ballot: Ballot): 'exact' | 'absent' | 'other' {
    const stored = this.#disk[key]
    if (!stored) {
      // A state on its way to the disk will be there.
      if (this.#states[key]?.accepted) return 'other'
      return compareBallots(this.#diskFloor, ballot) >= 0 ? 'absent' : 'other'
    }
    return stored.value.tombstone && sameBallot(stored.ballot, ballot) ? 'exact' : 'other'
  }

  /** Every replica has reported this tombstone (G2). */
  collect(key: number, ballot: Ballot, epoch: number): void {
    if (epoch !== this.epoch) return
    const result = this.#world.rules.collect(this.state(key), this.#floor, ballot)
    if (!result) return
    this.#states[key] = result.state
    this.#floor = result.floor
    this.#world.checker.collected(this.index, key)
    this.#append({ key, collected: result.floor })
  }

  /** Learns a later epoch, and all between (L4, L9). */
  adopt(epoch: number): void {
    const { layout, rules } = this.#world
    while (this.epoch < epoch) {
      this.epoch++
      if (!layout.member(this.epoch, this.index)) this.#wasOut = true
      else if (this.#wasOut) {
        if (rules.discardOnEntry) this.#discard()
        this.#wasOut = false
      }
    }
    this.#world.adopted(this)
  }

  /** Loses memory and, of a flush under way, all but a prefix. */
  crash(): void {
    assert(this.up)
    this.up = false
    this.life++
    const flushing = this.#flushing ?? []
    this.#apply(flushing.slice(0, this.#world.random.int(flushing.length + 1)))
    this.#flushing = undefined
    this.#gathering = []
    this.#states.fill(undefined)
  }

  restart(): void {
    const { rules, checker } = this.#world
    this.up = true
    this.boot++
    this.#startMark = this.#diskMark
    // At a start every floor counts as at least the mark (A1).
    const least = rules.recovered(undefined, this.#startMark).promised
    this.#floor = maxBallot(this.#diskFloor, least)
    const floor = ballotNumber(this.#diskFloor)
    this.#disk.forEach((accepted, key) => checker.restarted(this.index, key, accepted, floor))
  }

  #env(): AcceptorEnv {
    return {
      mark: this.#diskMark,
      floor: this.#floor,
      epoch: this.epoch,
      minimumGeneration: 0,
      holdsBlock: (block) => this.blocks.has(block),
      faulty: false,
    }
  }

  #discard(): void {
    this.#discardedAt = this.epoch
    for (let key = 0; key < this.#disk.length; key++) {
      this.#states[key] = { promised: this.state(key).promised }
      this.#disk[key] = undefined
      this.#world.checker.discarded(this.index, key)
    }
    // What was under way belongs to the registers that are gone.
    this.#gathering = this.#gathering.map((entry) => ({ ...entry, discarded: true }))
    this.#flushing = this.#flushing?.map((entry) => ({ ...entry, discarded: true }))
  }

  #append(entry: Entry): void {
    this.#gathering.push(entry)
    if (!this.#flushing) this.#flush()
  }

  /** Group commit: while one flush runs, the next batch gathers. */
  #flush(): void {
    const { life } = this
    this.#flushing = this.#gathering
    this.#gathering = []
    this.#world.after(1 + this.#world.random.int(4), () => {
      if (this.life !== life) return
      const done = this.#flushing ?? []
      this.#flushing = undefined
      this.#apply(done)
      for (const { whenFlushed } of done) whenFlushed?.()
      if (this.#gathering.length > 0 && !this.#flushing) this.#flush()
    })
  }

  #apply(entries: readonly Entry[]): void {
    const { checker } = this.#world
    for (const { key, persist, discarded, mark, collected } of entries) {
      if (mark !== undefined && mark > this.#diskMark) this.#diskMark = mark
      if (persist) {
        if (!discarded) this.#disk[key] = persist
        // A late accept of something that can't be chosen any more may lose its block meanwhile (G5).
        const holdsBlocks = persist.value.blocks.every(
          (block) => this.blocks.has(block) || checker.isFreed(block),
        )
        checker.flushed(this.index, key, persist, { holdsBlocks, discarded: discarded === true })
      }
      if (collected) {
        if (!discarded) this.#disk[key] = undefined
        this.#diskFloor = maxBallot(this.#diskFloor, collected)
      }
    }
  }
}
