/**
 * An accepted register state as bytes: the body of a log record, a row of the index, a field of a
 * message. By hand, since every read and write of a register passes here.
 *
 * ```
 * 0       1       2                10               26               42
 * version flags   ballot.counter   ballot.proposer  operation        blocks (u8), 30 bytes each
 * then the body to the end. flags: bit 0 tombstone
 * ```
 */

import { assert } from '../assert.ts'
import { byteString } from '../bytes.ts'
import {
  OPERATION_ID_BYTES,
  PROPOSER_ID_BYTES,
  operationId,
  proposerId,
  type BlockKey,
} from '../ids.ts'
import type { Ballot } from '../register/ballot.ts'
import type { Accepted } from '../register/types.ts'

const VERSION = 1
const TOMBSTONE = 1
const BLOCK_KEY_BYTES = 30
const HEAD_BYTES = 2 + 8 + PROPOSER_ID_BYTES + OPERATION_ID_BYTES + 1

/** The bytes were not written by this codec, or by a later version of it (fault 20). */
export class StateCodecError extends Error {
  override readonly name = 'StateCodecError'
}

export function encodeState(accepted: Accepted): Uint8Array<ArrayBuffer> {
  const { ballot, value } = accepted
  assert(value.blocks.length < 256, 'at most 255 packed blocks')
  const bytes = new Uint8Array(
    HEAD_BYTES + value.blocks.length * BLOCK_KEY_BYTES + value.body.length,
  )
  bytes[0] = VERSION
  bytes[1] = value.tombstone ? TOMBSTONE : 0
  writeCounter(bytes, 2, ballot.counter)
  let at = writeText(bytes, 10, ballot.proposer)
  at = writeText(bytes, at, value.operation)
  bytes[at++] = value.blocks.length
  for (const block of value.blocks) {
    assert(block.length === BLOCK_KEY_BYTES)
    at = writeText(bytes, at, block)
  }
  bytes.set(value.body, at)
  return bytes
}

/** `body` is a view of `bytes`: copy `bytes` first when they will be reused. */
export function decodeState(bytes: Uint8Array): Accepted {
  if (bytes.length < HEAD_BYTES) throw new StateCodecError('register state too short')
  if (bytes[0] !== VERSION) throw new StateCodecError(`register state of version ${bytes[0]}`)
  if (bytes[1]! > TOMBSTONE) throw new StateCodecError(`register state with flags ${bytes[1]}`)
  const ballot = ballotOfState(bytes)
  if (!Number.isSafeInteger(ballot.counter))
    throw new StateCodecError('ballot counter out of range')
  const blocks: BlockKey[] = []
  let at = HEAD_BYTES
  for (let left = bytes[HEAD_BYTES - 1]!; left > 0; left--) {
    if (at + BLOCK_KEY_BYTES > bytes.length) throw new StateCodecError('register state cut short')
    blocks.push(byteString(bytes.subarray(at, at + BLOCK_KEY_BYTES)) as BlockKey)
    at += BLOCK_KEY_BYTES
  }
  return {
    ballot,
    value: {
      operation: operationId(byteString(bytes.subarray(26, 42))),
      tombstone: (bytes[1]! & TOMBSTONE) !== 0,
      blocks,
      body: bytes.subarray(at),
    },
  }
}

/** Only the ballot, without touching the rest. */
export function ballotOfState(bytes: Uint8Array): Ballot {
  return {
    counter: readCounter(bytes, 2),
    proposer: proposerId(byteString(bytes.subarray(10, 26))),
  }
}

/** Only the body, as a view. */
export function bodyOfState(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(HEAD_BYTES + bytes[HEAD_BYTES - 1]! * BLOCK_KEY_BYTES)
}

export function isTombstoneState(bytes: Uint8Array): boolean {
  return (bytes[1]! & TOMBSTONE) !== 0
}

function writeText(bytes: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i)
  return at + text.length
}

/** Big-endian, so that bytes order as numbers. Up to 2^53 − 1. */
function writeCounter(bytes: Uint8Array, at: number, counter: number): void {
  assert(Number.isSafeInteger(counter) && counter >= 0, 'ballot counter out of range')
  const high = Math.floor(counter / 0x100000000)
  const low = counter >>> 0
  for (let i = 0; i < 4; i++) {
    bytes[at + i] = high >>> (24 - 8 * i)
    bytes[at + 4 + i] = low >>> (24 - 8 * i)
  }
}

function readCounter(bytes: Uint8Array, at: number): number {
  let counter = 0
  for (let i = 0; i < 8; i++) counter = counter * 256 + bytes[at + i]!
  return counter
}
