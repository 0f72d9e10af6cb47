/** The addresses of members: those of the layout, and those from which they connected. */

import type { Multiaddr } from '@multiformats/multiaddr'
import type { NodeId } from '../../protocol/ids.ts'
import { groupOfAddress } from './address-group.ts'
import { parseAddress } from './addresses.ts'

export class MemberAddresses {
  readonly #announced = new Map<NodeId, readonly string[]>()
  /** By member, the last address from which it connected. Behind NAT that is not the one it announces. */
  readonly #seen = new Map<NodeId, string>()
  #groups = new Set<string>()

  has(group: string): boolean {
    return this.#groups.has(group)
  }

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

  #gather(): void {
    this.#groups = new Set([...this.#announced.values()].flat())
    for (const group of this.#seen.values()) this.#groups.add(group)
  }
}
