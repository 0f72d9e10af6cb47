/**
 * A node: every role put together on the ports of env/ports.ts. It knows nothing of HTTP; start.ts
 * puts the gateway in front, sim/ drives `backend` as it is.
 */

import { byteString, bytesOfHex, hex, u32 } from '../../protocol/bytes.ts'
import {
  proposerId,
  type DataId,
  type NodeId,
  type ProposerId,
  type RegisterKey,
} from '../../protocol/ids.ts'
import { BUCKETS_PER_ACCOUNT } from '../../protocol/limits.ts'
import { objectOf } from '../../protocol/object/object.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { AdminBackend, Backend } from '../../gateway/port/backend.ts'
import type { IamBackend } from '../../gateway/port/iam-backend.ts'
import { createBackend } from './backend.ts'
import { Attempts } from '../replica/attempts.ts'
import { BlockStore } from '../replica/blocks.ts'
import { lookOutForDisk } from '../process/disk-lookout.ts'
import { Bodies } from '../quorum/body.ts'
import { Replicator } from '../quorum/replicator.ts'
import type { Store } from '../log/store.ts'
import type { Environment } from '../env/ports.ts'
import { WatchedDisk } from '../env/watched-disk.ts'
import { enter } from './enter.ts'
import { Identities } from '../iam/identities.ts'
import type { LayoutManager } from '../layout/layout-manager.ts'
import { bucketPoliciesOf } from '../iam/bucket-policies.ts'
import { Buckets } from '../objects/buckets.ts'
import { Lister } from '../quorum/lister.ts'
import { LostBlocks } from '../quorum/lost-blocks.ts'
import { ListService } from '../replica/list-service.ts'
import { Objects } from '../objects/objects.ts'
import { Pages } from '../objects/pages.ts'
import { AcceptorHost } from '../replica/acceptor-host.ts'
import { RegisterClient, type ReplicaPlacement } from '../quorum/register-client.ts'
import { Uploads } from '../objects/uploads.ts'
import { SyncAnswers } from '../repair/sync-answers.ts'
import { internalContext } from '../tools/internal-context.ts'
import { clusterOf, type NodeOptions } from './node-options.ts'
import { openLayout } from './open-layout.ts'
import { openStore } from './open-store.ts'
import { provide } from './provide.ts'
import { settleMoveFile } from '../rebalance/entering.ts'
import { BlockMoves, MOVE_BYTES_PER_SECOND } from '../rebalance/block-moves.ts'
import { MoveFile } from '../rebalance/move-file.ts'
import { Rebalance } from '../rebalance/rebalance.ts'
import { RecoveryStatus } from '../status/recovery.ts'
import { DamagedRegisters } from '../repair/damaged-registers.ts'
import { Forgotten } from '../repair/forgotten.ts'
import { SelfCheck } from '../repair/self-check.ts'
import { Sightings } from '../replica/sightings.ts'
import { watchPeers } from '../status/peer-watch.ts'
import { readyWithin, untilReady } from '../status/readiness.ts'
import { BlockRepair } from '../repair/block-repair.ts'
import { Puller } from '../repair/puller.ts'
import { Recall } from '../repair/recall.ts'
import { Resync } from '../repair/resync.ts'
import { Peers } from '../quorum/peers.ts'
import { Service } from '../serving/service.ts'
import { DeadData } from '../replica/dead-data.ts'
import { LossCheck } from '../objects/loss-check.ts'
import { LostData } from '../reclaim/lost-data.ts'
import { Readers } from '../replica/readers.ts'
import { SpaceReclaim } from '../reclaim/space-reclaim.ts'
import { SecretUpkeep } from '../status/secret-upkeep.ts'
import { Status } from '../status/status.ts'
import { Upkeep } from '../repair/upkeep.ts'

/** What a start has found on its disk. */
interface Found {
  readonly store: Store
  readonly layout: LayoutManager
  readonly forgotten: Forgotten
  readonly moves: MoveFile
  readonly sightings: Sightings
  readonly startSequence: number
  readonly startedMs: number
  readonly recovery: RecoveryStatus
}

export class ShoalNode {
  readonly backend: Backend
  readonly iam: IamBackend
  readonly admin: AdminBackend
  readonly nodeId: NodeId
  readonly layout: LayoutManager
  readonly resync: Resync
  readonly store: Store
  readonly registers: RegisterClient
  readonly host: AcceptorHost
  readonly space: SpaceReclaim
  readonly upkeep: Upkeep
  readonly #env: Environment
  readonly #exchange: SyncAnswers
  readonly recall: Recall
  readonly rebalance: Rebalance
  readonly moves: BlockMoves
  readonly selfCheck: SelfCheck
  readonly forgotten: Forgotten
  readonly #mender: BlockRepair
  readonly #damaged: DamagedRegisters
  readonly #lost: LostData
  readonly #secret: SecretUpkeep
  #stopped = false
  /** The members that everything was arranged for. */
  #places = ''
  #endLookout = (): void => {}

  /** Resolves when the node is a member of a STABLE epoch and a majority of the members is up. */
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
    const moves = await MoveFile.open(disk, logger)
    await settleMoveFile(moves, layout, forgotten, logger)
    const found = { store, layout, forgotten, moves, sightings, startSequence, startedMs, recovery }
    node = new ShoalNode(env, options, found)
    try {
      await node.#lost.objects.load()
      await network.start()
      layout.start()
      node.rebalance.start()
      node.selfCheck.start()
      node.#endLookout = lookOutForDisk(env, disk)
      await enter(env, layout, holdsRegisters, options)
      node.#serve()
      await readyWithin(env, node.admin, options.majorityWaitMs)
    } catch (error) {
      await node.stop()
      throw error
    }
    return node
  }

  private constructor(
    env: Environment & { readonly disk: WatchedDisk },
    options: NodeOptions,
    { store, layout, forgotten, moves, sightings, startSequence, startedMs, recovery }: Found,
  ) {
    const { clock, random, network, logger } = env
    const { self } = network
    this.#env = env
    this.nodeId = self
    this.store = store
    this.layout = layout
    const view = (): LayoutView => {
      const current = layout.current()
      if (current === undefined) throw new Error('this node is not a member of a cluster yet')
      return current
    }
    const epoch = (): number => layout.current()?.epoch ?? 0
    const isReplica = (partition: number): boolean =>
      layout.isMember() &&
      partition < view().partitions &&
      view().replicas(partition).includes(self)
    const placement: ReplicaPlacement = {
      epoch,
      sets: (partition) => view().replicaSets(partition),
      sources: (partition) => view().sourceReplicas(partition),
      observe: (later, from) => layout.observe(later, from),
    }
    const blocks = new BlockStore(store, (key) => this.#mender.mend(key), env.disk)
    this.forgotten = forgotten
    const votes = (partition: number): boolean =>
      isReplica(partition) &&
      this.selfCheck.isProven &&
      forgotten.votes(partition) &&
      this.rebalance.serves(partition)
    this.#damaged = new DamagedRegisters({
      store,
      clock,
      isReplicated: (partition) =>
        view()
          .replicas(partition)
          .some((node) => node !== self),
      host: () => this.host,
      pull: (partition) => this.resync.foundDamage(partition),
      scrub: () => this.upkeep.startScrub(false),
    })
    const onFaulty = (key: RegisterKey): void => this.#damaged.note(key)
    this.host = new AcceptorHost({ store, blocks, epoch, isReplica: votes, self, onFaulty })
    const exchange = new SyncAnswers({ store, self, view, forgotten, clock })
    const lists = new ListService({ store, host: this.host, epoch, isReplica: votes })
    const attempts = new Attempts(options.storageId, options.boot)
    attempts.hold(() => layout.isEstablished())
    const dead = new DeadData()
    const readers = new Readers({
      self,
      boot: () => this.selfCheck.boot,
      peers: {
        connected: (node) => peers.connected(node),
        readers: (to, round, timeout) => peers.readers(to, round, timeout),
      },
      view: () => layout.current(),
      clock,
    })
    const service = new Service({
      host: this.host,
      blocks,
      lists,
      exchange,
      witness: () => this.rebalance.witness,
      resync: () => this.resync,
      attempts,
      dead,
      readers,
      lost: (request) => this.#lost.report.own(request),
      onMissing: (key) => this.#mender.mend(key),
      kept: () => this.space.kept,
      bury: (ids) => buckets.bury(ids),
      epoch,
      role: (peer) => layout.current()?.role(peer),
      storageOf: (peer) => layout.current()?.knownMember(peer)?.storageId,
      isStable: () => layout.current()?.state === 'STABLE',
      isReplica,
      votes,
      sightings,
      observe: (later, from) => layout.observe(later, from),
      layout: (from, type, body) => layout.answer(from, type, body),
      status: () => status.own(),
    })
    const peers: Peers = new Peers(network, clock, env.disk, () => service)
    const onGap = (peer: NodeId, partition: number): void => this.resync.gap(peer, partition)
    const proposer = (boot: number): ProposerId =>
      proposerId(byteString(bytesOfHex(options.storageId)) + u32(boot))
    this.selfCheck = new SelfCheck({
      self,
      storageId: options.storageId,
      boot: options.boot,
      startSequence,
      sequence: () => store.end().nextSequence,
      forgotten,
      peers,
      view: () => (layout.isMember() ? layout.current() : undefined),
      raiseBoot: (boot) => options.raiseBoot(boot),
      abstain: (from) => layout.abstain(from),
      onProven: () => {
        attempts.release(this.selfCheck.boot)
        this.recall.kick()
      },
      fail: (reason) => env.fail(reason),
      clock,
      random,
      logger,
    })
    const loss = new LossCheck({ peers, placement })
    const lost = new LostBlocks((key) => loss.isLost(key))
    this.registers = new RegisterClient({
      peers,
      placement,
      lost,
      clock,
      random,
      proposer: () => proposer(this.selfCheck.boot),
      mayPropose: () => layout.isMember() && this.selfCheck.isProven,
      onGap,
      observer: options.observer,
    })
    const replicator = new Replicator({ peers, placement, clock, onGap })
    const pages = new Pages(replicator)
    this.#exchange = exchange
    const partitionBits = (): number => view().partitionBits
    this.space = new SpaceReclaim({
      ...options.space,
      self,
      store,
      attempts,
      dead,
      host: this.host,
      peers,
      registers: this.registers,
      placement,
      view,
      isMember: () => layout.isMember(),
      settled: () => layout.witness.settled(),
      ownerOf: (key) => blocks.ownerOf(key),
      peek: (key) => this.host.peek(key)?.value,
      readBlock: (key) => replicator.read(internalContext(), key),
      objectReferences: async (key, value) => {
        const ids = new Set<DataId>()
        const found = pages.references(internalContext(), key, objectOf(value))
        for await (const id of found) ids.add(id)
        return ids
      },
      care: {
        upload: (key) => uploads.care.upload(key),
        part: (key) => uploads.care.part(key),
        tickets: (key) => uploads.care.tickets(key),
      },
      forget: (keys) => service.forget(keys),
      readers,
      freed: () => ({
        blocks: service.freedBlocks,
        bytes: service.freedBytes,
        registers: service.registersCollected,
      }),
      clock,
      logger,
      partitionBits,
    })
    this.#mender = new BlockRepair({
      self,
      blocks,
      read: (key) => replicator.readOwned(internalContext(), key),
      peers,
      placement,
      marks: this.space.marks,
      collector: this.space.collector,
      logger,
    })
    const puller = new Puller({
      store,
      blocks,
      host: this.host,
      registers: this.registers,
      lost,
      peers,
      dead,
      freer: this.space.freer,
      tombstones: this.space.tombstones,
      view,
      pullsBlocks: (partition) => !this.rebalance.movesBlocks(partition),
      clock,
    })
    this.rebalance = new Rebalance({
      self,
      storageId: options.storageId,
      file: moves,
      chain: layout,
      store,
      blocks,
      host: this.host,
      registers: this.registers,
      lost,
      peers,
      exchange,
      votes,
      forgotten,
      clock,
      random,
      logger,
      move: () => this.moves.progress(),
    })
    this.moves = new BlockMoves({
      self,
      view: () => layout.current(),
      settled: () => layout.witness.settled(),
      isLatest: () => this.selfCheck.isProven && layout.witness.isLatest(),
      file: moves,
      forgotten,
      store,
      host: this.host,
      blocks,
      peers,
      lost,
      dead,
      freer: this.space.freer,
      isBusy: () => replicator.room.waitingBytes > 0 || env.disk.silentMs() > 100,
      bytesPerSecond: options.moveBytesPerSecond ?? MOVE_BYTES_PER_SECOND,
      clock,
      logger,
    })
    layout.report(this.rebalance)
    this.resync = new Resync({
      self,
      store,
      puller,
      peers,
      exchange,
      view,
      clock,
      random,
      logger,
    })
    this.#lost = new LostData({
      self,
      disk: env.disk,
      store,
      blocks,
      view,
      peers,
      readOwned: (key) => replicator.readOwned(internalContext(), key),
      isLost: (key) => loss.isLost(key),
      readRegister: async (key) =>
        (await this.registers.read(internalContext(), { key })).accepted?.value,
      clock,
      logger,
      partitionBits,
    })
    this.recall = new Recall({
      self,
      store,
      host: this.host,
      forgotten,
      peers,
      exchange,
      puller,
      view: () => (layout.isMember() ? layout.current() : undefined),
      mayBegin: () => this.selfCheck.isProven,
      lacks: (partitions) => this.resync.hinted(partitions),
      clock,
      random,
      logger,
    })
    this.upkeep = new Upkeep({
      ...options.upkeep,
      store,
      blocks,
      disk: env.disk,
      clock,
      logger,
      partitions: () => view().partitions,
      resync: (partition) => this.resync.hinted([partition]),
      references: this.#lost.references,
    })
    const bodies = new Bodies({
      replicator,
      attempts,
      partitionBits,
      clock,
      readBytesMax: options.readBytesMax,
      reading: (ids) => readers.begin(ids),
    })
    const lister = new Lister({ peers, placement, registers: this.registers, clock })
    const buckets: Buckets = new Buckets({
      registers: this.registers,
      peers,
      placement,
      clock,
      random,
      partitionBits,
      keyspace: () => view().genesis,
      memberCount: () => view().members.length,
      isMember: () => layout.isMember(),
      bucketsPerAccount: options.bucketsPerAccount ?? BUCKETS_PER_ACCOUNT,
      isEmpty: (context, bucket) => objects.isEmpty(context, bucket),
      abandonUploads: (context, bucket) => uploads.abandonAll(context, bucket),
    })
    const common = {
      registers: this.registers,
      buckets,
      bodies,
      lister,
      clock,
      partitionBits,
      reclaim: this.space.collector,
    }
    const objects: Objects = new Objects({ ...common, replicator, random, losses: this.#lost })
    const { partBytesMin } = options
    const uploads: Uploads = new Uploads({ ...common, objects, random, replicator, partBytesMin })
    const {
      service: iam,
      resolver,
      rotation,
      principals,
    } = new Identities({
      registers: this.registers,
      keyspace: () => view().genesis,
      bucketsPerAccount: options.bucketsPerAccount ?? BUCKETS_PER_ACCOUNT,
      bucketPolicies: (context, accountId) => bucketPoliciesOf(buckets, context, accountId),
      clock,
      random,
      network,
      tokens: env.tokens,
      cluster: () => clusterOf(view(), layout.secrets),
    })
    this.iam = iam
    this.#secret = new SecretUpkeep({ self, layout, rotation, peers, clock, logger })
    this.backend = createBackend({
      buckets,
      objects,
      uploads,
      principals,
      credential: (accessKeyId) => resolver.credential(accessKeyId),
      sessionCredential: (accessKeyId, token) => resolver.session(accessKeyId, token),
    })
    const status = new Status({
      layout,
      network,
      store,
      disk: env.disk,
      replicator,
      blocks,
      resync: this.resync,
      recall: this.recall,
      forgotten,
      selfCheck: this.selfCheck,
      peers,
      buckets,
      clock,
      startedMs,
      recovery: () => recovery.status(store.stats()),
      upkeep: this.upkeep,
      secret: this.#secret,
      space: () => this.space.counters(),
      lost: this.#lost,
      damaged: this.#damaged,
      readRoom: bodies.readRoom,
      serves: (partition) => this.rebalance.serves(partition),
      moves: this.moves,
      logger,
      extraGauges: () => [...this.moves.gauges(this.rebalance), ...(options.gauges?.() ?? [])],
    })
    this.admin = status
    network.serve((from, message) => service.serve(from, message))
    network.serveWalk((partition) => [...view().replicas(partition)])
    network.onPeer(({ type, peer }) => {
      if (type !== 'up' || layout.current() === undefined) return
      this.resync.peerUp(peer)
      readers.peerUp(peer)
    })
    layout.onChange((changed) => this.#changed(changed))
    watchPeers(env, layout, () => this.#stopped)
  }

  /** What this node holds of a partition, as text: equal on replicas that are level. */
  digestOf(partition: number): string {
    return hex(this.#exchange.digestOf(partition))
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#endLookout()
    this.resync.stop()
    this.recall.stop()
    this.rebalance.stop()
    this.moves.stop()
    this.selfCheck.stop()
    this.space.stop()
    this.#lost.objects.stop()
    this.#secret.stop()
    this.layout.stop()
    await this.#env.network.stop()
    await this.upkeep.stop()
    await this.store.close()
  }

  #serve(): void {
    this.resync.start()
    // Cut short by a stop: the next start looks again.
    this.#damaged.look(() => this.#stopped).catch(() => {})
    this.recall.kick()
    this.moves.start()
    this.space.start()
    this.upkeep.start()
    this.#secret.look()
    const view = this.layout.current()
    if (view !== undefined) provide(this.#env, view)
  }

  #changed(view: LayoutView): void {
    if (this.#stopped) return
    this.rebalance.adopted()
    this.moves.kick()
    this.#secret.look()
    const places = view.placesKey()
    if (places === this.#places) return
    this.#places = places
    this.resync.membersChanged()
    this.selfCheck.membersChanged()
    this.recall.kick()
    provide(this.#env, view)
  }

  /** Resolves when health says so too, or the node is stopped: a majority is up. */
  ready(): Promise<void> {
    return untilReady(this.#env, this.admin, () => this.#stopped, this.layout)
  }
}
