/**
 * An accepted register state as bytes: the body of a log record, a row of the index, a field of a
 * message. By hand, since every read and write of a register passes here.
 *
 * ```
 * 0       1       2                10               26               42
 * version flags   ballot.counter   ballot.proposer  operation        blocks (u8), 30 bytes each
 * then, as the flags say, what the change replaced (16), a count (u8) of operations before that and these
 * (16 each), the floor that the first of them all began above (24), then the body to the end.
 * flags: bit 0 tombstone, 1 replaced, 2 began above a floor, 3 began where none was, 4 operations before
 * ```
 *
 * Counters are big-endian, 8 bytes, at most 2^53 − 1. Ids are written as they are: 16 bytes for a proposer or an
 * operation, 24 for a floor (a counter and a proposer).
 *
 * Invariants:
 *   - the same state always gives the same bytes
 *   - operations before `replaced` are there only where `replaced` is (bit 4 needs bit 1)
 *   - a state began above a floor or where there was none, never both (bits 2 and 3)
 *   - what breaks these, or has a flag or version that this codec does not know, is refused whole (F20)
 *
 * `decodeState` takes bytes from the disk or from a peer, and throws. The functions after it look at one field only:
 * call them on bytes that were decoded, or whose checksum was right.
 */

import { assert } from '../assert.ts'
import { byteString } from '../bytes.ts'
import {
  OPERATION_ID_BYTES,
  PROPOSER_ID_BYTES,
  operationId,
  proposerId,
  type BlockKey,
  type OperationId,
} from '../ids.ts'
import { checkInput } from '../input.ts'
import { ZERO_BALLOT, type Ballot } from '../register/ballot.ts'
import type { Accepted, RegisterValue } from '../register/types.ts'

const VERSION = 1
const TOMBSTONE = 1
const REPLACED = 2
const ABOVE_FLOOR = 4
const ABOVE_NOTHING = 8
const EARLIER = 16
/** All five flags. A byte above it was written by a later version. */
const FLAGS_MAX = 31
const FLOOR_BYTES = 8 + PROPOSER_ID_BYTES
const BLOCK_KEY_BYTES = 30
/** Up to the blocks: version, flags, ballot, operation, number of blocks. */
const HEAD_BYTES = 2 + 8 + PROPOSER_ID_BYTES + OPERATION_ID_BYTES + 1

/** The bytes were not written by this codec, or by a later version of it (F20). */
export class StateCodecError extends Error {
  override readonly name = 'StateCodecError'
}

/** The result has memory of its own. */
export function encodeState(accepted: Accepted): Uint8Array<ArrayBuffer> {
  const { ballot, value } = accepted
  checkInput(value.blocks.length < 256, 'at most 255 packed blocks')
  const flags = flagsOf(value)
  const bytes = new Uint8Array(
    HEAD_BYTES + value.blocks.length * BLOCK_KEY_BYTES + sizeOfOrigin(value) + value.body.length,
  )
  bytes[0] = VERSION
  bytes[1] = flags
  writeCounter(bytes, 2, ballot.counter)
  let at = writeText(bytes, 10, ballot.proposer)
  at = writeText(bytes, at, value.operation)
  bytes[at++] = value.blocks.length
  for (const block of value.blocks) {
    assert(block.length === BLOCK_KEY_BYTES, 'a block key has 30 bytes')
    at = writeText(bytes, at, block)
  }
  if (flags & REPLACED) at = writeText(bytes, at, value.replaced!)
  if (flags & EARLIER) {
    bytes[at++] = value.earlier!.length
    for (const operation of value.earlier!) at = writeText(bytes, at, operation)
  }
  if (flags & ABOVE_FLOOR) {
    // A floor may be a mark, which has no proposer: write zeros.
    writeCounter(bytes, at, value.above!.counter)
    writeText(bytes, at + 8, value.above!.proposer)
    at += FLOOR_BYTES
  }
  assert(at + value.body.length === bytes.length, 'the body ends where the state does')
  bytes.set(value.body, at)
  return bytes
}

/** A floor of zero says that nothing was collected below the change: it takes a flag, and no bytes. */
function flagsOf({ tombstone, replaced, earlier = [], above }: RegisterValue): number {
  let flags = tombstone ? TOMBSTONE : 0
  if (replaced !== undefined) flags |= REPLACED
  if (earlier.length > 0) flags |= EARLIER
  if (above === undefined) return flags
  const nothing = above.counter === 0 && above.proposer === ''
  return flags | (nothing ? ABOVE_NOTHING : ABOVE_FLOOR)
}

/** Bytes of what says where the change began: `replaced`, `earlier` and `above`. */
function sizeOfOrigin({ replaced, earlier = [], above }: RegisterValue): number {
  assert(earlier.length < 256, 'at most 255 operations before the replaced one')
  assert(
    earlier.length === 0 || replaced !== undefined,
    'earlier operations come before `replaced`',
  )
  const floor = above !== undefined && !(above.counter === 0 && above.proposer === '')
  return (
    (replaced === undefined ? 0 : OPERATION_ID_BYTES) +
    (earlier.length === 0 ? 0 : 1 + earlier.length * OPERATION_ID_BYTES) +
    (floor ? FLOOR_BYTES : 0)
  )
}

/** As `sizeOfOrigin`, but read from a state with these flags, whose blocks end at `at`. */
function originBytes(bytes: Uint8Array, at: number, flags = bytes[1]!): number {
  let size = flags & REPLACED ? OPERATION_ID_BYTES : 0
  if (flags & EARLIER) size += 1 + (bytes[at + size] ?? 0) * OPERATION_ID_BYTES
  return flags & ABOVE_FLOOR ? size + FLOOR_BYTES : size
}

/** Reads the same fields. The caller has compared their size with what is there. */
function originOf(
  bytes: Uint8Array,
  start: number,
): Pick<RegisterValue, 'replaced' | 'earlier' | 'above'> {
  const flags = bytes[1]!
  let at = start
  const operation = (): OperationId => {
    at += OPERATION_ID_BYTES
    return operationId(byteString(bytes.subarray(at - OPERATION_ID_BYTES, at)))
  }
  const replaced = flags & REPLACED ? operation() : undefined
  const earlier =
    flags & EARLIER ? Array.from({ length: bytes[at++]! }, () => operation()) : undefined
  const above = aboveOf(bytes, at)
  return { ...(replaced && { replaced }), ...(earlier && { earlier }), ...(above && { above }) }
}

function aboveOf(bytes: Uint8Array, at: number): Ballot | undefined {
  const flags = bytes[1]!
  if (flags & ABOVE_NOTHING) return ZERO_BALLOT
  if ((flags & ABOVE_FLOOR) === 0) return undefined
  const proposer = byteString(bytes.subarray(at + 8, at + FLOOR_BYTES))
  return {
    counter: readCounter(bytes, at),
    proposer: /^\0*$/.test(proposer) ? ZERO_BALLOT.proposer : proposerId(proposer),
  }
}

/**
 * `body` is a view of `bytes`: copy `bytes` first when they will be reused. Throws StateCodecError when the bytes end
 * early, have an unknown version or flags that contradict each other, or a counter that no proposer gives.
 */
export function decodeState(bytes: Uint8Array): Accepted {
  if (bytes.length < HEAD_BYTES) throw new StateCodecError('register state too short')
  if (bytes[0] !== VERSION) throw new StateCodecError(`register state of version ${bytes[0]}`)
  if (bytes[1]! > FLAGS_MAX || !isOrigin(bytes[1]!))
    throw new StateCodecError(`register state with flags ${bytes[1]}`)
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
  const bodyAt = at + originBytes(bytes, at)
  if (bodyAt > bytes.length) throw new StateCodecError('register state cut short')
  return {
    ballot,
    value: {
      operation: operationId(byteString(bytes.subarray(26, 42))),
      tombstone: (bytes[1]! & TOMBSTONE) !== 0,
      blocks,
      body: bytes.subarray(bodyAt),
      ...originOf(bytes, at),
    },
  }
}

/** Only the ballot. The first 26 bytes of a state are enough, which is what a scrub keeps of a record. */
export function ballotOfState(bytes: Uint8Array): Ballot {
  return {
    counter: readCounter(bytes, 2),
    proposer: proposerId(byteString(bytes.subarray(10, 26))),
  }
}

/** Where the body begins of a state that begins at `start`: what a listing needs. Its bytes are not checked. */
export function bodyPlaceOf(bytes: Uint8Array, start: number): number {
  const at = start + HEAD_BYTES + (bytes[start + HEAD_BYTES - 1] ?? 0) * BLOCK_KEY_BYTES
  return at + originBytes(bytes, at, bytes[start + 1] ?? 0)
}

/** Whether these flags can be together. */
function isOrigin(flags: number): boolean {
  if (flags & EARLIER && !(flags & REPLACED)) return false
  return !(flags & ABOVE_FLOOR && flags & ABOVE_NOTHING)
}

/** Whether the state that begins at `start` says that the key was deleted (G1). */
export function isTombstoneState(bytes: Uint8Array, start = 0): boolean {
  return (bytes[start + 1]! & TOMBSTONE) !== 0
}

/** Writes a ByteString, a byte for each character. The result is where it ends. */
function writeText(bytes: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i)
  return at + text.length
}

/** Big-endian, so that bytes order as numbers. Up to 2^53 − 1. */
function writeCounter(bytes: Uint8Array, at: number, counter: number): void {
  checkInput(Number.isSafeInteger(counter) && counter >= 0, 'ballot counter out of range')
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
