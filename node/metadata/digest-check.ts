/**
 * Makes the digests of partitions anew from the rows and compares them (protocol/sync/digest.ts): where
 * they differ, a row was lost, came back, or stands under a wrong key, or the digest itself is damaged.
 */

import { byteString, bytesOf, equalBytes, u16 } from '../../protocol/bytes.ts'
import { ballotOfState } from '../../protocol/codec/state.ts'
import type { BlockKey, RegisterKey } from '../../protocol/ids.ts'
import { EMPTY_DIGEST, toggleBlock, toggleRegister } from '../../protocol/sync/digest.ts'
import type { Store } from '../data/store.ts'
import type { Clock } from '../env/ports.ts'
import { decodePosition, digestRow, hasState, uncheckedStateOfRow } from './index-rows.ts'

/** Partitions looked at before others have their turn. */
const AT_ONCE = 32
const PARTITIONS_MAX = 65_536

export interface DigestCheckOptions {
  readonly store: Store
  readonly clock: Clock
  readonly partitions: number
  readonly isStopped: () => boolean
}

/** The result says how many digests and rows were wrong; they are right now. */
export async function checkDigests(options: DigestCheckOptions): Promise<number> {
  const { store, clock, partitions, isStopped } = options
  let wrong = 0
  for (let partition = 0; partition < Math.min(partitions, PARTITIONS_MAX); partition++) {
    if (partition % AT_ONCE === 0) await pause(clock)
    if (isStopped()) break
    if (isRight(store, partition)) continue
    wrong += await removeStrayRows(store, partition)
    if (isRight(store, partition)) continue
    wrong++
    store.repairRow({ key: digestRow(partition), value: digestOfRows(store, partition) })
  }
  return wrong
}

function isRight(store: Store, partition: number): boolean {
  const digest = digestOfRows(store, partition)
  return equalBytes(store.get(digestRow(partition)) ?? EMPTY_DIGEST, digest)
}

function digestOfRows(store: Store, partition: number): Uint8Array {
  let digest: Uint8Array = EMPTY_DIGEST
  eachRow(store, 'r', partition, (key, row) => {
    if (!hasState(row) || row.length < 44) return
    const ballot = ballotOfState(uncheckedStateOfRow(row))
    digest = toggleRegister(digest, key as RegisterKey, undefined, ballot)
  })
  eachRow(store, 'b', partition, (key) => {
    digest = toggleBlock(digest, key as BlockKey, 1)
  })
  return digest
}

/** Rows whose record is not theirs: a bit of their key has flipped. */
async function removeStrayRows(store: Store, partition: number): Promise<number> {
  const keys: string[] = []
  for (const letter of ['r', 'b'] as const) {
    eachRow(store, letter, partition, (key) => keys.push(letter + key))
  }
  let removed = 0
  for (const key of keys) {
    const rowKey = bytesOf(key)
    const row = store.get(rowKey)
    if (row === undefined || !store.hasSoundRow(rowKey)) continue
    const position = decodePosition(row)
    const found = await store.recordAt(position)
    if (found === undefined || found.key === key.slice(1)) continue
    const now = store.get(rowKey)
    if (now === undefined || !samePlace(decodePosition(now), position)) continue
    store.repairRow({ key: rowKey })
    removed++
  }
  return removed
}

function samePlace(a: ReturnType<typeof decodePosition>, b: typeof a): boolean {
  return a.segment === b.segment && a.offset === b.offset
}

function eachRow(
  store: Store,
  letter: 'r' | 'b',
  partition: number,
  visit: (key: string, row: Uint8Array) => void,
): void {
  const start = bytesOf(letter + u16(partition))
  const end =
    partition === PARTITIONS_MAX - 1
      ? bytesOf(String.fromCharCode(letter.charCodeAt(0) + 1))
      : bytesOf(letter + u16(partition + 1))
  store.range(start, end, 1e9, (key, row) => {
    visit(byteString(key.subarray(1)), row)
  })
}

function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.after(0, resolve)
  })
}
