/** Makes the records that take something away. What they do to the index is in apply-record.ts. */

import { u16 } from '../../protocol/bytes.ts'
import type { BlockKey, BucketId, RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { Ballot } from '../../protocol/register/ballot.ts'
import type { LogRecord, NewRecord } from '../log/types.ts'
import { dropBody } from './drop-records.ts'
import { RECORD } from './record-types.ts'
import { encodeFloor } from './row-format.ts'

/** Removals: kept while an older segment may hold what they removed, although no row points to them. */
export function isRemoval({ type }: Pick<LogRecord, 'type'>): boolean {
  return (
    type === RECORD.blockGone ||
    type === RECORD.registerGone ||
    type === RECORD.dutyDone ||
    type === RECORD.minimumGone ||
    type === RECORD.registerDropped ||
    type === RECORD.blockDropped
  )
}

/** Removes a block's row, for good (G5). Append it urgently: it frees space. */
export function blockGone(key: BlockKey): NewRecord {
  const partition = partitionOfKey(key)
  return { type: RECORD.blockGone, partition, key, body: new Uint8Array(0) }
}

/** Removes the minimum of a bucket that is gone and that no node knows (T8). Append it urgently. */
export function minimumGone(partition: number, bucket: BucketId): NewRecord {
  return { type: RECORD.minimumGone, partition, key: bucket, body: new Uint8Array(0) }
}

/**
 * Removes a collected register's row and raises its partition's floor, in one record (G2). A state above
 * the floor stays, so `floor` must be at least the ballot of the tombstone. Append it urgently.
 */
export function registerGone(key: RegisterKey, floor: Ballot): NewRecord {
  const partition = partitionOfKey(key)
  return { type: RECORD.registerGone, partition, key, body: encodeFloor(floor) }
}

/** Raises a partition's floor and removes nothing: no register has such a short key. */
export function floorRaised(partition: number, floor: Ballot): NewRecord {
  return {
    type: RECORD.registerGone,
    partition,
    key: u16(partition),
    body: encodeFloor(floor),
  }
}

/** Removes a register's row, whatever it holds, until the register is written again (drop-records.ts). `ballot`: of the
 * state that is here; undefined for a FAULTY one. Append it urgently. */
export function registerDropped(key: RegisterKey, ballot: Ballot | undefined): NewRecord {
  const partition = partitionOfKey(key)
  return {
    type: RECORD.registerDropped,
    partition,
    key,
    body: dropBody(ballot),
  }
}

/** Removes a block's row until it is written again. Append it urgently: it frees space. */
export function blockDropped(key: BlockKey): NewRecord {
  return { type: RECORD.blockDropped, partition: partitionOfKey(key), key, body: dropBody() }
}
