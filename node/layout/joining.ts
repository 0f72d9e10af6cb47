/** Whether this node may join a cluster at all, and then how it does (joiner.ts). Called by LayoutManager. */

import { equalBytes } from '../../protocol/bytes.ts'
import { MembershipError } from './errors.ts'
import { removedLine } from './former.ts'
import { Joiner, type JoinerParts } from './joiner.ts'
import type { OwnPlace } from './own-place.ts'
import type { SecretOffice, SecretStore } from './secret-office.ts'
import { decodeToken } from './token-codec.ts'

export interface JoiningParts extends Omit<
  JoinerParts,
  'member' | 'isEstablished' | 'hasClusterSecret' | 'saveClusterSecret'
> {
  readonly place: OwnPlace
  readonly secrets: SecretOffice
  readonly clusterSecret: SecretStore
  readonly holdsRegisters: () => boolean
}

/**
 * See LayoutManager.join. Some nodes are refused before any member is asked: 'bad-token' for a token that does not
 * decode, 'other-cluster' for one of another cluster, 'removed' for a node that has left, 'not-empty' for a directory
 * that holds data and no layout.
 */
export async function joinCluster(
  parts: JoiningParts,
  token: string | undefined,
  timeoutMs: number,
): Promise<void> {
  const { log, place, secrets, clusterSecret } = parts
  const decoded = token === undefined ? undefined : decodeToken(token)
  const { view } = log
  if (decoded !== undefined && view !== undefined && view.clusterId !== decoded.clusterId) {
    throw new MembershipError('other-cluster', 'this data directory belongs to another cluster')
  }
  const hasClusterSecret = (): boolean => secrets.current() !== undefined
  const isEstablished = (): boolean => place.isEstablished()
  if (isEstablished() && hasClusterSecret()) return
  // Also while others still copy from it: what it began as a member has ended and must not go on (G5).
  const left = place.leftIn()
  if (left !== undefined) throw new MembershipError('removed', removedLine(left))
  // A node that has a view holds data of this cluster: a learner's copies, or left-over data, which is dropped (L9).
  if (view === undefined && parts.holdsRegisters()) {
    throw new MembershipError('not-empty', 'this data directory holds data of an earlier cluster')
  }
  const member = () => place.member()
  const saveClusterSecret = async (secret: Uint8Array): Promise<void> => {
    const known = clusterSecret.get()
    if (known === undefined || !equalBytes(known, secret)) await clusterSecret.set(secret)
    secrets.adopted()
  }
  const own = { member, isEstablished, hasClusterSecret, saveClusterSecret }
  await new Joiner({ ...parts, ...own }, decoded).run(timeoutMs)
}
