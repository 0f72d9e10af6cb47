/**
 * The addresses of members: those of the layout, and those from which they connected. Handshakes from there are not
 * limited as those of strangers are (handshakes.ts), so that strangers can't keep members out.
 *
 * An address here is a group of them (address-group.ts), and never carries a port.
 */

import type { Multiaddr } from '@multiformats/multiaddr'
import type { NodeId } from '../../protocol/ids.ts'
import { groupOfAddress } from './address-group.ts'
import { parseAddress } from './addresses.ts'

export class MemberAddresses {
  readonly #announced = new Map<NodeId, readonly string[]>()
  /** By member, the last address from which it connected. Behind NAT that is not the one it announces. */
  readonly #seen = new Map<NodeId, string>()
  #groups = new Set<string>()

  /** Whether a member is known to be at this address. */
  has(group: string): boolean {
    return this.#groups.has(group)
  }

  /** The members of the layout, with the multiaddresses that they announce. Replaces the ones before. */
  set(members: ReadonlyMap<NodeId, readonly string[]>): void {
    this.#announced.clear()
    for (const [peer, addresses] of members) {
      const groups = addresses
        .flatMap((text) => parseAddress(text, peer))
        .map(groupOfAddress)
        .filter((group) => group !== undefined)
      this.#announced.set(peer, groups)
    }
    for (const peer of this.#seen.keys()) if (!members.has(peer)) this.#seen.delete(peer)
    this.#gather()
  }

  /** Called when a member has connected from an address. */
  saw(peer: NodeId, address: Multiaddr): void {
    const group = groupOfAddress(address)
    if (group === undefined || this.#seen.get(peer) === group) return
    this.#seen.set(peer, group)
    this.#gather()
  }

  /** All groups together, so that `has` is one look-up. */
  #gather(): void {
    this.#groups = new Set([...this.#announced.values()].flat())
    for (const group of this.#seen.values()) this.#groups.add(group)
  }
}
