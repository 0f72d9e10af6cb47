/** What the admin port shows: status, gauges, and where a key lies. */

import type { LocateResult } from '../../gateway/port/locate-result.ts'
import { StoreError } from '../../protocol/errors.ts'
import { hex, utf8ByteString } from '../../protocol/bytes.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { metaKeyHash, partitionOf, shardOf } from '../../protocol/keyspace/key.ts'
import { xorDistances } from '../../protocol/keyspace/distance.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { isSameSet } from '../../protocol/register/quorum.ts'
import type { WireStatusReply } from '../../protocol/rpc/messages.js'
import type {
  LayoutChange,
  LayoutChanged,
  LayoutPlan,
  LayoutTable,
  LossReport,
  PlannedChange,
} from '../../gateway/port/layout.ts'
import type {
  AdminBackend,
  Gauge,
  LostStatus,
  NodeStatus,
  ScrubStatus,
} from '../../gateway/port/backend.ts'
import type { SecretStatus, TokenStatus } from '../../gateway/port/status.ts'
import type { BlockStore } from '../replica/blocks.ts'
import type { Replicator } from '../quorum/replicator.ts'
import type { Store } from '../log/store.ts'
import type { Clock, Logger, Network } from '../env/ports.ts'
import type { DiskWatch } from '../env/watched-disk.ts'
import { AcceptLoss } from './accept-loss.ts'
import { LayoutAdmin } from './layout-admin.ts'
import { abstainsLine, heldOf } from './layout-table.ts'
import { MembershipError } from '../layout/errors.ts'
import { leftLine } from '../layout/former.ts'
import type { LayoutManager } from '../layout/layout-manager.ts'
import type { TokenOptions } from '../layout/token-office.ts'
import type { Buckets } from '../objects/buckets.ts'
import { internalContext } from '../tools/internal-context.ts'
import { movesOf } from './move-progress.ts'
import { nameOf, namesOf } from '../process/node-name.ts'
import { addBit, hasBit } from '../../protocol/keyspace/bitmap.ts'
import type { BlockMoves } from '../rebalance/block-moves.ts'
import type { DamagedRegisters } from '../repair/damaged-registers.ts'
import type { Forgotten, ForgottenNote } from '../repair/forgotten.ts'
import type { ReadRoom } from '../quorum/read-room.ts'
import type { Recall } from '../repair/recall.ts'
import type { SelfCheck } from '../repair/self-check.ts'
import type { Resync } from '../repair/resync.ts'
import type { Peers } from '../quorum/peers.ts'
import type { LostData } from '../reclaim/lost-data.ts'
import type { SpaceCounters } from '../reclaim/space-reclaim.ts'
import { awayLines, spareOf } from './spare-replicas.ts'
import type { SecretUpkeep } from './secret-upkeep.ts'
import { untoldOf } from './untold.ts'
import type { Upkeep } from '../repair/upkeep.ts'

const ASK_TIMEOUT_MS = 2_000
/** One that did not answer lately. */
const ASK_SLOW_TIMEOUT_MS = 250
/** Reasons that one node tells of. */
const WHY_MAX = 5
const WALK_TIMEOUT_MS = 8_000
/** Not answering for so long is said. */
const DISK_SILENT_SECONDS = 3

export interface StatusOptions {
  readonly layout: LayoutManager
  readonly network: Network
  readonly store: Store
  readonly disk: DiskWatch
  readonly replicator: Replicator
  readonly blocks: BlockStore
  readonly resync: Resync
  readonly recall: Pick<Recall, 'forgotten'>
  readonly forgotten: Pick<Forgotten, 'notes' | 'lacksBlocks' | 'lackingBlocks' | 'noteLost'>
  readonly selfCheck: Pick<SelfCheck, 'isProven'>
  readonly peers: Peers
  readonly buckets: Buckets
  readonly clock: Clock
  readonly startedMs: number
  readonly recovery: () => NodeStatus['recovery']
  readonly upkeep: Upkeep
  readonly secret: Pick<SecretUpkeep, 'status' | 'rotate'>
  /** What the collector has done and has to do. */
  readonly space: () => SpaceCounters
  readonly lost: Pick<LostData, 'report' | 'objects'>
  /** Found damaged, and not mended yet (D3). */
  readonly damaged: Pick<DamagedRegisters, 'waiting' | 'list' | 'giveUp'>
  readonly readRoom: ReadRoom
  /** What it has of the partition is not left over from an earlier time (L9). */
  readonly serves: (partition: number) => boolean
  readonly moves: Pick<BlockMoves, 'mover'>
  readonly logger: Logger
  readonly extraGauges: () => readonly Gauge[]
}

export class Status implements AdminBackend {
  readonly #options: StatusOptions
  readonly #layout: LayoutAdmin
  readonly #losses: AcceptLoss

  constructor(options: StatusOptions) {
    this.#options = options
    const { layout, network, lost } = options
    const common = {
      self: network.self,
      view: () => this.#view(),
      replies: (view: LayoutView) => this.#askAll(view),
      silentMs: (node: NodeId) => layout.silentMs(node),
      abstaining: () => layout.abstaining(),
      changes: layout.changes,
    }
    this.#layout = new LayoutAdmin(common)
    this.#losses = new AcceptLoss({ ...options, ...common, names: lost.report })
    layout.reportHeld(async (view) => heldOf(view, await this.#askAll(view), common.silentMs))
    layout.judgeRemovals((node) => this.#layout.keptBecause(node))
  }

  notReadyReason(): string | undefined {
    const { layout, peers, selfCheck } = this.#options
    const view = layout.current()
    if (view === undefined) return 'this node is not a member of a cluster yet'
    const left = layout.leftIn()
    if (left !== undefined) {
      return layout.role() === undefined
        ? leftLine(left)
        : `this node has left the members (epoch ${left}): others still copy blocks from it, so let it run`
    }
    if (!layout.isMember()) return 'this node is not a member of a cluster yet'
    const up = view.members.filter(({ nodeId }) => peers.connected(nodeId)).length
    if (up * 2 <= view.members.length) return `only ${up} of ${view.members.length} members are up`
    if (!selfCheck.isProven) {
      return 'not enough members have written down yet that this node has started'
    }
    return undefined
  }

  issueToken(options: TokenOptions): Promise<string> {
    return this.#options.layout.tokens.issue(options).catch(unavailable)
  }

  tokens(): readonly TokenStatus[] {
    return this.#options.layout.tokens.list().map(({ id, expiresMs, uses, nodes }) => ({
      id,
      expiresMs,
      uses,
      nodes,
      names: nodes.map((node) => nameOf(this.#view(), node)),
    }))
  }

  async revokeToken(id: string): Promise<boolean> {
    try {
      await this.#options.layout.tokens.revoke(id)
      return true
    } catch (error) {
      if (error instanceof MembershipError && error.code === 'no-such-token') return false
      return unavailable(error)
    }
  }

  secret(): SecretStatus {
    return this.#options.secret.status()
  }

  rotateSecret(overlapMs: number): Promise<SecretStatus> {
    return this.#options.secret.rotate(overlapMs)
  }

  startScrub(): ScrubStatus {
    this.#options.upkeep.startScrub(true)
    return this.scrubStatus()
  }

  scrubStatus(): ScrubStatus {
    return this.#options.upkeep.scrubStatus()
  }

  lost(): Promise<LostStatus> {
    return this.#options.lost.report.all()
  }

  layoutTable(): Promise<LayoutTable> {
    return this.#layout.table()
  }

  planChange(change: PlannedChange): Promise<LayoutPlan> {
    return this.#layout.plan(change)
  }

  applyChange(change: LayoutChange): Promise<LayoutChanged> {
    return this.#layout.apply(change)
  }

  cancelChange(): Promise<LayoutChanged> {
    return this.#layout.cancel()
  }

  proceedChange(): Promise<LayoutChanged> {
    return this.#layout.proceed()
  }

  lossReport(): Promise<LossReport> {
    return this.#losses.report()
  }

  acceptLoss(id: string): Promise<LossReport> {
    return this.#losses.accept(id)
  }

  /** What this node tells another about itself. */
  own(): WireStatusReply {
    const { layout, network, store, resync, recall, forgotten, serves } = this.#options
    const stats = store.stats()
    const behind = resync.behind()
    const open = recall.forgotten()
    for (const partition of open) addBit(behind, partition)
    const view = this.#view()
    for (const partition of view.partitionsOf(network.self)) {
      if (!serves(partition) || forgotten.lacksBlocks(partition)) addBit(behind, partition)
    }
    const { learning, lacking, move } = movesOf(view, network.self, layout.progress())
    return {
      epoch: view.epoch,
      behind,
      forgotten: open.length,
      forgottenWhy: open.length === 0 ? [] : forgotten.notes.open.map(textOfNote).slice(-WHY_MAX),
      lostPartitions: forgotten.notes.lostPartitions,
      freeBytes: stats.freeBytes,
      totalBytes: stats.totalBytes,
      logBytes: stats.logBytes,
      resyncPending: resync.pendingCount,
      resyncDone: resync.doneCount,
      unproven: !this.#options.selfCheck.isProven,
      learningTotal: learning.total,
      learningDone: learning.done,
      movePendingBytes: Math.ceil(move.pendingBytes),
      moveDoneBytes: Math.floor(move.doneBytes),
      moveBytesPerSecond: Math.floor(move.bytesPerSecond),
      lacking: lacking.map(({ epoch, partitions }) => ({ epoch, partitions })),
      ...untoldOf({ ...this.#options, self: network.self }, view, open),
    }
  }

  async status(): Promise<NodeStatus> {
    const { layout, network, store, disk, blocks, resync, clock, startedMs, recovery } =
      this.#options
    const view = this.#view()
    const [replies, lost] = await Promise.all([this.#askAll(view), this.lost()])
    const spare = spareOf(view, replies)
    const held = heldOf(view, replies, (node) => layout.silentMs(node))
    const abstaining = layout.abstaining()
    const abstains = abstaining && abstainsLine(view, network.self, abstaining)
    // A member that is gone for good could not be removed or replaced.
    const isTight = abstaining?.canLoseOne === false
    const stats = store.stats()
    const silentSeconds = Math.floor(disk.silentMs() / 1_000)
    const upkeep = this.#options.upkeep.status()
    const { freedBlocks, freedBytes, registersCollected, queued } = this.#options.space()
    return {
      node: network.self,
      cluster: view.clusterId,
      epoch: view.epoch,
      layoutState: view.state,
      replication: view.replication,
      warnings: [
        ...(view.members.length === 2
          ? ['two members: both must answer, so losing either one stops reads and writes']
          : []),
        ...[...replies].flatMap(([node, reply]) => memoryWarnings(node, reply)),
        ...awayLines(view, (node) => !replies.has(node) && !this.#options.peers.connected(node)),
        ...(held === undefined ? [] : [held.line]),
        ...(layout.status().undecided ? ['a change of the layout is undecided'] : []),
        ...(abstains === undefined ? [] : [abstains]),
        ...(silentSeconds >= DISK_SILENT_SECONDS
          ? [`the disk does not answer for ${silentSeconds} s`]
          : []),
        ...(stats.full ? ['the disk is full: deletes and reads only'] : []),
        ...(blocks.damagedCount > 0 ? [`${blocks.damagedCount} damaged blocks`] : []),
        ...damagedWarnings(this.#options.damaged.waiting()),
        ...(lost.objects.length > 0
          ? [`${lost.objects.length} LOST for good: \`shoal status --lost\` names them`]
          : []),
        ...(upkeep.scrub.left > 0
          ? [`the last scrub could not mend ${upkeep.scrub.left}: run \`shoal scrub\` again`]
          : []),
      ],
      members: view.members.map((member) => {
        const reply = replies.get(member.nodeId)
        return {
          node: member.nodeId,
          name: nameOf(view, member.nodeId),
          zone: member.zone,
          addresses: member.addresses,
          capacityBytes: member.capacityBytes,
          up: reply !== undefined,
          freeBytes: reply?.freeBytes,
          usedBytes: reply?.logBytes,
          forgottenPartitions: reply?.forgotten,
          forgottenWhy: reply?.forgottenWhy,
          lostPartitions: reply?.lostPartitions,
        }
      }),
      partitions: countPartitions(view, replies),
      resync: {
        pending: sum(replies, (reply) => reply.resyncPending),
        done: sum(replies, (reply) => reply.resyncDone),
        running: resync.running,
      },
      recovery: recovery(),
      space: {
        totalBytes: stats.totalBytes,
        freeBytes: stats.freeBytes,
        logBytes: stats.logBytes,
        deadBytes: stats.deadBytes,
        removalBytes: stats.removalBytes,
        freedBlocks,
        freedBytes,
        registersCollected,
        queued,
      },
      upkeep,
      lost: lost.objects.length,
      sources: view.sources.length,
      ...(held !== undefined && { held: { partitions: held.partitions, nodes: held.nodes } }),
      moves: {
        pendingBytes: sum(replies, (reply) => reply.movePendingBytes),
        bytesPerSecond: sum(replies, (reply) => reply.moveBytesPerSecond),
      },
      canLoseANode: spare.canLoseANode && !isTight,
      canLoseANodeWhy: spare.canLoseANode && isTight ? abstains! : spare.why,
      uptimeSeconds: Math.floor((clock.monotonicMs() - startedMs) / 1000),
    }
  }

  async locate(bucketName: string, key: string): Promise<LocateResult> {
    const { buckets, network } = this.#options
    const bucket = await buckets.read(internalContext(), bucketName)
    const view = this.#view()
    const shard = shardOf(bucket.id, utf8ByteString(key), bucket.shards)
    const hash = metaKeyHash(bucket.id, shard)
    const partition = partitionOf(hash, view.partitionBits)
    const replicas = view.replicas(partition)
    const distances = xorDistances(view, partition)
    const walked = await network
      .walk(partition, { timeoutMs: WALK_TIMEOUT_MS })
      .catch(() => undefined)
    return {
      bucket: bucketName,
      key,
      hash: hex(hash),
      partition,
      epoch: view.epoch,
      byLayout: replicas.map((node) => ({ node, distance: distances.get(node) ?? '' })),
      byWalk:
        walked === undefined
          ? undefined
          : { replicas: walked.replicas, provider: walked.provider, hops: walked.hops },
      names: namesOf(view, [
        ...replicas,
        ...(walked === undefined ? [] : [...walked.replicas, walked.provider]),
      ]),
      agree: walked !== undefined && isSameSet(walked.replicas, replicas),
    }
  }

  gauges(): readonly Gauge[] {
    const { store, disk, resync, layout, peers, blocks, extraGauges, upkeep } = this.#options
    const { readRoom: reads } = this.#options
    const { health } = peers
    const { room } = this.#options.replicator
    const space = this.#options.space()
    const stats = store.stats()
    const view = layout.current()
    const gauge = (name: string, help: string, value: number) =>
      ({ name, help, type: 'gauge', value }) as const
    const counter = (name: string, help: string, value: number) =>
      ({ name, help, type: 'counter', value }) as const
    return [
      counter('shoal_log_flushes_total', 'Flushes of the log', stats.flushes),
      counter('shoal_log_bytes_total', 'Bytes written to the log', stats.bytes),
      gauge('shoal_log_size_bytes', 'Size of all segments', stats.logBytes),
      gauge('shoal_log_dead_bytes', 'Of these, what compaction can free', stats.deadBytes),
      gauge(
        'shoal_log_removal_bytes',
        'Records of removals, needed while anything older is left',
        stats.removalBytes,
      ),
      gauge('shoal_log_segments', 'Segments of the log', stats.segments),
      counter('shoal_log_refused_total', 'Appends refused: too much waited', stats.refused),
      gauge('shoal_log_waiting_bytes', 'Appended and not flushed yet', stats.waitingBytes),
      gauge('shoal_log_damaged_records', 'Records found damaged at start', stats.damaged),
      gauge(
        'shoal_lost_objects',
        'What this node knows to be lost for good: no replica has its data',
        this.#options.lost.objects.count,
      ),
      gauge(
        'shoal_registers_damaged',
        'Registers found damaged and not mended yet: they give no vote',
        this.#options.damaged.waiting(),
      ),
      gauge('shoal_blocks_damaged', 'Blocks found damaged and not mended yet', blocks.damagedCount),
      gauge('shoal_index_pending_rows', 'Rows that the index has not committed', stats.pendingRows),
      gauge('shoal_disk_free_bytes', 'Free space of the disk', stats.freeBytes),
      gauge('shoal_disk_full', '1 when only deletes are written', stats.full ? 1 : 0),
      gauge(
        'shoal_forgotten_partitions',
        'Partitions on which this node does not vote because it may have forgotten something',
        this.#options.recall.forgotten().length,
      ),
      gauge(
        'shoal_lost_partitions',
        'Partitions without another replica of which something was lost for good',
        this.#options.forgotten.notes.lostPartitions,
      ),
      gauge('shoal_resync_pending', 'Partitions still to compare', resync.pendingCount),
      counter('shoal_resync_done_total', 'Registers and blocks pulled', resync.doneCount),
      counter('shoal_resync_bytes_total', 'Bytes of blocks pulled', resync.doneBytes),
      gauge(
        'shoal_index_rebuilt',
        '1 when the start rebuilt the index',
        stats.indexRebuilt ? 1 : 0,
      ),
      ...upkeep.gauges(),
      counter('shoal_space_freed_blocks_total', 'Blocks of this node freed', space.freedBlocks),
      counter('shoal_space_freed_bytes_total', 'Bytes of these', space.freedBytes),
      counter(
        'shoal_space_collected_registers_total',
        'Deleted registers that this node forgot',
        space.registersCollected,
      ),
      gauge('shoal_space_queued', 'Data waiting to be judged or freed', space.queued),
      counter(
        'shoal_space_unsent_total',
        'Freed blocks that some node could not be told of; the scan finds them',
        space.unsent,
      ),
      counter(
        'shoal_space_scans_total',
        'Searches for unreferenced data finished',
        space.scanPasses,
      ),
      counter('shoal_space_scanned_rows_total', 'Rows that these looked at', space.scannedRows),
      counter('shoal_space_orphans_total', 'Unreferenced data found by them', space.orphans),
      gauge(
        'shoal_space_tombstones_pending',
        'Deleted registers to forget',
        space.tombstonesPending,
      ),
      gauge(
        'shoal_space_kept_blocks',
        'Blocks that may be freed once nobody reads them any more',
        space.keptBlocks,
      ),
      gauge(
        'shoal_disk_silent_seconds',
        'Age of the oldest operation that the disk has not answered',
        disk.silentMs() / 1_000,
      ),
      counter(
        'shoal_disk_reads_refused_total',
        'Reads not begun because the disk did not answer',
        blocks.refusedReads,
      ),
      gauge('shoal_write_room_waiting_bytes', 'Blocks that wait for room', room.waitingBytes),
      counter('shoal_write_room_waits_total', 'Blocks that had to wait for room', room.waits),
      counter('shoal_write_room_refused_total', 'Blocks that waited in vain', room.refused),
      gauge('shoal_read_room_used_bytes', 'Blocks that are read or sent', reads.usedBytes),
      gauge(
        'shoal_read_room_readers_in_turns',
        'Readers that share what is left',
        reads.readersInTurns,
      ),
      counter('shoal_read_room_waits_total', 'Blocks that found no room of their own', reads.waits),
      counter('shoal_hedges_total', 'Second calls because a first one was slow', health.hedges),
      counter(
        'shoal_hedges_refused_total',
        'Second calls not made because there were too many',
        health.hedgesRefused,
      ),
      gauge('shoal_attempts_running', 'Attempts to store data under way', space.attemptsRunning),
      gauge('shoal_epoch', 'Epoch of the layout', view?.epoch ?? 0),
      gauge('shoal_members', 'Members of the layout', view?.members.length ?? 0),
      gauge(
        'shoal_members_up',
        'Members that are connected, this node included',
        view?.members.filter(({ nodeId }) => peers.connected(nodeId)).length ?? 0,
      ),
      ...extraGauges(),
    ]
  }

  async #askAll(view: LayoutView): Promise<Map<NodeId, WireStatusReply>> {
    const { network, peers } = this.#options
    const replies = new Map<NodeId, WireStatusReply>([[network.self, this.own()]])
    await Promise.all(
      view.known.map(async ({ nodeId }) => {
        if (nodeId === network.self || !peers.connected(nodeId)) return
        const isSlow = peers.health.isSlow(nodeId, 'other')
        const reply = await peers
          .status(nodeId, { timeoutMs: isSlow ? ASK_SLOW_TIMEOUT_MS : ASK_TIMEOUT_MS })
          .catch(() => undefined)
        if (reply !== undefined) replies.set(nodeId, reply)
      }),
    )
    return replies
  }

  #view(): LayoutView {
    const view = this.#options.layout.current()
    if (view === undefined) throw new Error('this node is not a member of a cluster yet')
    return view
  }
}

function textOfNote({ reason, detail }: ForgottenNote): string {
  return `${reason}: ${detail}`
}

function damagedWarnings(registers: number): string[] {
  if (registers === 0) return []
  return [`${registers} damaged registers give no vote here before the other replicas mend them`]
}

/** What a node may have forgotten, and what is gone for good (D8). */
function memoryWarnings(node: NodeId, reply: WireStatusReply): string[] {
  const { forgotten, forgottenWhy, lostPartitions } = reply
  const warnings: string[] = []
  if (forgotten > 0) {
    const why = forgottenWhy.length === 0 ? '' : ` (${forgottenWhy.join('; ')})`
    warnings.push(
      `node ${node} may have forgotten something and does not vote on ${forgotten} of its partitions ` +
        `before they are compared with their other replicas${why}`,
    )
  }
  if (lostPartitions > 0) {
    warnings.push(
      `node ${node} has lost something of ${lostPartitions} partitions for good: they had no other replica`,
    )
  }
  return warnings
}

/** Whole: every replica is up and has nothing left to compare. */
function countPartitions(
  view: LayoutView,
  replies: ReadonlyMap<NodeId, WireStatusReply>,
): NodeStatus['partitions'] {
  const counts = { total: view.partitions, whole: 0, degraded: 0, unverified: 0 }
  for (let partition = 0; partition < view.partitions; partition++) {
    let up = true
    let level = true
    for (const node of view.replicas(partition)) {
      const reply = replies.get(node)
      if (reply === undefined || reply.epoch !== view.epoch) up = false
      else if (hasBit(reply.behind, partition)) level = false
    }
    if (!up) counts.degraded++
    else if (level) counts.whole++
    else counts.unverified++
  }
  return counts
}

function sum(
  replies: ReadonlyMap<NodeId, WireStatusReply>,
  of: (reply: WireStatusReply) => number,
): number {
  let total = 0
  for (const reply of replies.values()) total += of(reply)
  return total
}

/** No majority, or another change is under way. */
function unavailable(error: unknown): never {
  if (error instanceof MembershipError) throw new StoreError('Unavailable', error.message)
  throw error
}
