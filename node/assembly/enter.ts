/** How a node enters a cluster at its start: as a member that it was before, with a token, or as the founder. */

import type { Clock, Environment } from '../env/ports.ts'
import { encryptSecret } from '../layout/secret-encryption.ts'
import { removedLine } from '../layout/former.ts'
import type { LayoutManager } from '../layout/layout-manager.ts'
import type { NodeOptions } from './node-options.ts'
import { UsageError } from '../tools/usage-error.ts'

/** How often a long join reports how far it is. */
const REPORT_MS = 1_000

/**
 * A member goes on; an empty node joins a cluster, or founds one. Resolves when this node has a
 * layout that it can serve by, or goes on learning by. Called once in each start, when the network is
 * up.
 *
 * A node that has registers or a layout never founds: that would be a second cluster over the data
 * of the first (L1).
 *
 * @param holdsRegisters whether the log contains registers: then the node has been a member
 * @throws UsageError for what the operator must decide, MembershipError when the cluster refuses the
 *   node
 */
export async function enter(
  { clock, logger, random }: Pick<Environment, 'clock' | 'logger' | 'random'>,
  layout: LayoutManager,
  holdsRegisters: () => boolean,
  options: NodeOptions,
): Promise<void> {
  // The node serves what others still copy from it, until they have it. A token in its settings is from its first start:
  // it does not mean that the node should join again.
  if (layout.role() === 'source') return
  const hasSecret = layout.secrets.current() !== undefined
  // The node goes on learning, and becomes a member while it is up.
  if (layout.role() === 'learner' && options.join === undefined && hasSecret) return
  const left = layout.leftIn()
  if (left !== undefined && layout.role() === undefined) throw new UsageError(removedLine(left))
  if (layout.isEstablished() && hasSecret) return
  // The node was admitted before it was stopped, so the members know its key.
  const isAdmitted = !hasSecret && (layout.role() === 'learner' || layout.isMember())
  if (options.join !== undefined || isAdmitted) {
    options.progress?.('joining the cluster', 0)
    const end = reportLearning(clock, layout, options.progress)
    await layout.join(options.join, undefined, options.replace).finally(end)
    logger.info({ epoch: layout.current()?.epoch }, 'joined the cluster')
    return
  }
  if (layout.isMember() && hasSecret) return
  if (layout.current() !== undefined) {
    throw new UsageError(
      'this node is not a member of its cluster: give it a token with --join-file',
    )
  }
  if (holdsRegisters()) throw new UsageError('layout.json is missing, but the log is not')
  const { root, replication, partitionBits, systemPartitions } = options
  if (root === undefined) throw new Error('a founder needs root credentials')
  if (options.clusterSecret.get() === undefined) {
    await options.clusterSecret.set(random.bytes(32))
  }
  const secret = options.clusterSecret.get()
  if (secret === undefined) throw new Error('the cluster secret could not be kept')
  await layout.found({
    rootAccount: {
      accountId: root.accountId,
      accessKeyId: root.accessKeyId,
      sealedSecret: encryptSecret(secret, random.bytes(12), root.secretAccessKey),
    },
    replication,
    partitionBits,
    systemPartitions,
  })
  const { clusterId: cluster } = layout.current()!
  logger.info({ cluster }, 'founded a cluster')
  options.founded?.(cluster)
}

/** A node that joins may learn for hours. Reports how far it is until the returned function is called. */
function reportLearning(
  clock: Clock,
  layout: Pick<LayoutManager, 'progress'>,
  progress: NodeOptions['progress'],
): () => void {
  if (progress === undefined) return () => {}
  let end = (): void => {}
  const report = (): void => {
    const { total, done } = layout.progress().learning
    if (total > 0) progress('learning what it will hold', done, total)
    end = clock.after(REPORT_MS, report)
  }
  end = clock.after(REPORT_MS, report)
  return () => end()
}
