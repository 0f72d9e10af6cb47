/** Opens the layout manager of a node. */

import type { Environment } from '../env/ports.ts'
import { encryptSecret, unseal } from '../layout/secret-encryption.ts'
import { LayoutManager, type LayoutManagerOptions } from '../layout/layout-manager.ts'
import type { NodeOptions } from './node-options.ts'

/**
 * Reads the layout files and makes the manager. It asks no other node before its `start`. Throws
 * MembershipError 'damaged', or 'replaced' (D1).
 *
 * @param node what the layout asks of roles that are not wired yet
 */
export function openLayout(
  { network, disk, clock, random, signer, logger }: Environment,
  options: Pick<
    NodeOptions,
    'storageId' | 'name' | 'zone' | 'capacityBytes' | 'clusterSecret' | 'removeAfterMs'
  >,
  node: Pick<LayoutManagerOptions, 'holdsRegisters' | 'mayVote'>,
): Promise<LayoutManager> {
  return LayoutManager.open({
    ...node,
    network,
    disk,
    clock,
    random,
    signer,
    logger,
    storageId: options.storageId,
    name: options.name,
    zone: options.zone,
    capacityBytes: options.capacityBytes,
    clusterSecret: options.clusterSecret,
    removeAfterMs: options.removeAfterMs,
    resealRoot: (sealed, from, to) => encryptSecret(to, random.bytes(12), unseal(from, sealed)),
  })
}
