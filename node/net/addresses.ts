/** Multiaddresses as text, with and without the node's id. */

import type { PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Multiaddr } from '@multiformats/multiaddr'
import { nodeId } from '../../protocol/ids.ts'
import type { NodeId } from '../../protocol/ids.ts'

/** Our id of a peer: the same text that libp2p prints. */
export function nodeOfPeer(peer: PeerId): NodeId {
  return nodeId(peer.toString())
}

/** The address with the node's id at its end. Empty when it is malformed or belongs to another node. */
export function parseAddress(text: string, node: string): Multiaddr[] {
  try {
    return withPeer(multiaddr(text), node)
  } catch {
    return []
  }
}

/** The address with the node's id at its end. Empty when it names another node. */
export function withPeer(address: Multiaddr, node: string): Multiaddr[] {
  const named = peerOf(address)
  if (named === undefined) return [address.encapsulate(`/p2p/${node}`)]
  return named === node ? [address] : []
}

/**
 * Addresses by node, as libp2p dials them, in the order of their first ones. Addresses that name no node are dialled
 * one by one. Text that is no address is left out.
 */
export function groupByPeer(addresses: readonly string[]): Multiaddr[][] {
  const groups = new Map<string, Multiaddr[]>()
  for (const text of addresses) {
    try {
      const address = multiaddr(text)
      const key = peerOf(address) ?? text
      groups.set(key, [...(groups.get(key) ?? []), address])
    } catch {
      // Not an address.
    }
  }
  return [...groups.values()]
}

/** The last node in the address: one before it is a relay. */
function peerOf(address: Multiaddr): string | undefined {
  return address.getComponents().findLast(({ name }) => name === 'p2p')?.value
}
