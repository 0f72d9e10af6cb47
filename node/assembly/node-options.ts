/** What a node is started with: by start/node-settings.ts, or by sim/. */

import type { ClusterId, StorageId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { AdminBackend } from '../../gateway/port/admin.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { IdentitiesOptions } from '../iam/identities.ts'
import type { SecretOffice, SecretStore } from '../layout/secret-office.ts'
import type { RegisterObserver } from '../quorum/register-events.ts'
import type { NotificationSettings } from '../notifications/notifications.ts'
import type { SpaceSettings } from '../reclaim/space-reclaim.ts'
import type { UpkeepSettings } from '../repair/upkeep.ts'

/** The settings of one start. Most come from the configuration; the functions write to node.json. */
export interface NodeOptions {
  /** The id of the disk, drawn when the directory was formatted (D1). */
  readonly storageId: StorageId
  /** The number of this start, higher than that of any earlier one (P1, G5). */
  readonly boot: number
  /** Writes down that this start goes on with a higher boot (D2). Durable when it returns. */
  readonly raiseBoot: (boot: number) => void | Promise<void>
  /** The node's name in the layout. Used when it becomes a member. */
  readonly name?: string | undefined
  /**
   * The failure domain. Like the capacity, it counts when the node becomes a member; afterwards the
   * layout decides.
   */
  readonly zone: string
  /** What the node offers. Its share of the partitions follows from it. */
  readonly capacityBytes: number
  /** At this size a segment of the log is closed and a new one begun. */
  readonly segmentSizeBytes: number
  /** For a founder: replicas of each partition. The layout decides afterwards. */
  readonly replication?: number | undefined
  /** For a founder. False founds a cluster as earlier programs did; tests of such clusters use it. */
  readonly systemPartitions?: boolean | undefined
  /** Bits of a partition number, for a founder. Other nodes read it from the genesis record. */
  readonly partitionBits?: number | undefined
  /** For accounts without a limit of their own. */
  readonly bucketsPerAccount?: number | undefined
  /** Least size of an upload's parts, except for the last one. */
  readonly partBytesMin?: number | undefined
  /** Memory for blocks on their way to readers. */
  readonly readBytesMax?: number | undefined
  /** Memory for small blocks that were read last. Default: none is kept. */
  readonly recentBytesMax?: number | undefined
  /** Keeps the cluster secrets durably. */
  readonly clusterSecret: SecretStore
  /** The log that belongs to this node (D9). */
  readonly log?: LogExpectation | undefined
  /** How long `start` waits for a majority once the node serves. Default 15 s; `ready` waits for ever. */
  readonly majorityWaitMs?: number | undefined
  /** Delays and rates of reclaiming space. */
  readonly space?: SpaceSettings | undefined
  /** Webhooks, and how much and how long their queues hold. */
  readonly notifications?: NotificationSettings | undefined
  /** Compaction and scrub. */
  readonly upkeep?: UpkeepSettings | undefined
  /** At the first start: join with this token. Without it the node founds a cluster with `root`. */
  readonly join?: string | undefined
  /** With `join`: take the place of this lost node, given by its name or the end of its id. */
  readonly replace?: string | undefined
  /** A member that is away for longer is removed. Default: never. */
  readonly removeAfterMs?: number | undefined
  /** Limit for the blocks that the node fetches after a change of the layout. 0: no limit. Default 64 MiB. */
  readonly moveBytesPerSecond?: number | undefined
  /** For a founder: the root of the first account. */
  readonly root?: RootCredential | undefined
  /** Called when the node has founded a cluster. */
  readonly founded?: ((cluster: ClusterId) => void) | undefined
  /** Told how far recovery and joining are. */
  readonly progress?: (task: string, done: number, total?: number) => void
  /** Metrics of the process. */
  readonly gauges?: (() => ReturnType<AdminBackend['gauges']>) | undefined
  /** Checker A of the simulation. */
  readonly observer?: RegisterObserver | undefined
}

/** Which log the node must find, so that a lost one is noticed and not silently begun again. */
export interface LogExpectation {
  /** Hex: id of the log that the node had before. If that is gone, `start` rejects with a LogError, LOG_MISSING. */
  readonly expectedId?: string | undefined
  /** Begin a new log if the old one is gone. Everything counts as forgotten then (D8). */
  readonly acceptLost?: boolean | undefined
  /** Takes the id of the opened log, hex: the next start expects it. Called before the first request can append. */
  opened?(logId: string): void | Promise<void>
}

/**
 * The root of the first account, as the founder writes it into the genesis record, with the secret
 * encrypted.
 */
export interface RootCredential {
  readonly accountId: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/**
 * What identities need of the cluster. After a rotation the root's secret is in the rotation's
 * record, encrypted with the new cluster secret. Throws StoreError Unavailable while this node does
 * not have the secret in force.
 */
export function clusterOf(
  view: LayoutView,
  secrets: SecretOffice,
): ReturnType<IdentitiesOptions['cluster']> {
  const secret = secrets.current()
  if (secret === undefined) {
    throw new StoreError('Unavailable', 'this node has not been given the cluster secret yet')
  }
  const { record } = secrets
  const { rootAccount } = view.genesis
  if (record === undefined) return { id: view.clusterId, secret, rootAccount }
  const before = secrets.previous()
  const { sinceMs, overlapMs, rootSealed } = record
  return {
    id: view.clusterId,
    secret,
    ...(before !== undefined && {
      previous: { secret: before, sinceMs, untilMs: sinceMs + overlapMs },
    }),
    rootAccount: { ...rootAccount, sealedSecret: rootSealed },
  }
}
