/** What this node itself is to the layout: a member, a learner, a source, one that has left, or a stranger. */

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

  isMember(): boolean {
    return this.#isThis(this.#log.view?.member(this.#options.signer.nodeId))
  }

  isEstablished(): boolean {
    const members = this.#log.view?.entry.members ?? []
    return members.some((member) => this.#isThis(member))
  }

  role(): Role | undefined {
    const { nodeId } = this.#options.signer
    const { view } = this.#log
    const isKnown = this.#isThis(view?.knownMember(nodeId))
    return isKnown ? view?.role(nodeId) : undefined
  }

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
