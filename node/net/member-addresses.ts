/** The addresses at which members live: what the layout says, and where they were seen. */

import type { Multiaddr } from '@multiformats/multiaddr'
import type { NodeId } from '../../protocol/ids.ts'
import { groupOfAddress } from './address-group.ts'
import { parseAddress } from './addresses.ts'

export class MemberAddresses {
  readonly #announced = new Map<NodeId, readonly string[]>()
  /** Behind NAT it is not what the member announces. The last one of each. */
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

  /** A member has connected from there. */
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
