/**
 * Blocks that nothing refers to are freed (G5): the attempt is over, and after that a change of the register
 * finds no reference. The change that overwrote or deleted the last one will do, when the attempt was known
 * to be over inside it.
 */

import type { BlockKey } from '../../protocol/ids.ts'
import type { AttemptBook, KernelReplica, KernelWorld } from './parts.ts'

/** One data id that a write has used, by whom and in which boot. */
interface Written {
  readonly block: BlockKey
  readonly key: number
  readonly by: number
  readonly boot: number
}

export class KernelAttempts implements AttemptBook {
  readonly #world: KernelWorld
  readonly #written: Written[] = []
  readonly #running = new Set<BlockKey>()
  readonly #freed = new Set<BlockKey>()

  constructor(world: KernelWorld) {
    this.#world = world
  }

  begin(block: BlockKey, key: number, replica: KernelReplica): void {
    this.#written.push({ block, key, by: replica.index, boot: replica.boot })
    this.#running.add(block)
  }

  /** Nothing will be proposed again that names it. */
  end(block: BlockKey): void {
    this.#running.delete(block)
  }

  /**
   * As its node says at this moment, or a later boot of it shows; a node that is down says nothing. Or the
   * node has left, by the epoch of the one who asks, and a majority of each set holds that epoch.
   */
  isOver(block: BlockKey, asker: KernelReplica): boolean {
    const { rules } = this.#world
    if (!rules.askAttempt) return true
    const written = this.#written.find((each) => each.block === block)
    if (!written) return false
    if (this.#hasLeft(written.by, asker)) return true
    const node = this.#world.replica(written.by)
    if (!node.up) return false
    return node.boot > written.boot || !this.#running.has(block)
  }

  #hasLeft(node: number, asker: KernelReplica): boolean {
    const { layout, rules } = this.#world
    if (rules.attemptsOfLeft === 'decided') return !layout.inCluster(layout.latest, node)
    if (layout.inCluster(asker.epoch, node)) return false
    return layout
      .epoch(asker.epoch)
      .sets.every(
        (set) =>
          set.filter((member) => this.#world.replica(member).epoch >= asker.epoch).length >=
          (set.length >> 1) + 1,
      )
  }

  /** Tells every node to delete the block. */
  free(key: number, block: BlockKey): void {
    if (this.#freed.has(block)) return
    this.#freed.add(block)
    this.#world.checker.freed(key, block)
    for (let node = 0; node < this.#world.nodes; node++) {
      const replica = this.#world.replica(node)
      this.#world.links.message(node, node, () => replica.blocks.delete(block))
    }
  }

  /** Any block that was written and is not freed. */
  pick(): { key: number; block: BlockKey } | undefined {
    const left = this.#written.filter(({ block }) => !this.#freed.has(block))
    return left.length === 0 ? undefined : this.#world.random.pick(left)
  }
}

/** The collector asks about one block. */
export function tryFree(world: KernelWorld, replica: KernelReplica): void {
  const found = world.attempts.pick()
  if (!found) return
  const { key, block } = found
  const host = world.host(replica)
  if (host.busy(key) || !world.attempts.isOver(block, replica)) return
  const judge = (blocks: readonly BlockKey[] | undefined): void => {
    if (blocks && !blocks.includes(block)) world.attempts.free(key, block)
  }
  const deadline = world.now + 200
  switch (world.rules.freeAfter) {
    case 'change':
      return host.level(key, deadline, (current) => judge(current && current.value.blocks))
    case 'identity':
      return host.identity(
        key,
        deadline,
        world.now,
        (current, settled) => judge(settled ? (current?.value.blocks ?? []) : undefined),
        true,
      )
    case 'read':
      return host.read(key, (_, current) =>
        judge(current && (current.accepted?.value.blocks ?? [])),
      )
  }
}
