/**
 * Debug mode of the buffer pools: a buffer that is given back is overwritten at once. Code that still reads it then
 * fails on a checksum instead of now and then delivering another block's bytes. Tests switch it on.
 */

/** Neither a valid header of anything nor what fresh memory holds. */
export const POISON = 0xdb

let poisoning = false

/** Switches the debug mode on or off, for all pools of the process. */
export function poisonPools(on: boolean): void {
  poisoning = on
}

/** For a pool that keeps the mode in its own memory, because other threads use it too. */
export function isPoisoning(): boolean {
  return poisoning
}

/** Called by a pool for each buffer that is given back. */
export function poison(bytes: Uint8Array): void {
  if (poisoning) bytes.fill(POISON)
}
