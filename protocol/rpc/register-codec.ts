/**
 * Requests and replies of registers on the wire by hand: the messages of messages.proto, field by field. Each PUT makes
 * a dozen of them. Called by message.ts.
 *
 * Invariants:
 *   - the bytes are those of the generated codec, in both directions; register-codec.test.ts compares the two
 *   - field numbers are those of messages.proto, and a field that is added there is added here
 *   - a field that is left out reads as the empty value that proto3 gives it; unknown fields are skipped
 *
 * What breaks the wire format throws RangeError (codec/wire.ts). Byte fields of a decoded message are views of its bytes.
 */

import { EMPTY_BYTES } from '../bytes.ts'
import { FieldReader, FieldWriter } from '../codec/wire.ts'
import type {
  WireBallot,
  WirePayloadBlock,
  WireRegisterReply,
  WireRegisterRequest,
} from './messages.js'

/** Used for one message after the other: a result is a copy. */
const writer = new FieldWriter()

export const registerRequestCodec = {
  encode(message: Partial<WireRegisterRequest>): Uint8Array<ArrayBuffer> {
    writer.clear()
    writer.bytes(1, message.key ?? EMPTY_BYTES)
    writer.number(2, message.epoch ?? 0)
    writer.bytes(3, message.fenceBucket ?? EMPTY_BYTES)
    writer.number(4, message.fenceGeneration ?? 0)
    if (message.ballot !== undefined) writer.message(5, message.ballot, writeBallot)
    writer.bytes(6, message.state ?? EMPTY_BYTES)
    if (message.next !== undefined) writer.message(7, message.next, writeBallot)
    writer.number(8, message.want ?? 0)
    writer.number(10, message.kind ?? 0)
    for (const block of message.payload ?? []) writer.message(12, block, writePayloadBlock)
    return writer.finish(0)
  },

  decode(bytes: Uint8Array): WireRegisterRequest {
    const message: WireRegisterRequest = {
      key: EMPTY_BYTES,
      epoch: 0,
      fenceBucket: EMPTY_BYTES,
      fenceGeneration: 0,
      state: EMPTY_BYTES,
      want: 0,
      kind: 0,
      payload: [],
    }
    const reader = new FieldReader(bytes, 0, bytes.length)
    while (reader.next()) readRequestField(reader, message)
    return message
  },
}

function readRequestField(reader: FieldReader, message: WireRegisterRequest): void {
  switch (reader.field) {
    case 1:
      message.key = reader.bytes()
      break
    case 2:
      message.epoch = reader.value
      break
    case 3:
      message.fenceBucket = reader.bytes()
      break
    case 4:
      message.fenceGeneration = reader.value
      break
    case 5:
      message.ballot = readBallot(reader.message())
      break
    case 6:
      message.state = reader.bytes()
      break
    case 7:
      message.next = readBallot(reader.message())
      break
    case 8:
      message.want = reader.value
      break
    case 10:
      message.kind = reader.value
      break
    case 12:
      message.payload.push(readPayloadBlock(reader.message()))
      break
    default:
      break
  }
}

export const registerReplyCodec = {
  encode(message: Partial<WireRegisterReply>): Uint8Array<ArrayBuffer> {
    writer.clear()
    writer.number(1, message.kind ?? 0)
    if (message.ballot !== undefined) writer.message(2, message.ballot, writeBallot)
    writer.bytes(3, message.state ?? EMPTY_BYTES)
    writer.number(4, message.epoch ?? 0)
    writer.number(5, message.generation ?? 0)
    for (const block of message.blocks ?? []) writer.element(6, block)
    writer.number(7, message.reason ?? 0)
    writer.bytes(8, message.payloadKey ?? EMPTY_BYTES)
    writer.flag(9, message.absent ?? false)
    writer.flag(10, message.never ?? false)
    if (message.floor !== undefined) writer.message(11, message.floor, writeBallot)
    writer.number(12, message.clockMs ?? 0)
    return writer.finish(0)
  },

  decode(bytes: Uint8Array): WireRegisterReply {
    const message: WireRegisterReply = {
      kind: 0,
      state: EMPTY_BYTES,
      epoch: 0,
      generation: 0,
      blocks: [],
      reason: 0,
      payloadKey: EMPTY_BYTES,
      absent: false,
      never: false,
      clockMs: 0,
    }
    const reader = new FieldReader(bytes, 0, bytes.length)
    while (reader.next()) readReplyField(reader, message)
    return message
  },
}

function readReplyField(reader: FieldReader, message: WireRegisterReply): void {
  switch (reader.field) {
    case 1:
      message.kind = reader.value
      break
    case 2:
      message.ballot = readBallot(reader.message())
      break
    case 3:
      message.state = reader.bytes()
      break
    case 4:
      message.epoch = reader.value
      break
    case 5:
      message.generation = reader.value
      break
    case 6:
      message.blocks.push(reader.bytes())
      break
    case 7:
      message.reason = reader.value
      break
    case 8:
      message.payloadKey = reader.bytes()
      break
    case 9:
      message.absent = reader.value !== 0
      break
    case 10:
      message.never = reader.value !== 0
      break
    case 11:
      message.floor = readBallot(reader.message())
      break
    case 12:
      message.clockMs = reader.value
      break
    default:
      break
  }
}

function writeBallot(into: FieldWriter, { counter, proposer }: WireBallot): void {
  into.number(1, counter)
  into.bytes(2, proposer)
}

function readBallot(reader: FieldReader): WireBallot {
  const ballot: WireBallot = { counter: 0, proposer: EMPTY_BYTES }
  while (reader.next()) {
    if (reader.field === 1) ballot.counter = reader.value
    else if (reader.field === 2) ballot.proposer = reader.bytes()
  }
  return ballot
}

function writePayloadBlock(into: FieldWriter, block: WirePayloadBlock): void {
  into.bytes(1, block.key)
  into.bytes(2, block.owner)
  into.number(3, block.lengthBytes)
}

function readPayloadBlock(reader: FieldReader): WirePayloadBlock {
  const block: WirePayloadBlock = { key: EMPTY_BYTES, owner: EMPTY_BYTES, lengthBytes: 0 }
  while (reader.next()) {
    if (reader.field === 1) block.key = reader.bytes()
    else if (reader.field === 2) block.owner = reader.bytes()
    else if (reader.field === 3) block.lengthBytes = reader.value
  }
  return block
}
