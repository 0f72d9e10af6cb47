/**
 * Calls to peers, one method for each: it turns domain values into messages and back. A call to this node itself goes
 * to its own service directly. protocol/rpc/calls.ts says how each message is written.
 */

import { EMPTY_BYTES, byteString, bytesOf, bytesOfHex, hex } from '../../protocol/bytes.ts'
import {
  storageId,
  type BlockKey,
  type BucketId,
  type DataId,
  type NodeId,
  type RegisterKey,
} from '../../protocol/ids.ts'
import type { BlockOwner } from '../../protocol/keyspace/owner.ts'
import type { RegisterRequest } from '../../protocol/register/types.ts'
import { CALLS } from '../../protocol/rpc/calls.ts'
import {
  decodeMessage,
  decodeRegisterAnswer,
  MessageError,
  wireBallot,
} from '../../protocol/rpc/message.ts'
import type { ListReply } from '../../protocol/rpc/list-reply.ts'
import type {
  WireBlockReply,
  WireBuryReply,
  WireBuryRequest,
  WireCollectReply,
  WireCollectRequest,
  WireDigestReply,
  WireDigestRequest,
  WireEnumerateReply,
  WireEnumerateRequest,
  WireFreeReply,
  WireFreeRequest,
  WireListRequest,
  WireLostReply,
  WirePairsReply,
  WirePairsRequest,
  WireRaiseReply,
  WireRaiseRequest,
  WireRecallReply,
  WireRecallRequest,
  WireStatesReply,
  WireStatusReply,
  WireSummaryReply,
  WireSummaryRequest,
  WireUsageReply,
} from '../../protocol/rpc/messages.js'
import type { Clock, Network } from '../env/ports.ts'
import type { DiskWatch } from '../env/watched-disk.ts'
import type { AcceptorHost } from '../replica/acceptor-host.ts'
import type { Watermark } from '../replica/attempts.ts'
import type { BlockStore, OwnedBlock } from '../replica/blocks.ts'
import type { HostReply } from '../replica/host-replies.ts'
import type { ReadersRound } from '../replica/readers.ts'
import type { Sighting } from '../replica/sightings.ts'
import type { Tombstone } from '../replica/tombstones.ts'
import type { CallKind, PeerHealth } from './peer-health.ts'
import { PeerCaller, type CallOptions } from './peer-caller.ts'
import { RegisterMessages, type RegisterExtras } from './register-messages.ts'

export const BLOCK_RESULT = {
  ok: 0,
  notFound: 1,
  staleEpoch: 2,
  noRoom: 3,
  damaged: 4,
  /** The attempt of this block is over, and nothing names the block. */
  dead: 5,
} as const

/** What this node answers to itself, by the functions that also answer peers. */
export interface LocalService {
  readonly host: AcceptorHost
  readonly blocks: BlockStore
  putBlock(block: OwnedBlock, epoch: number): Promise<WireBlockReply>
  list(request: WireListRequest): Promise<ListReply>
  raise(request: WireRaiseRequest): Promise<WireRaiseReply>
  bury(request: WireBuryRequest): Promise<WireBuryReply>
  free(request: WireFreeRequest): Promise<WireFreeReply>
  collect(request: WireCollectRequest): Promise<WireCollectReply>
}

/** How far a peer had seen this node come before. Boot 0: it never saw it. */
export interface SeenBefore extends Pick<Sighting, 'boot' | 'life' | 'sequence'> {
  /** The epoch of the layout of the peer that answers. */
  readonly epoch: number
}

export class Peers {
  readonly #network: Network
  readonly #caller: PeerCaller
  readonly #messages = new RegisterMessages()
  readonly #local: () => LocalService

  constructor(
    network: Network,
    clock: Clock,
    disk: Pick<DiskWatch, 'readsSilentMs'>,
    local: () => LocalService,
  ) {
    this.#network = network
    this.#caller = new PeerCaller(network, clock, disk)
    this.#local = local
  }

  get health(): PeerHealth {
    return this.#caller.health
  }

  get self(): NodeId {
    return this.#network.self
  }

  /** True for this node itself. */
  connected(peer: NodeId): boolean {
    return peer === this.self || this.#network.connected(peer)
  }

  /** The order in which to ask: this node first, then connected peers, slow ones last. */
  preferred(peers: Iterable<NodeId>, kind: CallKind): NodeId[] {
    const each = [...new Set(peers)]
    if (each.length <= 1) return each
    const ranked = each.map((peer) => ({ peer, rank: this.#rank(peer, kind) }))
    return ranked.sort((a, b) => a.rank - b.rank).map(({ peer }) => peer)
  }

  /** 0 and 3 for this node, quick or slow; 1 and 3 for connected peers; 4 for the others. */
  #rank(peer: NodeId, kind: CallKind): number {
    const slow = this.health.isSlow(peer, kind) ? 2 : 0
    if (peer === this.self) return slow * 1.5
    return this.connected(peer) ? 1 + slow : 4
  }

  /** One prepare, accept or read. `blocks` are sent with an accept (A5); `withBlock` asks for the packed block of the
   * value. Throws NetworkError; `maybeDelivered` says whether the request may have been carried out. */
  async register(
    to: NodeId,
    request: RegisterRequest,
    extras: RegisterExtras,
    options: CallOptions,
  ): Promise<HostReply> {
    const { withBlock } = extras
    const kind = kindOf(request, withBlock)
    if (to === this.self) {
      const { host } = this.#local()
      return (
        host.answerAtOnce(request, withBlock) ??
        this.#caller.own(kind, options, () => host.handle(request, extras))
      )
    }
    const message = this.#messages.of(request, extras)
    const answer = await this.#caller.call(to, 'control', message, options, kind)
    const { reply, payloadKey } = decodeRegisterAnswer(answer.body)
    if (payloadKey === undefined || answer.payload === undefined) return { reply }
    return { reply, block: { key: payloadKey, bytes: answer.payload } }
  }

  /** Stores a block. The result is one of BLOCK_RESULT. Throws NetworkError. */
  putBlock(
    to: NodeId,
    block: OwnedBlock,
    epoch: number,
    options: CallOptions,
  ): Promise<WireBlockReply> {
    if (to === this.self) {
      return this.#caller.own('write', options, () => this.#local().putBlock(block, epoch))
    }
    const { key, owner, bytes } = block
    const request = { key: bytesOf(key), epoch, owner: bytesOf(owner) }
    return this.#caller.ask(CALLS.putBlock, to, request, options, 'write', bytes)
  }

  /** Verified bytes; undefined when the peer has no good copy. */
  async getBlock(to: NodeId, key: BlockKey, options: CallOptions): Promise<Uint8Array | undefined> {
    return (await this.getOwnedBlock(to, key, options))?.bytes
  }

  /** Like `getBlock`, with the block's owner: for copies. */
  async getOwnedBlock(
    to: NodeId,
    key: BlockKey,
    options: CallOptions,
  ): Promise<OwnedBlock | undefined> {
    if (to === this.self) return this.readOwnBlock(key, options)
    const { type, traffic, request, reply } = CALLS.getBlock
    const body = request.encode({ key: bytesOf(key) })
    const answer = await this.#caller.call(to, traffic, { type, body }, options, 'block')
    const { result, owner } = decodeMessage(reply, answer.body)
    if (result !== BLOCK_RESULT.ok) return undefined
    const bytes = answer.payload ?? EMPTY_BYTES
    return { key, bytes, owner: byteString(owner) as BlockOwner }
  }

  /** This node's own copy. `settled` is called when nothing is read into `into` any more, and says whether the result
   * has it. */
  readOwnBlock(
    key: BlockKey,
    options: CallOptions & { readonly settled?: (kept: boolean) => void },
    into?: Uint8Array,
  ): Promise<OwnedBlock | undefined> {
    const { settled } = options
    let isLate = false
    const run = (): Promise<OwnedBlock | undefined> => {
      const read = this.#local().blocks.readOwned(key, into)
      read.then(
        (block) => settled?.(block !== undefined && !isLate),
        () => settled?.(false),
      )
      return read
    }
    return this.#caller.own('block', options, run, () => (isLate = true))
  }

  /** Registers of some ranges, or digests of them (T1). */
  list(to: NodeId, request: WireListRequest, options: CallOptions): Promise<ListReply> {
    if (to === this.self)
      return this.#caller.own('list', options, () => this.#local().list(request))
    return this.#caller.ask(CALLS.list, to, request, options, 'list')
  }

  /** Raises the minimum generation of a bucket in some partitions (T8). */
  raise(to: NodeId, request: WireRaiseRequest, options: CallOptions): Promise<WireRaiseReply> {
    if (to === this.self)
      return this.#caller.own('write', options, () => this.#local().raise(request))
    return this.#caller.ask(CALLS.raise, to, request, options, 'write')
  }

  /** Tells a member that buckets are gone for good, so that it drops what it knows of them (T8). */
  bury(to: NodeId, request: WireBuryRequest, options: CallOptions): Promise<WireBuryReply> {
    if (to === this.self) return this.#local().bury(request)
    return this.#caller.ask(CALLS.bury, to, request, options)
  }

  /** Digests of partitions, to find those in which replicas differ. */
  digests(to: NodeId, request: WireDigestRequest, options: CallOptions): Promise<WireDigestReply> {
    return this.#caller.ask(CALLS.digests, to, request, options)
  }

  /** Registers and blocks of one partition, page by page. */
  enumerate(
    to: NodeId,
    request: WireEnumerateRequest,
    options: CallOptions,
  ): Promise<WireEnumerateReply> {
    return this.#caller.ask(CALLS.enumerate, to, request, options)
  }

  /** Tells a replica that it may lack something of these partitions (P7). */
  async hint(
    to: NodeId,
    partitions: readonly number[],
    epoch: number,
    options: CallOptions,
  ): Promise<void> {
    await this.#caller.ask(CALLS.hint, to, { epoch, partitions: [...partitions] }, options)
  }

  /** The watermark of another node, and which of these attempts are over (G5). */
  async attempts(
    to: NodeId,
    ids: readonly DataId[],
    options: CallOptions,
  ): Promise<{ watermark: Watermark; over: readonly boolean[] }> {
    const request = { ids: ids.map((id) => bytesOf(id)) }
    const reply = await this.#caller.ask(CALLS.attempts, to, request, options)
    const { storage, boot, covered, running, over } = reply
    if (!/^[0-9a-f]{24}$/.test(storage)) throw new MessageError('a watermark must name its storage')
    return { watermark: { storage: storageId(storage), boot, covered, running }, over }
  }

  /** Frees blocks of dead data (G5). Returns how many of them the node had. */
  async free(
    to: NodeId,
    keys: readonly BlockKey[],
    epoch: number,
    options: CallOptions,
  ): Promise<number> {
    const request = { epoch, keys: keys.map((key) => bytesOf(key)) }
    if (to === this.self) return (await this.#local().free(request)).freed
    return (await this.#caller.ask(CALLS.free, to, request, options)).freed
  }

  /** What the node has of these tombstones (TOMBSTONE). Undefined when it is at another epoch (G2). */
  async collect(
    to: NodeId,
    epoch: number,
    tombstones: readonly Tombstone[],
    forget: boolean,
    options: CallOptions,
  ): Promise<readonly number[] | undefined> {
    const request = {
      epoch,
      keys: tombstones.map(({ key }) => bytesOf(key)),
      ballots: tombstones.map(({ ballot }) => wireBallot(ballot)),
      forget,
    }
    const reply =
      to === this.self
        ? await this.#local().collect(request)
        : await this.#caller.ask(CALLS.collect, to, request, options)
    return reply.result === 0 ? reply.states : undefined
  }

  /** Tells a member what clients of this node are reading slowly. */
  async readers(to: NodeId, round: ReadersRound, options: CallOptions): Promise<void> {
    const ids = round.ids.map((id) => bytesOf(id))
    await this.#caller.ask(CALLS.readers, to, { ...round, ids }, options)
  }

  /** Whether the node has each of these blocks. Undefined when it is at another epoch. */
  async holds(
    to: NodeId,
    epoch: number,
    keys: readonly BlockKey[],
    options: CallOptions,
  ): Promise<readonly boolean[] | undefined> {
    const request = { epoch, keys: keys.map((key) => bytesOf(key)) }
    const { result, held } = await this.#caller.ask(CALLS.holds, to, request, options)
    return result === 0 && held.length === keys.length ? held : undefined
  }

  /** What the node knows to be lost for good, and the names of these buckets, as far as it knows. */
  lost(to: NodeId, buckets: readonly BucketId[], options: CallOptions): Promise<WireLostReply> {
    const request = { buckets: buckets.map((id) => bytesOf(id)) }
    return this.#caller.ask(CALLS.lost, to, request, options)
  }

  /** Tells a member how far this node has come. Returns how far that member had seen it come before (D2). */
  async hello(to: NodeId, told: Sighting, options: CallOptions): Promise<SeenBefore> {
    const request = { ...told, life: bytesOfHex(told.life) }
    const reply = await this.#caller.ask(CALLS.hello, to, request, options)
    const { boot, life, sequence, epoch } = reply
    return { boot, life: hex(life), sequence, epoch }
  }

  /** What a peer has of partitions that this node may have forgotten (D8). */
  recall(to: NodeId, request: WireRecallRequest, options: CallOptions): Promise<WireRecallReply> {
    return this.#caller.ask(CALLS.recall, to, request, options)
  }

  /** What a member of P has of some partitions (L5). */
  summary(
    to: NodeId,
    request: WireSummaryRequest,
    options: CallOptions,
  ): Promise<WireSummaryReply> {
    return this.#caller.ask(CALLS.summary, to, request, options)
  }

  /** The peer's registers, or its minima, of these partitions, page by page. */
  pairs(to: NodeId, request: WirePairsRequest, options: CallOptions): Promise<WirePairsReply> {
    return this.#caller.ask(CALLS.pairs, to, request, options)
  }

  /** Encoded states of registers, for as many of the keys as fit, from the first on. Empty for a register that is
   * absent. */
  states(
    to: NodeId,
    keys: readonly RegisterKey[],
    epoch: number,
    options: CallOptions,
  ): Promise<WireStatesReply> {
    return this.#caller.ask(
      CALLS.states,
      to,
      { epoch, keys: keys.map((key) => bytesOf(key)) },
      options,
    )
  }

  /** What the peer shows of itself in `shoal status`. */
  status(to: NodeId, options: CallOptions): Promise<WireStatusReply> {
    return this.#caller.ask(CALLS.status, to, {}, options)
  }

  /** How much these shards of a bucket hold, as far as the peer has counted. */
  usage(
    to: NodeId,
    bucket: BucketId,
    shards: number[],
    options: CallOptions,
  ): Promise<WireUsageReply> {
    return this.#caller.ask(CALLS.usage, to, { bucket: bytesOf(bucket), shards }, options)
  }

  /** What the peer's wall clock said when it answered. */
  async clock(to: NodeId, options: CallOptions): Promise<number> {
    return (await this.#caller.ask(CALLS.clock, to, {}, options)).nowMs
  }
}

/** Which latency a request belongs to: what it needs of the peer's disk. */
function kindOf({ type }: RegisterRequest, withBlock: boolean | undefined): CallKind {
  if (type === 'accept') return 'write'
  if (type === 'prepare') return 'vote'
  return withBlock === true ? 'value' : 'other'
}
