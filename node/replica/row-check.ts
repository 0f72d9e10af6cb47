/** Checks the rows of an index: their own checksums, and the digests of partitions, which show rows that are missing or are
 * under a wrong key (F4). */

import { byteString, equalBytes } from '../../protocol/bytes.ts'
import { ballotOfState } from '../../protocol/codec/state.ts'
import type { BlockKey, RegisterKey } from '../../protocol/ids.ts'
import { EMPTY_DIGEST, toggleBlock, toggleRegister } from '../../protocol/sync/digest.ts'
import type { RowCheck } from '../env/lmdb-check.ts'
import { isSoundRow } from './index-rows.ts'
import { hasState, uncheckedStateOfRow } from './row-format.ts'

const LETTERS = { block: 0x62, digest: 0x64, register: 0x72 } as const
/** Letter and partition. */
const KEY_BYTES_MIN = 3

/**
 * A check for one walk over all rows. `row` is called for each, in any order, then `end`; each returns what is wrong,
 * or undefined.
 */
export function createRowCheck(): RowCheck {
  const counted = new Map<number, Uint8Array>()
  const stored = new Map<number, Uint8Array>()
  return {
    row(key, row) {
      if (!isSoundRow(key, row)) return 'a row has a wrong checksum'
      const letter = key[0]
      if (letter !== LETTERS.block && letter !== LETTERS.digest && letter !== LETTERS.register) {
        return undefined
      }
      if (key.length < KEY_BYTES_MIN) return 'a key is cut short'
      const partition = (key[1] as number) * 256 + (key[2] as number)
      if (letter === LETTERS.digest) {
        stored.set(partition, new Uint8Array(row))
        return undefined
      }
      const before = counted.get(partition) ?? EMPTY_DIGEST
      const name = byteString(key.subarray(1))
      if (letter === LETTERS.block) {
        counted.set(partition, toggleBlock(before, name as BlockKey, 1))
      } else if (hasState(row)) {
        const ballot = ballotOfState(uncheckedStateOfRow(row))
        counted.set(partition, toggleRegister(before, name as RegisterKey, undefined, ballot))
      }
      return undefined
    },
    end() {
      for (const partition of new Set([...counted.keys(), ...stored.keys()])) {
        const digest = counted.get(partition) ?? EMPTY_DIGEST
        if (!equalBytes(digest, stored.get(partition) ?? EMPTY_DIGEST)) {
          return `rows of partition ${partition} are missing, or too many`
        }
      }
      return undefined
    },
  }
}
