/**
 * The layout of one node: which view is in force, how it changes, how this node entered it. This file wires the parts,
 * each of which has a file of its own, and is what the rest of the node sees of them.
 *
 *   found()    makes a new cluster of one (founding.ts)
 *   join()     becomes a member of an existing one (joiner.ts)
 *   current()  the view that requests go by
 *   onChange() is told of each later view
 *   observe()  a peer mentioned a later epoch: fetch, verify, flush, adopt it (L4, catch-up.ts)
 *   answer()   messages of the layout (layout-answers.ts)
 *   tokens, secrets, changes    join tokens, the cluster secret, changes of the members
 *
 * Invariants:
 *   - a view is durable before anything is answered by it            (L4)
 *   - this node votes only while it cannot be an old copy of itself  (D2)
 *
 * The host answers messages BEFORE it calls `join`: members ask a joiner whether it is ready before its epoch becomes
 * STABLE.
 */

import { assert } from '../../protocol/assert.ts'
import type { ClusterId, NodeId, StorageId } from '../../protocol/ids.ts'
import type { DecidedEntry, LayoutState, Member } from '../../protocol/layout/entry.ts'
import type { LayoutView, Role } from '../../protocol/layout/view.ts'
import type { Clock, Disk, Logger, Network, Random, Signer } from '../env/ports.ts'
import { Abstention, type Abstaining } from './abstention.ts'
import { AdoptedLog } from './adopted-log.ts'
import { JoinAdmission } from './admission.ts'
import { CatchUp } from './catch-up.ts'
import { ChangeDriver } from './change-driver.ts'
import { ChangeGate } from './change-gate.ts'
import { ChangeOffice } from './change-office.ts'
import { ChangeWatch } from './change-watch.ts'
import { EPOCH_TOPIC, EpochGossip } from './epoch-gossip.ts'
import { EpochWitness } from './epoch-witness.ts'
import { MembershipError } from './errors.ts'
import { HeldUpWatch, type HeldPartitions } from './held-up.ts'
import { foundingEntry, refuseSecondCluster, type FoundOptions } from './founding.ts'
import { LayoutAnswers } from './layout-answers.ts'
import { joinCluster } from './joining.ts'
import { OwnPlace } from './own-place.ts'
import { JOIN_PROTOCOL } from './join-messages.ts'
import { LayoutLog } from './layout-log.ts'
import { LayoutPeers } from './layout-peers.ts'
import { LeftLook } from './left-look.ts'
import { emptyReporter, type MoveReporter, type PartitionProgress } from './progress.ts'
import { ProgressPoll } from './progress-poll.ts'
import { LayoutProposer } from './layout-proposer.ts'
import { Removal, type KeptBecause } from './removal.ts'
import { SecretOffice, type ResealRoot, type SecretStore } from './secret-office.ts'
import { Timer } from './timer.ts'
import { TokenOffice } from './token-office.ts'
import { Voter } from './voter.ts'

const HEARTBEAT_MS = 3_000
const JOIN_TIMEOUT_MS = 90_000
const CLUSTER_SECRET_BYTES = 32

export interface LayoutManagerOptions {
  readonly network: Network
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly signer: Signer
  readonly logger: Logger
  readonly storageId: StorageId
  readonly name?: string | undefined
  readonly zone: string
  readonly capacityBytes: number
  /**
   * Whether this node holds any register, tombstones included. What an acceptor has accepted and not yet flushed counts.
   * So "no" after the node has moved to an epoch means that nothing of an earlier epoch is there or can still come (L4).
   */
  readonly holdsRegisters: () => boolean
  /** False while this node may be an old copy of itself (D2). Default: it may vote. */
  readonly mayVote?: (() => boolean) | undefined
  readonly clusterSecret: SecretStore
  /** Encrypts the root account's secret under a new cluster secret. Default: keeps it as it is. */
  readonly resealRoot?: ResealRoot | undefined
  /** A member that is away for longer is removed. Default: never. */
  readonly removeAfterMs?: number | undefined
}

export interface LayoutStatus {
  readonly epoch: number
  readonly state: 'NONE' | LayoutState
  readonly clusterId?: ClusterId | undefined
  readonly members: readonly Member[]
  /** Whether this node is a member of the last epoch it knows. */
  readonly member: boolean
  /** This node accepted an entry and does not know whether it was decided. */
  readonly undecided: boolean
  /** The epoch on which it does not vote, because it may have forgotten its vote. */
  readonly abstainsFrom?: number | undefined
}

export class LayoutManager {
  readonly #options: LayoutManagerOptions
  readonly #log: LayoutLog
  readonly #timer: Timer
  readonly #catchUp: CatchUp
  readonly #place: OwnPlace
  readonly #adoptedLog: AdoptedLog
  readonly #answers: LayoutAnswers
  readonly #gossip: EpochGossip
  readonly #watch: ChangeWatch
  readonly #abstention: Abstention
  readonly #gate: ChangeGate
  readonly #admission: JoinAdmission
  readonly #removal: Removal
  /** Join tokens. */
  readonly tokens: TokenOffice
  /** The cluster secret. */
  readonly secrets: SecretOffice
  /** Changes of the members that an operator asks for. */
  readonly changes: ChangeOffice
  /** Which members hold which epoch. */
  readonly witness: EpochWitness
  #reporter: MoveReporter
  readonly #heldUp: HeldUpWatch
  #started = false

  private constructor(options: LayoutManagerOptions, log: LayoutLog) {
    const { network, clock, random, signer, logger } = options
    this.#options = options
    this.#log = log
    const timer = new Timer(clock, random)
    this.#timer = timer
    this.#place = new OwnPlace(options, log)
    this.#adoptedLog = new AdoptedLog(logger, this.#place)
    const peers = new LayoutPeers(network, (from, type, body) =>
      this.#answers.serve(from, type, body),
    )
    this.#catchUp = new CatchUp(log, peers)
    const catchUp = (epoch: number, from: NodeId): Promise<void> => this.#catchUp.to(epoch, from)
    this.witness = new EpochWitness(network.self, () => log.view)
    this.#reporter = emptyReporter(() => log.view, options.holdsRegisters)
    const proposer = new LayoutProposer(log, signer, peers, timer, catchUp)
    const driver = new ChangeDriver({
      log,
      peers,
      proposer,
      poll: new ProgressPoll(peers, this.witness),
      witness: this.witness,
      timer,
      logger,
    })
    this.#gate = new ChangeGate(timer)
    const chain = { log, peers, proposer, driver, catchUp }
    const ports = { network, clock, random, logger, timer }
    const common = {
      ...ports,
      ...chain,
      self: network.self,
      witness: this.witness,
      gate: this.#gate,
      connected: (node: NodeId) => node === network.self || network.connected(node),
    }
    this.#watch = new ChangeWatch(common)
    this.#abstention = new Abstention(common)
    this.secrets = new SecretOffice({
      ...common,
      store: options.clusterSecret,
      resealRoot: options.resealRoot ?? ((sealed) => sealed),
    })
    this.#admission = new JoinAdmission({ ...common, clusterSecret: () => this.secrets.current() })
    this.tokens = new TokenOffice(common)
    this.changes = new ChangeOffice(common)
    this.#heldUp = new HeldUpWatch(common)
    this.#removal = new Removal({ ...common, changes: this.changes }, options)
    this.#gossip = new EpochGossip({ ...common, isMember: () => this.isMember() })
    this.#answers = new LayoutAnswers({
      ...common,
      voter: new Voter(log, signer, catchUp, (entry) => this.secrets.mayAccept(entry)),
      removal: this.#removal,
      abstention: this.#abstention,
      secrets: this.secrets,
      mayVote: options.mayVote,
      holdsRegisters: options.holdsRegisters,
      progress: () => this.progress(),
      accepted: () => this.#watch.look(),
    })
    log.onAdopt((view) => this.#adopted(view))
  }

  /** Reads what this node knows. Throws MembershipError 'damaged', or 'replaced' (D1). */
  static async open(options: LayoutManagerOptions): Promise<LayoutManager> {
    const { disk, signer, storageId, logger } = options
    const log = await LayoutLog.open(disk, { signer, storageId })
    if (log.abstainsFrom !== undefined) {
      logger.warn(
        { epoch: log.abstainsFrom },
        'layout-vote.json was damaged or missing: this node does not vote on the next layout',
      )
    }
    const known = log.view?.knownMember(signer.nodeId)
    if (known !== undefined && known.storageId !== storageId) {
      throw new MembershipError('replaced', 'the data directory of this node was replaced')
    }
    return new LayoutManager(options, log)
  }

  /** The view of the last epoch that this node knows; undefined before `found` or `join`. */
  current(): LayoutView | undefined {
    return this.#log.view
  }

  /** Decided entries after `epoch`, as far as this node knows. */
  entriesAfter(epoch: number): readonly DecidedEntry[] {
    return this.#log.entriesAfter(epoch)
  }

  /** Whether this node is a member of the last epoch it knows. */
  isMember(): boolean {
    return this.#place.isMember()
  }

  /** Whether this node is a member of P, and so serves whatever becomes of the change that is under way. */
  isEstablished(): boolean {
    return this.#place.isEstablished()
  }

  /** What this node is to the layout. Undefined for a stranger, and when its data directory was replaced. */
  role(): Role | undefined {
    return this.#place.role()
  }

  /** The epoch since which this node, once a member, is none. Undefined when it is one, will be one, or never was. */
  leftIn(): number | undefined {
    return this.#place.leftIn()
  }

  /** Sets how to ask all nodes why the change that is under way does not move on. */
  reportHeld(held: (view: LayoutView) => Promise<HeldPartitions | undefined>): void {
    this.#heldUp.report = held
  }

  /** Sets the source of this node's progress in copying data. Until then a node that holds data does not move on. */
  report(reporter: MoveReporter): void {
    this.#reporter = reporter
  }

  /** Sets what decides whether a member that is away must be kept. */
  judgeRemovals(keptBecause: KeptBecause): void {
    this.#removal.judge = keptBecause
  }

  /** How long this node has not been connected to that one, in milliseconds, counted from its own start at the earliest. */
  silentMs(node: NodeId): number {
    return this.#removal.silentMs(node)
  }

  /** How far this node has come in the change that is under way. */
  progress(): PartitionProgress {
    // All in one turn of the event loop, so that all is true in the same epoch. What is held is looked up in that epoch.
    const { epoch } = this.#log
    return {
      epoch,
      holds: this.#options.holdsRegisters(),
      ...this.#reporter.progress(),
    }
  }

  /** Called with each view after it is durable, before anything is answered by it. */
  onChange(listener: (view: LayoutView) => void): void {
    this.#log.onAdopt(listener)
  }

  /** Makes a cluster of this node alone. Draws the cluster secret when there is none yet. */
  async found(found: FoundOptions): Promise<void> {
    const { random, clusterSecret } = this.#options
    refuseSecondCluster(this.#log.view)
    if (clusterSecret.get() === undefined) {
      await clusterSecret.set(random.bytes(CLUSTER_SECRET_BYTES))
    }
    await this.#log.adopt([foundingEntry(found, this.#place.member(), this.#options)])
  }

  /**
   * Resolves when a STABLE epoch has made this node a member, at once when it already is one. Rejects with MembershipError, whose
   * message is fit for a user.
   *
   * @param token undefined when it was admitted in an earlier run, as its layout says
   * @param replace node id or name of the member whose place it takes
   */
  async join(
    token: string | undefined,
    timeoutMs: number = JOIN_TIMEOUT_MS,
    replace?: string,
  ): Promise<void> {
    const parts = {
      ...this.#options,
      log: this.#log,
      timer: this.#timer,
      place: this.#place,
      secrets: this.secrets,
      replace,
    }
    await joinCluster(parts, token, timeoutMs)
  }

  /** Fetches the entries up to `epoch` from `peer` and adopts them. Rejects when that fails. */
  async observe(epoch: number, peer: NodeId): Promise<void> {
    await this.#catchUp.to(epoch, peer)
  }

  /** Durably: this node votes neither on this epoch nor on an earlier one (LayoutLog). */
  abstain(epoch: number): Promise<void> {
    return this.#log.abstain(epoch)
  }

  /** Which members do not vote on the next entry; undefined when this node knows of none. */
  abstaining(): Abstaining | undefined {
    return this.#abstention.now()
  }

  /** Answers the layout's messages; undefined for any other type. */
  handle(from: NodeId, type: number, body: Uint8Array): Promise<Uint8Array> | undefined {
    return this.#answers.knows(type) ? this.#answers.serve(from, type, body) : undefined
  }

  /** As `handle`; rejects for a type that is not the layout's. */
  answer(from: NodeId, type: number, body: Uint8Array): Promise<Uint8Array> {
    const answer = this.handle(from, type, body)
    return answer ?? Promise.reject(new Error(`layout message of unknown type ${type}`))
  }

  status(): LayoutStatus {
    const view = this.#log.view
    return {
      epoch: this.#log.epoch,
      state: view?.state ?? 'NONE',
      clusterId: view?.clusterId,
      members: view?.members ?? [],
      member: this.isMember(),
      undecided: this.#log.undecided !== undefined,
      abstainsFrom: this.#log.abstainsFrom,
    }
  }

  /** Serves joiners and keeps up with the others. The network is started by the host. */
  start(): void {
    const { network } = this.#options
    assert(!this.#started, 'started once')
    this.#started = true
    network.serveStrangers(JOIN_PROTOCOL, (from, request) => this.#admission.serve(from, request))
    network.subscribe(EPOCH_TOPIC, (from, bytes) => this.#gossip.heard(from, bytes))
    network.onPeer(({ type, peer }) => {
      this.#removal.peer(peer, type)
      if (type === 'up') this.#gossip.notify([peer])
    })
    const view = this.#log.view
    if (view !== undefined) this.#adopted(view)
    void this.#beat().catch(() => undefined)
    const parts = {
      log: this.#log,
      network,
      timer: this.#timer,
      member: () => this.#place.member(),
    }
    void new LeftLook(parts).run().catch(() => undefined)
    this.#removal.start()
  }

  stop(): void {
    this.#timer.stop()
  }

  #adopted(view: LayoutView): void {
    const { network } = this.#options
    // Learners copy and sources are copied from, so both are connected to, as members are.
    const known = new Map<NodeId, readonly string[]>()
    for (const { nodeId, addresses } of view.known) {
      if (nodeId !== network.self) known.set(nodeId, addresses)
    }
    network.setMembers(known)
    this.#adoptedLog.adopted(view)
    this.#gate.adopted(view)
    if (!this.#started) return
    this.secrets.adopted()
    this.#gossip.spread([...known.keys()])
    this.#watch.look()
  }

  async #beat(): Promise<void> {
    const { network } = this.#options
    for (;;) {
      await this.#timer.sleep(this.#timer.jittered(HEARTBEAT_MS))
      this.#gossip.beat()
      this.#watch.look()
      this.#abstention.look()
      const { view } = this.#log
      if (view?.isMember(network.self) === true) this.#heldUp.beat(view)
    }
  }
}
