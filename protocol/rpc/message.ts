/**
 * RPC between peers: type numbers, and the way between domain types and wire messages (messages.proto). A message
 * that does not decode, or names something unknown, is refused whole (F20, F21).
 *
 * ```
 * register request   kind 1 prepare   key, epoch, fence, ballot
 *                         2 accept    key, epoch, fence, state (ballot and value), next, payload
 *                         3 read      key, epoch, fence, want (0 ballot, 1 value, 2 value and packed block)
 * payload of accept  the blocks that `payload` lists, one behind the other
 *
 * register reply     kind 1 promised      ballot, then state or absent, floor, the clock
 *                         2 accepted      ballot
 *                         3 state         absent, or ballot, or state; payloadKey names the block in the payload
 *                         4 conflict      ballot (the one that was seen), never
 *                         5 need-blocks   blocks
 *                         6 stale-epoch   epoch
 *                         7 stale-fence   generation
 *                         8 no-vote       reason (0 faulty, 1 full, 2 failed, 3 not-a-replica)
 * ```
 *
 * The frame around a message, with its type, its payload and the number of the call: node/net/framing.ts. Other calls
 * than those on registers: calls.ts.
 *
 * Invariants:
 *   - what decodes is whole: every field that its kind needs was checked, and the rest of the program trusts it
 *   - only MessageError is thrown for bytes of a peer; the caller of these functions refuses the message then
 */

import { unreachable } from '../assert.ts'
import { byteString, bytesOf } from '../bytes.ts'
import { decodeState, encodeState } from '../codec/state.ts'
import type { BlockKey, BucketId, RegisterKey } from '../ids.ts'
import { bucketId, dataId, DATA_ID_BYTES, proposerId, type DataId } from '../ids.ts'
import type { BlockOwner } from '../keyspace/owner.ts'
import { BALLOT_COUNTER_MAX, compareBallots, ZERO_BALLOT, type Ballot } from '../register/ballot.ts'
import type { Accepted, Fence, RegisterReply, RegisterRequest } from '../register/types.ts'
import type { WireBallot, WirePayloadBlock } from './messages.js'
import { registerReplyCodec, registerRequestCodec } from './register-codec.ts'

/** Numbers of retired types are never used again. 200 to 239 belong to the layout. */
export const RPC = {
  register: 1,
  putBlock: 2,
  getBlock: 3,
  list: 4,
  raise: 5,
  digests: 6,
  enumerate: 7,
  hint: 8,
  status: 9,
  attempts: 10,
  free: 11,
  collect: 12,
  recall: 13,
  hello: 14,
  readers: 20,
  holds: 21,
  lost: 22,
  bury: 23,
  summary: 30,
  pairs: 31,
  states: 32,
  clock: 33,
  usage: 34,
} as const

/** Calls of the layout have their own table (node/layout/messages.ts), with types in this range. */
export const LAYOUT_RPC_MIN = 200
export const LAYOUT_RPC_MAX = 239

/** A peer sent what no version of this program sends. */
export class MessageError extends Error {
  override readonly name = 'MessageError'
}

/** One of the blocks that the payload is made of, one behind the other. */
export interface PayloadBlock {
  readonly key: BlockKey
  /** The registers that may ever name it: kept with the block, so that an orphan can be judged (G5). */
  readonly owner: BlockOwner
  readonly lengthBytes: number
}

/** A register request on the wire, with the packed blocks and pages that ride along (A5) in the payload. */
export interface RegisterCall {
  readonly request: RegisterRequest
  /** Read: send the packed block of the value too. */
  readonly withBlock?: boolean | undefined
  /** Accept: what the payload is made of. */
  readonly payload?: readonly PayloadBlock[] | undefined
}

/** A register reply on the wire. */
export interface RegisterAnswer {
  readonly reply: RegisterReply
  /** Reply to a read: the packed block in the payload. Undefined when there is no payload. */
  readonly payloadKey?: BlockKey | undefined
}

/** Numbers on the wire. They are never given another meaning. */
const KIND = { prepare: 1, accept: 2, read: 3 } as const
const WANT_BALLOT = 0
const WANT_VALUE = 1
const WANT_BLOCK = 2

const REPLY = {
  promised: 1,
  accepted: 2,
  state: 3,
  conflict: 4,
  'need-blocks': 5,
  'stale-epoch': 6,
  'stale-fence': 7,
  'no-vote': 8,
} as const
/** On the wire, the place in this list: append only. */
const REASONS = ['faulty', 'full', 'failed', 'not-a-replica'] as const

/** Shape on the wire: the counter, and 16 bytes of proposer, or none. */
export function wireBallot(ballot: Ballot): WireBallot {
  return { counter: ballot.counter, proposer: bytesOf(ballot.proposer) }
}

/**
 * A mark, a floor and an absent ballot have an empty proposer; the counter of a mark still counts (A1).
 * Throws MessageError for a counter that no proposer gives, and for a proposer of another length.
 */
export function ballotOfWire(wire: WireBallot | undefined): Ballot {
  if (wire === undefined) return ZERO_BALLOT
  const { counter, proposer } = wire
  checkCounter(counter)
  if (proposer.length === 0) return { counter, proposer: ZERO_BALLOT.proposer }
  if (proposer.length !== 16) throw new MessageError('ballot without a proposer')
  return { counter, proposer: proposerId(byteString(proposer)) }
}

/** Decodes a message of a peer: whatever the bytes are, it returns or throws a MessageError. */
export function decodeMessage<T>(codec: { decode(bytes: Uint8Array): T }, bytes: Uint8Array): T {
  try {
    return codec.decode(bytes)
  } catch (error) {
    throw new MessageError(`message that does not decode: ${String(error)}`)
  }
}

/** Checks the length only: 4 to 1,200 bytes. */
export function registerKeyOfWire(bytes: Uint8Array): RegisterKey {
  if (bytes.length < 4 || bytes.length > 1200) throw new MessageError('register key out of range')
  return byteString(bytes) as RegisterKey
}

/** Checks the length only. */
export function blockKeyOfWire(bytes: Uint8Array): BlockKey {
  if (bytes.length !== 30) throw new MessageError('a block key has 30 bytes')
  return byteString(bytes) as BlockKey
}

/** Checks the length only. */
export function dataIdOfWire(bytes: Uint8Array): DataId {
  if (bytes.length !== DATA_ID_BYTES) throw new MessageError('a data id has 24 bytes')
  return dataId(byteString(bytes))
}

/** Checks the length only: a register key, or one with a part number of 2 bytes. */
export function blockOwnerOfWire(bytes: Uint8Array): BlockOwner {
  if (bytes.length < 4 || bytes.length > 1202) throw new MessageError('block owner out of range')
  return byteString(bytes) as BlockOwner
}

/** An empty bucket is no fence: the register is outside buckets (T8). */
export function fenceOfWire(bytes: Uint8Array, generation: number): Fence | undefined {
  if (bytes.length === 0) return undefined
  if (bytes.length !== 16) throw new MessageError('a bucket id has 16 bytes')
  return { bucket: bucketId(byteString(bytes)), generation }
}

/** The fields of a fence, to be spread into a message. None without a fence. */
export function fenceToWire(fence: Fence | undefined): {
  fenceBucket?: Uint8Array<ArrayBuffer>
  fenceGeneration?: number
} {
  if (fence === undefined) return {}
  return { fenceBucket: bytesOf(fence.bucket as BucketId), fenceGeneration: fence.generation }
}

/** The message only. The caller sends the blocks that `payload` lists, in that order. */
export function encodeRegisterCall(call: RegisterCall): Uint8Array {
  const { request } = call
  const base = {
    kind: KIND[request.type],
    key: bytesOf(request.key),
    epoch: request.epoch,
    ...fenceToWire(request.fence),
  }
  switch (request.type) {
    case 'prepare':
      return registerRequestCodec.encode({ ...base, ballot: wireBallot(request.ballot) })
    case 'accept':
      return registerRequestCodec.encode({
        ...base,
        state: encodeState(request),
        next: wireBallot(request.next),
        ...(call.payload === undefined ? {} : { payload: call.payload.map(payloadToWire) }),
      })
    case 'read':
      return registerRequestCodec.encode({
        ...base,
        want: request.want !== 'value' ? WANT_BALLOT : call.withBlock ? WANT_BLOCK : WANT_VALUE,
      })
    default:
      return unreachable(request)
  }
}

/**
 * Throws MessageError. An accept whose `next` is below its own ballot is refused: an acceptor that promised
 * less than it accepted would break A3.
 */
export function decodeRegisterCall(bytes: Uint8Array): RegisterCall {
  const wire = decodeMessage(registerRequestCodec, bytes)
  const base = {
    key: registerKeyOfWire(wire.key),
    epoch: wire.epoch,
    fence: fenceOfWire(wire.fenceBucket, wire.fenceGeneration),
  }
  switch (wire.kind) {
    case KIND.prepare:
      return { request: { type: 'prepare', ...base, ballot: ballotOfWire(wire.ballot) } }
    case KIND.accept: {
      const state = stateOfWire(wire.state)
      const next = ballotOfWire(wire.next)
      if (compareBallots(next, state.ballot) < 0)
        throw new MessageError('accept promises too little')
      return {
        request: { type: 'accept', ...base, ...state, next },
        payload: wire.payload.map(payloadOfWire),
      }
    }
    case KIND.read:
      return {
        request: { type: 'read', ...base, want: wire.want === WANT_BALLOT ? 'ballot' : 'value' },
        withBlock: wire.want === WANT_BLOCK,
      }
    default:
      throw new MessageError(`register request of kind ${wire.kind}`)
  }
}

/** The message only. The block that `payloadKey` names is the payload. */
export function encodeRegisterAnswer(answer: RegisterAnswer): Uint8Array {
  const { reply } = answer
  const kind = REPLY[reply.type]
  switch (reply.type) {
    case 'promised':
      return registerReplyCodec.encode({
        kind,
        ballot: wireBallot(reply.ballot),
        ...(reply.accepted === undefined
          ? { absent: true }
          : { state: encodeState(reply.accepted) }),
        ...(reply.floor === undefined ? {} : { floor: wireBallot(reply.floor) }),
        clockMs: reply.clockMs ?? 0,
      })
    case 'accepted':
      return registerReplyCodec.encode({ kind, ballot: wireBallot(reply.ballot) })
    case 'state':
      return registerReplyCodec.encode({
        kind,
        absent: reply.ballot === undefined && reply.accepted === undefined,
        ...(reply.ballot === undefined ? {} : { ballot: wireBallot(reply.ballot) }),
        ...(reply.accepted === undefined ? {} : { state: encodeState(reply.accepted) }),
        ...(answer.payloadKey === undefined ? {} : { payloadKey: bytesOf(answer.payloadKey) }),
      })
    case 'conflict':
      return registerReplyCodec.encode({
        kind,
        ballot: wireBallot(reply.seen),
        never: reply.never === true,
      })
    case 'need-blocks':
      return registerReplyCodec.encode({
        kind,
        blocks: reply.blocks.map((block) => bytesOf(block)),
      })
    case 'stale-epoch':
      return registerReplyCodec.encode({ kind, epoch: reply.epoch })
    case 'stale-fence':
      return registerReplyCodec.encode({ kind, generation: reply.generation })
    case 'no-vote':
      return registerReplyCodec.encode({ kind, reason: REASONS.indexOf(reply.reason) })
    default:
      return unreachable(reply)
  }
}

/**
 * Throws MessageError, also when the fields contradict each other: a promise comes with a state, or says that
 * there is none.
 */
export function decodeRegisterAnswer(bytes: Uint8Array): RegisterAnswer {
  const wire = decodeMessage(registerReplyCodec, bytes)
  const accepted = wire.state.length === 0 ? undefined : stateOfWire(wire.state)
  switch (wire.kind) {
    case REPLY.promised:
      assertMessage(wire.absent === (accepted === undefined))
      return {
        reply: {
          type: 'promised',
          ballot: ballotOfWire(wire.ballot),
          accepted,
          floor: wire.floor === undefined ? undefined : ballotOfWire(wire.floor),
          clockMs: wire.clockMs === 0 ? undefined : wire.clockMs,
        },
      }
    case REPLY.accepted:
      return { reply: { type: 'accepted', ballot: ballotOfWire(wire.ballot) } }
    case REPLY.state:
      return {
        reply: {
          type: 'state',
          ballot: accepted?.ballot ?? (wire.absent ? undefined : ballotOfWire(wire.ballot)),
          accepted,
        },
        payloadKey: wire.payloadKey.length === 0 ? undefined : blockKeyOfWire(wire.payloadKey),
      }
    case REPLY.conflict:
      return { reply: { type: 'conflict', seen: ballotOfWire(wire.ballot), never: wire.never } }
    case REPLY['need-blocks']:
      return { reply: { type: 'need-blocks', blocks: wire.blocks.map(blockKeyOfWire) } }
    case REPLY['stale-epoch']:
      return { reply: { type: 'stale-epoch', epoch: wire.epoch } }
    case REPLY['stale-fence']:
      return { reply: { type: 'stale-fence', generation: wire.generation } }
    case REPLY['no-vote']: {
      const reason = REASONS[wire.reason]
      if (reason === undefined) throw new MessageError(`refusal for reason ${wire.reason}`)
      return { reply: { type: 'no-vote', reason } }
    }
    default:
      throw new MessageError(`register reply of kind ${wire.kind}`)
  }
}

function payloadToWire({ key, owner, lengthBytes }: PayloadBlock): WirePayloadBlock {
  return { key: bytesOf(key), owner: bytesOf(owner), lengthBytes }
}

function payloadOfWire({ key, owner, lengthBytes }: WirePayloadBlock): PayloadBlock {
  return { key: blockKeyOfWire(key), owner: blockOwnerOfWire(owner), lengthBytes }
}

/** What a state's codec throws is the peer's fault here. */
function stateOfWire(bytes: Uint8Array): Accepted {
  let accepted: Accepted
  try {
    accepted = decodeState(bytes)
  } catch (error) {
    throw new MessageError(String(error))
  }
  checkCounter(accepted.ballot.counter)
  checkCounter(accepted.value.above?.counter ?? 0)
  return accepted
}

/** A counter above the bound would leave no proposer a higher one (P6). */
function checkCounter(counter: number): void {
  if (!Number.isSafeInteger(counter) || counter > BALLOT_COUNTER_MAX) {
    throw new MessageError('ballot counter out of range')
  }
}

function assertMessage(condition: boolean): void {
  if (!condition) throw new MessageError('register reply contradicts itself')
}
