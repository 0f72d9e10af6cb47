/**
 * The layout of one node: what it is, how it changes, how this node entered it.
 *
 * The host serves `handle` for message types 200 to 239 BEFORE it calls `join`, since a joiner is asked
 * whether it is ready before its epoch becomes STABLE.
 *
 *   found()    a new cluster of one                          join(token)   becoming a member of one
 *   current()  the view that requests go by                  onChange()    each later one
 *   tokens     of those that may join                        secrets       the cluster secret
 *   observe()  somebody mentioned a later epoch: fetch, verify, flush, adopt (L4)
 */

import { assert } from '../../protocol/assert.ts'
import { equalBytes, hex, utf8, utf8Text } from '../../protocol/bytes.ts'
import type { ClusterId, NodeId, StorageId } from '../../protocol/ids.ts'
import { clusterId } from '../../protocol/ids.ts'
import { PARTITION_BITS, systemBitsFor } from '../../protocol/keyspace/key.ts'
import { voteBytes } from '../../protocol/layout/certificate.ts'
import type {
  DecidedEntry,
  LayoutEntry,
  LayoutState,
  Member,
  RootAccount,
} from '../../protocol/layout/entry.ts'
import { entryHash, NO_HASH } from '../../protocol/layout/entry.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Clock, Disk, Logger, Network, Random, Signer } from '../env/ports.ts'
import { Admission } from './admission.ts'
import { ChangeDriver } from './change-driver.ts'
import { chunkOfEntries, fetchEntries } from './entry-transfer.ts'
import { MembershipError } from './errors.ts'
import { JOIN_PROTOCOL } from './join-messages.ts'
import { isStableMember, Joiner } from './joiner.ts'
import { LayoutLog } from './layout-log.ts'
import { LayoutPeers } from './layout-peers.ts'
import { chunkMessage, entriesMessage, epochMessage, LAYOUT_RPC, readyMessage } from './messages.ts'
import { Proposer } from './proposer.ts'
import { Timer } from './timer.ts'
import { SecretOffice, type ResealRoot, type SecretStore } from './secret-office.ts'
import { decodeToken } from './token-codec.ts'
import { TokenOffice } from './token-office.ts'
import { Voter } from './voter.ts'

export const EPOCH_TOPIC = 'shoal/epoch'

const HEARTBEAT_MS = 3_000
/** A JOINT epoch, or an accepted proposal that is not decided, is taken over after about this. */
const TAKE_OVER_MS = 3_000
const DECIDE_MS = 5_000
const JOIN_TIMEOUT_MS = 90_000
const CLUSTER_SECRET_BYTES = 32
/** Peers told of a new epoch by each node that adopts it, besides gossip. */
const NOTIFY_MAX = 16

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
}

export interface FoundOptions {
  readonly rootAccount: RootAccount
  /** Default 3. */
  readonly replication?: number | undefined
  /** Default 14. */
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
  readonly #voter: Voter
  readonly #proposer: Proposer
  readonly #driver: ChangeDriver
  readonly #admission: Admission
  readonly #tokens: TokenOffice
  readonly #secrets: SecretOffice
  readonly #observing = new Map<NodeId, Promise<void>>()
  #started = false
  #watching = false

  private constructor(options: LayoutManagerOptions, log: LayoutLog) {
    const { network, clock, random, signer, logger } = options
    const catchUp = (epoch: number, from: NodeId): Promise<void> => this.#catchUp(epoch, from)
    this.#options = options
    this.#log = log
    this.#timer = new Timer(clock, random)
    this.#peers = new LayoutPeers(network, (from, type, body) => this.#serve(from, type, body))
    this.#voter = new Voter(log, signer, catchUp, (entry) => this.#secrets.mayAccept(entry))
    this.#proposer = new Proposer(log, signer, this.#peers, this.#timer, catchUp)
    this.#driver = new ChangeDriver(log, this.#peers, this.#proposer, this.#timer, logger)
    this.#secrets = new SecretOffice({
      log,
      peers: this.#peers,
      proposer: this.#proposer,
      driver: this.#driver,
      timer: this.#timer,
      clock,
      random,
      logger,
      store: options.clusterSecret,
      resealRoot: options.resealRoot ?? ((sealed) => sealed),
    })
    this.#admission = new Admission({
      log,
      peers: this.#peers,
      proposer: this.#proposer,
      driver: this.#driver,
      timer: this.#timer,
      clock,
      logger,
      clusterSecret: () => this.#secrets.current(),
    })
    this.#tokens = new TokenOffice({
      log,
      proposer: this.#proposer,
      driver: this.#driver,
      timer: this.#timer,
      clock,
      random,
      network,
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
        ...(systemPartitions && { systemPartitionBits: systemBitsFor(partitionBits) }),
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
   */
  async join(token: string, timeoutMs: number = JOIN_TIMEOUT_MS): Promise<void> {
    const decoded = decodeToken(token)
    const { view } = this.#log
    if (view !== undefined && view.clusterId !== decoded.clusterId) {
      throw new MembershipError('other-cluster', 'this data directory belongs to another cluster')
    }
    if (isStableMember(this.#log, this.#self()) && this.#secrets.current() !== undefined) return
    if (this.#options.holdsRegisters()) {
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
        hasClusterSecret: () => this.#secrets.current() !== undefined,
        saveClusterSecret: async (secret) => {
          const known = clusterSecret.get()
          if (known === undefined || !equalBytes(known, secret)) await clusterSecret.set(secret)
          this.#secrets.adopted()
        },
      },
      decoded,
    )
    await joiner.run(timeoutMs)
  }

  /** Join tokens. */
  get tokens(): TokenOffice {
    return this.#tokens
  }

  /** The cluster secret. */
  get secrets(): SecretOffice {
    return this.#secrets
  }

  /** False while a change of the layout is under way or undecided: answer 503 (docs/protocol.md, Layout). */
  createBucketAllowed(): boolean {
    const { view, undecided } = this.#log
    return view?.state === 'STABLE' && undecided?.next === undefined && !this.#admission.busy
  }

  /** Fetches and adopts what `peer` knows up to `epoch`. Rejects when that fails. */
  async observe(epoch: number, peer: NodeId): Promise<void> {
    await this.#catchUp(epoch, peer)
  }

  /** No vote on this epoch or an earlier one: see LayoutLog. */
  abstain(epoch: number): Promise<void> {
    return this.#log.abstain(epoch)
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
    network.subscribe(EPOCH_TOPIC, (from, bytes) => this.#heard(from, bytes))
    network.onPeer(({ type, peer }) => {
      if (type === 'up') this.#notify([peer])
    })
    const view = this.#log.view
    if (view !== undefined) this.#adopted(view)
    void this.#beat().catch(() => undefined)
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
    logger.info(
      { epoch: view.epoch, state: view.state, members: view.members.length },
      'layout adopted',
    )
    if (!this.#started) return
    this.#secrets.adopted()
    this.#publish()
    // A few each are enough: who learns of it tells others in turn.
    this.#notify(this.#some([...known.keys()], NOTIFY_MAX))
    this.#watch()
  }

  #publish(): void {
    const view = this.#log.view
    if (view === undefined || !this.isMember()) return
    const notice = JSON.stringify({ clusterId: view.clusterId, epoch: view.epoch })
    this.#options.network.publish(EPOCH_TOPIC, utf8(notice))
  }

  /** Tells peers of this node's epoch, and learns of theirs. */
  #notify(peers: readonly NodeId[]): void {
    for (const peer of peers) {
      const { epoch } = this.#log
      this.#peers
        .call(peer, LAYOUT_RPC.notice, epochMessage.encode(epoch))
        .then((answer) => this.#catchUp(epochMessage.decode(answer), peer))
        .catch(() => undefined)
    }
  }

  /** Up to `count` of them, by chance. */
  #some(peers: NodeId[], count: number): NodeId[] {
    const { random } = this.#options
    for (let i = 0; i < Math.min(count, peers.length); i++) {
      const j = i + Math.floor(random.float() * (peers.length - i))
      const picked = peers[j]!
      peers[j] = peers[i]!
      peers[i] = picked
    }
    return peers.slice(0, count)
  }

  #heard(from: NodeId, bytes: Uint8Array): void {
    let notice: unknown
    try {
      notice = JSON.parse(utf8Text(bytes))
    } catch {
      return
    }
    if (typeof notice !== 'object' || notice === null) return
    const { clusterId, epoch } = notice as { clusterId?: unknown; epoch?: unknown }
    if (clusterId !== this.#log.view?.clusterId || typeof epoch !== 'number') return
    void this.#catchUp(epoch, from).catch(() => undefined)
  }

  async #beat(): Promise<void> {
    for (;;) {
      await this.#timer.sleep(this.#timer.jittered(HEARTBEAT_MS))
      this.#publish()
      // A member that hears nobody's gossip still learns of later epochs.
      const peers = this.#log.view?.members.map((member) => member.nodeId) ?? []
      const others = peers.filter((peer) => peer !== this.#peers.self)
      this.#notify(this.#some(others, 1))
      this.#watch()
    }
  }

  /** Takes over a change that its driver left unfinished. */
  #watch(): void {
    const unfinished = (): boolean =>
      this.#log.votes && (this.#log.view?.state === 'JOINT' || this.#log.undecided !== undefined)
    if (this.#watching || !unfinished()) return
    this.#watching = true
    const { epoch } = this.#log
    const run = async (): Promise<void> => {
      await this.#timer.sleep(this.#timer.jittered(TAKE_OVER_MS))
      if (this.#log.epoch !== epoch || !unfinished()) return
      const { undecided } = this.#log
      if (undecided !== undefined) await this.#proposer.decide(undecided, DECIDE_MS)
      await this.#driver.drive()
    }
    void run()
      .catch(() => undefined)
      .finally(() => {
        this.#watching = false
        if (!this.#timer.stopped) this.#watch()
      })
  }

  /** One fetch from a peer at a time, shared by all who ask meanwhile. What the peer did not have when an
   * earlier caller's fetch began, it may have by now: only a fetch that began after the call ends it. */
  async #catchUp(epoch: number, from: NodeId): Promise<void> {
    // A stranger to the cluster gets its first entries by joining only.
    if (this.#log.view === undefined) {
      throw new MembershipError('no-answer', 'this node is in no cluster yet')
    }
    while (this.#log.epoch < epoch) {
      const before = this.#log.epoch
      let fetching = this.#observing.get(from)
      if (fetching !== undefined) {
        await fetching.catch(() => {})
        if (this.#log.epoch > before) continue
        fetching = this.#observing.get(from)
      }
      if (fetching === undefined) {
        fetching = this.#fetch(from).finally(() => this.#observing.delete(from))
        this.#observing.set(from, fetching)
      }
      await fetching
      if (this.#log.epoch === before) {
        throw new MembershipError('no-answer', `${from} does not have epoch ${before + 1}`)
      }
    }
  }

  async #fetch(from: NodeId): Promise<void> {
    const entries = await fetchEntries(this.#log.epoch, async (after, offset) =>
      chunkMessage.decode(
        await this.#peers.call(from, LAYOUT_RPC.entries, entriesMessage.encode(after, offset)),
      ),
    )
    await this.#log.adopt(entries)
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
        this.#watch()
        return answer
      }
      case LAYOUT_RPC.notice: {
        const epoch = epochMessage.decode(body)
        void this.#catchUp(epoch, from).catch(() => undefined)
        return epochMessage.encode(this.#log.epoch)
      }
      case LAYOUT_RPC.entries: {
        const { after, offset } = entriesMessage.decode(body)
        return chunkMessage.encode(chunkOfEntries(this.#log, after, offset))
      }
      case LAYOUT_RPC.ready: {
        const asked = epochMessage.decode(body)
        if (from !== this.#peers.self) await this.#catchUp(asked, from).catch(() => undefined)
        // The epoch first: what is held is looked up after the node has moved to it.
        const { epoch } = this.#log
        return readyMessage.encode({ epoch, holds: this.#options.holdsRegisters() })
      }
      case LAYOUT_RPC.offer:
        return this.#secrets.offered(from, body)
      case LAYOUT_RPC.secret:
        return this.#secrets.asked(from, body)
      default:
        throw new MembershipError('bad-layout', `message of unknown type ${type}`)
    }
  }
}
