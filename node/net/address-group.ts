/**
 * Groups addresses for limits: an IPv4 address or a /64 of IPv6 counts as one, because a host with one address of a /64 can use
 * all of them.
 */

import { isIPv6 } from 'node:net'
import type { Multiaddr } from '@multiformats/multiaddr'

/** The group of an address. Undefined when it names no IP address, such as a host name or a Unix socket. */
export function groupOfAddress(address: Multiaddr): string | undefined {
  for (const { name, value } of address.getComponents()) {
    if (name === 'ip4') return value
    if (name === 'ip6' && value !== undefined) return groupOfIp6(value)
  }
  return undefined
}

function groupOfIp6(text: string): string {
  if (!isIPv6(text)) return text
  const words = wordsOf(text.replace(/%.*$/, ''))
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff
  if (isMapped) {
    const [high, low] = [words[6]!, words[7]!]
    return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
  }
  const network = words.slice(0, 4).map((word) => word.toString(16))
  return `${network.join(':')}::/64`
}

/** The eight words of an IPv6 address that is known to be well-formed. */
function wordsOf(text: string): number[] {
  const [left = '', right] = text.split('::')
  const before = left === '' ? [] : left.split(':').flatMap(wordOrDotted)
  if (right === undefined) return before
  const after = right === '' ? [] : right.split(':').flatMap(wordOrDotted)
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0)
  return [...before, ...zeros, ...after]
}

function wordOrDotted(part: string): number[] {
  if (!part.includes('.')) return [Number.parseInt(part, 16)]
  const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
  return [(a << 8) | b, (c << 8) | d]
}
