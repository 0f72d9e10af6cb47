/**
 * How many imports between rooms run upwards when the rooms are put in the order that has the fewest of them. It needs no
 * table of rooms, so it compares checkouts whose rooms have other names.
 */

import { isTestSupport, packageOf, type SourceFile } from './source.ts'

/** The rooms of one top folder, lowest first, and the imports that run against this order. */
export interface RoomOrder {
  readonly top: string
  readonly rooms: readonly string[]
  readonly imports: number
  readonly upward: number
}

export function bestOrder(sources: readonly SourceFile[], top: string): RoomOrder {
  const shipped = sources.filter(({ path }) => path.startsWith(`${top}/`) && !isTestSupport(path))
  const rooms = [...new Set(shipped.map(({ path }) => roomOf(path)))].sort()
  // counts[a][b]: imports in room a of files in room b.
  const counts = rooms.map(() => rooms.map(() => 0))
  let imports = 0
  for (const { path, imports: names } of shipped) {
    for (const name of names) {
      if (packageOf(name) !== undefined || !name.startsWith(`./${top}/`)) continue
      const [from, to] = [rooms.indexOf(roomOf(path)), rooms.indexOf(roomOf(name.slice(2)))]
      if (from === to || to === -1) continue
      counts[from]![to]! += 1
      imports += 1
    }
  }
  const { order, cost } = cheapestOrder(counts)
  return { top, rooms: order.map((at) => rooms[at]!), imports, upward: cost }
}

/** The first folder below the top one; `.` for the files of the top folder itself. */
function roomOf(path: string): string {
  const parts = path.split('/')
  return parts.length > 2 ? parts[1]! : '.'
}

/**
 * Over all sets of rooms, from small to large: the cheapest way to put this set below all other rooms. Putting a room on
 * top of a set costs what the set imports from it. At most 20 rooms: 2^20 sets.
 */
function cheapestOrder(counts: readonly (readonly number[])[]): { order: number[]; cost: number } {
  const size = counts.length
  if (size > 20) throw new Error(`${size} rooms are too many to try all orders`)
  const costs = new Float64Array(2 ** size).fill(Infinity)
  const tops = new Int8Array(2 ** size)
  costs[0] = 0
  for (let set = 1; set < costs.length; set++) {
    for (let top = 0; top < size; top++) {
      if ((set & (1 << top)) === 0) continue
      let cost = costs[set ^ (1 << top)]!
      for (let below = 0; below < size; below++)
        if (below !== top && (set & (1 << below)) !== 0) cost += counts[below]![top]!
      if (cost < costs[set]!) {
        costs[set] = cost
        tops[set] = top
      }
    }
  }
  const order: number[] = []
  for (let set = costs.length - 1; set !== 0; set ^= 1 << tops[set]!) order.unshift(tops[set]!)
  return { order, cost: costs.at(-1)! }
}
