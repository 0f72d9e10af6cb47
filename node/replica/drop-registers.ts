/**
 * Removes the registers of a partition when the node has left it (L8), and before it votes in one that it enters again
 * (L9). It works in slices, so that it delays nothing else, and urgently, so that it works on a full disk. Minima and the
 * floor stay: they only rise, and a higher one never lets more pass.
 */

import { bytesOf, byteString, u16 } from '../../protocol/bytes.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import { sleep } from '../tools/sleep.ts'
import type { Clock } from '../env/ports.ts'
import type { Store } from '../log/store.ts'
import { endOfPartitionRows } from './index-rows.ts'
import type { AcceptorHost } from './acceptor-host.ts'

/** Registers in one append: its removals are applied to the index in one turn of the event loop. */
const DROPPED_AT_ONCE = 200

export interface DropOptions {
  readonly store: Pick<Store, 'range'>
  readonly host: Pick<AcceptorHost, 'removals'>
  readonly clock: Clock
  /** Asked before each register, in its queue: it may have become false since the call. */
  readonly isAllowed: () => boolean
  /** Registers that stay. */
  readonly keep?: ((key: RegisterKey) => boolean) | undefined
}

/** The removals are durable once it resolves. The result says how many there were, and whether all are gone that should
 * be. */
export async function dropRegisters(
  partition: number,
  { store, host, clock, isAllowed, keep }: DropOptions,
): Promise<{ readonly dropped: number; readonly isDone: boolean }> {
  const behind = bytesOf(endOfPartitionRows(`r${u16(partition)}`))
  let start: Uint8Array = bytesOf(`r${u16(partition)}`)
  let dropped = 0
  for (;;) {
    const keys: RegisterKey[] = []
    store.range(start, behind, DROPPED_AT_ONCE, (key) => {
      keys.push(byteString(key.subarray(1)) as RegisterKey)
    })
    const going = keys.filter((key) => keep?.(key) !== true)
    const results = await Promise.all(going.map((key) => host.removals.drop(key, isAllowed)))
    dropped += results.filter(Boolean).length
    if (!isAllowed()) return { dropped, isDone: false }
    const last = keys.at(-1)
    if (last === undefined || keys.length < DROPPED_AT_ONCE) return { dropped, isDone: true }
    start = bytesOf(`r${last}\0`)
    await sleep(clock, 0)
  }
}
