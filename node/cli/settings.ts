/**
 * Makes the configuration of a command from its options, the configuration file, the environment and
 * the data directory, and refuses a start that contradicts what the directory was made for. Reads
 * files and changes nothing: a refused start leaves everything as it was.
 */

import { readFileSync } from 'node:fs'
import { flagNames } from '../process/config-fields.ts'
import { resolveConfig } from '../process/config.ts'
import type { Config, ConfigSources, RawConfig } from '../process/config.ts'
import {
  isAdmittedDirectory,
  isMemberDirectory,
  layoutOfDirectory,
} from '../process/known-directory.ts'
import { readNode } from '../process/node-file.ts'
import type { NodeRecord } from '../process/node-record.ts'
import { decodeToken } from '../layout/token-codec.ts'
import { UsageError } from '../tools/usage-error.ts'

/**
 * The options of `shoal start` as commander returns them: texts, by the names of the configuration's
 * fields, and --config.
 */
export type StartOptions = Readonly<Partial<Record<(typeof flagNames)[number] | 'config', string>>>

/**
 * The configuration. Flags go before the environment, then the file, then what the directory
 * remembers, then defaults. The token of --join-file is read and becomes `join`. Throws UsageError.
 */
export function loadConfig(
  options: StartOptions,
  env: Readonly<Record<string, string | undefined>>,
): Config {
  const { config: path, ...flags } = options
  const file = path === undefined ? undefined : { path, text: readConfigFile(path) }
  const sources: ConfigSources = { flags, env, file }
  const { data } = resolveConfig(sources)
  const config = resolveConfig({ ...sources, remembered: remembered(data) })
  const token = tokenOfFile(config)
  return token === undefined ? config : { ...config, join: token }
}

/**
 * The token in the file of --join-file; undefined when this start needs none. Members and admitted
 * nodes need no token: the file of the first start may be gone.
 */
function tokenOfFile({ join, joinFile, data }: Config): string | undefined {
  if (joinFile === undefined) return undefined
  if (join !== undefined) {
    throw new UsageError('--join-file: there is a join token already (--join or SHOAL_JOIN)')
  }
  if (isMemberDirectory(data) && readNode(data)?.origin === 'join') return undefined
  const name = joinFile === '-' ? 'standard input' : joinFile
  let text: string
  try {
    text = readFileSync(joinFile === '-' ? 0 : joinFile, 'utf8').trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' && isAdmittedDirectory(data)) return undefined
    const why = code === 'ENOENT' ? 'does not exist' : `can't be read (${code ?? 'error'})`
    throw new UsageError(`--join-file: ${name} ${why}`)
  }
  // The error must not show the token.
  if (!/^[A-Za-z0-9_-]{16,16384}$/.test(text)) {
    throw new UsageError(`--join-file: ${name} holds no join token: make one with \`shoal token\``)
  }
  return text
}

/**
 * A directory was made either to found a cluster or to join one, and that does not change. A token is
 * not silently ignored, and a node whose join failed never founds a cluster of its own (L1). Throws
 * UsageError.
 */
export function checkOrigin(config: Config): void {
  const node = readNode(config.data)
  if (node !== undefined) checkPast(node, config)
  if (config.cluster !== undefined) checkCluster(config.cluster, config)
}

/**
 * Refuses a --replace that would have no effect at this start. A member ignores it, so that a service
 * can always start it with the same flags. Throws UsageError.
 */
export function checkReplace(config: Config, replace: string | undefined): void {
  if (replace === undefined || isMemberDirectory(config.data)) return
  if (config.join === undefined && isAdmittedDirectory(config.data)) return
  if (!/^[A-Za-z0-9._-]{1,128}$/.test(replace)) {
    throw new UsageError(
      "--replace: give the lost node's name or the end of its id, as `shoal layout show` has them",
    )
  }
  if (config.join !== undefined) return
  throw new UsageError(
    '--replace: a new node joins in the place of a lost one: give --join-file FILE as well, with a token of `shoal token`',
  )
}

/**
 * Refuses a directory or token of another cluster than --cluster names. Does not report damage to the
 * layout: the start does.
 */
function checkCluster(cluster: string, { data, join }: Config): void {
  const own = layoutOfDirectory(data)?.genesis.clusterId
  if (own === cluster || isMemberDirectory(data)) {
    if (own === undefined || own === cluster) return
    throw new UsageError(`${data} belongs to cluster ${own}, not to ${cluster} (--cluster)`)
  }
  if (join === undefined) {
    throw new UsageError(
      `${data} holds no node of cluster ${cluster} (--cluster): mount its volume, or give --join-file FILE to join as a new node`,
    )
  }
  const other = clusterOfToken(join)
  if (other !== cluster) {
    throw new UsageError(`the token is of cluster ${other}, not of ${cluster} (--cluster)`)
  }
}

/** The cluster that the token was made for. Throws UsageError for a text that is no token. */
function clusterOfToken(token: string): string {
  try {
    return decodeToken(token).clusterId
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** Refuses a start that would contradict what the directory was made for. */
function checkPast(node: NodeRecord, config: Config): void {
  if (node.origin === 'found' && config.join !== undefined) {
    throw new UsageError(
      `${config.data} has a cluster of its own: join with an empty directory, or leave the token out`,
    )
  }
  // The node has served before, so it would now found a second cluster over the data of the first.
  if (
    config.join === undefined &&
    node.addresses.s3 !== undefined &&
    !isMemberDirectory(config.data)
  ) {
    throw new UsageError(
      `${config.data}/layout.json is missing, and without it the node can't use its data: copy the file from any other member (theirs is the same) or from a backup`,
    )
  }
  const isKnown = isMemberDirectory(config.data) || isAdmittedDirectory(config.data)
  if (node.origin === 'join' && !isKnown && config.join === undefined) {
    throw new UsageError(
      `${config.data} was made to join a cluster and never did: give --join-file FILE`,
    )
  }
}

/** What an earlier start has written down. Flags, environment and file override it. */
function remembered(data: string): RawConfig {
  const node = readNode(data)
  if (node === undefined) return {}
  const { addresses, zone, capacityBytes } = node
  return {
    ...addresses,
    ...(zone === undefined ? {} : { zone }),
    ...(capacityBytes === undefined ? {} : { capacity: `${capacityBytes}B` }),
  }
}

/** Throws UsageError, naming the file. */
function readConfigFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'does not exist' : `can't be read (${code ?? 'error'})`
    throw new UsageError(`configuration file ${path} ${why}`)
  }
}
