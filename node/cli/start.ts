/**
 * `shoal start`: one node in this process, until a signal or a failure ends it.
 *
 * Order: configuration and checks that change nothing, then logging, then signals, then the node. A
 * signal that comes before the node serves ends the process at once: the next start recovers what was
 * flushed.
 */

import { basename, join, resolve } from 'node:path'
import { unknownVariables } from '../process/config.ts'
import type { Config } from '../process/config.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { openAccessLog } from './access-file.ts'
import { awsLine } from './aws-line.ts'
import { keepCompiledCode } from './compile-cache.ts'
import { describeError, dieOnUncaught } from './fatal.ts'
import { createLogger } from './logger.ts'
import type {
  NodeHooks,
  StartProgress,
  RunningNode,
  StartChoices,
  StartNode,
} from '../process/running-node.ts'
import { checkOrigin, checkReplace, loadConfig, type StartOptions } from './settings.ts'
import { stopSignals } from './stop-signals.ts'
import { progressBar } from './table.ts'
import type { Terminal } from './terminal.ts'

/** Time for flushing and closing after `shutdownTimeout`. */
const STOP_GRACE_MS = 5_000

/** What a supervised node tells `shoal cluster` over the IPC channel. */
export interface ReadyMessage {
  readonly type: 'ready'
  readonly s3Url: string
  readonly adminUrl: string
  readonly nodeId: string
  /** This start drew the root credentials, which are in credentials.json. */
  readonly freshCredentials: boolean
}

/**
 * Runs the node. Returns the exit code when it has stopped: 0 after a signal, 1 when the stop failed.
 * Throws what kept it from starting.
 */
export async function runStart(
  options: StartOptions & StartChoices & { readonly supervised?: boolean },
  terminal: Terminal,
  clock: Clock,
): Promise<number> {
  const { supervised = false, acceptLostLog, replace, ...given } = options
  const config = loadConfig(given, process.env)
  checkOrigin(config)
  checkReplace(config, replace)
  terminal.serves?.()
  // Only this user may read what this process writes, even if a file is made without a mode.
  process.umask(0o077)
  const logger = createLogger({
    level: config.logLevel,
    name: supervised ? basename(resolve(config.data)) : undefined,
    pretty: process.stderr.isTTY,
  })
  const fail = (line: string): void => terminal.error(`shoal: ${line}`)
  dieOnUncaught((line, error) => {
    if (config.logLevel === 'debug') logger.error({ error }, 'uncaught error')
    fail(line)
  })
  if (given.join !== undefined) {
    hideArgument(given.join)
    logger.warn(
      {},
      'the join token was an argument, which other users may have seen: use --join-file',
    )
  }
  let serving: RunningNode | undefined
  const signals = stopSignals({
    supervised,
    force: () => process.exit(130),
    reload: () => reload(config, serving),
  })
  for (const name of unknownVariables(process.env))
    logger.warn({ name }, 'unknown environment variable')
  const { startNode }: { startNode: StartNode } = await import('../start/start.ts')
  const hooks: NodeHooks = {
    logger,
    accessLog: openAccessLog(config.accessLog, clock),
    failed(reason, exitCode = 1) {
      fail(reason)
      process.exit(exitCode)
    },
    notice: fail,
    progress: (progress) => drawProgress(progress, terminal, supervised),
  }
  const starting = startNode(config, hooks, { acceptLostLog, replace })
  const started = await Promise.race([starting, signals.first])
  // A node that does not serve yet has nothing to finish: the next start recovers what it has flushed.
  if (typeof started === 'string') return 0
  terminal.draw([])
  serving = started
  const isReady = started.ready.then(() => undefined)
  isReady.catch(() => {})
  try {
    if ((await Promise.race([isReady, signals.first])) === undefined) {
      announce(started, config, supervised, terminal)
      keepCompiledCode()
    }
  } catch (error) {
    await stop(started, config, clock, logger)
    throw error
  }
  const reason = await signals.first
  logger.info({ reason }, 'stopping')
  return stop(started, config, clock, logger)
}

/** What SIGHUP asks for: returns whether the node has anything to read again. */
function reload(config: Config, node: RunningNode | undefined): boolean {
  node?.reload?.()
  const { tlsCert, adminTlsCert, oidcKeys } = config
  return tlsCert.length > 0 || adminTlsCert.length > 0 || oidcKeys !== undefined
}

/**
 * From now on, ps and /proc show the arguments of this process without this one. Other users may have
 * seen it before.
 */
function hideArgument(value: string): void {
  const shown = [...process.argv.slice(0, 2), ...process.execArgv, ...process.argv.slice(2)]
  process.title = shown.map((argument) => argument.replaceAll(value, '***')).join(' ')
}

/** Tells that the node serves: lines on standard output, or a message to the parent. */
function announce(
  node: RunningNode,
  config: Config,
  supervised: boolean,
  terminal: Terminal,
): void {
  const { s3Url, adminUrl, nodeId, credentials } = node
  const freshCredentials = credentials?.fresh === true && config.rootSecretKey === undefined
  if (supervised) {
    const message: ReadyMessage = { type: 'ready', s3Url, adminUrl, nodeId, freshCredentials }
    process.send?.(message)
    return
  }
  for (const line of readyLines(node, config, terminal.isTty)) terminal.out(line)
}

/**
 * What a node prints when it serves: lines for scripts, and on a terminal a command to try. The root
 * credentials are printed once, and never when the user has chosen them.
 */
export function readyLines(node: RunningNode, config: Config, isTty: boolean): string[] {
  const { s3Url, websiteUrl, adminUrl, nodeId, credentials } = node
  const websites = websiteUrl === undefined ? '' : ` website=${websiteUrl}`
  const lines = [`ready s3=${s3Url} admin=${adminUrl} node=${nodeId}${websites}`]
  const path = join(resolve(config.data), 'credentials.json')
  const chosen = config.rootSecretKey !== undefined
  if (credentials?.fresh === true && !chosen) {
    const { accessKeyId, secretAccessKey } = credentials
    lines.push(`credentials accessKeyId=${accessKeyId} secretAccessKey=${secretAccessKey}`)
    lines.push(`kept in ${path}, not shown again`)
  }
  const shown =
    chosen && credentials !== undefined
      ? { ...node, credentials: { ...credentials, fresh: false } }
      : node
  const line = isTty ? awsLine(shown, config, path) : undefined
  if (line !== undefined) lines.push('try:', line)
  return lines
}

/** A bar, or a count when the total is not known. Only on a terminal, and not for a supervised node. */
function drawProgress(progress: StartProgress, terminal: Terminal, supervised: boolean): void {
  if (supervised || !terminal.isTty) return
  const { task, done, total } = progress
  const line =
    total === undefined ? `${task}: ${done}` : progressBar(task, done, total, terminal.columns)
  terminal.draw([line])
}

/** Stops the node within `shutdownTimeout` and STOP_GRACE_MS. Returns the exit code. */
async function stop(
  node: RunningNode,
  config: Config,
  clock: Clock,
  logger: Logger,
): Promise<number> {
  const overdue = new Promise<'overdue'>((resolve) =>
    clock.after(config.shutdownTimeout + STOP_GRACE_MS, () => resolve('overdue')),
  )
  try {
    if ((await Promise.race([node.stop(), overdue])) !== 'overdue') return 0
    logger.error(
      { shutdownTimeoutMs: config.shutdownTimeout },
      'the stop takes too long: ending the process',
    )
  } catch (error) {
    logger.error({ error }, `stop failed: ${describeError(error)}`)
  }
  return 1
}
