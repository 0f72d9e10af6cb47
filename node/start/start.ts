/**
 * A node as a process: data directory, real adapters, S3 and admin ports. The command line starts it.
 *
 * Order of a start:
 *
 *   1. checks that write nothing (first-start.ts)
 *   2. the data directory is locked, formatted if it is new, and its boot counter raised
 *   3. the admin port opens, and says from now on what the start waits for
 *   4. gateway threads are started, if there are to be any; the node starts: log, layout, entering the cluster
 *   5. the S3 port opens, and the addresses are written down for the next start
 *
 * A stop closes the ports, then the node, then the directory. When a step fails, what was opened before it is closed again.
 */

import { join } from 'node:path'
import { onFailedAssertion } from '../../protocol/assert.ts'
import type { AdminBackend } from '../../gateway/port/admin.ts'
import { createAdmin, type Admin } from '../../gateway/admin/api.ts'
import { GatewayMetrics } from '../../gateway/admin/metrics.ts'
import type { TlsCertificate } from '../../gateway/http/certificates.ts'
import { createGateway } from '../../gateway/server.ts'
import type { NodeHooks, RunningNode, StartChoices } from '../process/running-node.ts'
import type { Config } from '../process/config.ts'
import {
  checkedCertificates,
  readCertificates,
  writeAdminCertificates,
} from '../process/certificate-files.ts'
import { IssuerKeysFile } from '../process/issuer-keys-file.ts'
import { openDataDirectory, type DataDirectory } from '../process/data-directory.ts'
import { LogError } from '../log/errors.ts'
import { createDisk } from '../env/disk.ts'
import { openLmdb } from '../env/lmdb.ts'
import type { Clock, Environment, Logger, Random } from '../env/ports.ts'
import { Ed25519Signer } from '../net/signer.ts'
import { afterTurn, SystemClock, SystemRandom } from '../env/system.ts'
import { JoseTokenSigner } from '../env/tokens.ts'
import { JoseWebTokens } from '../env/web-tokens.ts'
import { CertificateWatch } from './certificate-watch.ts'
import { checkFirstStart, emptyRefused, isStartRefusal } from './first-start.ts'
import { placeToRemember } from '../process/given-place.ts'
import { createRowCheck } from '../replica/row-check.ts'
import { generateNodeKey } from '../net/identity.ts'
import { createNetwork } from '../net/network.ts'
import { HttpOutgoing } from '../net/outgoing.ts'
import { ShoalNode } from '../assembly/node.ts'
import {
  GatewayThreads,
  type GatewayThreadsOptions,
  type ServedGateway,
} from './gateway-threads.ts'
import { nodeOptionsOf, startProgress } from './node-settings.ts'
import { processGauges } from './process-gauges.ts'
import { rootCredentialsOf } from './root-credentials.ts'
import { StartingAdmin } from './starting-admin.ts'
import type { GatewaySettings } from './thread-messages.ts'
import { watchTurns } from '../env/turn-watch.ts'
import { keepSpareRoom } from '../env/spare-room.ts'
import { BUG_EXIT_CODE, stopLine } from '../tools/failed-assertion.ts'
import { UsageError } from '../tools/usage-error.ts'

/** 256 random bits. */
const ADMIN_CREDENTIAL_BYTES = 32

/**
 * Starts a node as a process. See StartNode in process/running-node.ts. Rejects with UsageError for
 * what the user can mend, and otherwise with the error of the step that failed. A directory that this
 * start formatted is emptied again when the cluster refuses the node. Until the node has stopped, an
 * assertion that fails ends the process.
 */
export async function startNode(
  config: Config,
  hooks: NodeHooks,
  choices: StartChoices,
): Promise<RunningNode> {
  const letAssertions = onFailedAssertion((failed) => {
    hooks.failed(stopLine(failed), BUG_EXIT_CODE)
  })
  try {
    const node = await startInDirectory(config, hooks, choices)
    return { ...node, stop: () => node.stop().finally(letAssertions) }
  } catch (error) {
    letAssertions()
    throw error
  }
}

/** Opens the data directory, or formats it, and starts the node on it. */
async function startInDirectory(
  config: Config,
  hooks: NodeHooks,
  choices: StartChoices,
): Promise<RunningNode> {
  const random = new SystemRandom()
  const certificates = checkedCertificates(config, 'tlsCert')
  const adminCertificates = checkedCertificates(config, 'adminTlsCert')
  const { logger } = hooks
  const issuerKeys = new IssuerKeysFile({ path: config.oidcKeys, clock: new SystemClock(), logger })
  await checkFirstStart(config, new SystemClock())
  const directory = openDataDirectory(config.data, () => {
    const founds = config.join === undefined
    if (founds && config.cluster !== undefined) {
      throw new UsageError(
        `${config.data} is empty, and --cluster keeps a start from founding a cluster`,
      )
    }
    return {
      origin: founds ? 'found' : 'join',
      privateKey: generateNodeKey().privateKey,
      storageIdBytes: random.bytes(12),
    }
  })
  try {
    const opened = { directory, random, certificates, adminCertificates, issuerKeys }
    return await serve({ config, hooks, choices, ...opened })
  } catch (error) {
    if (directory.isNew && isStartRefusal(error)) throw emptyRefused(directory, error)
    directory.close()
    if (error instanceof LogError && error.code === 'LOG_MISSING') {
      throw new UsageError(`${directory.path}: ${error.message}`)
    }
    throw error
  }
}

/** Steps 3 to 5. The admin port is opened first because recovery and joining may take long. */
async function serve(given: GivenStart): Promise<RunningNode> {
  const { config, hooks, directory, random, certificates, adminCertificates } = given
  const clock = new SystemClock()
  const metrics = new GatewayMetrics()
  const turns = watchTurns(clock)
  const gauges = (): ReturnType<AdminBackend['gauges']> => processGauges(turns)
  const starting = new StartingAdmin(gauges)
  const { logger } = hooks
  const credential = directory.adminCredential(random.bytes(ADMIN_CREDENTIAL_BYTES))
  const admin = createAdmin({
    backend: starting.backend,
    metrics,
    credential,
    certificates: adminCertificates,
    logger,
  })
  const { url: adminUrl } = await admin.listen(config.admin)
  const threads = startThreads(config, certificates, { hooks, clock, random })
  if (threads !== undefined) metrics.others = () => threads.counts()
  try {
    // The address and the certificates are written first: a command must not send the credential to a process that has an earlier run's port.
    const { addresses } = directory.node
    directory.remember({ addresses: { ...addresses, admin: addressOf(adminUrl) } })
    writeAdminCertificates(directory.path, adminCertificates)
    directory.writeAdminCredential(credential)
    const start: Start = { ...given, clock, metrics, gauges, threads }
    return await serveNode({ ...start, starting, admin, adminUrl })
  } catch (error) {
    await threads?.end()
    await admin.close()
    throw error
  }
}

/** What a start has before it serves anything. */
interface GivenStart {
  readonly config: Config
  readonly hooks: NodeHooks
  readonly choices: StartChoices
  readonly directory: DataDirectory
  readonly random: Random
  /** Undefined when the S3 port speaks no TLS. */
  readonly certificates: readonly TlsCertificate[] | undefined
  /** Undefined when the admin port speaks no TLS. */
  readonly adminCertificates: readonly TlsCertificate[] | undefined
  readonly issuerKeys: IssuerKeysFile
}

/** What every step of a start needs. */
interface Start extends GivenStart {
  readonly clock: Clock
  readonly metrics: GatewayMetrics
  readonly gauges: AdminBackend['gauges']
  /** Undefined when everything is to be on one thread. */
  readonly threads: GatewayThreads | undefined
}

/** A start whose admin port answers already. */
interface StartWithAdmin extends Start {
  readonly starting: StartingAdmin
  readonly admin: Admin
  readonly adminUrl: string
}

/** Steps 4 and 5. */
async function serveNode(start: StartWithAdmin): Promise<RunningNode> {
  const { config, hooks, choices, directory, random, clock, starting, gauges, admin, adminUrl } =
    start
  const { logger } = hooks
  // As this start found it: `remember` replaces the record below.
  const { node: record } = directory
  const env = await openEnvironment(start)
  logChanges(directory, logger)
  const root = rootCredentialsOf(directory, config, random, logger)
  const { totalBytes } = await env.disk.space()
  const progress = startProgress(starting, hooks, clock)
  const node = await ShoalNode.start(
    env,
    nodeOptionsOf({ config, choices, directory, root, totalBytes, hooks, gauges, progress }),
  )
  starting.serves(node.admin)
  const gateway = openGateway(start, node)
  const letSpareRoom = keepSpareRoom(directory.path, clock, random)
  const watches = watchCertificates(start, gateway)
  const stop = async (): Promise<void> => {
    letSpareRoom()
    for (const watch of watches) watch.stop()
    await gateway.close({ drainMs: config.shutdownTimeout })
    await admin.close()
    await node.stop()
    directory.close()
  }
  try {
    const s3 = await gateway.listen(config.s3)
    const websites =
      config.website === undefined ? undefined : await gateway.listenForWebsites(config.website)
    directory.remember({
      addresses: { s3: addressOf(s3.url), admin: addressOf(adminUrl), listen: config.listen },
      s3Tls: start.certificates === undefined ? undefined : true,
      ...placeToRemember(
        { zone: config.zone, capacityBytes: config.capacity },
        record,
        node.layout.current()?.member(node.nodeId),
        logger,
      ),
    })
    // Printed once: at the first start that serves, which need not be the one that drew them.
    const fresh = record.addresses.s3 === undefined
    return {
      s3Url: s3.url,
      websiteUrl: websites?.url,
      adminUrl,
      nodeId: node.nodeId,
      credentials: root === undefined ? undefined : { ...root, fresh },
      ready: node.ready(),
      reload: () => {
        for (const watch of watches) watch.look()
        start.issuerKeys.look()
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The ports of a node on the real world: LMDB, the disk, libp2p, the system's clock. */
async function openEnvironment({
  config,
  hooks,
  directory,
  random,
  clock,
  issuerKeys,
}: Start): Promise<Environment> {
  const { logger } = hooks
  const { privateKey, path } = directory
  const disk = createDisk(path)
  const network = await createNetwork({
    privateKey,
    listen: [config.listen],
    clock,
    random,
    logger,
    afterTurn,
  })
  return {
    clock,
    random,
    disk,
    network,
    signer: new Ed25519Signer(privateKey),
    tokens: new JoseTokenSigner(),
    outgoing: new HttpOutgoing(clock),
    webTokens: new JoseWebTokens(() => issuerKeys.current()),
    logger,
    openIndex: () => openLmdb(join(path, 'index'), logger, createRowCheck),
    fail: (reason) => hooks.failed(reason),
  }
}

/** The S3 port's server, not listening yet: on this thread, or the threads that are there for it. */
function openGateway(
  { config, hooks, random, clock, metrics, threads, certificates }: Start,
  node: Pick<ShoalNode, 'backend' | 'iam' | 'rights'>,
): ServedGateway {
  if (threads !== undefined) return threads.connect(node)
  const { backend, iam } = node
  return createGateway({
    ...settingsOf(config, certificates),
    backend,
    iam,
    clock,
    afterTurn,
    randomBytes: (count) => random.bytes(count),
    metrics,
    logger: hooks.logger,
    accessLog: hooks.accessLog,
  })
}

/** Started early: the threads load their code while the node recovers. */
function startThreads(
  config: Config,
  certificates: readonly TlsCertificate[] | undefined,
  env: Pick<GatewayThreadsOptions, 'hooks' | 'clock' | 'random'>,
): GatewayThreads | undefined {
  if (config.gatewayThreads === 0) return undefined
  return new GatewayThreads({ config, settings: settingsOf(config, certificates), ...env })
}

/** One for each port that speaks TLS. */
function watchCertificates(start: StartWithAdmin, gateway: ServedGateway): CertificateWatch[] {
  const { config, directory, hooks, clock, certificates, adminCertificates, admin } = start
  const watches: CertificateWatch[] = []
  if (certificates !== undefined) {
    watches.push(
      new CertificateWatch({
        port: 'S3',
        current: certificates,
        read: () => readCertificates(config, 'tlsCert'),
        replace: (next) => gateway.replaceCertificates(next),
        clock,
        logger: hooks.logger,
      }),
    )
  }
  if (adminCertificates !== undefined) {
    watches.push(
      new CertificateWatch({
        port: 'admin',
        current: adminCertificates,
        read: () => readCertificates(config, 'adminTlsCert'),
        replace: (next) => {
          admin.replaceCertificates(next)
          writeAdminCertificates(directory.path, next)
        },
        clock,
        logger: hooks.logger,
      }),
    )
  }
  return watches
}

function settingsOf(
  config: Config,
  certificates: readonly TlsCertificate[] | undefined,
): GatewaySettings {
  return {
    region: config.region,
    sigv2: config.sigv2,
    hostSuffixes: config.hostSuffixes,
    websiteDomains: config.websiteDomains,
    bucketLogIntervalMs: config.bucketLogInterval,
    limits: {
      bodyBytesMax: config.bodyMemory,
      shares: { address: config.addressShare, caller: config.callerShare },
    },
    debug: config.logLevel === 'debug',
    certificates,
    proxies: { trusted: config.trustedProxies, header: config.proxyHeader },
  }
}

/** What this start has changed in a directory that it found. */
function logChanges({ closed, repairedFile }: DataDirectory, logger: Logger): void {
  if (closed.length > 0) {
    logger.warn(
      { files: closed },
      'other users could read or change these files: closed to them now',
    )
  }
  if (repairedFile !== undefined) {
    logger.warn({ file: repairedFile }, 'a file was damaged or missing: made again from its copy')
  }
}

/** 'HOST:PORT' of a URL. */
function addressOf(url: string): string {
  return url.replace(/^https?:\/\//, '')
}
