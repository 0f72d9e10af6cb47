/**
 * Which addresses a webhook may be at. Its host name is looked up for each delivery, and whoever answers the look-up could
 * name an address inside the operator's network: so only addresses of the public internet are connected to, and those
 * that the operator has allowed for this webhook. Pure.
 */

import { inIpRange, parseIp, parseIpRange, type IpRange } from '../../protocol/iam/ip.ts'

/**
 * What is not the public internet: IANA's registries of special addresses, multicast and reserved ones. The networks that
 * hold an IPv4 address inside an IPv6 one are among them, because a translator may lead to any address.
 */
const SPECIAL: readonly IpRange[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
].map(rangeOf)

/** Of IPv6 only this is in public use. */
const PUBLIC_6 = rangeOf('2000::/3')
const SPECIAL_6: readonly IpRange[] = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'].map(
  rangeOf,
)

/**
 * Whether a webhook with these allowed ranges may be at the address. An IPv4 address that is written as an IPv6 one is
 * judged as what it is. A text that is no address, or has a zone, never may.
 */
export function mayConnect(address: string, allowed: readonly IpRange[]): boolean {
  const bytes = parseIp(address)
  if (bytes === undefined) return false
  if (allowed.some((range) => inIpRange(range, bytes))) return true
  const within = (range: IpRange): boolean => inIpRange(range, bytes)
  return bytes.length === 4 ? !SPECIAL.some(within) : within(PUBLIC_6) && !SPECIAL_6.some(within)
}

function rangeOf(text: string): IpRange {
  return parseIpRange(text) as IpRange
}
