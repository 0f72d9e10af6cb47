/**
 * Wires the parts that reclaim space: the collector of data that changes released, the scan for what they did not report,
 * the queue of blocks to free, and the collection of deleted registers. Started by the node's assembly.
 */

import type { BlockKey, NodeId, RegisterKey } from '../../protocol/ids.ts'
import type { BlockOwner } from '../../protocol/keyspace/owner.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import type { Attempts } from '../replica/attempts.ts'
import type { Store } from '../log/store.ts'
import type { Clock, Logger } from '../env/ports.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import type { ReplicaPlacement } from '../quorum/replica-placement.ts'
import { blockRow } from '../replica/index-rows.ts'
import { AttemptWatermarks, type AttemptPeers } from '../replica/attempt-watermarks.ts'
import { Collector, type CollectorCounters } from './collector.ts'
import { DeadData } from '../replica/dead-data.ts'
import { FreeQueue, type FreeingPeers } from './free-queue.ts'
import { ReachabilityCheck } from './reachability-check.ts'
import { GenerationSweeper, type GenerationSweeperOptions } from './generation-sweeper.ts'
import type { ObjectReferences, ReadBlock } from './references.ts'
import { cachedReferences } from './reference-cache.ts'
import { KeptBlocks } from '../replica/kept-blocks.ts'
import { READERS_TOLD_MS, type Readers } from '../replica/readers.ts'
import { Scan } from './scan.ts'
import { type UploadSweep } from '../objects/upload-sweeper.ts'
import { Tombstones, type CollectingPeers } from '../replica/tombstones.ts'

export interface SpaceSettings {
  /** How long readers that have just begun keep what was overwritten or deleted. Default 30 s, at least 3 s. */
  readonly reclaimDelayMs?: number | undefined
  /** Between two passes of the scan. Default 60 s. */
  readonly scanPauseMs?: number | undefined
  /** Rows that the scan reads in a second. Default 500. */
  readonly scanPerSecond?: number | undefined
  /** Younger tombstones are left alone. Default 15 s: longer than any operation takes. */
  readonly tombstoneDelayMs?: number | undefined
  /** Between two looks for minimum generations of deleted buckets. Default 5 minutes. */
  readonly generationPauseMs?: number | undefined
}

export interface SpaceOptions extends SpaceSettings {
  readonly self: NodeId
  readonly store: Pick<Store, 'get' | 'range' | 'stats'>
  readonly attempts: Attempts
  /** Whether in every active set a majority holds the epoch of the view. */
  readonly isEpochHeld: () => boolean
  readonly dead: DeadData
  readonly peers: AttemptPeers & FreeingPeers & CollectingPeers & GenerationSweeperOptions['peers']
  readonly host: GenerationSweeperOptions['host']
  readonly registers: RegisterClient
  readonly placement: ReplicaPlacement
  readonly view: () => LayoutView
  readonly isMember: () => boolean
  /** The owner in a block's own record on this node; undefined when it is gone or damaged. */
  readonly ownerOf: (key: BlockKey) => Promise<BlockOwner | undefined>
  /** The state of a register on this node, without a vote. */
  readonly peek: (key: RegisterKey) => RegisterValue | undefined
  readonly readBlock: ReadBlock
  /** Reads pages and manifests too (Objects.references). */
  readonly objectReferences: ObjectReferences
  /** Looks after uploads that the scan meets. */
  readonly care: UploadSweep
  /** Frees blocks of this node that no request reads. */
  readonly forget: (keys: readonly BlockKey[]) => Promise<unknown>
  readonly readers: Readers
  /** What this node has freed and forgotten since its start, at its own request and that of others. */
  readonly freed: () => { blocks: number; bytes: number; registers: number }
  readonly clock: Clock
  readonly logger: Logger
  readonly partitionBits: () => number
}

export interface SpaceCounters extends Readonly<CollectorCounters> {
  /** Data and blocks waiting to be checked or freed. */
  readonly queued: number
  /** Blocks of this node that were freed. */
  readonly freedBlocks: number
  readonly freedBytes: number
  /** Blocks that some node could not be told of. */
  readonly unsent: number
  readonly scanPasses: number
  readonly scannedRows: number
  /** Data that the scan found without a reference. */
  readonly orphans: number
  /** Deleted registers that this node has forgotten (G2). */
  readonly registersCollected: number
  readonly tombstonesPending: number
  /** Attempts of this node to store data that are under way. */
  readonly attemptsRunning: number
  /** Blocks of this node that may be freed and are being read. */
  readonly keptBlocks: number
}

export class SpaceReclaim {
  /** Which attempts are over. */
  readonly watermarks: AttemptWatermarks
  /** Blocks on their way to be freed. */
  readonly freer: FreeQueue
  readonly reachability: ReachabilityCheck
  /** Gets what objects, uploads and buckets release. */
  readonly collector: Collector
  readonly tombstones: Tombstones
  readonly scan: Scan
  /** Drops minimum generations of deleted buckets. */
  readonly generations: GenerationSweeper
  /** Blocks that wait for their readers. */
  readonly kept: KeptBlocks
  readonly #options: SpaceOptions

  constructor(options: SpaceOptions) {
    this.#options = options
    const { attempts, peers, view, clock, registers, readBlock, logger, dead } = options
    const { placement, partitionBits, self, store, isMember, isEpochHeld } = options
    this.watermarks = new AttemptWatermarks({ attempts, peers, view, isEpochHeld, clock })
    this.kept = new KeptBlocks({
      isRead: (id) => options.readers.isRead(id),
      free: options.forget,
      clock,
      logger,
    })
    this.freer = new FreeQueue({ peers, placement, clock })
    this.reachability = new ReachabilityCheck({
      registers,
      watermarks: this.watermarks,
      peek: options.peek,
      objectReferences: cachedReferences(options.objectReferences),
      readBlock,
      partitionBits,
    })
    this.collector = new Collector({
      watermarks: this.watermarks,
      reachability: this.reachability,
      freer: this.freer,
      dead,
      clock,
      logger,
      partitionBits,
      reclaimDelayMs: Math.max(options.reclaimDelayMs ?? 30_000, READERS_TOLD_MS),
      isShort: () => store.stats().full,
      holds: (key) => store.get(blockRow(key)) !== undefined,
    })
    this.tombstones = new Tombstones({
      peers,
      view,
      clock,
      logger,
      delayMs: options.tombstoneDelayMs ?? 15_000,
    })
    this.generations = new GenerationSweeper({
      store,
      host: options.host,
      peers,
      view,
      isMember,
      clock,
      logger,
      pauseMs: options.generationPauseMs ?? 300_000,
    })
    this.scan = new Scan({
      self,
      store,
      view,
      connected: (node) => peers.connected(node),
      isMember,
      ownerOf: options.ownerOf,
      watermarks: this.watermarks,
      reachability: this.reachability,
      collector: this.collector,
      tombstones: this.tombstones,
      care: options.care,
      clock,
      logger,
      pauseMs: options.scanPauseMs ?? 60_000,
      rowsPerSecond: options.scanPerSecond ?? 500,
    })
  }

  /** Begins the walks. The rest works when it is given something. */
  start(): void {
    this.scan.start()
    this.generations.start()
  }

  stop(): void {
    this.scan.stop()
    this.generations.stop()
    this.collector.stop()
    this.tombstones.stop()
    this.freer.stop()
    this.watermarks.stop()
    this.kept.stop()
    this.#options.readers.stop()
  }

  /** For status and metrics. */
  counters(): SpaceCounters {
    const { blocks, bytes, registers } = this.#options.freed()
    return {
      ...this.collector.counters,
      queued: this.collector.queueLength + this.freer.pending,
      freedBlocks: blocks,
      freedBytes: bytes,
      unsent: this.freer.unsent,
      scanPasses: this.scan.passes,
      scannedRows: this.scan.rows,
      orphans: this.scan.orphans,
      registersCollected: registers,
      tombstonesPending: this.tombstones.pending,
      attemptsRunning: this.#options.attempts.runningCount,
      keptBlocks: this.kept.size,
    }
  }
}
