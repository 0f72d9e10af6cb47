/**
 * Walks what this node holds, at a bounded rate, and finds what no change reported: orphaned blocks, tombstones to collect,
 * uploads and parts to look after. Each partition is walked by the first of its replicas that is connected, so that usually
 * one node does it. Two nodes that walk the same partition do no harm.
 *
 * Blocks of a partition, slice by slice:
 * 1. Take the keys of a slice, without those that a register of the same partition names (packed blocks and the newest
 *    pages). This looks at local rows only.
 * 2. For each data id that is left, ask whether its attempt is over. If that is not known, pass it over.
 * 3. Read the owner from the block's own record, and look which data its registers name now (a read).
 * 4. Data that is not named is a candidate: the collector checks it by changes (G5).
 *
 * A block that was stored after step 1 is not in the slice. When the state that names a block comes in between, the walk of
 * the registers or the read finds it.
 */

import { batchesOf } from '../tools/in-batches.ts'
import { byteString, bytesOf, u16 } from '../../protocol/bytes.ts'
import { decodeState, isTombstoneState } from '../../protocol/codec/state.ts'
import { objectCodec } from '../../protocol/codec/versioned.ts'
import type { UploadSweep } from '../objects/upload-sweeper.ts'
import type { BlockKey, DataId, NodeId, RegisterKey } from '../../protocol/ids.ts'
import { dataIdOf } from '../../protocol/keyspace/block-key.ts'
import type { BlockOwner } from '../../protocol/keyspace/owner.ts'
import { spaceOf } from '../../protocol/keyspace/register-key.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Store } from '../log/store.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { endOfPartitionRows } from '../replica/index-rows.ts'
import { stateOfRow } from '../replica/row-format.ts'
import type { FreeCandidate } from './collector.ts'
import type { Tombstone } from '../replica/tombstones.ts'
import type { ReachabilityCheck } from './reachability-check.ts'
import { sleep } from '../tools/sleep.ts'

/** Rows read without letting anything else run. */
const PAGE_ROWS = 200
/** Keys of blocks that are held in memory at a time. */
const SLICE_BLOCKS = 20_000
/** Results of one pass, kept so that the other blocks of the same data cost nothing. */
const KNOWN_MAX = 50_000
/** The wait while the collector is full. */
const BUSY_PAUSE_MS = 1_000
/** The longest wait before the first pass. */
const FIRST_PAUSE_MS = 60_000
/** A look at the registers of one data id counts as this many rows. */
const LOOK_ROWS = 4

export interface ScanOptions {
  readonly self: NodeId
  readonly store: Pick<Store, 'range'>
  readonly view: () => LayoutView
  readonly connected: (node: NodeId) => boolean
  readonly isMember: () => boolean
  /** From the block's own record; undefined when it is gone or damaged. */
  readonly ownerOf: (key: BlockKey) => Promise<BlockOwner | undefined>
  readonly watermarks: { ask(ids: readonly DataId[]): Promise<ReadonlySet<DataId>> }
  readonly reachability: Pick<ReachabilityCheck, 'look'>
  readonly collector: {
    addCandidate(candidate: FreeCandidate): void
    knows(id: DataId, keys: readonly BlockKey[]): boolean
    readonly isFull: boolean
  }
  readonly tombstones: { add(tombstone: Tombstone): void }
  readonly care: UploadSweep
  readonly clock: Clock
  readonly logger: Logger
  /** Between two passes. */
  readonly pauseMs: number
  readonly rowsPerSecond: number
}

export class Scan {
  passes = 0
  /** Rows read in all passes. */
  rows = 0
  /** Data that looked unreferenced, over all passes. */
  orphans = 0
  readonly #options: ScanOptions
  /** What this pass has found out about data ids. */
  #known = new Map<DataId, 'referenced' | 'candidate'>()
  #cancel: (() => void) | undefined
  #running: Promise<void> | undefined
  /** Rows read since the last pause. */
  #sinceSleep = 0
  #stopped = false

  constructor(options: ScanOptions) {
    this.#options = options
  }

  /** The first pass comes soon, because the last process took with it what it had still to free. */
  start(): void {
    this.#later(Math.min(this.#options.pauseMs, FIRST_PAUSE_MS))
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  /** Resolves when a pass that begins now, or the one under way, is over. */
  pass(): Promise<void> {
    this.#running ??= this.#pass().finally(() => (this.#running = undefined))
    return this.#running
  }

  #later(delayMs: number): void {
    if (this.#stopped) return
    this.#cancel = this.#options.clock.after(delayMs, () => {
      this.pass()
        .catch((error: unknown) => {
          this.#options.logger.warn(
            { error: String(error) },
            'space: the scan failed and will be tried again',
          )
        })
        .finally(() => this.#later(this.#options.pauseMs))
    })
  }

  /** One walk over the partitions that are this node's to walk. Each is taken by the layout of the moment. */
  async #pass(): Promise<void> {
    const { view, self, isMember } = this.#options
    this.#known = new Map()
    if (!isMember()) return
    for (const partition of view().partitionsOf(self)) {
      if (this.#stopped) return
      if (!this.#isMine(partition)) continue
      await this.#registers(partition)
      await this.#blocks(partition)
    }
    this.passes++
  }

  /** Whether this node is the first replica that is connected, as far as it can see. */
  #isMine(partition: number): boolean {
    const { self, view, connected } = this.#options
    return (
      view()
        .replicas(partition)
        .find((node) => node === self || connected(node)) === self
    )
  }

  /** Hands over tombstones, uploads, parts, and objects with tickets. A damaged row is left to repair. */
  async #registers(partition: number): Promise<void> {
    const { care, tombstones } = this.#options
    const prefix = `r${u16(partition)}`
    for await (const page of this.#pages(prefix)) {
      for (const { key: rowKey, row } of page) {
        const key = rowKey.slice(1) as RegisterKey
        const state = stateOfRow(row)
        if (state === undefined) continue
        if (isTombstoneState(state)) {
          tombstones.add({ key, ballot: decodeState(state).ballot })
          continue
        }
        const space = spaceOf(key)
        if (space === 'upload') await this.#guard(() => care.upload(key))
        else if (space === 'part') await this.#guard(() => care.part(key))
        else if (space === 'object' && hasTickets(state)) await this.#guard(() => care.tickets(key))
      }
    }
  }

  /** Looks at the partition's blocks in slices. */
  async #blocks(partition: number): Promise<void> {
    const prefix = `b${u16(partition)}`
    let slice = new Map<BlockKey, true>()
    for await (const page of this.#pages(prefix)) {
      for (const { key } of page) slice.set(key.slice(1) as BlockKey, true)
      if (slice.size < SLICE_BLOCKS) continue
      await this.#slice(partition, slice)
      slice = new Map()
    }
    if (slice.size > 0) await this.#slice(partition, slice)
  }

  /** Steps 1 to 4 for the blocks of one slice. */
  async #slice(partition: number, slice: Map<BlockKey, true>): Promise<void> {
    for await (const page of this.#pages(`r${u16(partition)}`)) {
      for (const { row } of page) {
        const state = stateOfRow(row)
        if (state === undefined) continue
        for (const block of decodeState(state).value.blocks) slice.delete(block)
      }
    }
    const byData = new Map<DataId, BlockKey[]>()
    for (const key of slice.keys()) {
      const id = dataIdOf(key)
      const keys = byData.get(id)
      if (keys === undefined) byData.set(id, [key])
      else keys.push(key)
    }
    const ids = [...byData.keys()]
    for (const some of batchesOf(ids, PAGE_ROWS)) {
      if (this.#stopped) return
      const over = await this.#options.watermarks.ask(some)
      for (const id of some) {
        await this.#pace(LOOK_ROWS)
        if (over.has(id)) await this.#guard(() => this.#data(id, byData.get(id)!))
      }
    }
  }

  /** Steps 3 and 4 for one data id whose attempt is over. */
  async #data(dataId: DataId, keys: readonly BlockKey[]): Promise<void> {
    const { ownerOf, reachability, collector } = this.#options
    if (collector.knows(dataId, keys)) return
    const owner = await this.#ownerOf(keys, ownerOf)
    if (owner === undefined) return
    let known = this.#known.get(dataId)
    if (known === undefined) {
      const result = await reachability.look(owner, dataId)
      if (result !== 'dead' && result !== 'referenced') return
      known = result === 'dead' ? 'candidate' : 'referenced'
      if (this.#known.size >= KNOWN_MAX) this.#known.clear()
      this.#known.set(dataId, known)
      if (known === 'candidate') this.orphans++
    }
    if (known === 'referenced') return
    while (collector.isFull && !this.#stopped) await this.#sleep(BUSY_PAUSE_MS)
    collector.addCandidate({ owner, dataId, keys })
  }

  /** From the first record that can be read: all blocks of one data id have the same owner. */
  async #ownerOf(
    keys: readonly BlockKey[],
    ownerOf: ScanOptions['ownerOf'],
  ): Promise<BlockOwner | undefined> {
    for (const key of keys) {
      const owner = await ownerOf(key)
      if (owner !== undefined) return owner
    }
    return undefined
  }

  /** Leaves what fails to the next pass. */
  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#options.logger.debug({ error: String(error) }, 'space: left for the next scan')
    }
  }

  /** Pages of copied rows: the rows may change between two pages. */
  async *#pages(prefix: string): AsyncGenerator<{ key: string; row: Uint8Array }[]> {
    const end = bytesOf(endOfPartitionRows(prefix))
    let start = bytesOf(prefix)
    for (;;) {
      const page: { key: string; row: Uint8Array }[] = []
      this.#options.store.range(start, end, PAGE_ROWS, (key, row) => {
        page.push({ key: byteString(key), row: row.slice() })
      })
      if (page.length === 0 || this.#stopped) return
      this.rows += page.length
      yield page
      if (page.length < PAGE_ROWS) return
      await this.#pace(page.length)
      start = bytesOf(`${page.at(-1)!.key}\0`)
    }
  }

  /** Sleeps for the time that this many rows may take. */
  async #pace(rows: number): Promise<void> {
    this.#sinceSleep += rows
    if (this.#sinceSleep < PAGE_ROWS) return
    const { rowsPerSecond } = this.#options
    const delayMs = (this.#sinceSleep * 1_000) / rowsPerSecond
    this.#sinceSleep = 0
    await this.#sleep(delayMs)
  }

  #sleep(delayMs: number): Promise<void> {
    return sleep(this.#options.clock, delayMs)
  }
}

/** Whether an object has tickets of completions. */
function hasTickets(state: Uint8Array): boolean {
  return objectCodec.decode(decodeState(state).value.body).uploads.length > 0
}
