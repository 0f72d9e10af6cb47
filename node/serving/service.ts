/** Answers what peers ask, one handler for each type of message. */

import { EMPTY_BYTES, byteString, bytesOf, bytesOfHex, hex } from '../../protocol/bytes.ts'
import {
  BUCKET_ID_BYTES,
  bucketId,
  type BlockKey,
  type BucketId,
  type NodeId,
  type StorageId,
} from '../../protocol/ids.ts'
import { dataIdOf } from '../../protocol/keyspace/block-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { Role } from '../../protocol/layout/view.ts'
import type { RegisterRequest } from '../../protocol/register/types.ts'
import {
  ballotOfWire,
  blockKeyOfWire,
  blockOwnerOfWire,
  dataIdOfWire,
  decodeMessage,
  decodeRegisterCall,
  encodeRegisterAnswer,
  fenceOfWire,
  LAYOUT_RPC_MAX,
  LAYOUT_RPC_MIN,
  MessageError,
  registerKeyOfWire,
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
import type { BlockStore, OwnedBlock } from '../replica/blocks.ts'
import { LogError } from '../log/errors.ts'
import type { NetworkMessage } from '../env/ports.ts'
import type { ListService } from '../replica/list-service.ts'
import type { AcceptorHost } from '../replica/acceptor-host.ts'
import type { Witness } from '../rebalance/witness.ts'
import type { SyncAnswers } from '../repair/sync-answers.ts'
import type { Sightings } from '../replica/sightings.ts'
import type { Resync } from '../repair/resync.ts'
import { ATTEMPTS_ASKED_MAX } from '../replica/attempt-marks.ts'
import type { DeadData } from '../replica/dead-data.ts'
import { FREED_MAX } from '../reclaim/free-queue.ts'
import { BURIED_MAX } from '../reclaim/minima.ts'
import { HOLDS_ASKED_MAX } from '../reclaim/reference-check.ts'
import type { KeptBlocks } from '../replica/kept-blocks.ts'
import { READERS_IDS_MAX, type Readers } from '../replica/readers.ts'
import { TOMBSTONE, TOMBSTONES_ASKED_MAX } from '../replica/tombstones.ts'
import { BLOCK_RESULT, type LocalService } from '../quorum/peers.ts'
import { checkOf } from './reach.ts'

export interface ServiceOptions {
  readonly host: AcceptorHost
  readonly blocks: BlockStore
  readonly lists: ListService
  readonly exchange: SyncAnswers
  readonly witness: () => Witness
  readonly resync: () => Resync
  readonly attempts: Attempts
  readonly dead: DeadData
  readonly readers: Readers
  /** What is lost for good, and names of buckets. */
  readonly lost: (request: WireLostRequest) => Promise<WireLostReply>
  /** A register names this block, and it is not here. */
  readonly onMissing: (key: BlockKey) => void
  /** Nothing that this node knows of these buckets counts any more (T8). */
  readonly bury: (ids: ReadonlySet<BucketId>) => void
  /** Blocks of dead data that somebody still reads. */
  readonly kept: () => KeptBlocks
  readonly epoch: () => number
  /** What a peer is to the layout, as this node knows it. */
  readonly role: (peer: NodeId) => Role | undefined
  /** By the layout. */
  readonly storageOf: (peer: NodeId) => StorageId | undefined
  /** No change of the layout is under way. */
  readonly isStable: () => boolean
  readonly isReplica: (partition: number) => boolean
  readonly sightings: Pick<Sightings, 'note'>
  /** It is a replica, and has forgotten nothing of the partition (D8). */
  readonly votes: (partition: number) => boolean
  /** A peer spoke at a later epoch: fetch and persist the layout first (L4). */
  readonly observe: (epoch: number, from: NodeId) => Promise<void>
  readonly layout: (from: NodeId, type: number, body: Uint8Array) => Promise<Uint8Array>
  readonly status: () => WireStatusReply
}

export class Service implements LocalService {
  readonly host: AcceptorHost
  readonly blocks: BlockStore
  /** Blocks of dead data that this node had, since the start. */
  freedBlocks = 0
  freedBytes = 0
  registersCollected = 0
  readonly #options: ServiceOptions

  constructor(options: ServiceOptions) {
    this.#options = options
    this.host = options.host
    this.blocks = options.blocks
  }

  async serve(from: NodeId, message: NetworkMessage): Promise<NetworkMessage> {
    const { type, body, payload } = message
    if (type >= LAYOUT_RPC_MIN && type <= LAYOUT_RPC_MAX) {
      return { type, body: await this.#options.layout(from, type, body) }
    }
    if (checkOf(type) === 'at-once') this.#mustBeMember(from)
    switch (type) {
      case RPC.register:
        return this.#register(from, body, payload)
      case RPC.putBlock:
        return { type, body: await this.#putBlock(from, body, payload) }
      case RPC.getBlock:
        return this.#getBlock(body)
      case RPC.list: {
        const request = decodeMessage(WireListRequest, body)
        await this.#catchUp(request.epoch, from)
        return { type, body: WireListReply.encode(await this.list(request)) }
      }
      case RPC.raise: {
        const request = decodeMessage(WireRaiseRequest, body)
        await this.#catchUp(request.epoch, from)
        return { type, body: WireRaiseReply.encode(await this.raise(request)) }
      }
      case RPC.bury: {
        const request = decodeMessage(WireBuryRequest, body)
        await this.#catchUp(request.epoch, from)
        return { type, body: WireBuryReply.encode(await this.bury(request)) }
      }
      case RPC.digests: {
        const request = decodeMessage(WireDigestRequest, body)
        await this.#learn(request.epoch, from)
        const digests = await this.#options.exchange.digests(from, request)
        return { type, body: WireDigestReply.encode(digests) }
      }
      case RPC.enumerate: {
        const request = decodeMessage(WireEnumerateRequest, body)
        await this.#learn(request.epoch, from)
        const page = this.#options.exchange.enumerate(from, request)
        return { type, body: WireEnumerateReply.encode(page) }
      }
      case RPC.hint:
        this.#options.resync().hinted(decodeMessage(WireHintRequest, body).partitions)
        return { type, body: new Uint8Array(0) }
      case RPC.attempts:
        return { type, body: this.#attempts(body) }
      case RPC.free: {
        const request = decodeMessage(WireFreeRequest, body)
        return { type, body: WireFreeReply.encode(await this.free(request)) }
      }
      case RPC.collect: {
        const request = decodeMessage(WireCollectRequest, body)
        await this.#catchUp(request.epoch, from)
        return { type, body: WireCollectReply.encode(await this.collect(request)) }
      }
      case RPC.holds:
        return { type, body: this.#holds(from, body) }
      case RPC.lost: {
        const reply = await this.#options.lost(decodeMessage(WireLostRequest, body))
        return { type, body: WireLostReply.encode(reply) }
      }
      case RPC.readers: {
        const { boot, round, last, ids } = decodeMessage(WireReadersRequest, body)
        if (ids.length > READERS_IDS_MAX) throw new MessageError('too many readers in one message')
        this.#options.readers.learn(from, { boot, round, last, ids: ids.map(dataIdOfWire) })
        return { type, body: EMPTY_BYTES }
      }
      case RPC.hello:
        return { type, body: await this.#hello(from, body) }
      case RPC.recall: {
        const request = decodeMessage(WireRecallRequest, body)
        await this.#catchUp(request.epoch, from)
        return { type, body: WireRecallReply.encode(await this.#recall(from, request)) }
      }
      case RPC.summary: {
        const request = decodeMessage(WireSummaryRequest, body)
        await this.#learn(request.epoch, from)
        const summary = await this.#options.witness().summary(request)
        return { type, body: WireSummaryReply.encode(summary) }
      }
      case RPC.pairs: {
        const request = decodeMessage(WirePairsRequest, body)
        await this.#learn(request.epoch, from)
        return { type, body: WirePairsReply.encode(this.#options.witness().pairs(request)) }
      }
      case RPC.states: {
        const request = decodeMessage(WireStatesRequest, body)
        await this.#learn(request.epoch, from)
        return { type, body: WireStatesReply.encode(this.#options.witness().states(request)) }
      }
      case RPC.status:
        return { type, body: WireStatusReply.encode(this.#options.status()) }
      default:
        throw new MessageError(`message of unknown type ${type}`)
    }
  }

  list(request: WireListRequest): Promise<WireListReply> {
    return this.#options.lists.list(request)
  }

  async raise(request: WireRaiseRequest): Promise<WireRaiseReply> {
    const { epoch, host, isReplica } = this.#options
    if (request.epoch !== epoch()) return { result: 1, epoch: epoch() }
    const fence = fenceOfWire(request.bucket, request.generation)
    if (fence === undefined) throw new MessageError('a raise names its bucket')
    if (request.partitions.some((partition) => !isReplica(partition))) {
      throw new MessageError('a partition that this node does not hold')
    }
    try {
      await host.raiseMinimum(fence, request.partitions)
      // In the next epoch this node may have told of its minima before this one was flushed (L6b).
      return { result: request.epoch === epoch() ? 0 : 1, epoch: epoch() }
    } catch (error) {
      if (error instanceof LogError) return { result: 2, epoch: epoch() }
      throw error
    }
  }

  /** Of buckets that are gone for good (T8). */
  async bury({ epoch: asked, partition, buckets }: WireBuryRequest): Promise<WireBuryReply> {
    const { epoch, isStable, isReplica, host, bury } = this.#options
    if (buckets.length > BURIED_MAX) throw new MessageError('too many buckets in one message')
    if (buckets.some((bytes) => bytes.length !== BUCKET_ID_BYTES)) {
      throw new MessageError('a bucket id has 16 bytes')
    }
    const ids = buckets.map((bytes) => bucketId(byteString(bytes)))
    if (asked !== epoch() || !isStable()) return { result: 1, epoch: epoch() }
    if (isReplica(partition)) {
      await host.finalise(partition, ids).catch((error: unknown) => {
        // It is told again.
        if (!(error instanceof LogError)) throw error
      })
    }
    bury(new Set(ids))
    return { result: asked === epoch() && isStable() ? 0 : 1, epoch: epoch() }
  }

  /** At whatever epoch: what is dead is dead for good (G5). */
  async free(request: WireFreeRequest): Promise<WireFreeReply> {
    if (request.keys.length > FREED_MAX) throw new MessageError('too many blocks in one message')
    const keys = request.keys.map(blockKeyOfWire)
    // From now on nothing brings them back: no copy from a replica that has missed this, no late put.
    for (const key of keys) this.#options.dead.add(dataIdOf(key))
    return { freed: await this.forget(this.#options.kept().keep(keys)) }
  }

  /** Blocks of dead data that nobody reads. The result is how many of them were here. */
  async forget(keys: readonly BlockKey[]): Promise<number> {
    const { blocks, bytes } = await this.blocks.forget(keys)
    this.freedBlocks += blocks
    this.freedBytes += bytes
    return blocks
  }

  async collect(request: WireCollectRequest): Promise<WireCollectReply> {
    const { epoch, isStable, votes, host } = this.#options
    const { keys, ballots, forget } = request
    if (keys.length > TOMBSTONES_ASKED_MAX || keys.length !== ballots.length) {
      throw new MessageError('a collection names a ballot for each of at most 256 registers')
    }
    const mine = (): boolean => request.epoch === epoch() && isStable()
    const states: number[] = []
    for (const [i, bytes] of keys.entries()) {
      const key = registerKeyOfWire(bytes)
      const ballot = ballotOfWire(ballots[i])
      if (!mine() || !votes(partitionOfKey(key))) {
        return { result: 1, epoch: epoch(), states: [] }
      }
      states.push(TOMBSTONE[host.tombstoneState(key, ballot)])
    }
    if (forget) {
      const gone = keys.map((bytes, i) =>
        host.collect(registerKeyOfWire(bytes), ballotOfWire(ballots[i]), mine),
      )
      for (const each of await Promise.all(gone)) if (each) this.registersCollected++
      if (!mine()) return { result: 1, epoch: epoch(), states: [] }
    }
    return { result: 0, epoch: epoch(), states }
  }

  /** D2: at whatever epoch, and whether this node votes or not. */
  async #hello(from: NodeId, body: Uint8Array): Promise<Uint8Array> {
    const { storage, boot, life, sequence } = decodeMessage(WireHelloRequest, body)
    if (!/^[0-9a-f]{24}$/.test(storage)) throw new MessageError('a node names its storage')
    // What is noted of a storage makes its node give up when it shows less: nobody speaks for another one.
    if (storage !== this.#options.storageOf(from)) {
      throw new MessageError('a node speaks of its own storage')
    }
    const told = { storage, boot, life: hex(life), sequence }
    const seen = await this.#options.sightings.note(told)
    const epoch = this.#options.epoch()
    if (seen === undefined) return WireHelloReply.encode({ boot: 0, epoch })
    return WireHelloReply.encode({ ...seen, life: bytesOfHex(seen.life), epoch })
  }

  async #recall(from: NodeId, request: WireRecallRequest): Promise<WireRecallReply> {
    const { epoch, host, exchange, votes } = this.#options
    const nothing = { epoch: epoch(), mark: host.mark, partitions: [], next: 0 }
    if (request.epoch !== epoch() || request.fence === 0) return nothing
    // It holds for the pages that follow, and across a restart.
    if (request.from === 0) await host.outlaw(request.fence)
    const page = exchange.recall(from, request, votes)
    return { ...nothing, epoch: epoch(), ...page }
  }

  #attempts(body: Uint8Array): Uint8Array {
    const { ids } = decodeMessage(WireAttemptsRequest, body)
    if (ids.length > ATTEMPTS_ASKED_MAX) throw new MessageError('too many attempts in one message')
    const { attempts } = this.#options
    const over = ids.map((id) => attempts.isOver(dataIdOfWire(id)))
    const { storage, boot, covered, running } = attempts.watermark()
    return WireAttemptsReply.encode({ storage, boot, covered, running: [...running], over })
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

  /** A fence of a later generation raises the minimum, for good: for members to do (T8). */
  #mayRaise(from: NodeId, { key, fence }: RegisterRequest): void {
    if (fence === undefined || this.#options.role(from) === 'member') return
    if (fence.generation <= this.host.minimumGeneration(partitionOfKey(key), fence)) return
    throw new MessageError('only a member raises the minimum of a bucket')
  }

  async #putBlock(
    from: NodeId,
    body: Uint8Array,
    payload: Uint8Array | undefined,
  ): Promise<Uint8Array> {
    const request = decodeMessage(WireBlockRequest, body)
    const key = blockKeyOfWire(request.key)
    const owner = blockOwnerOfWire(request.owner)
    await this.#catchUp(request.epoch, from)
    const reply = await this.putBlock({ key, bytes: payload ?? EMPTY_BYTES, owner }, request.epoch)
    return WireBlockReply.encode(reply)
  }

  /** Of this node and of its peers. The answer is one of the epoch that the asker named (L6b). */
  async putBlock(block: OwnedBlock, asked: number): Promise<WireBlockReply> {
    const { epoch, isReplica, dead } = this.#options
    const isOver = (): boolean => asked !== epoch() || !isReplica(partitionOfKey(block.key))
    const answer = (result: number): WireBlockReply => ({
      result,
      epoch: epoch(),
      owner: EMPTY_BYTES,
    })
    if (isOver()) return answer(BLOCK_RESULT.staleEpoch)
    // A late message: its writer is over, and nobody waits for the answer.
    if (dead.has(dataIdOf(block.key))) return answer(BLOCK_RESULT.dead)
    try {
      await this.blocks.put(block)
      return answer(isOver() ? BLOCK_RESULT.staleEpoch : BLOCK_RESULT.ok)
    } catch (error) {
      if (!(error instanceof LogError)) throw error
      return answer(error.code === 'DISK_FULL' ? BLOCK_RESULT.noRoom : BLOCK_RESULT.damaged)
    }
  }

  /** A member that asks knows of a register that names the blocks, so missing ones are fetched. Questions of learners and
   * sources start no search: they must change nothing here (L1b). */
  #holds(from: NodeId, body: Uint8Array): Uint8Array {
    const request = decodeMessage(WireHoldsRequest, body)
    if (request.keys.length > HOLDS_ASKED_MAX)
      throw new MessageError('too many blocks in one message')
    const epoch = this.#options.epoch()
    if (request.epoch !== epoch) return WireHoldsReply.encode({ result: 1, epoch, held: [] })
    const isMember = this.#options.role(from) === 'member'
    const held = request.keys.map((bytes) => {
      const key = blockKeyOfWire(bytes)
      // What this node may have lost it does not vouch for (D8): others drop their copies by this (L8).
      if (this.blocks.has(key)) return this.#options.votes(partitionOfKey(key))
      if (isMember && this.#options.isReplica(partitionOfKey(key))) this.#options.onMissing(key)
      return false
    })
    return WireHoldsReply.encode({ result: 0, epoch, held })
  }

  async #getBlock(body: Uint8Array): Promise<NetworkMessage> {
    const key = blockKeyOfWire(decodeMessage(WireBlockRequest, body).key)
    let epoch: number
    let block: OwnedBlock | undefined
    do {
      epoch = this.#options.epoch()
      block = await this.blocks.readOwned(key)
      // Bytes are the same in every epoch; that there are none is said of the present one (L6b).
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

  /** Also: only a member may ask this. */
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

/** Views of the payload. Throws MessageError when the description is of another payload. */
function blocksOfPayload(description: readonly PayloadBlock[], payload: Uint8Array): OwnedBlock[] {
  let at = 0
  const blocks = description.map(({ key, owner, lengthBytes }) => {
    const bytes = payload.subarray(at, at + lengthBytes)
    at += lengthBytes
    return { key, owner, bytes }
  })
  if (at !== payload.length) throw new MessageError('a payload of another length than announced')
  return blocks
}
