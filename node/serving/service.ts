/**
 * Answers the messages of peers: one handler for each type of message, in one table. A handler checks who may ask (L1b),
 * decodes, does the work, and encodes the answer. The node's assembly gives `serve` to the network.
 *
 * Invariants:
 *   - a peer that speaks at a later epoch is answered only after this node has adopted that epoch      (L4)
 *   - only members change anything here; learners and sources read                                     (L1b)
 */

import { EMPTY_BYTES, bytesOf, bytesOfHex, hex } from '../../protocol/bytes.ts'
import { type BlockKey, type NodeId, type StorageId } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { Role } from '../../protocol/layout/view.ts'
import type { RegisterRequest } from '../../protocol/register/types.ts'
import {
  blockKeyOfWire,
  blockOwnerOfWire,
  dataIdOfWire,
  decodeMessage,
  decodeRegisterCall,
  encodeRegisterAnswer,
  LAYOUT_RPC_MAX,
  LAYOUT_RPC_MIN,
  MessageError,
  RPC,
  type PayloadBlock,
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
import type { Attempts } from '../replica/attempts.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import type { NetworkMessage } from '../env/ports.ts'
import type { Witness } from '../rebalance/witness.ts'
import type { SyncAnswers } from '../repair/sync-answers.ts'
import type { Sightings } from '../replica/sightings.ts'
import type { Resync } from '../repair/resync.ts'
import { ATTEMPTS_ASKED_MAX } from '../replica/attempt-watermarks.ts'
import { HOLDS_ASKED_MAX } from '../reclaim/reference-check.ts'
import { READERS_IDS_MAX, type Readers } from '../replica/readers.ts'
import { BLOCK_RESULT } from '../quorum/peers.ts'
import { checkOf } from './reach.ts'
import { LocalReplica, type LocalReplicaOptions } from './local-replica.ts'

export interface ServiceOptions extends LocalReplicaOptions {
  readonly exchange: SyncAnswers
  readonly witness: () => Witness
  readonly resync: () => Resync
  readonly attempts: Attempts
  readonly readers: Readers
  /** Which data is lost for good, and the names of buckets. */
  readonly lost: (request: WireLostRequest) => Promise<WireLostReply>
  /** Called for a block that a register names and this node does not have. */
  readonly onMissing: (key: BlockKey) => void
  /** What a peer is to the layout, as this node knows it. */
  readonly role: (peer: NodeId) => Role | undefined
  /** The storage id that the layout names for a peer. */
  readonly storageOf: (peer: NodeId) => StorageId | undefined
  readonly sightings: Pick<Sightings, 'note'>
  /** A peer spoke at a later epoch: fetch and persist the layout first (L4). */
  readonly observe: (epoch: number, from: NodeId) => Promise<void>
  readonly layout: (from: NodeId, type: number, body: Uint8Array) => Promise<Uint8Array>
  readonly status: () => WireStatusReply
}

type Handler = (from: NodeId, message: NetworkMessage) => Promise<NetworkMessage>

/** How one kind of message is decoded or encoded. */
interface WireCodec<T> {
  encode(message: Partial<T>): Uint8Array
  decode(bytes: Uint8Array): T
}

type Answer<Q, A> = (request: Q, from: NodeId) => Partial<A> | Promise<Partial<A>>

/** For messages that are answered with an empty body. */
const NO_REPLY: Pick<WireCodec<void>, 'encode'> = { encode: () => EMPTY_BYTES }

/** Serves the messages of peers. */
export class Service extends LocalReplica {
  readonly #options: ServiceOptions
  readonly #handlers: ReadonlyMap<number, Handler>

  constructor(options: ServiceOptions) {
    super(options)
    this.#options = options
    this.#handlers = this.#handlersByType()
  }

  /** Answers one message of a peer. Throws MessageError for a message that is malformed or not allowed. */
  async serve(from: NodeId, message: NetworkMessage): Promise<NetworkMessage> {
    const { type, body } = message
    if (type >= LAYOUT_RPC_MIN && type <= LAYOUT_RPC_MAX) {
      return { type, body: await this.#options.layout(from, type, body) }
    }
    if (checkOf(type) === 'at-once') this.#mustBeMember(from)
    const handler = this.#handlers.get(type)
    if (handler === undefined) throw new MessageError(`message of unknown type ${type}`)
    return handler(from, message)
  }

  #handlersByType(): ReadonlyMap<number, Handler> {
    const { exchange, witness, resync, lost, status } = this.#options
    return new Map<number, Handler>([
      [RPC.register, (from, { body, payload }) => this.#register(from, body, payload)],
      [RPC.putBlock, (from, { body, payload }) => this.#putBlock(from, body, payload)],
      [RPC.getBlock, (_from, { body }) => this.#getBlock(body)],
      [RPC.list, this.#inEpoch(WireListRequest, WireListReply, (asked) => this.list(asked))],
      [RPC.raise, this.#inEpoch(WireRaiseRequest, WireRaiseReply, (asked) => this.raise(asked))],
      [RPC.bury, this.#inEpoch(WireBuryRequest, WireBuryReply, (asked) => this.bury(asked))],
      [
        RPC.collect,
        this.#inEpoch(WireCollectRequest, WireCollectReply, (asked) => this.collect(asked)),
      ],
      [
        RPC.recall,
        this.#inEpoch(WireRecallRequest, WireRecallReply, (asked, from) =>
          this.#recall(from, asked),
        ),
      ],
      [
        RPC.digests,
        this.#read(WireDigestRequest, WireDigestReply, (asked, from) =>
          exchange.digests(from, asked),
        ),
      ],
      [
        RPC.enumerate,
        this.#read(WireEnumerateRequest, WireEnumerateReply, (asked, from) =>
          exchange.enumerate(from, asked),
        ),
      ],
      [
        RPC.summary,
        this.#read(WireSummaryRequest, WireSummaryReply, (asked) => witness().summary(asked)),
      ],
      [RPC.pairs, this.#read(WirePairsRequest, WirePairsReply, (asked) => witness().pairs(asked))],
      [
        RPC.states,
        this.#read(WireStatesRequest, WireStatesReply, (asked) => witness().states(asked)),
      ],
      [RPC.free, answering(WireFreeRequest, WireFreeReply, (asked) => this.free(asked))],
      [RPC.lost, answering(WireLostRequest, WireLostReply, lost)],
      [
        RPC.holds,
        answering(WireHoldsRequest, WireHoldsReply, (asked, from) => this.#holds(from, asked)),
      ],
      [
        RPC.hello,
        answering(WireHelloRequest, WireHelloReply, (asked, from) => this.#hello(from, asked)),
      ],
      [
        RPC.attempts,
        answering(WireAttemptsRequest, WireAttemptsReply, (asked) => this.#attempts(asked)),
      ],
      [
        RPC.readers,
        answering(WireReadersRequest, NO_REPLY, (asked, from) => this.#readers(from, asked)),
      ],
      [
        RPC.hint,
        answering(WireHintRequest, NO_REPLY, ({ partitions }) => resync().hinted(partitions)),
      ],
      [
        RPC.status,
        (_from, { type }) => Promise.resolve({ type, body: WireStatusReply.encode(status()) }),
      ],
    ])
  }

  /** For members only, judged at the epoch of the request at least. */
  #inEpoch<Q extends { readonly epoch: number }, A>(
    request: WireCodec<Q>,
    reply: WireCodec<A>,
    answer: Answer<Q, A>,
  ): Handler {
    return answering(request, reply, async (asked, from) => {
      await this.#catchUp(asked.epoch, from)
      return answer(asked, from)
    })
  }

  /** For learners and sources too: they read. */
  #read<Q extends { readonly epoch: number }, A>(
    request: WireCodec<Q>,
    reply: WireCodec<A>,
    answer: Answer<Q, A>,
  ): Handler {
    return answering(request, reply, async (asked, from) => {
      await this.#learn(asked.epoch, from)
      return answer(asked, from)
    })
  }

  /** Answered at any epoch, and by nodes that do not vote, too (D2). */
  async #hello(
    from: NodeId,
    { storage, boot, life, sequence }: WireHelloRequest,
  ): Promise<Partial<WireHelloReply>> {
    if (!/^[0-9a-f]{24}$/.test(storage))
      throw new MessageError('a hello must name the storage id of its node')
    // A node whose storage shows less than was noted of it gives up. So no node may speak for another one's storage.
    if (storage !== this.#options.storageOf(from)) {
      throw new MessageError('a node may speak only of its own storage')
    }
    const told = { storage, boot, life: hex(life), sequence }
    const seen = await this.#options.sightings.note(told)
    const epoch = this.#options.epoch()
    if (seen === undefined) return { boot: 0, epoch }
    return { ...seen, life: bytesOfHex(seen.life), epoch }
  }

  async #recall(from: NodeId, request: WireRecallRequest): Promise<WireRecallReply> {
    const { epoch, host, exchange, votes } = this.#options
    const nothing = { epoch: epoch(), mark: host.mark, partitions: [], next: 0 }
    if (request.epoch !== epoch() || request.fence === 0) return nothing
    // The fence holds for the pages that follow, and across a restart.
    if (request.from === 0) await host.outlaw(request.fence)
    const page = exchange.recall(from, request, votes)
    return { ...nothing, epoch: epoch(), ...page }
  }

  #attempts({ ids }: WireAttemptsRequest): WireAttemptsReply {
    if (ids.length > ATTEMPTS_ASKED_MAX) throw new MessageError('too many attempts in one message')
    const { attempts } = this.#options
    const over = ids.map((id) => attempts.isOver(dataIdOfWire(id)))
    const { storage, boot, covered, running } = attempts.watermark()
    return { storage, boot, covered, running: [...running], over }
  }

  #readers(from: NodeId, { boot, round, last, ids }: WireReadersRequest): void {
    if (ids.length > READERS_IDS_MAX) throw new MessageError('too many readers in one message')
    this.#options.readers.learn(from, { boot, round, last, ids: ids.map(dataIdOfWire) })
  }

  async #register(
    from: NodeId,
    body: Uint8Array,
    payload: Uint8Array | undefined,
  ): Promise<NetworkMessage> {
    const { request, withBlock, payload: description = [] } = decodeRegisterCall(body)
    const blocks = blocksOfPayload(description, payload ?? EMPTY_BYTES)
    if (request.type === 'read') await this.#learn(request.epoch, from)
    else await this.#catchUp(request.epoch, from)
    this.#mayRaise(from, request)
    const answer = await this.host.handle(request, { blocks, withBlock })
    const encoded = encodeRegisterAnswer({ reply: answer.reply, payloadKey: answer.block?.key })
    return { type: RPC.register, body: encoded, payload: answer.block?.bytes }
  }

  /** A fence of a later generation raises the bucket's minimum for good, which only members may do (T8). */
  #mayRaise(from: NodeId, { key, fence }: RegisterRequest): void {
    if (fence === undefined || this.#options.role(from) === 'member') return
    if (fence.generation <= this.host.generations.current(partitionOfKey(key), fence)) return
    throw new MessageError('only a member may raise the minimum of a bucket')
  }

  async #putBlock(
    from: NodeId,
    body: Uint8Array,
    payload: Uint8Array | undefined,
  ): Promise<NetworkMessage> {
    const request = decodeMessage(WireBlockRequest, body)
    const key = blockKeyOfWire(request.key)
    const owner = blockOwnerOfWire(request.owner)
    await this.#catchUp(request.epoch, from)
    const reply = await this.putBlock({ key, bytes: payload ?? EMPTY_BYTES, owner }, request.epoch)
    return { type: RPC.putBlock, body: WireBlockReply.encode(reply) }
  }

  /**
   * A member that asks knows of a register that names the blocks, so missing ones are fetched. Questions of learners and
   * sources start no search: they must change nothing here (L1b).
   */
  #holds(from: NodeId, request: WireHoldsRequest): WireHoldsReply {
    if (request.keys.length > HOLDS_ASKED_MAX) {
      throw new MessageError('too many blocks in one message')
    }
    const epoch = this.#options.epoch()
    if (request.epoch !== epoch) return { result: 1, epoch, held: [] }
    const isMember = this.#options.role(from) === 'member'
    const held = request.keys.map((bytes) => {
      const key = blockKeyOfWire(bytes)
      // Others drop their copies because of this answer (L8), so a node that may have lost blocks says no (D8).
      if (this.blocks.has(key)) return this.#options.votes(partitionOfKey(key))
      if (isMember && this.#options.isReplica(partitionOfKey(key))) this.#options.onMissing(key)
      return false
    })
    return { result: 0, epoch, held }
  }

  async #getBlock(body: Uint8Array): Promise<NetworkMessage> {
    const key = blockKeyOfWire(decodeMessage(WireBlockRequest, body).key)
    let epoch: number
    let block: OwnedBlock | undefined
    do {
      epoch = this.#options.epoch()
      block = await this.blocks.readOwned(key)
      // The bytes are the same in every epoch. "Not found" must be true in the epoch that the answer names (L6b).
    } while (block === undefined && epoch !== this.#options.epoch())
    if (block === undefined) {
      const result = BLOCK_RESULT.notFound
      return { type: RPC.getBlock, body: WireBlockReply.encode({ result, epoch }) }
    }
    const owner = bytesOf(block.owner)
    return {
      type: RPC.getBlock,
      body: WireBlockReply.encode({ result: BLOCK_RESULT.ok, epoch, owner }),
      payload: block.bytes,
    }
  }

  /** Refuses a peer that is not a member at the epoch it names, or at a later one. */
  async #catchUp(epoch: number, from: NodeId): Promise<void> {
    await this.#learn(epoch, from)
    this.#mustBeMember(from)
  }

  async #learn(epoch: number, from: NodeId): Promise<void> {
    if (epoch > this.#options.epoch()) await this.#options.observe(epoch, from)
  }

  #mustBeMember(from: NodeId): void {
    if (this.#options.role(from) !== 'member') throw new MessageError('only a member may ask this')
  }
}

/** Decodes the request, answers it, encodes the reply. */
function answering<Q, A>(
  request: Pick<WireCodec<Q>, 'decode'>,
  reply: Pick<WireCodec<A>, 'encode'>,
  answer: Answer<Q, A>,
): Handler {
  return async (from, { type, body }) => {
    const answered = await answer(decodeMessage(request, body), from)
    return { type, body: reply.encode(answered) }
  }
}

/** Cuts the payload into the blocks that the description names. Throws MessageError when their lengths do not add up. */
function blocksOfPayload(description: readonly PayloadBlock[], payload: Uint8Array): OwnedBlock[] {
  let at = 0
  const blocks = description.map(({ key, owner, lengthBytes }) => {
    const bytes = payload.subarray(at, at + lengthBytes)
    at += lengthBytes
    return { key, owner, bytes }
  })
  if (at !== payload.length)
    throw new MessageError('the payload does not have the announced length')
  return blocks
}
