/**
 * Blocks beside registers: written before the register's change (P7), moved in the background after the set
 * has changed, read from sources meanwhile (L5), and dropped by old holders (L8).
 */

import { bits, setMask } from './masks.ts'
import type { KernelSource } from './layout.ts'
import { EpochWork } from './sync.ts'
import type { BlockBook, KernelReplica, KernelWorld } from './parts.ts'

type Answer = 'yes' | 'no' | 'stale'

/** Which write has which block, and whether each can still be had. */
export class DataBook implements BlockBook {
  readonly #world: KernelWorld
  readonly #idOf = new Map<string, number>()

  constructor(world: KernelWorld) {
    this.#world = world
  }

  begin(operation: string): number {
    const id = this.#idOf.size
    this.#idOf.set(operation, id)
    return id
  }

  idOf(operation: string): number | undefined {
    return this.#idOf.get(operation)
  }

  /** What the latest chosen state names is where a reader of the latest epoch asks for it. */
  check(key: number): void {
    const { checker, layout } = this.#world
    const latest = checker.latest(key)
    const id = latest && this.#idOf.get(latest.operation)
    if (latest === undefined || id === undefined) return
    for (const node of layout.last.holders) {
      const replica = this.#world.replica(node)
      if (!replica.lost && replica.data.has(id)) return
    }
    checker.violation(
      `block ${id} of ${latest.operation}: no node that is asked has it (P7, L5, L8)`,
    )
  }

  checkAll(): void {
    for (let key = 0; key < this.#world.scenario.keys; key++) this.check(key)
  }

  /** Flushes the block on a majority of each set (P7); false when that takes longer than the deadline. */
  upload(
    replica: KernelReplica,
    id: number,
    deadline: number,
    done: (flushed: boolean) => void,
  ): void {
    const world = this.#world
    const { epoch, life } = replica
    const { sets, masks } = world.layout.epoch(epoch)
    let acknowledged = 0
    let open = true
    const again = (): void => {
      if (!open || replica.life !== life) return
      open = false
      if (world.now >= deadline) done(false)
      else this.upload(replica, id, deadline, done)
    }
    for (const node of new Set(sets.flat())) {
      world.links.ask<Answer>(
        replica,
        node,
        (respond) => this.#receive(world.replica(node), replica.index, { id, epoch }, respond),
        (answer) => {
          if (!open) return
          if (answer === 'stale' && replica.epoch > epoch) return again()
          if (answer !== 'yes') return
          acknowledged |= 1 << node
          if (!masks.every(({ mask, need }) => bits(mask & acknowledged) >= need)) return
          open = false
          done(true)
        },
      )
    }
    world.after(70, again)
  }

  #receive(
    to: KernelReplica,
    from: number,
    { id, epoch }: { id: number; epoch: number },
    respond: (answer: Answer) => void,
  ): void {
    const world = this.#world
    if (to.epoch < epoch) to.adopt(epoch)
    const stale = (): void => {
      world.links.message(to.index, from, () => {
        if (world.replica(from).epoch < to.epoch) world.replica(from).adopt(to.epoch)
      })
      respond('stale')
    }
    if (to.epoch !== epoch) return stale()
    if (!world.layout.member(epoch, to.index)) return respond('no')
    to.putData(id, () => {
      if (to.epoch !== epoch && world.rules.recheckEpoch) return stale()
      respond('yes')
    })
  }

  /** A reader looks for the block of what it has read. Says what is wrong only when all have answered. */
  fetch(replica: KernelReplica, key: number, operation: string): void {
    const world = this.#world
    const id = this.#idOf.get(operation)
    if (id === undefined) return
    const { epoch } = replica
    const { holders, sets } = world.layout.epoch(epoch)
    const asked = world.rules.readsAskSources ? holders : [...new Set(sets.flat())]
    const next = (at: number): void => {
      const node = asked[at]
      if (node === undefined) {
        const current = epoch === world.layout.latest && world.checker.latest(key)
        if (!current || current.operation !== operation) return
        return world.checker.violation(`block ${id} of ${operation} not found by a reader (L5)`)
      }
      world.links.ask<boolean>(
        replica,
        node,
        (respond) => respond(world.replica(node).data.has(id)),
        (found) => {
          if (found === false) next(at + 1)
          else if (found) world.count('blocks read')
        },
      )
    }
    next(0)
  }
}

/** Pulls what the sources have, source by source; what each is done with is durable (`whole`). */
export class Mover extends EpochWork {
  start(): void {
    const { sources, set } = this.world.layout.epoch(this.epoch)
    if (!set.includes(this.replica.index)) return
    for (const source of sources) {
      if (!this.replica.whole.has(source.epoch)) this.later(() => this.#names(source))
    }
  }

  /** F+1 of the source's set, who take no more of its epoch: any block of a majority is at one of them. */
  #names(source: KernelSource): void {
    const { world, replica } = this
    const need = world.rules.wholeSources(source.set.length)
    const named = new Map<number, readonly number[]>()
    let answers = 0
    for (const node of source.set) {
      world.links.ask<readonly number[] | undefined>(
        replica,
        node,
        (respond) => {
          const other = world.replica(node)
          if (other.epoch < this.epoch) other.adopt(this.epoch)
          respond(other.epoch === this.epoch ? [...other.data] : undefined)
        },
        (ids) => {
          answers++
          if (this.over || named.size >= need) return
          if (ids && named.set(node, ids).size === need) this.#pull(source, [...named])
          else if (answers === source.set.length) this.later(() => this.#names(source))
        },
      )
    }
  }

  #pull(source: KernelSource, named: readonly (readonly [number, readonly number[]])[]): void {
    const { world, replica } = this
    const [first, ...rest] = named
    if (!first) {
      world.count('whole')
      replica.whole.add(source.epoch)
      return
    }
    const [node, ids] = first
    const missing = ids.filter((id) => !replica.data.has(id))
    if (missing.length === 0) return this.#pull(source, rest)
    world.links.ask<readonly number[]>(
      replica,
      node,
      (respond) => respond(missing.filter((id) => world.replica(node).data.has(id))),
      (got) => {
        if (this.over) return
        if (!got) return this.later(() => this.#names(source))
        let waiting = got.length
        const flushed = (): void => {
          world.count('blocks moved')
          if (--waiting <= 0 && !this.over) this.#pull(source, rest)
        }
        if (waiting === 0) return this.#pull(source, rest)
        for (const id of got) replica.putData(id, flushed)
      },
    )
  }
}

/** L8: an old holder drops registers once F+1 hold the epoch, and each block once all R members have it. */
export function dropLeft(world: KernelWorld, replica: KernelReplica): void {
  const { epoch, life } = replica
  const { state, set, memberMask, learnerMask, sourceMask } = world.layout.epoch(epoch)
  const bit = 1 << replica.index
  if (((memberMask | learnerMask) & bit) !== 0) return
  const { rules, checker } = world
  if (replica.holdsRegisters && state === 'STABLE') {
    const { need } = setMask(set)
    const held = set.filter((node) => world.replica(node).epoch >= epoch).length >= need
    if (held || !rules.dropAfterEpochIsHeld) {
      if (!held)
        checker.violation(`n${replica.index} drops registers before ${need} hold ${epoch} (L8)`)
      replica.dropRegisters()
      world.count('registers dropped')
    }
  }
  if (replica.data.size === 0) return
  if (!rules.dropAfterCopies) {
    replica.data.clear()
    return world.data.checkAll()
  }
  if (state !== 'STABLE' || (sourceMask & bit) !== 0) return
  const offered = [...replica.data]
  const copies = new Map<number, number>()
  let answers = 0
  for (const node of set) {
    world.links.ask<readonly number[]>(
      replica,
      node,
      (respond) => {
        const other = world.replica(node)
        if (other.epoch < epoch) other.adopt(epoch)
        if (other.epoch !== epoch) return
        respond(offered.filter((id) => other.data.has(id)))
        // What is missing here comes with the question.
        for (const id of offered) other.putData(id, () => undefined)
      },
      (ids) => {
        for (const id of ids ?? []) copies.set(id, (copies.get(id) ?? 0) + 1)
        if (++answers < set.length || replica.epoch !== epoch || replica.life !== life) return
        for (const [id, count] of copies) {
          if (count < set.length) continue
          replica.data.delete(id)
          world.count('blocks dropped')
        }
        world.data.checkAll()
      },
    )
  }
}
