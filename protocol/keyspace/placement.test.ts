import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hex, utf8 } from '../bytes.ts'
import { blake3 } from '../hash.ts'
import type { NodeId } from '../ids.ts'
import { nodeId } from '../ids.ts'
import { fairShares } from './fair-share.ts'
import type { Placement, PlacementMember } from './placement.ts'
import { place, PLACEMENT } from './placement.ts'
import { tokenCount, tokensOf } from './token.ts'

const R3 = { replication: 3, partitionBits: 14 }

function id(seed: string): NodeId {
  return nodeId('12D3Koo' + hex(blake3(utf8(seed))).replaceAll('0', 'z'))
}

function members(count: number, seed = 'node', zones = 1): PlacementMember[] {
  return Array.from({ length: count }, (_, i) => ({
    nodeId: id(`${seed} ${i}`),
    zone: `zone-${i % zones}`,
    capacityBytes: 1e12,
  }))
}

function loads(placement: Placement): Map<NodeId, number> {
  const loads = new Map<NodeId, number>()
  for (let p = 0; p < placement.partitions; p++) {
    for (const node of placement.replicas(p)) loads.set(node, (loads.get(node) ?? 0) + 1)
  }
  return loads
}

/** Load of the fullest node against its own fair share. */
function fullest(placement: Placement, of: readonly PlacementMember[], replication = 3): number {
  const shares = fairShares(of, replication)
  const load = loads(placement)
  return Math.max(
    ...of.map((m, i) => (load.get(m.nodeId) ?? 0) / (shares[i]! * placement.partitions)),
  )
}

/** Part of all replicas that lie where they did not lie before. */
function moved(before: Placement, after: Placement): number {
  let count = 0
  for (let p = 0; p < after.partitions; p++) {
    const old = before.replicas(p)
    for (const node of after.replicas(p)) if (!old.includes(node)) count++
  }
  return count / (after.partitions * after.replication)
}

describe('balance and movement (reported)', () => {
  // What a join must move at least is its own fair share, 1/(N+1). At 1,000 nodes a node holds 49
  // partitions, so chance alone puts one node in six at its bound, and what they pass on moves too.
  for (const [count, movement] of [
    [3, 1.25],
    [10, 1.25],
    [100, 1.25],
    [1_000, 1.7],
  ] as const) {
    test(`${count} nodes`, () => {
      const all = members(count + 1)
      const before = place(all.slice(0, count), R3)
      const after = place(all, R3)
      const full = fullest(before, all.slice(0, count))
      const factor = moved(before, after) * (count + 1)
      console.log(
        `placement, ${count} nodes: fullest ${full.toFixed(3)} of its fair share, ` +
          `a join moves ${factor.toFixed(3)}/(N+1)`,
      )
      expect(full).toBeLessThanOrEqual(1.15)
      expect(factor).toBeLessThanOrEqual(movement)
      const back = moved(after, before) * count
      expect(back).toBeLessThanOrEqual(movement * 1.1)
    })
  }
})

describe('place', () => {
  test('depends on the member set, not on its order', () => {
    const some = members(12, 'order', 4)
    const a = place(some, { replication: 3, partitionBits: 10 })
    const b = place([...some].reverse(), { replication: 3, partitionBits: 10 })
    for (let p = 0; p < a.partitions; p++) expect(a.replicas(p)).toEqual(b.replicas(p))
  })

  test('gives each partition min(R, members) distinct replicas, in distinct zones where it can', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ zone: fc.nat(5), capacityBytes: fc.integer({ min: 1, max: 1000 }) }), {
          minLength: 1,
          maxLength: 12,
        }),
        fc.integer({ min: 1, max: 5 }),
        (specs, replication) => {
          const some = specs.map((spec, i) => ({
            nodeId: id(`any ${i}`),
            zone: `z${spec.zone}`,
            capacityBytes: spec.capacityBytes,
          }))
          const placement = place(some, { replication, partitionBits: 7 })
          const zoneOf = new Map(some.map((m) => [m.nodeId, m.zone]))
          const zones = new Set(zoneOf.values()).size
          for (let p = 0; p < placement.partitions; p++) {
            const set = placement.replicas(p)
            expect(new Set(set).size).toBe(Math.min(replication, some.length))
            expect(new Set(set.map((n) => zoneOf.get(n))).size).toBe(Math.min(set.length, zones))
          }
        },
      ),
    )
  })

  test('takes the nearest tokens by XOR distance where no node is at its bound', () => {
    const some = members(5, 'near')
    const placement = place(some, { replication: 1, partitionBits: 8 })
    const point = (p: number): bigint => BigInt(p) << 44n
    let near = 0
    for (let p = 0; p < placement.partitions; p++) {
      const ranked = some
        .map((m) => ({
          node: m.nodeId,
          distance: [...tokensOf(m.nodeId, 128)]
            .map((token) => BigInt(token) ^ point(p))
            .reduce((a, b) => (a < b ? a : b)),
        }))
        .sort((a, b) => (a.distance < b.distance ? -1 : 1))
      if (placement.replicas(p)[0] === ranked[0]!.node) near++
    }
    // The rest met a full node.
    expect(near).toBeGreaterThan(placement.partitions * 0.93)
  })

  test('partitionsOf is the inverse of replicas', () => {
    const some = members(7)
    const placement = place(some, { replication: 3, partitionBits: 8 })
    for (const { nodeId: node } of some) {
      const held = new Set(placement.partitionsOf(node))
      for (let p = 0; p < placement.partitions; p++) {
        expect(held.has(p)).toBe(placement.replicas(p).includes(node))
      }
    }
    expect(placement.partitionsOf(id('stranger'))).toEqual([])
  })
})

describe('the load of a placement', () => {
  test('one member has every partition, whatever its tokens are', () => {
    const [only] = members(1)
    const placement = place([only!], { ...R3, placement: PLACEMENT, systemPartitionBits: 8 })
    const all = Array.from({ length: placement.partitions }, (_, partition) => partition)
    expect(placement.partitionsOf(only!.nodeId)).toEqual(all)
    expect(all.every((each) => placement.replicas(each).length === 1)).toBe(true)
  })

  test('load follows capacity', () => {
    const some = members(20).map((m, i) => ({ ...m, capacityBytes: i < 10 ? 1e12 : 3e12 }))
    const placement = place(some, R3)
    expect(fullest(placement, some)).toBeLessThanOrEqual(1.15)
    const load = loads(placement)
    const sum = (from: number): number =>
      some.slice(from, from + 10).reduce((total, m) => total + load.get(m.nodeId)!, 0)
    expect(sum(10) / sum(0)).toBeGreaterThan(2.7)
    expect(sum(10) / sum(0)).toBeLessThan(3.3)
  })

  test('zones keep the bound of what is fair under zones', () => {
    for (const count of [4, 10, 100]) {
      const some = members(count, 'zoned', 3)
      expect(fullest(place(some, R3), some)).toBeLessThanOrEqual(1.15)
    }
  })

  test('replica sets are stable references', () => {
    const placement = place(members(4), R3)
    expect(placement.replicas(9)).toBe(placement.replicas(9))
  })
})

describe('places of members', () => {
  test('a node in the place of another one holds exactly what that one held', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(),
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 12, maxLength: 12 }),
        fc.constantFrom(undefined, PLACEMENT),
        (count, zones, at, capacities, placement) => {
          const options = { replication: 3, partitionBits: 6, systemPartitionBits: 4, placement }
          const before = members(count, 'old', zones).map((m, i) => ({
            ...m,
            capacityBytes: capacities[i]! * 1e9,
          }))
          const lost = before[at % count]!
          const heir = { ...lost, nodeId: id(`heir ${at}`), place: lost.nodeId }
          const after = before.map((m) => (m === lost ? heir : m))
          const [old, next] = [place(before, options), place(after, options)]
          for (let p = 0; p < old.partitions; p++) {
            const renamed = old.replicas(p).map((n) => (n === lost.nodeId ? heir.nodeId : n))
            expect(next.replicas(p)).toEqual(renamed)
          }
          expect(next.partitionsOf(heir.nodeId)).toEqual(old.partitionsOf(lost.nodeId))
        },
      ),
    )
  })

  test('refuses a place that two have', () => {
    const [a, b] = members(2)
    expect(() => place([a!, { ...b!, place: a!.nodeId }], R3)).toThrow(/a place for each/)
  })

  test('refuses a node that is listed twice', () => {
    const [one] = members(1)
    expect(() => place([one!, one!], R3)).toThrow(/once/)
  })
})

describe('system partitions', () => {
  const options = { replication: 3, partitionBits: 6, systemPartitionBits: 4 }

  test('have 2R - 1 replicas where there are so many members', () => {
    for (const [count, replicas] of [
      [1, 1],
      [3, 3],
      [4, 4],
      [5, 5],
      [9, 5],
    ] as const) {
      const placement = place(members(count), options)
      expect(placement.partitions).toBe(64 + 16)
      for (let p = 64; p < 80; p++) {
        const set = placement.replicas(p)
        expect(new Set(set).size).toBe(replicas)
        for (const node of set) expect(placement.partitionsOf(node)).toContain(p)
      }
    }
  })

  test('move no other partition', () => {
    const of = members(7)
    const old = place(of, { replication: 3, partitionBits: 6 })
    const placement = place(of, options)
    for (let p = 0; p < 64; p++) expect(placement.replicas(p)).toEqual(old.replicas(p))
  })
})

describe('fairShares', () => {
  const m = (zone: string, capacityBytes: number): { zone: string; capacityBytes: number } => ({
    zone,
    capacityBytes,
  })

  test('follow capacity, at most every partition once', () => {
    expect(fairShares([m('a', 1), m('a', 1), m('a', 1), m('a', 1)], 3)).toEqual([
      0.75, 0.75, 0.75, 0.75,
    ])
    expect(fairShares([m('a', 100), m('a', 1), m('a', 1)], 2)).toEqual([1, 0.5, 0.5])
    expect(fairShares([m('a', 5), m('a', 1)], 3)).toEqual([1, 1])
  })

  test('zones come first', () => {
    expect(fairShares([m('a', 1), m('a', 1), m('b', 1), m('c', 1)], 3)).toEqual([0.5, 0.5, 1, 1])
    // Two zones for three replicas: the lone node of zone b holds everything.
    const shares = fairShares([m('a', 1), m('a', 1), m('a', 1), m('a', 1), m('b', 1)], 3)
    expect(shares).toEqual([0.5, 0.5, 0.5, 0.5, 1])
  })

  test('sum up to the number of replicas', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            zone: fc.constantFrom('a', 'b', 'c', 'd'),
            capacityBytes: fc.integer({ min: 1, max: 9999 }),
          }),
          { minLength: 1, maxLength: 20 },
        ),
        fc.integer({ min: 1, max: 5 }),
        (some, replication) => {
          const shares = fairShares(some, replication)
          const sum = shares.reduce((a, b) => a + b, 0)
          expect(sum).toBeCloseTo(Math.min(replication, some.length), 6)
          for (const share of shares) expect(share).toBeLessThanOrEqual(1 + 1e-9)
        },
      ),
    )
  })
})

describe('tokens', () => {
  test('are in proportion to capacity, one at least', () => {
    expect(tokenCount(1, 1)).toBe(128)
    expect(tokenCount(2, 1)).toBe(256)
    expect(tokenCount(1, 1e9)).toBe(1)
  })

  test('are the first 52 bits of BLAKE3(node id ‖ i)', () => {
    const node = id('x')
    const hash = blake3(utf8(node), new Uint8Array([0, 0, 0, 2]))
    expect(tokensOf(node, 3)[2]).toBe(Number.parseInt(hex(hash).slice(0, 13), 16))
  })
})
