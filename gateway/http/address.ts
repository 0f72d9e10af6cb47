/** Addresses of connections, as sockets show them. */

/** `1.2.3.4` for an IPv4 address that an IPv6 socket shows as `::ffff:1.2.3.4`; others unchanged. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
}
