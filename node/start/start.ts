/** A node as a process: data directory, real adapters, S3 and admin ports. What the CLI starts. */

import { hostname } from 'node:os'
import { join } from 'node:path'
import type { AdminBackend } from '../../gateway/port/backend.ts'
import { createAdmin, type Admin } from '../../gateway/admin/api.ts'
import { GatewayMetrics } from '../../gateway/admin/metrics.ts'
import { createGateway } from '../../gateway/server.ts'
import { storageId } from '../../protocol/ids.ts'
import { byteString } from '../../protocol/bytes.ts'
import type { NodeHooks, RunningNode, StartChoices } from '../process/running-node.ts'
import type { Config } from '../process/config.ts'
import {
  isMemberDirectory,
  openDataDirectory,
  type DataDirectory,
  type RootCredentials,
} from '../process/data-directory.ts'
import { LogError } from '../log/errors.ts'
import { createDisk } from '../env/disk.ts'
import { openLmdb } from '../env/lmdb.ts'
import type { Environment, Logger, Random } from '../env/ports.ts'
import { Ed25519Signer } from '../net/signer.ts'
import { SystemClock, SystemRandom } from '../env/system.ts'
import { JoseTokenSigner } from '../env/tokens.ts'
import { checkFirstStart, emptied, isStartRefusal } from './first-start.ts'
import { placeToRemember } from '../process/given-place.ts'
import { createRowCheck } from '../replica/row-check.ts'
import { generateNodeKey } from '../net/identity.ts'
import { createNetwork } from '../net/network.ts'
import { defaultNodeName } from '../process/node-name.ts'
import { ShoalNode } from '../assembly/node.ts'
import type { RootCredential } from '../assembly/node-options.ts'
import { secretStore } from '../process/secret-store.ts'
import { StartingAdmin } from './starting-admin.ts'
import { watchTurns, type TurnWatch } from '../env/turn-watch.ts'
import { keepSpareRoom } from '../env/spare-room.ts'
import { UsageError } from '../tools/usage-error.ts'

/** How often a long start says how far it has come. */
const SAID_MS = 5_000
const ADMIN_CREDENTIAL_BYTES = 32
const ACCESS_KEY_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** See StartNode in process/running-node.ts. */
export async function startNode(
  config: Config,
  hooks: NodeHooks,
  choices: StartChoices,
): Promise<RunningNode> {
  const random = new SystemRandom()
  await checkFirstStart(config, new SystemClock())
  const directory = openDataDirectory(config.data, () => {
    const founds = config.join === undefined
    if (founds && config.cluster !== undefined) {
      throw new UsageError(`${config.data} is empty: with --cluster no cluster is founded`)
    }
    return {
      origin: founds ? 'found' : 'join',
      privateKey: generateNodeKey().privateKey,
      storageIdBytes: random.bytes(12),
    }
  })
  try {
    return await serve(config, hooks, choices, directory, random)
  } catch (error) {
    if (directory.isNew && isStartRefusal(error)) throw emptied(directory, error)
    directory.close()
    if (error instanceof LogError && error.code === 'LOG_MISSING') {
      throw new UsageError(`${directory.path}: ${error.message}`)
    }
    throw error
  }
}

/** The admin port first: it says what the start waits for. */
async function serve(
  config: Config,
  hooks: NodeHooks,
  choices: StartChoices,
  directory: DataDirectory,
  random: Random,
): Promise<RunningNode> {
  const metrics = new GatewayMetrics()
  const turns = watchTurns(new SystemClock())
  const gauges = (): ReturnType<AdminBackend['gauges']> => processGauges(turns)
  const starting = new StartingAdmin(gauges)
  const { logger } = hooks
  const credential = directory.adminCredential(random.bytes(ADMIN_CREDENTIAL_BYTES))
  const admin = createAdmin({ backend: starting.backend, metrics, credential, logger })
  const { url: adminUrl } = await admin.listen(config.admin)
  try {
    // The address first: a command must not send the credential to who has an earlier run's port.
    const { addresses } = directory.node
    directory.remember({ addresses: { ...addresses, admin: addressOf(adminUrl) } })
    directory.writeAdminCredential(credential)
    const start: Start = { config, hooks, choices, directory, random, metrics, starting, gauges }
    return await serveBehind({ ...start, admin, adminUrl })
  } catch (error) {
    await admin.close()
    throw error
  }
}

interface Start {
  readonly config: Config
  readonly hooks: NodeHooks
  readonly choices: StartChoices
  readonly directory: DataDirectory
  readonly random: Random
  readonly metrics: GatewayMetrics
  readonly starting: StartingAdmin
  readonly gauges: AdminBackend['gauges']
}

async function serveBehind(
  start: Start & { readonly admin: Admin; readonly adminUrl: string },
): Promise<RunningNode> {
  const { config, hooks, choices, directory, random, metrics, starting, gauges, admin, adminUrl } =
    start
  const clock = new SystemClock()
  const { logger } = hooks
  const { node: record } = directory
  const disk = createDisk(directory.path)
  const network = await createNetwork({
    privateKey: directory.privateKey,
    listen: [config.listen],
    clock,
    random,
    logger,
  })
  const env: Environment = {
    clock,
    random,
    disk,
    network,
    signer: new Ed25519Signer(directory.privateKey),
    tokens: new JoseTokenSigner(),
    logger,
    openIndex: () => openLmdb(join(directory.path, 'index'), logger, createRowCheck),
    fail: (reason) => hooks.failed(reason),
  }
  const founds = record.origin === 'found'
  if (directory.closed.length > 0) {
    logger.warn(
      { files: directory.closed },
      'other users could read or change these: closed to them',
    )
  }
  if (directory.mended !== undefined) {
    logger.warn({ file: directory.mended }, 'was damaged or missing: made again from its copy')
  }
  const known = founds ? rootOf(directory, logger) : undefined
  // Never beside a cluster that has its root already: nobody would know the keys drawn now.
  const draws = founds && !isMemberDirectory(directory.path)
  const root = known ?? (draws ? drawCredentials(config, random) : undefined)
  if (root !== undefined && known === undefined) directory.writeCredentials(root)
  // Printed once: at the first start that serves, which need not be the one that drew them.
  const fresh = record.addresses.s3 === undefined
  const { totalBytes } = await disk.space()
  let saidMs = clock.monotonicMs()
  const node = await ShoalNode.start(env, {
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
    moveBytesPerSecond: config.moveRate,
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
    join: founds ? undefined : config.join,
    replace: choices.replace,
    removeAfterMs: config.removeAfter,
    founded: (cluster) => hooks.notice?.(foundedLine(cluster, directory.path)),
    root: root === undefined ? undefined : { accountId: accountIdOf(record.storageId), ...root },
    gauges,
    majorityWaitMs: 0,
    progress(task, done, total) {
      starting.doing(task, done, total)
      if (clock.monotonicMs() - saidMs > SAID_MS) {
        saidMs = clock.monotonicMs()
        logger.info({ task, done, total }, 'starting')
      }
      hooks.progress?.({ task, done, total })
    },
  })
  starting.serves(node.admin)
  const gateway = createGateway({
    backend: node.backend,
    iam: node.iam,
    region: config.region,
    sigv2: config.sigv2,
    hostSuffixes: config.hostSuffixes,
    clock,
    randomBytes: (count) => random.bytes(count),
    metrics,
    logger,
    limits: {
      bodyBytesMax: config.bodyMemory,
      shares: { address: config.addressShare, caller: config.callerShare },
    },
    accessLog: hooks.accessLog,
    debug: config.logLevel === 'debug',
  })
  const letSpareRoom = keepSpareRoom(directory.path, clock, random)
  const stop = async (): Promise<void> => {
    letSpareRoom()
    await gateway.close({ drainMs: config.shutdownTimeout })
    await admin.close()
    await node.stop()
    directory.close()
  }
  try {
    const s3 = await gateway.listen(config.s3)
    directory.remember({
      addresses: { s3: addressOf(s3.url), admin: addressOf(adminUrl), listen: config.listen },
      ...placeToRemember(
        { zone: config.zone, capacityBytes: config.capacity },
        record,
        node.layout.current()?.member(node.nodeId),
        logger,
      ),
    })
    return {
      s3Url: s3.url,
      adminUrl,
      nodeId: node.nodeId,
      credentials: root === undefined ? undefined : { ...root, fresh },
      ready: node.ready(),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Of a cluster that exists they are only shown again: damage to them keeps no member from serving. */
function rootOf(directory: DataDirectory, logger: Logger): RootCredentials | undefined {
  try {
    return directory.credentials()
  } catch (error) {
    if (!isMemberDirectory(directory.path)) throw error
    const { message } = error as Error
    logger.warn({ error: message }, 'credentials.json is damaged: the cluster does not need it')
    return undefined
  }
}

function foundedLine(cluster: string, path: string): string {
  return (
    `founded a NEW cluster ${cluster} in ${path}. If this node belongs to another one, stop it, remove ` +
    'the directory, and mount its volume or start it with --join-file FILE; --cluster ID keeps a start from founding'
  )
}

/** Given by the user at the first start, else random. */
function drawCredentials(config: Config, random: Random): RootCredentials {
  const { rootAccessKey, rootSecretKey } = config
  if ((rootAccessKey === undefined) !== (rootSecretKey === undefined)) {
    throw new UsageError('SHOAL_ROOT_ACCESS_KEY and SHOAL_ROOT_SECRET_KEY go together')
  }
  if (rootAccessKey !== undefined && rootSecretKey !== undefined) {
    return { accessKeyId: rootAccessKey, secretAccessKey: rootSecretKey }
  }
  const letters = byteString(random.bytes(16)).split('')
  const accessKeyId = letters.map((each) => ACCESS_KEY_LETTERS[each.charCodeAt(0) & 31]).join('')
  return {
    accessKeyId: `SHOA${accessKeyId}`,
    secretAccessKey: Buffer.from(random.bytes(30)).toString('base64url'),
  }
}

/** Twelve digits, as AWS account ids; drawn from the founder's storage id. */
function accountIdOf(storage: string): RootCredential['accountId'] {
  return String(Number.parseInt(storage.slice(0, 12), 16) % 1e12).padStart(12, '0')
}

function processGauges(turns: TurnWatch): ReturnType<AdminBackend['gauges']> {
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  const gauge = (name: string, help: string, value: number) =>
    ({ name, help, type: 'gauge', value }) as const
  return [
    gauge('shoal_process_resident_bytes', 'Resident memory', rss),
    gauge('shoal_process_heap_bytes', 'JavaScript heap in use', heapUsed),
    gauge('shoal_process_buffer_bytes', 'Memory of buffers', arrayBuffers),
    gauge(
      'shoal_event_loop_turn_seconds_max',
      'Longest turn of the event loop in the last one to two minutes',
      turns.longestSeconds(),
    ),
    {
      name: 'shoal_process_cpu_seconds_total',
      help: 'CPU time, user and system',
      type: 'counter',
      value: (user + system) / 1e6,
    },
  ]
}

function addressOf(url: string): string {
  return url.replace(/^http:\/\//, '')
}
