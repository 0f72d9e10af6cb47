/** IP addresses and CIDR ranges, both versions, for IpAddress conditions. */

/** The addresses that begin with the first `prefixBits` bits of `bytes`. */
export interface IpRange {
  /** 4 or 16 bytes. */
  readonly bytes: readonly number[]
  /** 0 to 32, or 0 to 128. */
  readonly prefixBits: number
}

/** '10.0.0.0/8', '2001:db8::/32', or one address. Undefined when it is none. */
export function parseIpRange(text: string): IpRange | undefined {
  const [address = '', prefix, more] = text.split('/')
  const bytes = parseIp(address)
  if (bytes === undefined || more !== undefined) return undefined
  if (prefix === undefined) return { bytes, prefixBits: bytes.length * 8 }
  if (!/^(0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > bytes.length * 8) return undefined
  return { bytes, prefixBits: Number(prefix) }
}

/**
 * Whether the address is in the range. An address of the other version never is. An IPv4 address
 * written inside IPv6 (::ffff:1.2.3.4) is that IPv4 address: `parseIp` has made it one.
 */
export function inIpRange(range: IpRange, address: readonly number[]): boolean {
  if (range.bytes.length !== address.length) return false
  for (let bit = 0; bit < range.prefixBits; bit += 8) {
    const kept = Math.min(8, range.prefixBits - bit)
    const mask = (0xff << (8 - kept)) & 0xff
    const at = bit >> 3
    if (((range.bytes[at] ?? 0) & mask) !== ((address[at] ?? 0) & mask)) return false
  }
  return true
}

/**
 * An address as 4 or 16 bytes; undefined when it is none. Strict: no leading zeros, no zone, no
 * shortened IPv4. What other programs read differently must not decide about rights.
 */
export function parseIp(text: string): number[] | undefined {
  if (!text.includes(':')) return parseIp4(text)
  const bytes = parseIp6(text)
  if (bytes === undefined) return undefined
  const mapped =
    bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255
  return mapped ? bytes.slice(12) : bytes
}

function parseIp4(text: string): number[] | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  if (!parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255))
    return undefined
  return parts.map(Number)
}

function parseIp6(text: string): number[] | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map(groups)
  if (head === undefined) return undefined
  if (halves.length === 1) return head.length === 16 ? head : undefined
  if (tail === undefined || head.length + tail.length > 14) return undefined
  const zeros = Array.from({ length: 16 - head.length - tail.length }, () => 0)
  return [...head, ...zeros, ...tail]
}

/** Bytes of colon-separated groups; the last may be an IPv4 address. */
function groups(text: string): number[] | undefined {
  if (text === '') return []
  const bytes: number[] = []
  const parts = text.split(':')
  for (const [at, part] of parts.entries()) {
    if (at === parts.length - 1 && part.includes('.')) {
      const last = parseIp4(part)
      if (last === undefined) return undefined
      bytes.push(...last)
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      const value = Number.parseInt(part, 16)
      bytes.push(value >> 8, value & 255)
    } else return undefined
  }
  return bytes.length > 16 ? undefined : bytes
}
