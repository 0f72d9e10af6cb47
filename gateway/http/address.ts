/** Addresses of connections, as sockets show them. */

/** `1.2.3.4` for an IPv4 address that an IPv6 socket shows as `::ffff:1.2.3.4`; others unchanged. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
}

/** Whether this is in 127.0.0.0/8 (also as an IPv4-mapped address), or ::1. */
export function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false
  const plain = plainAddress(address)
  return plain === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(plain)
}
