/** How much of the internet several address ranges hold together. */

import { assert } from '../assert.ts'
import { parseIpRange, type IpRange } from './ip.ts'

/** First and last address. */
type Interval = readonly [first: bigint, last: bigint]

/** Private addresses (RFC 1918), which do not occur on the internet. */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map(
  (text) => parseIpRange(text) as IpRange,
)

/** A /8, and a /32 of IPv6: AWS calls what is broader public. */
const BROAD_4 = 1n << 24n
const BROAD_6 = 1n << 96n

/**
 * True when one of the ranges is broader than /8 (IPv6 /32), or all of them together hold more addresses
 * than such a range, private ones not counted: many small ranges can be the whole internet, too.
 */
export function areBroad(ranges: readonly IpRange[]): boolean {
  return (
    ranges.some((range) => sizeOf(intervalOf(range)) > limitOf(range)) ||
    addressesOf(ranges, 4) > BROAD_4 ||
    addressesOf(ranges, 16) > BROAD_6
  )
}

function limitOf({ bytes }: IpRange): bigint {
  return bytes.length === 4 ? BROAD_4 : BROAD_6
}

/** Addresses of one version, each counted once. */
function addressesOf(ranges: readonly IpRange[], version: 4 | 16): bigint {
  const all = total(merged([...ranges, ...PRIVATE], version))
  const own = total(merged(PRIVATE, version))
  assert(all >= own, 'more ranges hold no fewer addresses')
  return all - own
}

function total(intervals: readonly Interval[]): bigint {
  return intervals.reduce((sum, interval) => sum + sizeOf(interval), 0n)
}

function sizeOf([first, last]: Interval): bigint {
  return last - first + 1n
}

/** Disjoint, in order. */
function merged(ranges: readonly IpRange[], version: 4 | 16): Interval[] {
  const intervals = ranges
    .filter(({ bytes }) => bytes.length === version)
    .map(intervalOf)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  const disjoint: Interval[] = []
  for (const interval of intervals) {
    const before = disjoint.at(-1)
    if (before === undefined || interval[0] > before[1]) disjoint.push(interval)
    else if (interval[1] > before[1]) disjoint[disjoint.length - 1] = [before[0], interval[1]]
  }
  return disjoint
}

function intervalOf({ bytes, prefixBits }: IpRange): Interval {
  const address = bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n)
  const freeBits = BigInt(bytes.length * 8 - prefixBits)
  const first = (address >> freeBits) << freeBits
  return [first, first + (1n << freeBits) - 1n]
}
