/**
 * The layout of one node: what it is, how it changes, how this node entered it.
 *
 * The host serves `handle` for message types 200 to 239 BEFORE it calls `join`, since a joiner is asked
 * whether it is ready before its epoch becomes STABLE.
 *
 *   found()    a new cluster of one                          join(token)   becoming a member of one
 *   current()  the view that requests go by                  onChange()    each later one
 *   tokens     of those that may join                        secrets       the cluster secret
 *   changes    of the members                                report()      who copies data says how far it is
 *   observe()  somebody mentioned a later epoch: fetch, verify, flush, adopt (L4)
 */

import { assert } from '../../protocol/assert.ts'
import { equalBytes, hex } from '../../protocol/bytes.ts'
import type { ClusterId, NodeId, StorageId } from '../../protocol/ids.ts'
import { clusterId } from '../../protocol/ids.ts'
import { PARTITION_BITS, systemBitsFor } from '../../protocol/keyspace/key.ts'
import { PLACEMENT } from '../../protocol/keyspace/placement.ts'
import { voteBytes } from '../../protocol/layout/certificate.ts'
import type {
  DecidedEntry,
  LayoutEntry,
  LayoutState,
  Member,
  RootAccount,
} from '../../protocol/layout/entry.ts'
import {
  entryHash,
  nextReplicationOf,
  NO_HASH,
  replicationOf,
} from '../../protocol/layout/entry.ts'
import { diffOf } from '../../protocol/layout/layout-diff.ts'
import type { LayoutView, Role } from '../../protocol/layout/view.ts'
import type { Clock, Disk, Logger, Network, Random, Signer } from '../env/ports.ts'
import { Abstention, type Abstaining } from './abstention.ts'
import { JoinAdmission } from './admission.ts'
import { CatchUp } from './catch-up.ts'
import { ChangeDriver } from './change-driver.ts'
import { ChangeGate } from './change-gate.ts'
import { ChangeOffice } from './change-office.ts'
import { ChangeWatch } from './change-watch.ts'
import { chunkOfEntries } from './entry-transfer.ts'
import { EPOCH_TOPIC, EpochGossip } from './epoch-gossip.ts'
import { EpochWitness } from './epoch-witness.ts'
import { MembershipError } from './errors.ts'
import { droppedIn, leftLine, removedLine } from './former.ts'
import { HeldUpWatch, type HeldPartitions } from './held-up.ts'
import { JOIN_PROTOCOL } from './join-messages.ts'
import { isStableMember, Joiner } from './joiner.ts'
import { LayoutLog } from './layout-log.ts'
import { LayoutPeers } from './layout-peers.ts'
import { LeftLook } from './left-look.ts'
import { chunkMessage, entriesMessage, epochMessage, LAYOUT_RPC, readyMessage } from './messages.ts'
import {
  emptyReporter,
  progressMessage,
  type MoveReporter,
  type PartitionProgress,
} from './progress.ts'
import { ProgressPoll } from './progress-poll.ts'
import { LayoutProposer } from './layout-proposer.ts'
import { Removal, type KeptBecause } from './removal.ts'
import { SecretOffice, type ResealRoot, type SecretStore } from './secret-office.ts'
import { Timer } from './timer.ts'
import { decodeToken } from './token-codec.ts'
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
   * Whether this node holds any register, tombstones included. What an acceptor has accepted but not
   * yet flushed counts: asked after the node has moved to an epoch, "no" says that nothing of an
   * earlier epoch is there or can come any more (L4).
   */
  readonly holdsRegisters: () => boolean
  /** False while this node may be an old copy of itself (D2). Default: it may. */
  readonly mayVote?: (() => boolean) | undefined
  readonly clusterSecret: SecretStore
  /** Default: there is nothing to seal. */
  readonly resealRoot?: ResealRoot | undefined
  /** A member that is away for so long is removed. Default: never. */
  readonly removeAfterMs?: number | undefined
}

export interface FoundOptions {
  readonly rootAccount: RootAccount
  /** Default 3. */
  readonly replication?: number | undefined
  /** Default: PARTITION_BITS. */
  readonly partitionBits?: number | undefined
  /** False founds as earlier programs did: system registers lie among all others. */
  readonly systemPartitions?: boolean | undefined
}

export interface LayoutStatus {
  readonly epoch: number
  readonly state: 'NONE' | LayoutState
  readonly clusterId?: ClusterId | undefined
  readonly members: readonly Member[]
  /** Whether this node is a member of the last epoch it knows. */
  readonly member: boolean
  /** An entry that this node accepted, of which it does not know whether it was decided. */
  readonly undecided: boolean
  /** The epoch on which it does not vote, since it may have forgotten its vote. */
  readonly abstainsFrom?: number | undefined
}

export class LayoutManager {
  readonly #options: LayoutManagerOptions
  readonly #log: LayoutLog
  readonly #timer: Timer
  readonly #peers: LayoutPeers
  readonly #catchUp: CatchUp
  readonly #voter: Voter
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
  /** It was told that it is no member any more. */
  #saidLeft = false

  private constructor(options: LayoutManagerOptions, log: LayoutLog) {
    const { network, clock, random, signer, logger } = options
    this.#options = options
    this.#log = log
    const timer = new Timer(clock, random)
    this.#timer = timer
    const peers = new LayoutPeers(network, (from, type, body) => this.#serve(from, type, body))
    this.#peers = peers
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
    const connected = (node: NodeId): boolean => node === network.self || network.connected(node)
    this.#gate = new ChangeGate(timer)
    const common = {
      log,
      peers,
      proposer,
      driver,
      timer,
      clock,
      random,
      logger,
      network,
    }
    const changing = { ...common, gate: this.#gate, connected }
    this.#voter = new Voter(log, signer, catchUp, (entry) => this.secrets.mayAccept(entry))
    this.#watch = new ChangeWatch({ ...common, self: network.self, connected })
    this.#abstention = new Abstention({ ...common, connected, catchUp })
    this.secrets = new SecretOffice({
      ...common,
      store: options.clusterSecret,
      resealRoot: options.resealRoot ?? ((sealed) => sealed),
    })
    this.#admission = new JoinAdmission({
      ...changing,
      clusterSecret: () => this.secrets.current(),
    })
    this.tokens = new TokenOffice(common)
    this.changes = new ChangeOffice(changing)
    this.#heldUp = new HeldUpWatch({ ...common, self: network.self, connected })
    this.#removal = new Removal({ ...common, changes: this.changes, connected }, options)
    this.#gossip = new EpochGossip({
      ...common,
      witness: this.witness,
      isMember: () => this.isMember(),
      catchUp,
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

  /** The view of the last epoch known; undefined before `found` or `join`. */
  current(): LayoutView | undefined {
    return this.#log.view
  }

  /** Decided entries behind `epoch`. */
  entriesAfter(epoch: number): readonly DecidedEntry[] {
    return this.#log.entriesAfter(epoch)
  }

  /** Whether this node is a member of the last epoch it knows. */
  isMember(): boolean {
    return this.#isMemberOf(this.#log.view)
  }

  /** Whether it is a member of P: it serves, whatever becomes of the change that is under way. */
  isEstablished(): boolean {
    const { signer, storageId } = this.#options
    const members = this.#log.view?.entry.members ?? []
    return members.some(
      (member) => member.nodeId === signer.nodeId && member.storageId === storageId,
    )
  }

  /** What this node is to the layout; undefined: a stranger, or its data directory is another one. */
  role(): Role | undefined {
    const { signer, storageId } = this.#options
    const { view } = this.#log
    const isKnown = view?.knownMember(signer.nodeId)?.storageId === storageId
    return isKnown ? view.role(signer.nodeId) : undefined
  }

  /** Since which epoch this node, once a member, is none; undefined: it is one, will be one, or never was. */
  leftIn(): number | undefined {
    if (this.#log.view === undefined || this.isMember() || this.role() === 'learner')
      return undefined
    const { signer, storageId } = this.#options
    return droppedIn(this.#log, { nodeId: signer.nodeId, storageId })
  }

  /** Sets how to ask all nodes why the change that is under way does not move on. */
  reportHeld(held: (view: LayoutView) => Promise<HeldPartitions | undefined>): void {
    this.#heldUp.report = held
  }

  /** Sets who says how far the copying of data is. Until then a node that holds data does not move on. */
  report(reporter: MoveReporter): void {
    this.#reporter = reporter
  }

  /** Sets who judges whether a member that is away must be kept. */
  judgeRemovals(keptBecause: KeptBecause): void {
    this.#removal.judge = keptBecause
  }

  /** How long this node has not been connected to that one, milliseconds; since its own start at most. */
  silentMs(node: NodeId): number {
    return this.#removal.silentMs(node)
  }

  /** What this node says of how far it has come. */
  progress(): PartitionProgress {
    // All of it in one turn, so that it is said of one epoch. What is held is looked up after the node has moved to it.
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
  async found({
    rootAccount,
    replication,
    partitionBits = PARTITION_BITS,
    systemPartitions = true,
  }: FoundOptions): Promise<void> {
    const { clock, random, signer, clusterSecret } = this.#options
    assert(this.#log.view === undefined, 'a node of a cluster founds no other one')
    if (clusterSecret.get() === undefined) {
      await clusterSecret.set(random.bytes(CLUSTER_SECRET_BYTES))
    }
    const entry: LayoutEntry = {
      epoch: 1,
      previousHash: NO_HASH,
      state: 'STABLE',
      cause: 'founded',
      genesis: {
        clusterId: clusterId(hex(random.bytes(16))),
        partitionBits,
        ...(systemPartitions && {
          systemPartitionBits: systemBitsFor(partitionBits),
        }),
        placement: PLACEMENT,
        replication: replication ?? 3,
        rootAccount,
        createdMs: Math.floor(clock.nowMs()),
      },
      members: [this.#self()],
      tokens: [],
    }
    const ballot = { counter: 1, nodeId: signer.nodeId }
    const bytes = voteBytes(entry.genesis.clusterId, 1, ballot, entryHash(entry))
    const signatures = [{ nodeId: signer.nodeId, signature: signer.sign(bytes) }]
    await this.#log.adopt([{ entry, certificate: { ballot, signatures } }])
  }

  /**
   * Resolves when this node is a member of a STABLE epoch; at once when it already is. Throws
   * MembershipError; the message is fit for a user.
   *
   * @param token undefined: it was admitted in an earlier run, and its layout says so
   * @param replace node id or name of the member whose place it takes
   */
  async join(
    token: string | undefined,
    timeoutMs: number = JOIN_TIMEOUT_MS,
    replace?: string,
  ): Promise<void> {
    const decoded = token === undefined ? undefined : decodeToken(token)
    const { view } = this.#log
    if (decoded !== undefined && view !== undefined && view.clusterId !== decoded.clusterId) {
      throw new MembershipError('other-cluster', 'this data directory belongs to another cluster')
    }
    const self = this.#self()
    if (isStableMember(this.#log, self) && this.secrets.current() !== undefined) return
    // Not while others copy from it either: what it began as a member is over, and must not go on (G5).
    const left = this.leftIn()
    if (left !== undefined) throw new MembershipError('removed', removedLine(left))
    // Of this cluster: a learner's copies, which go on, or what was left over, which is dropped (L9).
    if (view === undefined && this.#options.holdsRegisters()) {
      throw new MembershipError('not-empty', 'this data directory holds data of an earlier cluster')
    }
    const { network, clock, clusterSecret, logger } = this.#options
    const joiner = new Joiner(
      {
        log: this.#log,
        network,
        timer: this.#timer,
        clock,
        logger,
        member: () => this.#self(),
        replace,
        hasClusterSecret: () => this.secrets.current() !== undefined,
        saveClusterSecret: async (secret) => {
          const known = clusterSecret.get()
          if (known === undefined || !equalBytes(known, secret)) await clusterSecret.set(secret)
          this.secrets.adopted()
        },
      },
      decoded,
    )
    await joiner.run(timeoutMs)
  }

  /** Fetches and adopts what `peer` knows up to `epoch`. Rejects when that fails. */
  async observe(epoch: number, peer: NodeId): Promise<void> {
    await this.#catchUp.to(epoch, peer)
  }

  /** No vote on this epoch or an earlier one: see LayoutLog. */
  abstain(epoch: number): Promise<void> {
    return this.#log.abstain(epoch)
  }

  /** Who does not vote on the next entry; undefined: nobody that this node knows of. */
  abstaining(): Abstaining | undefined {
    return this.#abstention.now()
  }

  /** Answers the layout's messages; undefined for any other type. */
  handle(from: NodeId, type: number, body: Uint8Array): Promise<Uint8Array> | undefined {
    const known: readonly number[] = Object.values(LAYOUT_RPC)
    return known.includes(type) ? this.#serve(from, type, body) : undefined
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
      member: () => this.#self(),
    }
    void new LeftLook(parts).run().catch(() => undefined)
    this.#removal.start()
  }

  stop(): void {
    this.#timer.stop()
  }

  #self(): Member {
    const { network, signer, storageId, name, zone, capacityBytes } = this.#options
    return {
      nodeId: signer.nodeId,
      storageId,
      zone,
      capacityBytes: Math.max(1, Math.floor(capacityBytes)),
      addresses: network.addresses(),
      ...(name !== undefined && { name }),
    }
  }

  #isMemberOf(view: LayoutView | undefined): boolean {
    const { signer, storageId } = this.#options
    return view?.member(signer.nodeId)?.storageId === storageId
  }

  #adopted(view: LayoutView): void {
    const { network, logger } = this.#options
    // Learners and sources too: they copy and are copied from.
    const known = new Map<NodeId, readonly string[]>()
    for (const { nodeId, addresses } of view.known) {
      if (nodeId !== network.self) known.set(nodeId, addresses)
    }
    network.setMembers(known)
    logger.info(stepFields(view), 'layout adopted')
    this.#gate.adopted(view)
    this.#sayLeft()
    if (!this.#started) return
    this.secrets.adopted()
    this.#gossip.spread([...known.keys()])
    this.#watch.look()
  }

  /** Once: nothing on its disk changes, and nobody asks it for anything any more. */
  #sayLeft(): void {
    const epoch = this.leftIn()
    if (epoch === undefined) {
      this.#saidLeft = false
      return
    }
    if (this.#saidLeft || this.role() !== undefined) return
    this.#saidLeft = true
    this.#options.logger.warn({ epoch }, leftLine(epoch))
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

  #mustVote(): void {
    if (this.#options.mayVote?.() !== false) return
    throw new MembershipError('no-answer', 'not enough members have heard of this start yet')
  }

  async #serve(from: NodeId, type: number, body: Uint8Array): Promise<Uint8Array> {
    switch (type) {
      case LAYOUT_RPC.prepare:
        this.#mustVote()
        return this.#voter.prepare(from, body)
      case LAYOUT_RPC.accept: {
        this.#mustVote()
        const answer = await this.#voter.accept(from, body)
        this.#watch.look()
        return answer
      }
      case LAYOUT_RPC.notice: {
        const epoch = epochMessage.decode(body)
        this.witness.hear(from, epoch)
        void this.#catchUp.to(epoch, from).catch(() => undefined)
        return epochMessage.encode(this.#log.epoch)
      }
      case LAYOUT_RPC.entries: {
        const { after, offset } = entriesMessage.decode(body)
        return chunkMessage.encode(chunkOfEntries(this.#log, after, offset))
      }
      case LAYOUT_RPC.ready: {
        const asked = epochMessage.decode(body)
        if (from !== this.#peers.self) await this.#catchUp.to(asked, from).catch(() => undefined)
        // The epoch first: what is held is looked up after the node has moved to it.
        const { epoch } = this.#log
        return readyMessage.encode({
          epoch,
          holds: this.#options.holdsRegisters(),
        })
      }
      case LAYOUT_RPC.progress: {
        const asked = epochMessage.decode(body)
        if (from !== this.#peers.self) await this.#catchUp.to(asked, from).catch(() => undefined)
        return progressMessage.encode(this.progress())
      }
      case LAYOUT_RPC.silence:
        return this.#removal.answer(body)
      case LAYOUT_RPC.abstains:
        return this.#abstention.answer(from, body)
      case LAYOUT_RPC.offer:
        return this.secrets.offered(from, body)
      case LAYOUT_RPC.secret:
        return this.secrets.asked(from, body)
      default:
        throw new MembershipError('bad-layout', `message of unknown type ${type}`)
    }
  }
}

/** Fields of the log line about an epoch: the step of the change, its cause, and what it changes. */
function stepFields({
  entry,
  epoch,
  state,
  members,
  sources,
}: LayoutView): Record<string, unknown> {
  const { cause, next } = entry
  const before = { members: entry.members, replication: replicationOf(entry) }
  return {
    epoch,
    state,
    members: members.length,
    cause,
    ...(next !== undefined && {
      changes: diffOf(before, { members: next, replication: nextReplicationOf(entry) }),
    }),
    ...(sources.length > 0 && { sources: sources.length }),
  }
}
