/**
 * How far a node has come in a change of the layout. The driver asks for it (change-driver.ts).
 *
 *   PLANNED               learning   how much of the partitions that it will hold it has copied
 *   JOINT                 synced     partitions that it has synced at exactly this epoch, durably (L5)
 *                         copied     registers that it has copied for that; only shows that it makes progress. It is
 *                                    sent as part of move.doneBytes, because earlier programs refuse a new field
 *   STABLE with sources   whole      partitions of which it has every block, durably, source by source
 *
 * Bits: partition p is bit 7 - p % 8 of byte p / 8.
 */

import { utf8 } from '../../protocol/bytes.ts'
import { fieldsOf, integerOf, listOf, parseJson, ShapeError } from '../../protocol/layout/json.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'

export interface PartitionProgress {
  /** The epoch of the node that answers. All else is true of exactly this epoch. */
  readonly epoch: number
  /** Whether the node holds registers. */
  readonly holds: boolean
  readonly learning: {
    readonly total: number
    readonly done: number
    readonly isCaughtUp: boolean
  }
  readonly synced: Uint8Array
  /** Registers copied in this JOINT. Not set when none were copied, and in answers of other nodes. */
  readonly copied?: number
  /** For each source, by its epoch. */
  readonly whole: readonly WholeBits[]
  readonly move: {
    readonly pendingBytes: number
    readonly doneBytes: number
    readonly bytesPerSecond: number
  }
}

export interface WholeBits {
  readonly source: number
  readonly bits: Uint8Array
}

/** Reports how far this node has copied data for a change, in the view that it adopted last. */
export interface MoveReporter {
  progress(): Omit<PartitionProgress, 'epoch' | 'holds'>
}

/** A bitmap with all bits 0 or all bits 1. */
export function bitsOf(partitions: number, value: boolean): Uint8Array {
  return new Uint8Array(Math.ceil(partitions / 8)).fill(value ? 0xff : 0)
}

/** Reports for a node that copies nothing: without registers it has caught up, with registers it never will. */
export function emptyReporter(
  view: () => LayoutView | undefined,
  holds: () => boolean,
): MoveReporter {
  return {
    progress() {
      const now = view()
      const isEmpty = !holds()
      const bits = bitsOf(now?.partitions ?? 0, isEmpty)
      return {
        learning: { total: 0, done: 0, isCaughtUp: isEmpty },
        synced: bits,
        whole: now?.sources.map(({ epoch }) => ({ source: epoch, bits })) ?? [],
        move: { pendingBytes: 0, doneBytes: 0, bytesPerSecond: 0 },
      }
    },
  }
}

const NUMBER_MAX = Number.MAX_SAFE_INTEGER
/** Base64 of the bits of 2^17 partitions at most. */
const BITS = /^[A-Za-z0-9+/]{0,65536}={0,2}$/
const SOURCES_TOLD_MAX = 16

export const progressMessage = {
  encode({ synced, copied = 0, whole, move, ...rest }: PartitionProgress): Uint8Array {
    const told = whole.map(({ source, bits }) => ({ source, bits: base64(bits) }))
    const done = { ...move, doneBytes: move.doneBytes + copied }
    return utf8(JSON.stringify({ ...rest, synced: base64(synced), whole: told, move: done }))
  },
  decode(bytes: Uint8Array): PartitionProgress {
    const names = ['epoch', 'holds', 'learning', 'synced', 'whole', 'move'] as const
    const fields = fieldsOf(parseJson(bytes), names)
    const learning = fieldsOf(fields.learning, ['total', 'done', 'isCaughtUp'])
    const move = fieldsOf(fields.move, ['pendingBytes', 'doneBytes', 'bytesPerSecond'])
    return {
      epoch: integerOf(fields.epoch, 0, NUMBER_MAX),
      holds: booleanOf(fields.holds),
      learning: {
        total: integerOf(learning.total, 0, NUMBER_MAX),
        done: integerOf(learning.done, 0, NUMBER_MAX),
        isCaughtUp: booleanOf(learning.isCaughtUp),
      },
      synced: bytesOfBase64(fields.synced),
      whole: listOf(fields.whole, SOURCES_TOLD_MAX, (item) => {
        const { source, bits } = fieldsOf(item, ['source', 'bits'])
        return { source: integerOf(source, 1, NUMBER_MAX), bits: bytesOfBase64(bits) }
      }),
      move: {
        pendingBytes: integerOf(move.pendingBytes, 0, NUMBER_MAX),
        doneBytes: integerOf(move.doneBytes, 0, NUMBER_MAX),
        bytesPerSecond: integerOf(move.bytesPerSecond, 0, NUMBER_MAX),
      },
    }
  },
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function bytesOfBase64(value: unknown): Uint8Array {
  if (typeof value !== 'string' || !BITS.test(value)) throw new ShapeError('not base64')
  return new Uint8Array(Buffer.from(value, 'base64'))
}

function booleanOf(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new ShapeError('not a boolean')
  return value
}
