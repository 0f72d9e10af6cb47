/** What a node is started with. */

import type { ClusterId, StorageId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { AdminBackend } from '../../gateway/port/admin.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { IdentitiesOptions } from '../iam/identities.ts'
import type { SecretOffice, SecretStore } from '../layout/secret-office.ts'
import type { RegisterObserver } from '../quorum/register-events.ts'
import type { SpaceSettings } from '../reclaim/space-reclaim.ts'
import type { UpkeepSettings } from '../repair/upkeep.ts'

export interface NodeOptions {
  readonly storageId: StorageId
  readonly boot: number
  /** Durably: this start goes on with a higher boot (D2). */
  readonly raiseBoot: (boot: number) => void | Promise<void>
  /** What people call it. Taken when it becomes a member. */
  readonly name?: string | undefined
  readonly zone: string
  readonly capacityBytes: number
  readonly segmentSizeBytes: number
  readonly replication?: number | undefined
  /** Of a founder. False: as earlier programs, to try clusters of theirs. */
  readonly systemPartitions?: boolean | undefined
  /** Bits of a partition number, for a founder. Other nodes read it from the genesis record. */
  readonly partitionBits?: number | undefined
  readonly bucketsPerAccount?: number | undefined
  /** Of an upload's parts but the last. */
  readonly partBytesMin?: number | undefined
  /** Memory for blocks on their way to readers. */
  readonly readBytesMax?: number | undefined
  readonly clusterSecret: SecretStore
  /** The log that belongs to this node (D9). */
  readonly log?: LogExpectation | undefined
  /** How long `start` waits for a majority once the node serves. Default 15 s; `ready` waits for ever. */
  readonly majorityWaitMs?: number | undefined
  /** Delays and rates of reclaiming space. */
  readonly space?: SpaceSettings | undefined
  /** Compaction and scrub. */
  readonly upkeep?: UpkeepSettings | undefined
  /** At the first start: join by this token, or found a cluster with these root credentials. */
  readonly join?: string | undefined
  /** With `join`: in the place of this lost node, a name or the end of an id. */
  readonly replace?: string | undefined
  /** A member that is away for so long is removed. Default: never. */
  readonly removeAfterMs?: number | undefined
  /** Bytes of blocks that it fetches a second at most when the layout has changed; 0: no limit. Default 64 MiB. */
  readonly moveBytesPerSecond?: number | undefined
  readonly root?: RootCredential | undefined
  /** It made a new cluster. */
  readonly founded?: ((cluster: ClusterId) => void) | undefined
  readonly progress?: (task: string, done: number, total?: number) => void
  /** Figures of the process, for the metrics. */
  readonly gauges?: (() => ReturnType<AdminBackend['gauges']>) | undefined
  /** Checker A of the simulation. */
  readonly observer?: RegisterObserver | undefined
}

export interface LogExpectation {
  /** Hex: the one that it had before. If it is gone, `start` rejects with a LogError, LOG_MISSING. */
  readonly expectedId?: string | undefined
  /** Begin a new one then; everything counts as forgotten (D8). */
  readonly acceptLost?: boolean | undefined
  /** The id of the log that was opened, hex, to be expected at the next start. Called before anything is
   * appended for anyone. */
  opened?(logId: string): void | Promise<void>
}

export interface RootCredential {
  readonly accountId: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** The cluster as identities see it. Throws Unavailable while this node has not been given the secret in force. */
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
