/**
 * Checks that the blocks that registers name exist: the second half of a scrub.
 *
 * 1. Walk the registers of this node's partitions, and list the blocks that each names, also through pages.
 * 2. A block that this node should hold must be here. For a block that only other nodes hold, ask the first of them that
 *    is connected. That node fetches what it lacks.
 * 3. A block that is missing is fetched from any replica that has it.
 * 4. When no replica gives it, all replicas are asked (loss-check.ts), and then the register is read again. If it still
 *    names the block, the block is lost for good and noted. A block that a replica which is away may have is not lost.
 */

import { batchesOf } from '../tools/in-batches.ts'
import { byteString, bytesOf, u16 } from '../../protocol/bytes.ts'
import { decodeState } from '../../protocol/codec/state.ts'
import type { BlockKey, NodeId, RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { bucketIdOf } from '../../protocol/keyspace/register-key.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import type { Store } from '../log/store.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { endOfPartitionRows } from '../replica/index-rows.ts'
import { stateOfRow } from '../replica/row-format.ts'
import type { LostObject } from './lost-objects.ts'
import { namedBlocks, type NamedBlocks } from './named-blocks.ts'
import type { ReadBlock } from './references.ts'
import { sleep } from '../tools/sleep.ts'

/** Rows that are checked together, and then paid for with a pause. */
const PAGE_ROWS = 100
/** Blocks in one message. */
export const HOLDS_ASKED_MAX = 1_000
const CALL_TIMEOUT_MS = 4_000

export interface ReferenceCheckOptions {
  readonly self: NodeId
  readonly store: Pick<Store, 'range'>
  readonly blocks: { has(key: BlockKey): boolean; put(block: OwnedBlock): Promise<void> }
  readonly view: () => LayoutView
  readonly peers: {
    connected(node: NodeId): boolean
    /** Resolves with whether the node has each block. Undefined when the node is at another epoch. */
    holds(
      to: NodeId,
      epoch: number,
      keys: readonly BlockKey[],
      options: { timeoutMs: number },
    ): Promise<readonly boolean[] | undefined>
  }
  /** Reads a block from any replica. Undefined when none gave it. */
  readonly readOwned: (key: BlockKey) => Promise<OwnedBlock | undefined>
  readonly isLost: (key: BlockKey) => Promise<boolean>
  /** Resolves with the value that is chosen now, undefined when there is none. Rejects when that can't be known. */
  readonly readRegister: (key: RegisterKey) => Promise<RegisterValue | undefined>
  readonly note: (object: LostObject) => void
  readonly clock: Clock
  readonly logger: Logger
  readonly partitionBits: () => number
}

export interface ReferenceCounts {
  registers: number
  /** Blocks that were not where they should be. */
  missing: number
  /** Missing blocks that this node has fetched. */
  fetched: number
  /** Entries that are lost for good. */
  lost: number
  /** Missing blocks that a replica which is away may have. */
  unknown: number
}

/** How fast a pass goes, and when it ends early. */
interface Pace {
  readonly rowsPerSecond: number
  readonly isStopped: () => boolean
}

/** A register that is not a tombstone, as this node has it. */
interface Row {
  readonly key: RegisterKey
  readonly value: RegisterValue
}

export class ReferenceCheck {
  readonly #options: ReferenceCheckOptions
  /** Entries of this pass that were found lost: their other blocks need no look. */
  readonly #lost = new WeakSet<NamedBlocks>()

  constructor(options: ReferenceCheckOptions) {
    this.#options = options
  }

  /**
   * Walks all registers of this node's partitions once. What fails is counted as unknown and left to the next pass.
   * Never throws for a single register.
   */
  async pass({ rowsPerSecond, isStopped }: Pace): Promise<ReferenceCounts> {
    const counts = { registers: 0, missing: 0, fetched: 0, lost: 0, unknown: 0 }
    const { view, self } = this.#options
    for (const partition of view().partitionsOf(self)) {
      for (const page of this.#pages(partition)) {
        if (isStopped()) return counts
        await this.#checkPage(page, counts)
        await this.#sleep((page.length * 1_000) / rowsPerSecond)
      }
    }
    return counts
  }

  /**
   * What is lost of the register now: at most one entry for each version, part or page. Undefined when that can't be
   * known, because a replica that is away may have a block. Rejects when the register can't be read.
   */
  async lostOf(key: RegisterKey): Promise<readonly LostObject[] | undefined> {
    const { readRegister } = this.#options
    const value = await readRegister(key)
    if (value === undefined) return []
    const found: LostObject[] = []
    for await (const named of this.#named({ key, value })) {
      for (const block of named.blocks) {
        if ((await this.#fetch(block)) !== undefined) continue
        if (!(await this.#isLost(key, block))) return undefined
        found.push(this.#lostObject(key, named))
        break
      }
    }
    return found
  }

  /** Registers of objects, parts and uploads. Rows that are damaged are left to repair. */
  *#pages(partition: number): Generator<Row[]> {
    const prefix = `r${u16(partition)}`
    const end = bytesOf(endOfPartitionRows(prefix))
    let start = bytesOf(prefix)
    for (;;) {
      const page: Row[] = []
      let last = ''
      let rows = 0
      this.#options.store.range(start, end, PAGE_ROWS, (rowKey, row) => {
        rows++
        last = byteString(rowKey)
        const key = last.slice(1) as RegisterKey
        const state = stateOfRow(row)
        if (state === undefined || bucketIdOf(key) === undefined) return
        const { value } = decodeState(state.slice())
        if (!value.tombstone) page.push({ key, value })
      })
      if (page.length > 0) yield page
      if (rows < PAGE_ROWS) return
      start = bytesOf(`${last}\0`)
    }
  }

  /** Checks where each block of these registers should be: here, or at the node that is asked for it. */
  async #checkPage(page: readonly Row[], counts: ReferenceCounts): Promise<void> {
    const { logger } = this.#options
    const elsewhere = new Map<NodeId, { key: BlockKey; row: Row; named: NamedBlocks }[]>()
    // One layout decides which node should hold a block and which is asked: a later one may give it to others.
    const layout = this.#options.view()
    for (const row of page) {
      counts.registers++
      try {
        for await (const named of this.#named(row)) {
          for (const block of named.blocks) {
            const holder = this.#holderOf(layout, block)
            if (holder === undefined) continue
            if (holder === this.#options.self) {
              if (!this.#options.blocks.has(block)) await this.#missing(row, named, block, counts)
              continue
            }
            const asked = elsewhere.get(holder) ?? []
            asked.push({ key: block, row, named })
            elsewhere.set(holder, asked)
          }
        }
      } catch (error) {
        counts.unknown++
        logger.debug({ error: String(error) }, 'scrub: a register could not be checked')
      }
    }
    const { peers } = this.#options
    for (const [node, asked] of elsewhere) {
      for (const some of batchesOf(asked, HOLDS_ASKED_MAX)) {
        const keys = some.map(({ key }) => key)
        const held = await peers
          .holds(node, layout.epoch, keys, { timeoutMs: CALL_TIMEOUT_MS })
          .catch(() => undefined)
        for (const [i, { key, row, named }] of some.entries()) {
          if (held === undefined) counts.unknown++
          else if (held[i] !== true) await this.#missing(row, named, key, counts)
        }
      }
    }
  }

  /** This node where it should hold the block, else the first replica that is connected. */
  #holderOf(layout: LayoutView, block: BlockKey): NodeId | undefined {
    const { self, peers } = this.#options
    const replicas = layout.replicas(partitionOfKey(block))
    if (replicas.includes(self)) return self
    return replicas.find((node) => peers.connected(node)) ?? replicas[0]
  }

  /** A block is not where it should be: fetches it, or finds out whether it is lost. */
  async #missing(
    row: Row,
    named: NamedBlocks,
    block: BlockKey,
    counts: ReferenceCounts,
  ): Promise<void> {
    counts.missing++
    const { note, logger } = this.#options
    // One lost block of a version is enough.
    if (this.#lost.has(named)) return
    try {
      const found = await this.#fetch(block)
      if (found !== undefined) {
        if (found === 'fetched') counts.fetched++
      } else if (await this.#isLost(row.key, block)) {
        counts.lost++
        this.#lost.add(named)
        note(this.#lostObject(row.key, named))
      } else {
        counts.unknown++
      }
    } catch (error) {
      counts.unknown++
      logger.debug({ error: String(error) }, 'scrub: a block could not be looked for')
    }
  }

  /** Brings the block to this node if it should be here. Resolves with undefined when no replica gave it. */
  async #fetch(key: BlockKey): Promise<'here' | 'fetched' | 'elsewhere' | undefined> {
    const { blocks, readOwned, view, self } = this.#options
    if (blocks.has(key)) return 'here'
    const block = await readOwned(key)
    if (block === undefined) return undefined
    if (!view().replicas(partitionOfKey(key)).includes(self)) return 'elsewhere'
    await blocks.put(block)
    return 'fetched'
  }

  /** Whether no replica has the block, and the register still names it after they all have answered (R4). */
  async #isLost(key: RegisterKey, block: BlockKey): Promise<boolean> {
    const { isLost, readRegister } = this.#options
    if (!(await isLost(block))) return false
    const value = await readRegister(key)
    if (value === undefined) return false
    for await (const { blocks } of this.#named({ key, value })) {
      if (blocks.includes(block)) return true
    }
    return false
  }

  /** What the register names. Pages and manifests are read from any replica. */
  #named({ key, value }: Row): AsyncGenerator<NamedBlocks> {
    const { readOwned, partitionBits } = this.#options
    const read: ReadBlock = async (block) => (await readOwned(block))?.bytes
    return namedBlocks(key, value, read, partitionBits())
  }

  #lostObject(register: RegisterKey, { versionId, sizeBytes }: NamedBlocks): LostObject {
    return { register, versionId, sizeBytes, foundMs: this.#options.clock.nowMs() }
  }

  #sleep(delayMs: number): Promise<void> {
    return sleep(this.#options.clock, delayMs)
  }
}
