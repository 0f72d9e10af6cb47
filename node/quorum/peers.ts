/**
 * Typed calls to peers, and to this node itself without the detour over bytes. What a peer answers at
 * a later epoch is fetched and adopted before anyone starts again (L4).
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
import {
  decodeMessage,
  decodeRegisterAnswer,
  encodeRegisterCall,
  MessageError,
  RPC,
  wireBallot,
} from '../../protocol/rpc/message.ts'
import {
  WireAttemptsReply,
  WireAttemptsRequest,
  WireBlockReply,
  WireBlockRequest,
  WireCollectReply,
  WireCollectRequest,
  WireDigestReply,
  WireDigestRequest,
  WireEnumerateReply,
  WireEnumerateRequest,
  WireFreeReply,
  WireFreeRequest,
  WireHelloReply,
  WireHelloRequest,
  WireHintRequest,
  WireHoldsReply,
  WireHoldsRequest,
  WireListReply,
  WireListRequest,
  WireLostReply,
  WireLostRequest,
  WireBuryReply,
  WireBuryRequest,
  WireRaiseReply,
  WireRaiseRequest,
  WirePairsReply,
  WirePairsRequest,
  WireRecallReply,
  WireRecallRequest,
  WireReadersRequest,
  WireStatesReply,
  WireStatesRequest,
  WireStatusReply,
  WireSummaryReply,
  WireSummaryRequest,
} from '../../protocol/rpc/messages.js'
import type { Watermark } from '../replica/attempts.ts'
import type { BlockStore, OwnedBlock } from '../replica/blocks.ts'
import type { Clock, Network, NetworkError, TrafficClass } from '../env/ports.ts'
import type { DiskWatch } from '../env/watched-disk.ts'
import type { HostReply } from '../replica/host-replies.ts'
import type { AcceptorHost } from '../replica/acceptor-host.ts'
import type { ReadersRound } from '../replica/readers.ts'
import type { Sighting } from '../replica/sightings.ts'
import type { Tombstone } from '../replica/tombstones.ts'
import { PeerHealth, type CallKind } from './peer-health.ts'

export const BLOCK_RESULT = {
  ok: 0,
  notFound: 1,
  staleEpoch: 2,
  noRoom: 3,
  damaged: 4,
  /** Its attempt is over, and nothing names it. */
  dead: 5,
} as const

/** What this node answers to itself: the same functions that serve peers. */
export interface LocalService {
  readonly host: AcceptorHost
  readonly blocks: BlockStore
  putBlock(block: OwnedBlock, epoch: number): Promise<WireBlockReply>
  list(request: WireListRequest): Promise<WireListReply>
  raise(request: WireRaiseRequest): Promise<WireRaiseReply>
  bury(request: WireBuryRequest): Promise<WireBuryReply>
  free(request: WireFreeRequest): Promise<WireFreeReply>
  collect(request: WireCollectRequest): Promise<WireCollectReply>
}

/** Boot 0: never. */
export interface SeenBefore extends Pick<Sighting, 'boot' | 'life' | 'sequence'> {
  /** Of the layout of the one who answers. */
  readonly epoch: number
}

export interface CallOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export class Peers {
  readonly health: PeerHealth
  readonly #network: Network
  readonly #clock: Clock
  readonly #local: () => LocalService

  constructor(
    network: Network,
    clock: Clock,
    disk: Pick<DiskWatch, 'readsSilentMs'>,
    local: () => LocalService,
  ) {
    this.#network = network
    this.#clock = clock
    this.#local = local
    const own = { node: network.self, diskSilentMs: () => disk.readsSilentMs() }
    this.health = new PeerHealth(clock, own)
  }

  get self(): NodeId {
    return this.#network.self
  }

  connected(peer: NodeId): boolean {
    return peer === this.self || this.#network.connected(peer)
  }

  /** In which order to ask: this node first, then those that are connected, those that are slow last. */
  preferred(peers: Iterable<NodeId>, kind: CallKind): NodeId[] {
    const ranked = [...new Set(peers)].map((peer) => ({ peer, rank: this.#rank(peer, kind) }))
    return ranked.sort((a, b) => a.rank - b.rank).map(({ peer }) => peer)
  }

  #rank(peer: NodeId, kind: CallKind): number {
    const slow = this.health.isSlow(peer, kind) ? 2 : 0
    if (peer === this.self) return slow * 1.5
    return this.connected(peer) ? 1 + slow : 4
  }

  async register(
    to: NodeId,
    request: RegisterRequest,
    extras: { blocks?: readonly OwnedBlock[] | undefined; withBlock?: boolean | undefined },
    options: CallOptions,
  ): Promise<HostReply> {
    const { blocks = [], withBlock } = extras
    const kind = kindOf(request, withBlock)
    if (to === this.self) {
      return this.#own(kind, options, () => this.#local().host.handle(request, extras))
    }
    const payload = blocks.map(({ key, owner, bytes }) => ({
      key,
      owner,
      lengthBytes: bytes.length,
    }))
    const body = encodeRegisterCall({ request, withBlock, payload })
    const bytes = joined(blocks)
    const answer = await this.#call(to, 'control', RPC.register, body, options, kind, bytes)
    const { reply, payloadKey } = decodeRegisterAnswer(answer.body)
    if (payloadKey === undefined || answer.payload === undefined) return { reply }
    return { reply, block: { key: payloadKey, bytes: answer.payload } }
  }

  async putBlock(
    to: NodeId,
    block: OwnedBlock,
    epoch: number,
    options: CallOptions,
  ): Promise<WireBlockReply> {
    if (to === this.self) {
      return this.#own('write', options, () => this.#local().putBlock(block, epoch))
    }
    const { key, owner, bytes } = block
    const body = WireBlockRequest.encode({ key: bytesOf(key), epoch, owner: bytesOf(owner) })
    const answer = await this.#call(to, 'bulk', RPC.putBlock, body, options, 'write', bytes)
    return decodeMessage(WireBlockReply, answer.body)
  }

  /** Verified bytes; undefined when the peer has no good copy. */
  async getBlock(to: NodeId, key: BlockKey, options: CallOptions): Promise<Uint8Array | undefined> {
    return (await this.getOwnedBlock(to, key, options))?.bytes
  }

  /** As `getBlock`, with its owner: for copies. */
  async getOwnedBlock(
    to: NodeId,
    key: BlockKey,
    options: CallOptions,
  ): Promise<OwnedBlock | undefined> {
    if (to === this.self) return this.readOwnBlock(key, options)
    const body = WireBlockRequest.encode({ key: bytesOf(key) })
    const answer = await this.#call(to, 'bulk', RPC.getBlock, body, options, 'block')
    const { result, owner } = decodeMessage(WireBlockReply, answer.body)
    if (result !== BLOCK_RESULT.ok) return undefined
    const bytes = answer.payload ?? EMPTY_BYTES
    return { key, bytes, owner: byteString(owner) as BlockOwner }
  }

  /** This node's own copy. `settled` is told when nothing is read into `into` any more, and whether the
   * result has it. */
  readOwnBlock(
    key: BlockKey,
    options: CallOptions & { readonly settled?: (kept: boolean) => void },
    into?: Uint8Array,
  ): Promise<OwnedBlock | undefined> {
    let late = false
    const read = this.#own('block', options, async () => {
      let block: OwnedBlock | undefined
      try {
        block = await this.#local().blocks.readOwned(key, into)
        return block
      } finally {
        options.settled?.(block !== undefined && !late)
      }
    })
    read.catch(() => (late = true))
    return read
  }

  async list(to: NodeId, request: WireListRequest, options: CallOptions): Promise<WireListReply> {
    if (to === this.self) return this.#own('list', options, () => this.#local().list(request))
    const body = WireListRequest.encode(request)
    return decodeMessage(
      WireListReply,
      (await this.#call(to, 'control', RPC.list, body, options, 'list')).body,
    )
  }

  async raise(
    to: NodeId,
    request: WireRaiseRequest,
    options: CallOptions,
  ): Promise<WireRaiseReply> {
    if (to === this.self) return this.#own('write', options, () => this.#local().raise(request))
    const body = WireRaiseRequest.encode(request)
    return decodeMessage(
      WireRaiseReply,
      (await this.#call(to, 'control', RPC.raise, body, options, 'write')).body,
    )
  }

  async bury(to: NodeId, request: WireBuryRequest, options: CallOptions): Promise<WireBuryReply> {
    if (to === this.self) return this.#local().bury(request)
    const body = WireBuryRequest.encode(request)
    return decodeMessage(
      WireBuryReply,
      (await this.#call(to, 'control', RPC.bury, body, options)).body,
    )
  }

  async digests(
    to: NodeId,
    request: WireDigestRequest,
    options: CallOptions,
  ): Promise<WireDigestReply> {
    const body = WireDigestRequest.encode(request)
    return decodeMessage(
      WireDigestReply,
      (await this.#call(to, 'bulk', RPC.digests, body, options)).body,
    )
  }

  async enumerate(
    to: NodeId,
    request: WireEnumerateRequest,
    options: CallOptions,
  ): Promise<WireEnumerateReply> {
    const body = WireEnumerateRequest.encode(request)
    const answer = await this.#call(to, 'bulk', RPC.enumerate, body, options)
    return decodeMessage(WireEnumerateReply, answer.body)
  }

  /** Tells a replica that it may lack something of these partitions (P7). */
  async hint(
    to: NodeId,
    partitions: readonly number[],
    epoch: number,
    options: CallOptions,
  ): Promise<void> {
    const body = WireHintRequest.encode({ epoch, partitions: [...partitions] })
    await this.#call(to, 'control', RPC.hint, body, options)
  }

  /** Of another node: its watermark, and which of these attempts are over (G5). */
  async attempts(
    to: NodeId,
    ids: readonly DataId[],
    options: CallOptions,
  ): Promise<{ mark: Watermark; over: readonly boolean[] }> {
    const body = WireAttemptsRequest.encode({ ids: ids.map((id) => bytesOf(id)) })
    const answer = await this.#call(to, 'control', RPC.attempts, body, options)
    const wire = decodeMessage(WireAttemptsReply, answer.body)
    const { storage, boot, covered, running, over } = wire
    if (!/^[0-9a-f]{24}$/.test(storage)) throw new MessageError('a watermark names its storage')
    return { mark: { storage: storageId(storage), boot, covered, running }, over }
  }

  /** Blocks of dead data may go (G5). The result is how many were there. */
  async free(
    to: NodeId,
    keys: readonly BlockKey[],
    epoch: number,
    options: CallOptions,
  ): Promise<number> {
    const request = { epoch, keys: keys.map((key) => bytesOf(key)) }
    if (to === this.self) return (await this.#local().free(request)).freed
    const body = WireFreeRequest.encode(request)
    const answer = await this.#call(to, 'bulk', RPC.free, body, options)
    return decodeMessage(WireFreeReply, answer.body).freed
  }

  /** What the node has of these tombstones (TOMBSTONE). Undefined: it is at another epoch (G2). */
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
        : decodeMessage(
            WireCollectReply,
            (await this.#call(to, 'bulk', RPC.collect, WireCollectRequest.encode(request), options))
              .body,
          )
    return reply.result === 0 ? reply.states : undefined
  }

  /** Tells a member what clients of this node are reading slowly. */
  async readers(to: NodeId, round: ReadersRound, options: CallOptions): Promise<void> {
    const ids = round.ids.map((id) => bytesOf(id))
    const body = WireReadersRequest.encode({ ...round, ids })
    await this.#call(to, 'control', RPC.readers, body, options)
  }

  /** Of each block, whether the node has it. Undefined: it is at another epoch. */
  async holds(
    to: NodeId,
    epoch: number,
    keys: readonly BlockKey[],
    options: CallOptions,
  ): Promise<readonly boolean[] | undefined> {
    const body = WireHoldsRequest.encode({ epoch, keys: keys.map((key) => bytesOf(key)) })
    const answer = await this.#call(to, 'bulk', RPC.holds, body, options)
    const { result, held } = decodeMessage(WireHoldsReply, answer.body)
    return result === 0 && held.length === keys.length ? held : undefined
  }

  /** What the node knows to be lost for good, and the names of these buckets, as far as it knows. */
  async lost(
    to: NodeId,
    buckets: readonly BucketId[],
    options: CallOptions,
  ): Promise<WireLostReply> {
    const body = WireLostRequest.encode({ buckets: buckets.map((id) => bytesOf(id)) })
    const answer = await this.#call(to, 'bulk', RPC.lost, body, options)
    return decodeMessage(WireLostReply, answer.body)
  }

  /** Tells a member how far this node has come; the answer is how far that one saw it before (D2). */
  async hello(to: NodeId, told: Sighting, options: CallOptions): Promise<SeenBefore> {
    const body = WireHelloRequest.encode({ ...told, life: bytesOfHex(told.life) })
    const answer = await this.#call(to, 'control', RPC.hello, body, options)
    const { boot, life, sequence, epoch } = decodeMessage(WireHelloReply, answer.body)
    return { boot, life: hex(life), sequence, epoch }
  }

  /** What this node should know of partitions that it may have forgotten (D8). */
  async recall(
    to: NodeId,
    request: WireRecallRequest,
    options: CallOptions,
  ): Promise<WireRecallReply> {
    const body = WireRecallRequest.encode(request)
    const answer = await this.#call(to, 'control', RPC.recall, body, options)
    return decodeMessage(WireRecallReply, answer.body)
  }

  /** What a member of P has of some partitions (L5). */
  async summary(
    to: NodeId,
    request: WireSummaryRequest,
    options: CallOptions,
  ): Promise<WireSummaryReply> {
    const body = WireSummaryRequest.encode(request)
    const answer = await this.#call(to, 'control', RPC.summary, body, options)
    return decodeMessage(WireSummaryReply, answer.body)
  }

  /** Its registers, or minima, of these partitions, page by page. */
  async pairs(
    to: NodeId,
    request: WirePairsRequest,
    options: CallOptions,
  ): Promise<WirePairsReply> {
    const answer = await this.#call(
      to,
      'bulk',
      RPC.pairs,
      WirePairsRequest.encode(request),
      options,
    )
    return decodeMessage(WirePairsReply, answer.body)
  }

  /** Encoded states of registers: of the first of the keys, as many as fit. Empty where there is none. */
  async states(
    to: NodeId,
    keys: readonly RegisterKey[],
    epoch: number,
    options: CallOptions,
  ): Promise<WireStatesReply> {
    const body = WireStatesRequest.encode({ epoch, keys: keys.map((key) => bytesOf(key)) })
    const answer = await this.#call(to, 'bulk', RPC.states, body, options)
    return decodeMessage(WireStatesReply, answer.body)
  }

  async status(to: NodeId, options: CallOptions): Promise<WireStatusReply> {
    const answer = await this.#call(to, 'control', RPC.status, new Uint8Array(0), options)
    return decodeMessage(WireStatusReply, answer.body)
  }

  /** This node's own answer has a deadline as well: its disk may hang (D11). */
  #own<T>(kind: CallKind, { timeoutMs }: CallOptions, run: () => Promise<T>): Promise<T> {
    const ended = this.health.began(this.self, kind)
    return new Promise((resolve, reject) => {
      let over = false
      const cancel = this.#clock.after(timeoutMs, () => {
        over = true
        ended('silent')
        reject(new OwnDeadline(`this node itself gave no answer within ${timeoutMs} ms`))
      })
      const end = (): void => {
        if (over) return
        cancel()
        ended('answered')
      }
      run().then(
        (value) => {
          end()
          resolve(value)
        },
        (error: unknown) => {
          end()
          reject(error as Error)
        },
      )
    })
  }

  async #call(
    to: NodeId,
    traffic: TrafficClass,
    type: number,
    body: Uint8Array,
    { timeoutMs, signal }: CallOptions,
    kind: CallKind = 'other',
    payload?: Uint8Array,
  ): Promise<{ body: Uint8Array; payload?: Uint8Array | undefined }> {
    const ended = this.health.began(to, kind)
    try {
      const answer = await this.#network.call(
        to,
        traffic,
        { type, body, payload },
        signal === undefined ? { timeoutMs } : { timeoutMs, signal },
      )
      ended('answered')
      if (answer.type !== type) throw new MessageError(`answer of type ${answer.type} to ${type}`)
      return answer
    } catch (error) {
      const { code } = error as { code?: NetworkError['code'] }
      if (code !== undefined) ended(howEnded(code))
      throw error
    }
  }
}

function kindOf({ type }: RegisterRequest, withBlock: boolean | undefined): CallKind {
  if (type === 'accept') return 'write'
  if (type === 'prepare') return 'vote'
  return withBlock === true ? 'value' : 'other'
}

function howEnded(code: NetworkError['code']): 'answered' | 'silent' | 'none' {
  // One that refuses calls unserved has too many without an answer already.
  if (code === 'TIMEOUT' || code === 'OVERLOADED') return 'silent'
  return code === 'REFUSED' ? 'answered' : 'none'
}

/** As a peer's. The request may still be carried out. */
class OwnDeadline extends Error implements NetworkError {
  override readonly name = 'OwnDeadline'
  readonly code = 'TIMEOUT'
  readonly maybeDelivered = true
}

/** One block goes as it is, without a copy. */
function joined(blocks: readonly OwnedBlock[]): Uint8Array | undefined {
  if (blocks.length <= 1) return blocks[0]?.bytes
  const bytes = new Uint8Array(blocks.reduce((sum, block) => sum + block.bytes.length, 0))
  let at = 0
  for (const block of blocks) {
    bytes.set(block.bytes, at)
    at += block.bytes.length
  }
  return bytes
}
