/** Makes the options of a node from the configuration and the data directory. */

import { hostname } from 'node:os'
import { storageId } from '../../protocol/ids.ts'
import type { NodeOptions } from '../assembly/node-options.ts'
import type { Clock, Logger } from '../env/ports.ts'
import type { Config } from '../process/config.ts'
import type { RootCredentials } from '../process/credential-files.ts'
import type { DataDirectory } from '../process/data-directory.ts'
import { defaultNodeName } from '../process/node-name.ts'
import type { NodeHooks, StartChoices } from '../process/running-node.ts'
import { secretStore } from '../process/secret-store.ts'
import { accountIdOf } from './root-credentials.ts'
import type { StartingAdmin } from './starting-admin.ts'

/** How often a long start says how far it has come. */
const REPORT_MS = 5_000

/** Small blocks that were read last may take this part of `readMemory` in addition. */
const RECENT_PART = 4

/** What the options are made from. */
export interface NodeSettings {
  readonly config: Config
  readonly choices: StartChoices
  readonly directory: DataDirectory
  readonly root: RootCredentials | undefined
  /** Size of the disk: what the node offers unless the configuration says less. */
  readonly totalBytes: number
  readonly hooks: NodeHooks
  readonly gauges: NodeOptions['gauges']
  readonly progress: NonNullable<NodeOptions['progress']>
}

/**
 * The options of this start. Nothing is read or written here, but some of the options write to
 * node.json when the node calls them: a higher boot, the secrets, the id of the log.
 */
export function nodeOptionsOf(settings: NodeSettings): NodeOptions {
  const { config, choices, directory, root, totalBytes, hooks, gauges, progress } = settings
  const { node: record } = directory
  return {
    storageId: storageId(record.storageId),
    boot: record.boot,
    raiseBoot: (boot) => directory.remember({ boot }),
    name: config.name ?? defaultNodeName(hostname(), config.data),
    zone: config.zone,
    capacityBytes: config.capacity ?? totalBytes,
    segmentSizeBytes: config.segmentSize,
    replication: config.replication,
    bucketsPerAccount: config.bucketsPerAccount,
    partBytesMin: config.partSizeMin,
    readBytesMax: config.readMemory,
    recentBytesMax: config.readMemory / RECENT_PART,
    moveBytesPerSecond: config.moveRate,
    notifications: {
      webhooks: config.webhooks,
      queueBytesMax: config.webhookQueue,
      ageMsMax: config.webhookAge,
    },
    space: { reclaimDelayMs: config.reclaimDelay, scanPauseMs: config.scanPause },
    upkeep: {
      compactionIntervalMs: config.compactionInterval,
      compactionBytesPerSecond: config.compactionRate,
      compactionDeadShare: config.compactionDeadShare,
      scrubBytesPerSecond: config.scrubRate,
      scrubPauseMs: config.scrubPause,
    },
    clusterSecret: secretStore(
      () => directory.node,
      (changes) => directory.remember(changes),
    ),
    log: {
      expectedId: directory.expectedLogId(),
      acceptLost: choices.acceptLostLog,
      opened(logId) {
        if (directory.node.logId !== logId) directory.remember({ logId })
      },
    },
    join: record.origin === 'found' ? undefined : config.join,
    replace: choices.replace,
    removeAfterMs: config.removeAfter,
    founded: (cluster) => hooks.notice?.(foundedLine(cluster, directory.path)),
    root: root === undefined ? undefined : { accountId: accountIdOf(record.storageId), ...root },
    gauges,
    // The process prints its ready line when `ready` resolves, and need not wait here.
    majorityWaitMs: 0,
    progress,
  }
}

/** Tells the admin port, the caller and now and then the log how far a start has come. */
export function startProgress(
  starting: StartingAdmin,
  hooks: Pick<NodeHooks, 'progress'> & { readonly logger: Logger },
  clock: Clock,
): NonNullable<NodeOptions['progress']> {
  let reportedMs = clock.monotonicMs()
  return (task, done, total) => {
    starting.doing(task, done, total)
    if (clock.monotonicMs() - reportedMs > REPORT_MS) {
      reportedMs = clock.monotonicMs()
      hooks.logger.info({ task, done, total }, 'starting')
    }
    hooks.progress?.({ task, done, total })
  }
}

/**
 * An operator who meant to join, or whose volume was not mounted, must notice that there is a new
 * cluster.
 */
function foundedLine(cluster: string, path: string): string {
  return (
    `founded a NEW cluster ${cluster} in ${path}. If this node belongs to another one, stop it, remove ` +
    'the directory, and mount its volume or start it with --join-file FILE; --cluster ID keeps a start from founding'
  )
}
