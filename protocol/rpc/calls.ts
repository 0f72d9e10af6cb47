/**
 * Every call between peers, in one table: its number, its stream, and how request and reply are written. Callers
 * (node/quorum/peers.ts) and answerers (node/serving/service.ts) read the same line. Calls of the layout have a table of
 * their own (node/layout/messages.ts), and calls on registers are written by message.ts.
 */

import { EMPTY_BYTES } from '../bytes.ts'
import { LIST_REPLY } from './list-reply.ts'
import { RPC } from './message.ts'
import {
  WireAttemptsReply,
  WireAttemptsRequest,
  WireBlockReply,
  WireBlockRequest,
  WireBuryReply,
  WireBuryRequest,
  WireClockReply,
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
  WireListRequest,
  WireLostReply,
  WireLostRequest,
  WirePairsReply,
  WirePairsRequest,
  WireRaiseReply,
  WireRaiseRequest,
  WireReadersRequest,
  WireRecallReply,
  WireRecallRequest,
  WireStatesReply,
  WireStatesRequest,
  WireStatusReply,
  WireSummaryReply,
  WireSummaryRequest,
  WireUsageReply,
  WireUsageRequest,
} from './messages.js'

/** One generated message of messages.proto. */
export interface MessageCodec<T> {
  /** Fields that are left out are empty. */
  encode(message: Partial<T>): Uint8Array
  /** Call it through `decodeMessage`, which turns what it throws into MessageError. */
  decode(bytes: Uint8Array): T
}

/** One line of the table. */
export interface RpcCall<Request, Reply> {
  /** The number on the wire (RPC). One call has one number for good. */
  readonly type: number
  /** Large answers go over streams of their own, so that they hold up no small ones. */
  readonly traffic: 'control' | 'bulk'
  readonly request: MessageCodec<Request>
  readonly reply: MessageCodec<Reply>
}

/** A request or reply without fields. What the bytes are does not matter. */
const NOTHING: MessageCodec<unknown> = { encode: () => EMPTY_BYTES, decode: () => undefined }

/** What each call is for, and what its fields mean: messages.proto. */
export const CALLS = {
  putBlock: bulk(RPC.putBlock, WireBlockRequest, WireBlockReply),
  getBlock: bulk(RPC.getBlock, WireBlockRequest, WireBlockReply),
  list: control(RPC.list, WireListRequest, LIST_REPLY),
  raise: control(RPC.raise, WireRaiseRequest, WireRaiseReply),
  bury: control(RPC.bury, WireBuryRequest, WireBuryReply),
  digests: bulk(RPC.digests, WireDigestRequest, WireDigestReply),
  enumerate: bulk(RPC.enumerate, WireEnumerateRequest, WireEnumerateReply),
  hint: control(RPC.hint, WireHintRequest, NOTHING),
  attempts: control(RPC.attempts, WireAttemptsRequest, WireAttemptsReply),
  free: bulk(RPC.free, WireFreeRequest, WireFreeReply),
  collect: bulk(RPC.collect, WireCollectRequest, WireCollectReply),
  readers: control(RPC.readers, WireReadersRequest, NOTHING),
  holds: bulk(RPC.holds, WireHoldsRequest, WireHoldsReply),
  lost: bulk(RPC.lost, WireLostRequest, WireLostReply),
  hello: control(RPC.hello, WireHelloRequest, WireHelloReply),
  recall: control(RPC.recall, WireRecallRequest, WireRecallReply),
  summary: control(RPC.summary, WireSummaryRequest, WireSummaryReply),
  pairs: bulk(RPC.pairs, WirePairsRequest, WirePairsReply),
  states: bulk(RPC.states, WireStatesRequest, WireStatesReply),
  status: control(RPC.status, NOTHING, WireStatusReply),
  clock: control(RPC.clock, NOTHING, WireClockReply),
  usage: control(RPC.usage, WireUsageRequest, WireUsageReply),
}

function control<Request, Reply>(
  type: number,
  request: MessageCodec<Request>,
  reply: MessageCodec<Reply>,
): RpcCall<Request, Reply> {
  return { type, traffic: 'control', request, reply }
}

function bulk<Request, Reply>(
  type: number,
  request: MessageCodec<Request>,
  reply: MessageCodec<Reply>,
): RpcCall<Request, Reply> {
  return { type, traffic: 'bulk', request, reply }
}
