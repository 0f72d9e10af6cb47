/**
 * Which partitions this node may vote on with the registers that it has (L9). A node that enters the replica set of a
 * partition, and was out of it in any epoch since it last served it, may still have registers of that time. Other replicas
 * may have overwritten or collected them since, without asking it. They are dropped, durably, before the node votes.
 *
 * Every entry of the layout is looked at, also when several are adopted at once, and after a start. A partition that the
 * node neither holds nor learns in one of them is not held any more. So what a learner pulls is good for one run of PLANNED
 * entries, and for the JOINT entry that follows them. A STABLE entry in between ends it.
 *
 * A node that was away for long gets the entries that prove the layout, not all entries. A STABLE entry may be among those
 * that were left out, so the node assumes one wherever entries are missing.
 */

import type { NodeId, StorageId } from '../../protocol/ids.ts'
import type { DecidedEntry, Member } from '../../protocol/layout/entry.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import type { Store } from '../log/store.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { Turns } from '../tools/sleep.ts'
import { dropRegisters } from '../replica/drop-registers.ts'
import type { AcceptorHost } from '../replica/acceptor-host.ts'
import type { Forgotten } from '../repair/forgotten.ts'
import { bitmapOf, emptyBitmap, type Bitmap } from '../../protocol/keyspace/bitmap.ts'
import { MOVE_FILE, unlessNoSpace, type MoveFile } from './move-file.ts'

/** Partitions written down at once: a cluster has 33,024, and each write costs a flush. */
const HELD_AT_ONCE = 4_096
const PARTITION_ROWS = 4

export interface Chain {
  current(): LayoutView | undefined
  /** Decided entries after this epoch. */
  entriesAfter(epoch: number): readonly DecidedEntry[]
}

export interface EnteringOptions {
  readonly self: NodeId
  readonly storageId: StorageId
  readonly file: MoveFile
  readonly chain: Chain
  readonly store: Store
  readonly host: Pick<AcceptorHost, 'removals' | 'whenFlushed'>
  readonly clock: Clock
  readonly logger: Logger
}

export class Entering {
  readonly #options: EnteringOptions
  /** The view of the last entry that was looked at since the start. It lends its placements to the next one. */
  #view: LayoutView | undefined

  constructor(options: EnteringOptions) {
    this.#options = options
    this.follow()
  }

  /** Looks at the entries that were adopted since the last look. Cheap when there is none. */
  follow(): void {
    const { chain, file } = this.#options
    const current = chain.current()
    if (current === undefined || current.epoch <= file.epoch) return
    for (const { entry } of this.unseen()) {
      if (entry.epoch > file.epoch + 1) this.followGap()
      const view =
        entry.epoch === current.epoch ? current : new LayoutView(entry, this.#view ?? current)
      this.#view = view
      const sources = view.sources.map(({ epoch }) => epoch)
      file.follow(entry.epoch, this.#places(view), sources)
    }
  }

  /** Acts as if STABLE(P) followed the last entry that was looked at: the end of a plan that was abandoned. */
  followGap(): void {
    const { chain, file } = this.#options
    const before = chain.entriesAfter(0).findLast(({ entry }) => entry.epoch <= file.epoch)
    if (before === undefined) {
      file.follow(file.epoch, emptyBitmap(), [])
      return
    }
    const { next: _next, nextReplication: _replication, ...rest } = before.entry
    const view = new LayoutView({ ...rest, state: 'STABLE' })
    const sources = view.sources.map(({ epoch }) => epoch)
    file.follow(file.epoch, this.#places(view), sources)
  }

  /** Looks at each of the entries that were adopted since the last look. */
  unseen(): readonly DecidedEntry[] {
    const { chain, file } = this.#options
    return chain.entriesAfter(file.epoch)
  }

  /** Whether the registers here of the partition are not left over from an earlier time. */
  serves(partition: number): boolean {
    this.follow()
    return this.#options.file.isHeld(partition)
  }

  /** Those of these partitions of which something may be left over. */
  among(partitions: readonly number[]): number[] {
    return partitions.filter((partition) => !this.serves(partition))
  }

  /** Drops what is left over of these partitions. They are held when it resolves, unless the layout has changed. */
  async clear(partitions: readonly number[], isOver: () => boolean): Promise<void> {
    const { store, host, clock, file, logger } = this.#options
    // Accepts that passed the check in an earlier epoch may be on their way to the disk (L6b).
    await host.whenFlushed()
    const turns = new Turns(clock)
    let gone = 0
    let clean: number[] = []
    const flush = async (): Promise<void> => {
      await file.hold(clean)
      clean = []
    }
    for (const partition of partitions) {
      await turns.took(PARTITION_ROWS)
      const isAllowed = (): boolean => !isOver() && !file.isHeld(partition)
      const { dropped, isDone } = await dropRegisters(partition, {
        store,
        host,
        clock,
        isAllowed,
      })
      gone += dropped
      if (isOver()) return
      if (isDone) clean.push(partition)
      if (clean.length >= HELD_AT_ONCE) await flush()
    }
    if (clean.length > 0) await flush()
    if (gone > 0) {
      const { length } = partitions
      logger.info(
        { registers: gone, partitions: length },
        'dropped data that was left over from an earlier time',
      )
    }
  }

  /** Partitions whose registers here stay good: those that the node holds, and those that it learns. */
  #places(view: LayoutView): Bitmap {
    const { members, next } = view.entry
    const { self } = this.#options
    const partitions: number[] = []
    if (this.#isAmong(members)) partitions.push(...view.placement.partitionsOf(self))
    if (next !== undefined && this.#isAmong(next)) {
      partitions.push(...view.nextPlacement!.partitionsOf(self))
    }
    return bitmapOf(partitions)
  }

  #isAmong(members: readonly Member[]): boolean {
    const { self, storageId } = this.#options
    return members.some((member) => member.nodeId === self && member.storageId === storageId)
  }
}

/**
 * Prepares the file of moves at the start, before the node answers anything. The file is new for a directory of an earlier
 * program; nothing was ever left over there, because layouts changed only while no node held data. Where data may have
 * moved, a missing file is damage: this node can't tell what is left over, and registers that no other replica has are
 * dropped when the partitions are compared (D8). A `forgotten` file of an earlier program also gets the partitions of
 * which missing blocks can still do harm.
 */
export async function prepareMoveFile(
  file: MoveFile,
  chain: Chain,
  forgotten: Pick<Forgotten, 'add' | 'completeEarlierFile'>,
  logger: Logger,
): Promise<void> {
  await forgotten.completeEarlierFile(() => movingPartitions(file, chain.current()))
  if (file.found === 'sound') return
  const entries = chain.entriesAfter(0)
  const hasMoved = entries.some(
    ({ entry }) => entry.state === 'PLANNED' || entry.sources !== undefined,
  )
  if (file.found === 'unreadable' || hasMoved) {
    const why = file.found === 'unreadable' ? 'it is damaged' : 'it is missing'
    logger.error(
      { file: MOVE_FILE },
      `it is not known what is left over of earlier layouts: ${why}`,
    )
    const detail = `${MOVE_FILE}: ${why}`
    await forgotten.add([{ partitions: 'all', mark: false, reason: 'damage', detail }])
  }
  // When there is no room for it now, it is written later. Until then each start finds it as this one did.
  await file.begin(chain.current()?.epoch ?? 0, emptyBitmap().fill(0xff)).catch(unlessNoSpace)
}

/** Partitions that have a source, or will have one, and of which not all blocks are here. */
function movingPartitions(file: MoveFile, view: LayoutView | undefined): Set<number> {
  const moving = new Set<number>(view?.moved())
  for (const source of view?.sources ?? []) {
    for (const partition of source.movedTo()) {
      if (!file.isWhole(source.epoch, partition)) moving.add(partition)
    }
  }
  return moving
}
