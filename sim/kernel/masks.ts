/** Sets of nodes as bit masks: bit n is node n. */

/** The members of one replica set, and how many of them are a majority. */
export interface SetMask {
  readonly mask: number
  readonly need: number
}

export function bits(mask: number): number {
  let rest = mask
  let found = 0
  while (rest !== 0) {
    rest &= rest - 1
    found++
  }
  return found
}

export function setMask(set: readonly number[]): SetMask {
  return { mask: maskOf(set), need: (set.length >> 1) + 1 }
}

export function maskOf(set: readonly number[]): number {
  return set.reduce((mask, node) => mask | (1 << node), 0)
}
