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
import { CALLS, type RpcCall } from '../../protocol/rpc/calls.ts'
import type {
  WireAttemptsReply,
  WireAttemptsRequest,
  WireHelloReply,
  WireHelloRequest,
  WireHoldsReply,
  WireHoldsRequest,
  WireLostReply,
  WireLostRequest,
  WireReadersRequest,
  WireRecallReply,
  WireRecallRequest,
  WireStatusReply,
  WireUsageReply,
  WireUsageRequest,
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
  /** How much these shards of a bucket hold, as far as this node has counted. */
  readonly usage: (request: WireUsageRequest) => Promise<WireUsageReply>
  /** What this node's wall clock says. */
  readonly nowMs: () => number
}

/** Answers one message. `from` is the peer whose id the connection has proved. Rejects with MessageError. */
type Handler = (from: NodeId, message: NetworkMessage) => Promise<NetworkMessage>

/** A line of the table: the type of a message, and how it is answered. */
type Line = readonly [type: number, handler: Handler]

/** Does the work of a call. Fields that are left out of the answer are empty. */
type Answer<Q, A> = (request: Q, from: NodeId) => Partial<A> | Promise<Partial<A>>

/** Serves the messages of peers. */
export class Service extends LocalReplica {
  readonly #options: ServiceOptions
  readonly #handlers: ReadonlyMap<number, Handler>

  constructor(options: ServiceOptions) {
    super(options)
    this.#options = options
    this.#handlers = this.#handlersByType()
  }

  /**
   * Answers one message of a peer with a message of the same type. Layout messages (LAYOUT_RPC_MIN to LAYOUT_RPC_MAX)
   * go to node/layout as they are. Rejects with MessageError for a message that is malformed or not allowed, and with
   * what the work itself rejects with.
   */
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
    const { exchange, witness, resync, lost, status, usage, nowMs } = this.#options
    return new Map<number, Handler>([
      [RPC.register, (from, { body, payload }) => this.#register(from, body, payload)],
      [CALLS.putBlock.type, (from, message) => this.#putBlock(from, message)],
      [CALLS.getBlock.type, (_from, { body }) => this.#getBlock(body)],
      this.#inEpoch(CALLS.list, (asked) => this.list(asked)),
      this.#inEpoch(CALLS.raise, (asked) => this.raise(asked)),
      this.#inEpoch(CALLS.bury, (asked) => this.bury(asked)),
      this.#inEpoch(CALLS.collect, (asked) => this.collect(asked)),
      this.#inEpoch(CALLS.recall, (asked, from) => this.#recall(from, asked)),
      this.#read(CALLS.digests, (asked, from) => exchange.digests(from, asked)),
      this.#read(CALLS.enumerate, (asked, from) => exchange.enumerate(from, asked)),
      this.#read(CALLS.summary, (asked) => witness().summary(asked)),
      this.#read(CALLS.pairs, (asked) => witness().pairs(asked)),
      this.#read(CALLS.states, (asked) => witness().states(asked)),
      answering(CALLS.free, (asked) => this.free(asked)),
      answering(CALLS.lost, lost),
      answering(CALLS.usage, usage),
      answering(CALLS.holds, (asked, from) => this.#holds(from, asked)),
      answering(CALLS.hello, (asked, from) => this.#hello(from, asked)),
      answering(CALLS.attempts, (asked) => this.#attempts(asked)),
      noting(CALLS.readers, (told, from) => this.#readers(from, told)),
      noting(CALLS.hint, ({ partitions }) => resync().hinted(partitions)),
      // Its request has no fields, so that nothing is decoded.
      [
        CALLS.status.type,
        (_from, { type }) => Promise.resolve({ type, body: CALLS.status.reply.encode(status()) }),
      ],
      [
        CALLS.clock.type,
        (_from, { type }) =>
          Promise.resolve({ type, body: CALLS.clock.reply.encode({ nowMs: nowMs() }) }),
      ],
    ])
  }

  /** For members only, judged at the epoch of the request at least. */
  #inEpoch<Q extends { readonly epoch: number }, A>(
    call: RpcCall<Q, A>,
    answer: Answer<Q, A>,
  ): Line {
    return answering(call, async (asked, from) => {
      await this.#catchUp(asked.epoch, from)
      return answer(asked, from)
    })
  }

  /** For learners and sources too: they read. */
  #read<Q extends { readonly epoch: number }, A>(call: RpcCall<Q, A>, answer: Answer<Q, A>): Line {
    return answering(call, async (asked, from) => {
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

  /**
   * Answers a node that may have forgotten something (D8). With fence 0 it only asks for this node's mark. With a
   * fence this node first makes sure that it never accepts anything below it.
   */
  async #recall(from: NodeId, request: WireRecallRequest): Promise<WireRecallReply> {
    const { epoch, host, exchange, votes } = this.#options
    const nothing = { epoch: epoch(), mark: host.mark, partitions: [], next: 0 }
    if (request.epoch !== epoch() || request.fence === 0) return nothing
    // The fence holds for the pages that follow, and across a restart.
    if (request.from === 0) await host.outlaw(request.fence)
    const page = exchange.recall(from, request, votes)
    return { ...nothing, epoch: epoch(), ...page }
  }

  /** Which of these attempts are over, and how far this node's own have come (G5). */
  #attempts({ ids }: WireAttemptsRequest): WireAttemptsReply {
    if (ids.length > ATTEMPTS_ASKED_MAX) throw new MessageError('too many attempts in one message')
    const { attempts } = this.#options
    const over = ids.map((id) => attempts.isOver(dataIdOfWire(id)))
    const { storage, boot, covered, running } = attempts.watermark()
    return { storage, boot, covered, running: [...running], over }
  }

  /** Data that the peer's requests read at the moment: this node keeps its blocks although they are dead. */
  #readers(from: NodeId, { boot, round, last, ids }: WireReadersRequest): void {
    if (ids.length > READERS_IDS_MAX) throw new MessageError('too many readers in one message')
    this.#options.readers.learn(from, { boot, round, last, ids: ids.map(dataIdOfWire) })
  }

  /**
   * A prepare, an accept or a read of a register. Blocks come with an accept in the payload (A5), and the answer to a
   * read may bring one.
   */
  async #register(
    from: NodeId,
    body: Uint8Array,
    payload: Uint8Array | undefined,
  ): Promise<NetworkMessage> {
    const { request, withBlock, payload: description = [] } = decodeRegisterCall(body)
    const blocks = blocksOfPayload(description, payload ?? EMPTY_BYTES)
    // Every vote passes here, and most often there is nothing to wait for.
    if (request.epoch > this.#options.epoch()) await this.#learn(request.epoch, from)
    if (request.type !== 'read') this.#mustBeMember(from)
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

  /** Stores the block in the payload, for a member at the epoch of the request. */
  async #putBlock(
    from: NodeId,
    { body, payload, release }: NetworkMessage,
  ): Promise<NetworkMessage> {
    const request = decodeMessage(CALLS.putBlock.request, body)
    const key = blockKeyOfWire(request.key)
    const owner = blockOwnerOfWire(request.owner)
    await this.#catchUp(request.epoch, from)
    const reply = await this.putBlock({ key, bytes: payload ?? EMPTY_BYTES, owner }, request.epoch)
    // It is on disk. After a failure the disk may still be using the memory.
    if (reply.result === BLOCK_RESULT.ok) release?.()
    return { type: CALLS.putBlock.type, body: CALLS.putBlock.reply.encode(reply) }
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

  /** Any peer with a place in the layout may read blocks, at any epoch. The payload of the answer is the block. */
  async #getBlock(body: Uint8Array): Promise<NetworkMessage> {
    const key = blockKeyOfWire(decodeMessage(CALLS.getBlock.request, body).key)
    let epoch: number
    let block: OwnedBlock | undefined
    do {
      epoch = this.#options.epoch()
      block = await this.blocks.readOwned(key)
      // The bytes are the same in every epoch. "Not found" must be true in the epoch that the answer names (L6b).
    } while (block === undefined && epoch !== this.#options.epoch())
    const { type, reply } = CALLS.getBlock
    if (block === undefined) {
      return { type, body: reply.encode({ result: BLOCK_RESULT.notFound, epoch }) }
    }
    const owner = bytesOf(block.owner)
    const found = reply.encode({ result: BLOCK_RESULT.ok, epoch, owner })
    return { type, body: found, payload: block.bytes }
  }

  /** Refuses a peer that is not a member at the epoch it names, or at a later one. */
  async #catchUp(epoch: number, from: NodeId): Promise<void> {
    await this.#learn(epoch, from)
    this.#mustBeMember(from)
  }

  /** Adopts the epoch that the peer names, if it is a later one. Rejects when that layout can't be fetched (L4). */
  async #learn(epoch: number, from: NodeId): Promise<void> {
    if (epoch > this.#options.epoch()) await this.#options.observe(epoch, from)
  }

  #mustBeMember(from: NodeId): void {
    if (this.#options.role(from) !== 'member') throw new MessageError('only a member may ask this')
  }
}

/** Decodes the request, answers it, encodes the reply. Rejects with MessageError when the request is malformed. */
function answering<Q, A>({ type, request, reply }: RpcCall<Q, A>, answer: Answer<Q, A>): Line {
  const handler: Handler = async (from, message) => {
    const answered = await answer(decodeMessage(request, message.body), from)
    return { type: message.type, body: reply.encode(answered) }
  }
  return [type, handler]
}

/** As `answering`, for a message that only tells something: the reply has no fields. */
function noting<Q>(call: RpcCall<Q, unknown>, note: (told: Q, from: NodeId) => void): Line {
  return answering(call, (told, from) => {
    note(told, from)
    return {}
  })
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
