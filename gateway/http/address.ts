/** Addresses of connections, as sockets show them. */

/** An IPv4 address that a socket of IPv6 shows as `::ffff:1.2.3.4` is that IPv4 address. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
}
