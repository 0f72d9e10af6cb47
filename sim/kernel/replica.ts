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
import { type DiskEntry, GroupCommit } from './group-commit.ts'
import type { KernelReplica, KernelSummary, KernelWorld } from './parts.ts'

/** All that a disk holds. */
interface Image {
  readonly disk: readonly (Accepted | undefined)[]
  readonly floor: Ballot
  readonly mark: number
  readonly minimum: number
  readonly epoch: number
  readonly discarded: number
  readonly data: readonly number[]
  readonly blocks: readonly BlockKey[]
}

export class Replica implements KernelReplica {
  readonly index: number
  readonly id: NodeId
  up: boolean
  /** Its disk is lost, or is an old image: it never votes again (D1, D2). */
  lost = false
  /** Raised by a crash: what belongs to an earlier life is void. */
  life = 0
  boot = 0
  /** Durable at once (L4). */
  epoch = 0
  /** Flushed no later than any state that names them. */
  readonly blocks = new Set<BlockKey>()
  /** Blocks beside registers, flushed (P7). */
  readonly data = new Set<number>()
  /** Epochs of the sources from which it has all blocks, durably. */
  readonly whole = new Set<number>()

  readonly #world: KernelWorld
  readonly #commit: GroupCommit
  readonly #states: (AcceptorState | undefined)[]
  readonly #disk: (Accepted | undefined)[]
  #diskFloor: Ballot = ZERO_BALLOT
  #diskMark = 1
  #diskMinimum = 0
  #floor: Ballot = ZERO_BALLOT
  #minimum = 0
  /** The mark found at the last start, or learnt in a sync. */
  #startMark = 0
  /** Was out of the replica set in an epoch since it last served (L9). */
  #wasOut = false
  /** Came in as a learner, and has had no vote since. */
  #onlyLearnt = false
  /** Epoch at which it came in last, and the one for which it has discarded what was there (L9). */
  #enteredAt = 0
  #discardedFor = 0

  constructor(world: KernelWorld, index: number, up: boolean) {
    this.#world = world
    this.#commit = new GroupCommit(world, (entries) => this.#apply(entries))
    this.index = index
    this.up = up
    this.id = world.nodeId(index)
    this.#states = Array.from({ length: world.scenario.keys }, () => undefined)
    this.#disk = Array.from({ length: world.scenario.keys }, () => undefined)
    this.#wasOut = !world.layout.member(0, index)
  }

  /** Has to discard what is there before it answers anything (L9). */
  get entering(): boolean {
    return this.#discardedFor < this.#enteredAt
  }

  get holdsRegisters(): boolean {
    return this.#disk.some((accepted) => accepted !== undefined)
  }

  /** One request of a proposer or reader. */
  receive(from: number, request: RegisterRequest, respond: (reply: RegisterReply) => void): void {
    const { rules, checker, layout } = this.#world
    if (request.epoch > this.epoch) this.adopt(request.epoch)
    const { memberMask, cluster, nextCluster = 0, joint } = layout.epoch(this.epoch)
    const speaks = cluster | (joint || request.type === 'read' ? nextCluster : 0)
    if (request.epoch === this.epoch) {
      const serves = (memberMask & (1 << this.index)) !== 0 && !this.entering
      const stranger = (speaks & (1 << from)) === 0
      if (!serves || stranger) return respond({ type: 'no-vote', reason: 'not-a-replica' })
    }
    const key = this.#world.keyIndex(request.key)
    const state = this.state(key)
    const ready = rules.handle(state, this.#env(), request)
    if (request.type === 'accept' && ready.persist) {
      const held = state.accepted && sameBallot(state.accepted.ballot, request.ballot)
      if (!held) checker.voting(this.index, key, request)
    } else if (request.type === 'prepare' && ready.state) checker.voting(this.index, key, request)
    if (ready.state) this.#states[key] = ready.state
    const send = (): void => {
      // L6b: the answer of one epoch is not given in the next.
      if (
        this.epoch !== request.epoch &&
        ready.reply.type !== 'stale-epoch' &&
        rules.recheckEpoch
      ) {
        return respond({ type: 'stale-epoch', epoch: this.epoch })
      }
      if (request.epoch >= this.#discardedFor) {
        checker.replied(this.index, key, request, ready.reply)
      }
      respond(ready.reply)
    }
    const { persist, reserve, reports, raise } = ready
    const onDisk = this.#disk[key]
    const waits = reports && !(onDisk && sameBallot(onDisk.ballot, reports))
    if (raise) this.#minimum = raise.generation
    if (!persist && reserve === undefined && !waits && !raise) return send()
    if (!rules.flushFirst) send()
    this.#commit.append({
      key,
      ...(persist && { persist }),
      ...(reserve !== undefined && { mark: reserve + this.#world.scenario.markStep }),
      ...(raise && { minimum: raise.generation }),
      ...(rules.flushFirst && { whenFlushed: send }),
    })
  }

  state(key: number): AcceptorState {
    return this.#states[key] ?? this.#world.rules.recovered(this.#disk[key], this.#startMark)
  }

  /** A raw copy of a pair known to be chosen (L5, G3). Calls back once it counts as synced, or with false. */
  copy(key: number, chosen: Accepted, done: (synced: boolean) => void): void {
    this.#world.checker.copying(this.index, key, chosen, this.epoch)
    const result = this.#world.rules.install(this.state(key), this.#floor, chosen)
    switch (result.type) {
      case 'refused':
        return done(false)
      case 'held':
        return this.#commit.append({ key, whenFlushed: () => done(true) })
      case 'installed':
        for (const block of chosen.value.blocks) this.blocks.add(block)
        this.#states[key] = result.state
        this.#commit.append({ key, persist: result.persist, whenFlushed: () => done(true) })
    }
  }

  /** All registers and what is kept beside them, at exactly this epoch, once what is under way is flushed (L5). */
  summary(epoch: number, respond: (summary: KernelSummary | undefined) => void): void {
    const waits = this.#world.rules.summaryWaits
    if (this.epoch !== epoch || this.entering) return respond(undefined)
    const states = this.#disk.map((stored, key) => (waits ? this.state(key).accepted : stored))
    const answer = (): void => {
      if (this.epoch !== epoch) return respond(undefined)
      respond({ states, floor: this.#floor, minimum: this.#minimum, mark: this.#diskMark })
    }
    if (!waits || this.#commit.isIdle) answer()
    else this.#commit.append({ key: 0, whenFlushed: answer })
  }

  /**
   * The bounds that F+1 of P had (L5). The mark belongs to them: a ballot that a member of P has promised may
   * be accepted by one that no sync has asked, and nothing below it may be chosen by those who have synced.
   */
  raise({ floor, minimum, mark }: Omit<KernelSummary, 'states'>, done: () => void): void {
    const { carries } = this.#world.rules
    const entry: { floor?: Ballot; minimum?: number; mark?: number } = {}
    if (carries.floor && compareBallots(floor, this.#floor) > 0) {
      this.#floor = floor
      entry.floor = floor
    }
    if (carries.minimum && minimum > this.#minimum) {
      this.#minimum = minimum
      entry.minimum = minimum
    }
    if (carries.mark) {
      this.#startMark = Math.max(this.#startMark, mark)
      if (mark > this.#diskMark) entry.mark = mark
      this.#states.forEach((state, key) => {
        if (!state) return
        const least = this.#world.rules.recovered(state.accepted, this.#startMark).promised
        this.#states[key] = { ...state, promised: maxBallot(state.promised, least) }
      })
    }
    this.#commit.append({ key: 0, ...entry, whenFlushed: done })
  }

  /** T8: a change of the bucket's record raises the minimum. */
  raiseMinimum(epoch: number, generation: number, respond: (raised: boolean) => void): void {
    if (this.epoch !== epoch || this.entering) return respond(false)
    if (!this.#world.layout.member(epoch, this.index)) return respond(false)
    this.#minimum = Math.max(this.#minimum, generation)
    this.#commit.append({
      key: 0,
      minimum: generation,
      whenFlushed: () => respond(this.epoch === epoch || !this.#world.rules.recheckEpoch),
    })
  }

  /** What is flushed here of a tombstone at this ballot: exactly it, or nothing, and no way for it to come
   * back (G2). */
  tombstoneState(key: number, ballot: Ballot): 'exact' | 'absent' | 'other' {
    if (this.entering) return 'other'
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
    if (epoch !== this.epoch || this.entering) return
    const result = this.#world.rules.collect(this.state(key), this.#floor, ballot)
    if (!result) return
    this.#states[key] = result.state
    this.#floor = result.floor
    this.#world.checker.collected(this.index, key)
    this.#commit.append({ key, collected: result.floor })
  }

  /** Learns a later epoch, and all between (L4, L9). */
  adopt(epoch: number): void {
    const { layout, rules } = this.#world
    const before = this.#enteredAt
    while (this.epoch < epoch) {
      const bit = 1 << this.index
      this.epoch++
      const now = layout.epoch(this.epoch)
      const serves = (now.memberMask & bit) !== 0
      if (!serves && (now.learnerMask & bit) === 0) {
        if (!this.#onlyLearnt || rules.discardHeadStart) this.#wasOut = true
      } else if (this.#wasOut) {
        if (rules.discardOnEntry) this.#enteredAt = this.epoch
        this.#wasOut = false
        this.#onlyLearnt = !serves
      }
      if (serves) this.#onlyLearnt = false
    }
    if (this.#enteredAt !== before) this.#discard()
    this.#world.adopted(this)
  }

  /** L8: others have its registers now. */
  dropRegisters(): void {
    if (this.holdsRegisters) this.#commit.append({ key: 0, discard: this.#discardedFor })
  }

  /** A block, received and flushed. `done` is not called when the node crashes first. */
  putData(id: number, done: () => void): void {
    if (this.data.has(id)) return done()
    this.#commit.append({ key: 0, data: id, whenFlushed: done })
  }

  /** Loses memory and, of a flush under way, all but a prefix. */
  crash(): void {
    assert(this.up)
    this.up = false
    this.life++
    this.#commit.crash()
    this.#states.fill(undefined)
  }

  restart(): void {
    const { rules, checker } = this.#world
    this.up = true
    this.boot++
    this.#startMark = this.#diskMark
    this.#minimum = this.#diskMinimum
    // At a start every floor counts as at least the mark (A1).
    const least = rules.recovered(undefined, this.#startMark).promised
    this.#floor = maxBallot(this.#diskFloor, least)
    const floor = ballotNumber(this.#diskFloor)
    this.#disk.forEach((accepted, key) => checker.restarted(this.index, key, accepted, floor))
    if (!rules.discardSurvivesCrash) this.#discardedFor = this.#enteredAt
    if (this.entering) this.#discard()
  }

  image(): Image {
    return {
      disk: [...this.#disk],
      floor: this.#diskFloor,
      mark: this.#diskMark,
      minimum: this.#diskMinimum,
      epoch: this.epoch,
      discarded: this.#discardedFor,
      data: [...this.data],
      blocks: [...this.blocks],
    }
  }

  /** Another disk, empty or an earlier copy, under the same storage id. Only where a rule is broken. */
  exchangeDisk(image: Image | undefined, epoch: number): void {
    assert(!this.up)
    this.#disk.forEach((_, key) => (this.#disk[key] = image?.disk[key]))
    this.#diskFloor = image?.floor ?? ZERO_BALLOT
    this.#diskMark = image?.mark ?? 1
    this.#diskMinimum = image?.minimum ?? 0
    this.epoch = image?.epoch ?? epoch
    this.#discardedFor = image?.discarded ?? this.#enteredAt
    this.whole.clear()
    this.data.clear()
    this.blocks.clear()
    for (const id of image?.data ?? []) this.data.add(id)
    for (const block of image?.blocks ?? []) this.blocks.add(block)
    for (let key = 0; key < this.#disk.length; key++) {
      this.#world.checker.discarded(this.index, key)
    }
  }

  #env(): AcceptorEnv {
    return {
      mark: this.#diskMark,
      floor: this.#floor,
      epoch: this.epoch,
      minimumGeneration: this.#minimum,
      holdsBlock: (block) => this.blocks.has(block),
      clockMs: 1,
      faulty: false,
    }
  }

  /** L9: until it is flushed the node is entering, in this life and the next. */
  #discard(): void {
    this.#commit.append({
      key: 0,
      discard: this.#enteredAt,
      whenFlushed: () => {
        if (!this.entering) this.#world.adopted(this)
      },
    })
  }

  #apply(entries: readonly DiskEntry[]): void {
    const { checker } = this.#world
    for (const entry of entries) {
      const { key, persist, mark, floor, minimum, collected, data, discard } = entry
      if (mark !== undefined && mark > this.#diskMark) this.#diskMark = mark
      if (minimum !== undefined && minimum > this.#diskMinimum) this.#diskMinimum = minimum
      if (floor) this.#diskFloor = maxBallot(this.#diskFloor, floor)
      if (data !== undefined) this.data.add(data)
      if (discard !== undefined) this.#discarded(discard)
      if (persist) {
        this.#disk[key] = persist
        // A late accept of something that can't be chosen any more may lose its block meanwhile (G5).
        const holdsBlocks = persist.value.blocks.every(
          (block) => this.blocks.has(block) || checker.isFreed(block),
        )
        checker.flushed(this.index, key, persist, holdsBlocks)
      }
      if (collected) {
        this.#disk[key] = undefined
        this.#diskFloor = maxBallot(this.#diskFloor, collected)
      }
    }
  }

  #discarded(epoch: number): void {
    this.#discardedFor = Math.max(this.#discardedFor, epoch)
    for (let key = 0; key < this.#disk.length; key++) {
      this.#states[key] = { promised: this.state(key).promised }
      this.#disk[key] = undefined
      this.#world.checker.discarded(this.index, key)
    }
  }
}
