/**
 * A node: all roles on the ports of env/ports.ts. wire-node.ts builds the roles; this class starts
 * and stops them. It knows nothing of HTTP: start/start.ts puts the gateway in front of it, and sim/
 * calls `backend` directly.
 *
 * Order of a start:
 *
 *   1. files that say what was forgotten, then the log and its index: what was lost is written down (D8)
 *   2. the layout, and how far this node has come with changes of it
 *   3. all roles are wired, with the answers to requests of other nodes
 *   4. the network, the check that this boot is this node's own (D2), and entering the cluster
 *   5. background work: resync, moves of blocks, collection, compaction and scrub
 */

import { hex } from '../../protocol/bytes.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Backend } from '../../gateway/port/backend.ts'
import type { AdminBackend } from '../../gateway/port/admin.ts'
import type { IamBackend } from '../../gateway/port/iam-backend.ts'
import type { RightsSource } from '../../gateway/port/rights.ts'
import type { Environment } from '../env/ports.ts'
import { WatchedDisk } from '../env/watched-disk.ts'
import type { LayoutManager } from '../layout/layout-manager.ts'
import type { Store } from '../log/store.ts'
import { logDiskSilence } from '../process/disk-silence-log.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import type { BlockMoves } from '../rebalance/block-moves.ts'
import { prepareMoveFile } from '../rebalance/entering.ts'
import { MoveFile } from '../rebalance/move-file.ts'
import type { Rebalance } from '../rebalance/rebalance.ts'
import type { SpaceReclaim } from '../reclaim/space-reclaim.ts'
import { Forgotten } from '../repair/forgotten.ts'
import type { Recall } from '../repair/recall.ts'
import type { Resync } from '../repair/resync.ts'
import type { SelfCheck } from '../repair/self-check.ts'
import type { Upkeep } from '../repair/upkeep.ts'
import type { AcceptorHost } from '../replica/acceptor-host.ts'
import { Sightings } from '../replica/sightings.ts'
import { watchPeers } from '../status/peer-watch.ts'
import { readyWithin, untilReady } from '../status/readiness.ts'
import { RecoveryStatus } from '../status/recovery.ts'
import { createBackend } from './backend.ts'
import { enter } from './enter.ts'
import { createNodeBase, type NodeBase } from './node-base.ts'
import type { NodeOptions } from './node-options.ts'
import { openLayout } from './open-layout.ts'
import { openStore } from './open-store.ts'
import { provide } from './provide.ts'
import { createRights } from './rights.ts'
import { wireNode, type WiredNode } from './wire-node.ts'
import { listen } from './wire-serving.ts'

/** One node. `start` makes it; the fields are for the gateway, for simulations and for tests. */
export class ShoalNode {
  /** The gateway's port to buckets, objects and uploads. */
  readonly backend: Backend
  /** The gateway's port to identities. */
  readonly iam: IamBackend
  /** What gateway threads may keep of rights. */
  readonly rights: RightsSource
  /** The admin port's backend. */
  readonly admin: AdminBackend
  readonly nodeId: NodeId
  readonly layout: LayoutManager
  readonly resync: Resync
  readonly store: Store
  readonly registers: RegisterClient
  readonly host: AcceptorHost
  readonly space: SpaceReclaim
  readonly upkeep: Upkeep
  readonly recall: Recall
  readonly rebalance: Rebalance
  readonly moves: BlockMoves
  readonly selfCheck: SelfCheck
  readonly forgotten: Forgotten
  readonly #env: Environment
  readonly #wired: WiredNode
  /** Set once, by `stop`. Events of the network and the layout are ignored from then on. */
  #stopped = false
  /** `placesKey` of the layout that the roles were told of last. */
  #places = ''
  /** Ends the watch over the disk. */
  #endDiskLog = (): void => {}

  /**
   * Starts a node on these ports. Resolves when the node has entered its cluster, and a
   * majority of the members is up or `majorityWaitMs` is over. When it rejects, everything is stopped again.
   *
   * @throws LogError when the log is gone, UsageError or MembershipError when the node
   *   can't enter its cluster
   */
  static async start(given: Environment, options: NodeOptions): Promise<ShoalNode> {
    const { clock, logger, network } = given
    const disk = new WatchedDisk(given.disk, clock)
    const env = { ...given, disk }
    const startedMs = clock.monotonicMs()
    const recovery = new RecoveryStatus()
    const forgotten = await Forgotten.open(disk, logger)
    const sightings = await Sightings.open(disk, clock, logger)
    let startSequence = 0
    const store = await openStore(env, {
      forgotten,
      segmentSizeBytes: options.segmentSizeBytes,
      note: (lengthBytes) => recovery.note(lengthBytes),
      progress: (done, total) => options.progress?.('reading the log', done, total),
      expectedLogId: options.log?.expectedId,
      acceptLostLog: options.log?.acceptLost,
      opened: (nextSequence) => (startSequence = nextSequence),
    })
    recovery.running = false
    await options.log?.opened?.(hex(store.logId))
    if (recovery.records > 0) {
      const { records, bytes } = recovery
      logger.info({ records, bytes, damaged: store.damage().length }, 'recovery: log replayed')
    }
    let node: ShoalNode | undefined
    const holdsRegisters = (): boolean => node?.host.holdsRegisters() ?? false
    const mayVote = (): boolean => node?.selfCheck.isProven === true
    const layout = await openLayout(env, options, { holdsRegisters, mayVote })
    const moveFile = await MoveFile.open(disk, logger)
    await prepareMoveFile(moveFile, layout, forgotten, logger)
    const base = createNodeBase(env, options, {
      store,
      layout,
      forgotten,
      moveFile,
      sightings,
      startSequence,
      startedMs,
      recovery,
    })
    node = new ShoalNode(base)
    try {
      await node.#wired.reclaim.lostData.objects.load()
      await network.start()
      layout.start()
      node.rebalance.start()
      node.selfCheck.start()
      node.#endDiskLog = logDiskSilence(env, disk)
      await enter(env, layout, holdsRegisters, options)
      node.#serve()
      await readyWithin(env, node.admin, options.majorityWaitMs)
    } catch (error) {
      await node.stop()
      throw error
    }
    return node
  }

  private constructor(base: NodeBase) {
    const { env, self, store, layout, forgotten } = base
    const wired = wireNode(base)
    const { replica, quorum, reclaim, repair, rebalance, objects, identities, status } = wired
    const { notifications } = wired
    const { resolver, principals, clusterKeys } = identities
    this.#env = env
    this.#wired = wired
    this.nodeId = self
    this.store = store
    this.layout = layout
    this.forgotten = forgotten
    this.host = replica.host
    this.selfCheck = quorum.selfCheck
    this.registers = quorum.registers
    this.space = reclaim.space
    this.resync = repair.resync
    this.recall = repair.recall
    this.upkeep = repair.upkeep
    this.rebalance = rebalance.rebalance
    this.moves = rebalance.moves
    this.iam = identities.service
    this.backend = createBackend({
      ...objects,
      notifications,
      principals,
      clusterKeys,
      credential: (accessKeyId) => resolver.credential(accessKeyId),
      sessionCredential: (accessKeyId, token) => resolver.session(accessKeyId, token),
    })
    this.rights = createRights({ resolver, buckets: objects.buckets, layout })
    this.admin = status
    listen(base, wired.service, wired)
    layout.onChange((changed) => this.#changed(changed))
    watchPeers(env, layout, () => this.#stopped)
  }

  /** A digest of what this node holds of a partition, as text. It is equal on replicas that are level. */
  digestOf(partition: number): string {
    return hex(this.#wired.replica.exchange.digestOf(partition))
  }

  /**
   * Stops the roles, then the network, then the log, which it flushes. Calls after the first one do
   * nothing. The gateway must be closed before.
   */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#endDiskLog()
    this.resync.stop()
    this.recall.stop()
    this.rebalance.stop()
    this.moves.stop()
    this.selfCheck.stop()
    this.space.stop()
    this.#wired.lifecycle.stop()
    this.#wired.reclaim.lostData.objects.stop()
    this.#wired.secret.stop()
    this.layout.stop()
    await this.#env.network.stop()
    await this.upkeep.stop()
    await this.#wired.notifications.stop()
    await this.store.close()
  }

  /** Step 5: begins what runs in the background for as long as the node lives. */
  #serve(): void {
    this.resync.start()
    // A stop may end this early: the next start looks again.
    this.#wired.replica.damaged.look(() => this.#stopped).catch(() => {})
    this.recall.kick()
    this.moves.start()
    this.space.start()
    this.#wired.lifecycle.start()
    void this.#wired.notifications.start()
    this.upkeep.start()
    this.#wired.secret.look()
    const view = this.layout.current()
    if (view !== undefined) provide(this.#env, view)
  }

  /**
   * The layout has changed. Roles that care only about members and their places are told only when
   * these have changed.
   */
  #changed(view: LayoutView): void {
    if (this.#stopped) return
    this.rebalance.adopted()
    this.moves.kick()
    this.#wired.secret.look()
    const places = view.placesKey()
    if (places === this.#places) return
    this.#places = places
    this.resync.membersChanged()
    this.selfCheck.membersChanged()
    this.recall.kick()
    provide(this.#env, view)
  }

  /** Resolves when a majority of the members is up, as `/health/ready` says, or when the node is stopped. */
  ready(): Promise<void> {
    return untilReady(this.#env, this.admin, () => this.#stopped, this.layout)
  }
}
