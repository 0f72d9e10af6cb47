/**
 * What this node itself is to the layout: a member, a learner, a source, one that has left, or a stranger. Called by
 * LayoutManager.
 *
 * Every answer is about the last entry that this node knows, and about this data directory: the same node id with
 * another storage id is another node (D1).
 */

import type { StorageId } from '../../protocol/ids.ts'
import type { Member } from '../../protocol/layout/entry.ts'
import type { Role } from '../../protocol/layout/view.ts'
import type { Network, Signer } from '../env/ports.ts'
import { droppedIn } from './former.ts'
import type { LayoutLog } from './layout-log.ts'

export interface OwnPlaceOptions {
  readonly network: Pick<Network, 'addresses'>
  readonly signer: Pick<Signer, 'nodeId'>
  readonly storageId: StorageId
  readonly name?: string | undefined
  readonly zone: string
  readonly capacityBytes: number
}

export class OwnPlace {
  readonly #options: OwnPlaceOptions
  readonly #log: LayoutLog

  constructor(options: OwnPlaceOptions, log: LayoutLog) {
    this.#options = options
    this.#log = log
  }

  /** This node as a member, with its present addresses. */
  member(): Member {
    const { network, signer, storageId, name, zone, capacityBytes } = this.#options
    return {
      nodeId: signer.nodeId,
      storageId,
      zone,
      capacityBytes: Math.max(1, Math.floor(capacityBytes)),
      addresses: network.addresses(),
      ...(name !== undefined && { name }),
    }
  }

  /** Whether it votes and counts: it is in P or, in JOINT, in P′. */
  isMember(): boolean {
    return this.#isThis(this.#log.view?.member(this.#options.signer.nodeId))
  }

  /**
   * Whether it is in P. A node that is only in P′ of a JOINT is a member and not established: if the change goes
   * back, it is none.
   */
  isEstablished(): boolean {
    const members = this.#log.view?.entry.members ?? []
    return members.some((member) => this.#isThis(member))
  }

  /** Undefined for a stranger, and when the layout names another storage id for this node id. */
  role(): Role | undefined {
    const { nodeId } = this.#options.signer
    const { view } = this.#log
    const isKnown = this.#isThis(view?.knownMember(nodeId))
    return isKnown ? view?.role(nodeId) : undefined
  }

  /**
   * The epoch of the first STABLE entry without it. Undefined for a member, for a learner, and for a node that never
   * was a member. A source has left, although other nodes may still copy from it.
   */
  leftIn(): number | undefined {
    if (this.#log.view === undefined || this.isMember() || this.role() === 'learner')
      return undefined
    const { signer, storageId } = this.#options
    return droppedIn(this.#log, { nodeId: signer.nodeId, storageId })
  }

  #isThis(member: Pick<Member, 'nodeId' | 'storageId'> | undefined): boolean {
    const { signer, storageId } = this.#options
    return member?.nodeId === signer.nodeId && member.storageId === storageId
  }
}
