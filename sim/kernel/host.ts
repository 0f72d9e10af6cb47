/**
 * A simulated node's proposer half: counters, cached ballots, one operation at a time for a key (P1),
 * and what a host does with each outcome.
 */

import type { BlockKey, BucketId, OperationId } from '../../protocol/ids.ts'
import type { Ballot } from '../../protocol/register/ballot.ts'
import type { Change, ChangeResult } from '../../protocol/register/proposer-options.ts'
import type { Attempt, PriorBallot, ProposerOutcome } from '../../protocol/register/step.ts'
import type { Accepted, Fence, RegisterValue } from '../../protocol/register/types.ts'
import { ballotNumber, simProposer } from './ballots.ts'
import { Drive } from './drive.ts'
import type { KernelProposerHost, KernelReplica, KernelWorld, WriteKind } from './parts.ts'

const BUCKET = 'b' as BucketId
const EMPTY = new Uint8Array(0)

/** One write from its start to its answer, over all its attempts. */
interface WriteCall {
  readonly key: number
  readonly kind: WriteKind
  /** Operation of the state that a conditional write wants to find. */
  readonly expected: string | undefined
  readonly operation: OperationId
  readonly blocks: readonly BlockKey[]
  readonly startedAt: number
  /** Epoch of the node when the write began. */
  readonly begunIn: number
  readonly deadline: number
  readonly finish: (known: string | undefined) => void
  /** Blocks that the change takes out and that no attempt will propose again (G5). */
  released: readonly BlockKey[]
  retried: boolean
}

export class Host implements KernelProposerHost {
  readonly #world: KernelWorld
  readonly #replica: KernelReplica
  /** The bucket's generation as it knows it (T8). */
  generation = 0
  #counter = 0
  #priors: (PriorBallot | undefined)[] = []
  #busy: boolean[] = []

  constructor(world: KernelWorld, replica: KernelReplica) {
    this.#world = world
    this.#replica = replica
  }

  /** Memory is gone; counters start again, under a new boot number (P1). */
  restarted(): void {
    this.#counter = 0
    this.#priors = []
    this.#busy = []
  }

  busy(key: number): boolean {
    return this.#busy[key] === true
  }

  /** Answers with the operation that is now known to be the key's state, if any is. */
  write(
    key: number,
    kind: WriteKind,
    expected: string | undefined,
    done: (known: string | undefined) => void,
  ): void {
    const world = this.#world
    const startedAt = world.now
    const operation = world.newOperation()
    const { blockPermille, dataPermille } = world.scenario
    const begunIn = this.#replica.epoch
    const named = kind !== 'delete' && world.random.chance(blockPermille)
    const blocks = named ? [`block of ${operation}` as BlockKey] : []
    for (const block of blocks) world.attempts.begin(block, key, this.#replica)
    const deadline = startedAt + 100 + world.random.int(300)
    const { life } = this.#replica
    this.#busy[key] = true
    const finish = (known: string | undefined): void => {
      if (this.#replica.life === life) {
        this.#busy[key] = false
        for (const block of blocks) world.attempts.end(block)
      }
      done(known)
    }
    const call: WriteCall = {
      key,
      kind,
      expected,
      operation,
      blocks,
      startedAt,
      begunIn,
      deadline,
      finish,
      released: [],
      retried: false,
    }
    if (kind === 'delete' || !world.random.chance(dataPermille)) return this.#try(call, undefined)
    world.data.upload(this.#replica, world.data.begin(operation), deadline, (flushed) => {
      if (flushed && this.#replica.life === life) this.#try(call, undefined)
      else finish(undefined)
    })
  }

  #try(call: WriteCall, attempt: Attempt | undefined): void {
    const world = this.#world
    const { key, operation, deadline } = call
    // What was begun before the node was out of the cluster is never taken up again (G5).
    const { index, epoch } = this.#replica
    if (world.rules.giveUpWhenOut && world.layout.wasOut(index, call.begunIn, epoch)) {
      return call.finish(undefined)
    }
    const prior = this.#takePrior(key)
    const { generation } = this
    this.#propose(key, {
      operation,
      deadline,
      attempt,
      prior,
      change: (current) => {
        const before = current?.blocks ?? []
        call.released = before.filter((block) => world.attempts.isOver(block, this.#replica))
        if (!world.rules.fenceFirst) this.#free(key, call.released)
        return decide(call.kind, call.expected, call.blocks, current)
      },
      done: (outcome) => this.#onOutcome(call, generation, outcome),
    })
  }

  /** `generation`: the bucket's, when the attempt began. */
  #onOutcome(call: WriteCall, generation: number, outcome: ProposerOutcome | undefined): void {
    const world = this.#world
    const { key, operation, startedAt, deadline, finish } = call
    switch (outcome?.type) {
      case 'written':
        this.#priors[key] = outcome.prior
        world.bucket.answered(startedAt, generation)
        if (outcome.overtakenBy === undefined) {
          world.checker.answeredWrite(key, operation, ballotNumber(outcome.ballot))
        } else {
          const { ballot, overtakenBy } = outcome
          world.checker.answeredRead(key, startedAt, { ballot, value: overtakenBy })
          world.checker.answeredOvertaken(key, operation)
        }
        this.#free(key, call.released)
        return finish(operation)
      case 'kept':
        world.bucket.answered(startedAt, generation)
        world.checker.answeredRead(key, startedAt, outcome.current)
        return finish(outcome.current?.value.operation)
      case 'stale-epoch':
        this.#replica.adopt(outcome.epoch)
        if (world.now < deadline) return this.#try(call, outcome.attempt)
        return finish(undefined)
      case 'stale-fence':
        this.#learn(outcome.generation)
        if (world.now < deadline) return this.#try(call, outcome.attempt)
        return finish(undefined)
      case 'unknown':
        if (world.rules.retryUnknown && !call.retried) {
          call.retried = true
          return this.#try(call, undefined)
        }
        return finish(undefined)
      case 'unavailable':
      case undefined:
        return finish(undefined)
    }
  }

  #learn(generation: number): void {
    this.generation = Math.max(this.generation, generation)
  }

  get #fence(): { fence?: Fence } {
    const { generation } = this
    return this.#world.scenario.bucketEvery === 0 ? {} : { fence: { bucket: BUCKET, generation } }
  }

  #free(key: number, blocks: readonly BlockKey[]): void {
    const { attempts, scenario } = this.#world
    if (scenario.freeEvery === 0) return
    for (const block of blocks) attempts.free(key, block)
  }

  /** A change that keeps what is there, and buries what is not: afterwards nothing older can be chosen. */
  level(key: number, deadline: number, done: (current: Accepted | undefined) => void): void {
    const world = this.#world
    const startedAt = world.now
    const { life } = this.#replica
    this.#busy[key] = true
    this.#priors[key] = undefined
    this.#propose(key, {
      operation: world.newOperation(),
      deadline,
      attempt: undefined,
      prior: undefined,
      change: (current) =>
        current === undefined
          ? { write: { tombstone: true, body: EMPTY, blocks: [] } }
          : { keep: true, rewrite: true },
      done: (outcome) => {
        if (this.#replica.life === life) this.#busy[key] = false
        switch (outcome?.type) {
          case 'written':
            return done(outcome)
          case 'kept':
            world.checker.answeredRead(key, startedAt, outcome.current)
            return done(outcome.current)
          case 'stale-epoch':
            this.#replica.adopt(outcome.epoch)
            return done(undefined)
          case 'unknown':
          case 'unavailable':
          case 'stale-fence':
          case undefined:
            return done(undefined)
        }
      },
    })
  }

  read(
    key: number,
    done: (known: string | undefined, state?: { accepted?: Accepted | undefined }) => void,
  ): void {
    const world = this.#world
    const startedAt = world.now
    const deadline = startedAt + 100 + world.random.int(300)
    const run = (): void => {
      const { generation } = this
      const epoch = world.layout.epoch(this.#replica.epoch)
      const machine = world.rules.reader({
        key: world.keyName(key),
        sets: epoch.ids,
        epoch: this.#replica.epoch,
        preferred: [this.#replica.id],
        ...this.#fence,
      })
      const drive = new Drive(world, this.#replica, {
        key,
        machine,
        deadline,
        done: (outcome) => {
          switch (outcome?.type) {
            case 'state':
              world.bucket.answered(startedAt, generation)
              world.checker.answeredRead(key, startedAt, outcome.accepted)
              return done(outcome.accepted?.value.operation, outcome)
            case 'needs-identity':
              if (this.busy(key)) return done(undefined)
              return this.identity(key, deadline, startedAt, (current) =>
                done(current?.value.operation),
              )
            case 'stale-epoch':
              this.#replica.adopt(outcome.epoch)
              if (world.now < deadline) return run()
              return done(undefined)
            case 'stale-fence':
              this.#learn(outcome.generation)
              if (world.now < deadline) return run()
              return done(undefined)
            case 'unavailable':
            case undefined:
              return done(undefined)
          }
        },
      })
      drive.start()
    }
    run()
  }

  /** An identity change. `done(undefined, false)` when it had no outcome. */
  identity(
    key: number,
    deadline: number,
    startedAt: number,
    done: (current: Accepted | undefined, settled: boolean) => void,
    rewrite = false,
  ): void {
    const world = this.#world
    const { life } = this.#replica
    this.#busy[key] = true
    this.#priors[key] = undefined
    const { epoch } = this.#replica
    const machine = world.rules.identity({
      key: world.keyName(key),
      proposer: this.#proposer,
      nextCounter: this.#nextCounter,
      sets: world.layout.epoch(epoch).ids,
      epoch,
      rewrite,
    })
    const drive = new Drive(world, this.#replica, {
      key,
      machine,
      deadline,
      track: { operation: '', seen: undefined, priorBase: 0 },
      done: (outcome) => {
        if (this.#replica.life === life) this.#busy[key] = false
        if (outcome?.type === 'stale-epoch') this.#replica.adopt(outcome.epoch)
        if (outcome?.type !== 'kept') return done(undefined, false)
        world.checker.answeredRead(key, startedAt, outcome.current)
        done(outcome.current, true)
      },
    })
    drive.start()
  }

  get #proposer(): Ballot['proposer'] {
    return simProposer(this.#replica.index, this.#world.rules.bootOf(this.#replica.boot))
  }

  readonly #nextCounter = (above: number): number => {
    // Hosts share one counter among their keys, so that it jumps.
    this.#counter = Math.max(this.#counter, above) + 1
    return this.#counter
  }

  #takePrior(key: number): PriorBallot | undefined {
    const prior = this.#priors[key]
    if (this.#world.rules.forgetPrior) this.#priors[key] = undefined
    return prior && this.#world.rules.prior(prior, this.#replica.epoch)
  }

  #propose(
    key: number,
    options: {
      operation: OperationId
      deadline: number
      attempt: Attempt | undefined
      prior: PriorBallot | undefined
      change: Change
      done: (outcome: ProposerOutcome | undefined) => void
    },
  ): void {
    const world = this.#world
    const { operation, deadline, attempt, prior, change, done } = options
    const { epoch } = this.#replica
    const priorBase = prior ? ballotNumber(prior.accepted.ballot) : 0
    const track = { operation, seen: undefined as string | undefined, priorBase }
    const machine = world.rules.proposer({
      key: world.keyName(key),
      operation,
      proposer: this.#proposer,
      nextCounter: this.#nextCounter,
      sets: world.layout.epoch(epoch).ids,
      epoch,
      ...this.#fence,
      change: (current, chosen, clockMs) => {
        track.seen = current?.operation
        return change(current, chosen, clockMs)
      },
      attempt,
      prior,
    })
    new Drive(world, this.#replica, { key, machine, track, deadline, done }).start()
  }
}

function decide(
  kind: WriteKind,
  expected: string | undefined,
  blocks: readonly BlockKey[],
  current: RegisterValue | undefined,
): ChangeResult {
  const present = current !== undefined && !current.tombstone
  switch (kind) {
    case 'create':
      if (present) return { keep: true }
      break
    case 'swap':
      if (!present || current.operation !== expected) return { keep: true }
      break
    case 'delete':
      if (!present) return { keep: true }
      return { write: { tombstone: true, body: EMPTY, blocks: [] } }
    case 'put':
      break
  }
  return { write: { tombstone: false, body: EMPTY, blocks } }
}
