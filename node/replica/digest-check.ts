/**
 * Computes the digests of partitions again from the rows and compares them (protocol/sync/digest.ts). Where they differ, a
 * row was lost, came back, or is under a wrong key, or the digest itself is damaged.
 */

import { byteString, bytesOf, equalBytes, u16 } from '../../protocol/bytes.ts'
import { ballotOfState } from '../../protocol/codec/state.ts'
import type { BlockKey, RegisterKey } from '../../protocol/ids.ts'
import { EMPTY_DIGEST, toggleBlock, toggleRegister } from '../../protocol/sync/digest.ts'
import { rowPages } from '../log/row-pages.ts'
import type { Store } from '../log/store.ts'
import type { Damage } from '../log/types.ts'
import type { Clock } from '../env/ports.ts'
import { Turns } from '../tools/sleep.ts'
import { digestRow, endOfPartitionRows, registerRow } from './index-rows.ts'
import { RECORD } from './record-types.ts'
import { decodePosition, hasState, uncheckedStateOfRow } from './row-format.ts'

/** What it costs to look at an empty partition, in rows. */
const ROWS_PER_PARTITION = 8
/** How often a partition is tried that is written to meanwhile. */
const BUSY_TRIES_MAX = 6
const PARTITIONS_MAX = 65_536

export interface DigestCheckOptions {
  readonly store: Store
  readonly clock: Clock
  readonly partitions: number
  readonly isStopped: () => boolean
  /** Called for registers that are FAULTY because their record was damaged when it was read: digests leave them out. It
   * may be called more than once for one. */
  readonly faulty?: ((found: Damage) => void) | undefined
}

/** Corrects digests and rows. The result is how many were wrong. */
export async function checkDigests(options: DigestCheckOptions): Promise<number> {
  const { store, clock, partitions, isStopped } = options
  const turns = new Turns(clock)
  let wrong = 0
  for (let partition = 0; partition < Math.min(partitions, PARTITIONS_MAX); partition++) {
    await turns.took(ROWS_PER_PARTITION)
    if (isStopped()) break
    const { digest } = await digestOfRows(options, partition)
    if (digest === undefined || isStored(store, partition, digest)) continue
    wrong += await removeStrayRows(options, partition)
    const again = await digestOfRows(options, partition)
    // It was written to during each try: the next scrub looks again.
    if (again.digest === undefined || isStored(store, partition, again.digest)) continue
    // A row that came and went between two pages leaves the stored digest as it was. That does not happen twice in a row.
    const sure = await digestOfRows(options, partition)
    if (sure.digest === undefined || !equalBytes(sure.digest, again.digest)) continue
    if (!isStored(store, partition, sure.stored)) continue
    wrong++
    store.repairRow({ key: digestRow(partition), value: sure.digest })
  }
  return wrong
}

/** A copy: the row's memory is the index's. */
function storedDigest(store: Store, partition: number): Uint8Array {
  return store.get(digestRow(partition))?.slice() ?? EMPTY_DIGEST
}

/** Whether the index has this digest for the partition. */
function isStored(store: Store, partition: number, digest: Uint8Array): boolean {
  return equalBytes(storedDigest(store, partition), digest)
}

/**
 * The digest of the rows, which are read page by page, and the digest that was stored meanwhile. Every change of a row
 * changes the stored digest, so it tells whether the rows have stayed the same. Undefined when they changed during each of
 * several tries.
 */
async function digestOfRows(
  options: DigestCheckOptions,
  partition: number,
): Promise<{ digest: Uint8Array | undefined; stored: Uint8Array }> {
  const { store } = options
  let stored = storedDigest(store, partition)
  for (let tries = 0; tries < BUSY_TRIES_MAX; tries++) {
    let digest: Uint8Array = EMPTY_DIGEST
    for await (const [key, row] of eachRow(options, 'r', partition)) {
      if (!hasState(row)) noteFaulty(options, partition, key as RegisterKey, row)
      if (!hasState(row) || row.length < 44) continue
      const ballot = ballotOfState(uncheckedStateOfRow(row))
      digest = toggleRegister(digest, key as RegisterKey, undefined, ballot)
    }
    for await (const [key] of eachRow(options, 'b', partition)) {
      digest = toggleBlock(digest, key as BlockKey, 1)
    }
    const now = storedDigest(store, partition)
    if (equalBytes(now, stored)) return { digest, stored }
    stored = now
  }
  return { digest: undefined, stored }
}

/**
 * Reports a register whose row is sound and says FAULTY. A row that is itself damaged is found by the scrub of rows.
 */
function noteFaulty(
  { store, faulty }: DigestCheckOptions,
  partition: number,
  key: RegisterKey,
  row: Uint8Array,
): void {
  if (faulty === undefined || !store.hasSoundRow(registerRow(key))) return
  faulty({ ...decodePosition(row), identity: { type: RECORD.register, partition, key } })
}

/** Finds rows that point to the record of another key: a bit of the row's key has flipped. */
async function removeStrayRows(options: DigestCheckOptions, partition: number): Promise<number> {
  const { store } = options
  const keys: string[] = []
  for (const letter of ['r', 'b'] as const) {
    for await (const [key] of eachRow(options, letter, partition)) keys.push(letter + key)
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

/**
 * Rows of one kind in one partition, as (key without its letter, row). Pages are read one by one, and others run in
 * between.
 */
async function* eachRow(
  { store, clock }: DigestCheckOptions,
  letter: 'r' | 'b',
  partition: number,
): AsyncGenerator<[key: string, row: Uint8Array]> {
  const prefix = letter + u16(partition)
  for await (const page of rowPages(
    store,
    clock,
    bytesOf(prefix),
    bytesOf(endOfPartitionRows(prefix)),
  )) {
    for (const { key, row } of page) yield [byteString(key.subarray(1)), row]
  }
}
