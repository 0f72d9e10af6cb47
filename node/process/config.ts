/**
 * The configuration: one schema, split in what all nodes of a cluster must agree on and what may
 * differ. A value comes from, in this order: flags, SHOAL_* variables, the configuration file, what
 * the data directory remembers, the default.
 *
 * Field `segmentSize` is the variable SHOAL_SEGMENT_SIZE. Only the fields of `flagNames` are flags;
 * secrets are none, because every user of a machine sees the arguments of its processes.
 */

import { z } from 'zod'
import { ACCESS_KEY_ID } from '../../protocol/iam/identity.ts'
import { PART_BYTES_MIN } from '../../protocol/limits.ts'
import { NODE_NAME } from './node-name.ts'
import { parseConfigFile } from './config-file.ts'
import { parseDuration, parseSize } from '../tools/units.ts'
import { UsageError } from '../tools/usage-error.ts'

export interface HostPort {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
}

const MIN_SEGMENT_BYTES = 4 * 2 ** 20
/** Offsets in a segment have 32 bits, and a batch may pass the limit by its own length. */
const MAX_SEGMENT_BYTES = 3 * 2 ** 30

function text(pattern: RegExp, problem: string): z.ZodType<string> {
  return z.string(problem).regex(pattern, problem)
}

function hostPort(): z.ZodType<HostPort> {
  const problem = 'is not HOST:PORT, such as 127.0.0.1:9000'
  return z.string(problem).transform((value, context): HostPort => {
    const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(value)
    const port = Number(match?.[2])
    if (match !== null && port <= 65_535) {
      return { host: (match[1] as string).replaceAll(/[[\]]/g, ''), port }
    }
    context.addIssue({ code: 'custom', message: problem })
    return z.NEVER
  })
}

function size(min: number, max: number, range: string): z.ZodType<number> {
  const problem = 'is not a size, such as 512MiB, 2GiB or 1TiB'
  return z.string(problem).transform((value, context): number => {
    // Zero is the same in every unit.
    const sizeBytes = value === '0' ? 0 : parseSize(value)
    if (sizeBytes !== undefined && sizeBytes >= min && sizeBytes <= max) return sizeBytes
    context.addIssue({ code: 'custom', message: sizeBytes === undefined ? problem : range })
    return z.NEVER
  })
}

function duration(min: number, max: number, range: string): z.ZodType<number> {
  const problem = 'is not a duration, such as 500ms, 10s or 5m'
  return z.string(problem).transform((value, context): number => {
    const durationMs = parseDuration(value)
    if (durationMs !== undefined && durationMs >= min && durationMs <= max) return durationMs
    context.addIssue({ code: 'custom', message: durationMs === undefined ? problem : range })
    return z.NEVER
  })
}

/** A whole number; variables bring it as text. */
function count(min: number, max: number): z.ZodType<number> {
  const problem = `is not a whole number from ${min} to ${max}`
  return z.union([z.number(), z.string()], problem).transform((value, context): number => {
    const number =
      typeof value === 'string' && !/^\d{1,9}$/.test(value) ? Number.NaN : Number(value)
    if (Number.isInteger(number) && number >= min && number <= max) return number
    context.addIssue({ code: 'custom', message: problem })
    return z.NEVER
  })
}

/** A fraction; variables bring it as text. */
function share(min: number, max: number): z.ZodType<number> {
  const problem = `is not a number from ${min} to ${max}`
  return z.union([z.number(), z.string()], problem).transform((value, context): number => {
    const text = typeof value === 'number' || /^\d{0,9}\.?\d{1,9}$/.test(value)
    const number = text ? Number(value) : Number.NaN
    if (number >= min && number <= max) return number
    context.addIssue({ code: 'custom', message: problem })
    return z.NEVER
  })
}

/** Host names; variables bring them as one text with commas. */
function hostNames(): z.ZodType<readonly string[]> {
  const problem = 'is not a list of host names, such as s3.example.org'
  return z.union([z.string(), z.array(z.string())], problem).transform((value, context) => {
    const names = typeof value === 'string' ? value.split(',').map((name) => name.trim()) : value
    if (names.every((name) => /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name))) return names
    context.addIssue({ code: 'custom', message: `${problem} (lower case)` })
    return z.NEVER
  })
}

/** What all nodes of a cluster must agree on. */
const clusterFields = {
  /**
   * The S3 region that clients sign for and that GetBucketLocation answers. Default `us-east-1`.
   * Cost: none, but a client set to another region is refused with AuthorizationHeaderMalformed.
   */
  region: text(/^[a-z0-9-]{1,32}$/, 'is not a region name, such as us-east-1').default('us-east-1'),
  /**
   * Replicas of every partition, at most as many as there are members. Default 3. Taken by the node
   * that founds the cluster, and ignored later: `shoal layout replication` changes it. Cost: each byte is stored
   * and sent this many times; a majority must answer, so 3 survive one lost node, 5 two.
   */
  replication: count(1, 7).default(3),
  /**
   * Where requests may carry a signature of version 2: `on` (header and query), `presigned` (query only),
   * `off`. Default `presigned`: boto3, s3cmd and others still make such links. Cost: HMAC-SHA1, and neither
   * the body nor the parameters of a listing are covered.
   */
  sigv2: z
    .enum(['on', 'presigned', 'off'], 'is not one of on, presigned, off')
    .default('presigned'),
  /**
   * Host names under which buckets are sub-domains (`bucket.s3.example.org`). Default none: path
   * style only. Cost: one suffix comparison a request and name.
   */
  hostSuffixes: hostNames().default([]),
  /**
   * Buckets that one account may have. Default 100. Cost: the account's register holds all names,
   * about 60 bytes each, and is written by every CreateBucket and DeleteBucket.
   */
  bucketsPerAccount: count(1, 10_000).default(100),
  /**
   * Access key id of the root account, together with `rootSecretKey`. Taken at the first start of the
   * node that founds the cluster, and ignored later. Default: drawn at random.
   */
  rootAccessKey: text(
    ACCESS_KEY_ID,
    'has 3 to 128 characters: letters, digits, underscores, dots, dashes, + and @',
  ).optional(),
  /** Secret of `rootAccessKey`. Default: drawn at random. Never logged. */
  rootSecretKey: text(/^[!-~]{8,128}$/, 'has 8 to 128 printable characters, no spaces').optional(),
}

/** What may differ from node to node. */
const nodeFields = {
  /** Directory that holds everything of this node. Default `./shoal-data`. One process at a time. */
  data: text(/^[^\0]+$/, 'is not a directory name').default('./shoal-data'),
  /** Where the S3 API listens. Default `127.0.0.1:9000`. */
  s3: hostPort().prefault('127.0.0.1:9000'),
  /** Where health, metrics and the admin API listen. Default `127.0.0.1:9001`. */
  admin: hostPort().prefault('127.0.0.1:9001'),
  /** Multiaddress on which peers reach this node. Default `/ip4/127.0.0.1/tcp/9002`. */
  listen: text(
    /^\/(ip4|ip6|dns4|dns6|dns)\/[^/\s]+\/tcp\/\d{1,5}$/,
    'is not a TCP multiaddress, such as /ip4/127.0.0.1/tcp/9002',
  ).default('/ip4/127.0.0.1/tcp/9002'),
  /**
   * Token of the cluster to join, at the first start only. Default: found a cluster of one. As a flag it is an
   * argument of the process, which other users of the machine can see: use `joinFile`.
   */
  join: text(/^\S{16,16384}$/, 'is not a join token: make one with `shoal token`').optional(),
  /**
   * File that holds the token of the cluster to join; `-` is standard input. Read at the first start only, so that it
   * may be gone later. Default: none. Cost: none.
   */
  joinFile: text(/^[^\0]+$/, 'is not a file name').optional(),
  /**
   * Id of the cluster that this node belongs to, as its first start and `shoal status` print it. Default:
   * whichever the directory belongs to. With it a directory that is empty, because its volume is not mounted,
   * or of another cluster is refused, and no cluster is ever founded. Set it wherever a node is started by
   * a machine. Cost: none.
   */
  cluster: text(/^[0-9a-f]{32}$/, 'is not the id of a cluster, 32 hexadecimal digits').optional(),
  /**
   * What people call this node: commands and tables name it so. Default: the host's name and that of the data
   * directory. Taken when it becomes a member; later `shoal layout set NODE --name` changes it. Cost: none.
   */
  name: text(NODE_NAME, 'has 1 to 64 letters, digits, dots, dashes and underscores').optional(),
  /**
   * Failure domain of this node: rack, room, site. Default `default`. Replicas of a partition lie in
   * different zones where they can; with all nodes in one zone it has no effect.
   */
  zone: text(/^[A-Za-z0-9._-]{1,64}$/, 'has 1 to 64 letters, digits, dots, dashes').default(
    'default',
  ),
  /**
   * Space that this node offers; its share of the partitions is in proportion. Default: the size of
   * the disk that holds `data`. Cost: memory and repair traffic grow with what is stored, not with it.
   */
  capacity: size(2 ** 26, 2 ** 53 - 1, 'is less than 64MiB').optional(),
  /**
   * Size at which a log file is sealed. Default `2GiB`. Smaller ones give space back in smaller
   * steps; each costs an open file and a hint section at start.
   */
  segmentSize: size(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES, 'is outside 4MiB to 3GiB').prefault(
    '2GiB',
  ),
  /**
   * How long a stop waits for requests in flight before it cuts them off. Default `10s`. Cost: that
   * much longer to stop under long uploads.
   */
  shutdownTimeout: duration(0, 3_600e3, 'is longer than 1h').prefault('10s'),
  /**
   * Memory for bodies and answers that are kept as a whole: XML, forms, objects of 64 KiB at most, lists. Default
   * `256MiB`, a quarter of it for small ones alone. Cost: that much at most; whoever finds none gets 503.
   */
  bodyMemory: size(2 ** 25, 2 ** 40, 'is outside 32MiB to 1TiB').prefault('256MiB'),
  /**
   * Memory for blocks on their way to readers. Default `64MiB`. Cost: that much at most; with less, more of
   * the readers that are slow read their blocks again for each piece.
   */
  readMemory: size(2 ** 24, 2 ** 40, 'is outside 16MiB to 1TiB').prefault('64MiB'),
  /**
   * Share of connections, requests in flight and `bodyMemory` that one remote address may have for what is not
   * signed, 0.01 to 1. An IPv6 network of 64 bits is one address. Default 0.25. Set it to 1 where all
   * clients come through one proxy.
   */
  addressShare: share(0.01, 1).prefault(0.25),
  /** The same of one user, role or root that signs. Default 0.5. 1 where there is only one. */
  callerShare: share(0.01, 1).prefault(0.5),
  /**
   * How long freed blocks stay for readers that are under way. Default `30s`; at once when the disk is
   * short. Cost: that much longer until space comes back.
   */
  reclaimDelay: duration(0, 86_400e3, 'is longer than 1d').prefault('30s'),
  /**
   * Pause between two searches for blocks that nothing refers to any more. Default `10m`. Cost: each
   * search reads the index once and asks the registers of what it finds.
   */
  scanPause: duration(1_000, 30 * 86_400e3, 'is outside 1s to 30d').prefault('10m'),
  /** How often compaction looks for work. Default `10s`; when the disk is short, every second. */
  compactionInterval: duration(100, 86_400e3, 'is outside 100ms to 1d').prefault('10s'),
  /**
   * Live bytes that compaction copies a second at most. Default `64MiB`; four times as many when the disk
   * is short. Cost: disk and CPU, as much as clients writing at that rate.
   */
  compactionRate: size(2 ** 16, 2 ** 40, 'is outside 64KiB to 1TiB').prefault('64MiB'),
  /**
   * Share of the log that may be dead while the disk has room, 0.05 to 0.95. Default 0.4. From four
   * fifths of the disk on it is less and less, down to a fifteenth. Cost: a smaller share copies more often.
   */
  compactionDeadShare: share(0.05, 0.95).prefault(0.4),
  /**
   * Bytes of blocks that this node fetches a second at most when the layout has changed; 0: no limit. Default `64MiB`.
   * Cost: what is faster takes bandwidth and disk from clients; what is slower keeps the former holders busy for longer.
   */
  moveRate: size(0, 2 ** 40, 'is above 1TiB').prefault('64MiB'),
  /** Bytes that the scrub in the background reads a second at most. Default `16MiB`. */
  scrubRate: size(2 ** 16, 2 ** 40, 'is outside 64KiB to 1TiB').prefault('16MiB'),
  /** Pause between two scrubs. Default `7d`. Cost: damage stays unknown for that long at most. */
  scrubPause: duration(1_000, 365 * 86_400e3, 'is outside 1s to 365d').prefault('7d'),
  /**
   * A member that a majority of the others has not reached for this long is removed, and its partitions go to them.
   * It is kept while they have no room for its data, or while too few members, zones or replicas would be left.
   * Default: never. Cost: a node that comes back later has to be emptied, and its data was copied in vain.
   */
  removeAfter: duration(60_000, 365 * 86_400e3, 'is outside 1m to 365d').optional(),
  /**
   * Least size of an upload's parts but the last. Default `5MiB`, as in S3. Smaller ones are for tests of
   * uploads of many parts. Cost: every part is a register, whatever its size.
   */
  partSizeMin: size(1, PART_BYTES_MIN, 'is outside 1B to 5MiB').prefault('5MiB'),
  /**
   * Where the access log goes: `off`, `stdout`, or the path of a file that is appended to, made again when it
   * was moved away. Default `off`. One line of JSON for each request. Cost: some microseconds and 400
   * bytes for each; lines that can't be written in time are lost, and counted.
   */
  accessLog: text(/^[^\0]+$/, 'is not off, stdout or the path of a file').default('off'),
  /** Least severity that is logged: `debug`, `info`, `warn`, `error`. Default `info`. `debug` slows. */
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error'], 'is not one of debug, info, warn, error')
    .default('info'),
}

const fields = { ...clusterFields, ...nodeFields }
const schema = z.object(fields)

export type FieldName = keyof typeof fields

export const clusterFieldNames = Object.keys(clusterFields) as readonly FieldName[]
export const nodeFieldNames = Object.keys(nodeFields) as readonly FieldName[]
export const fieldNames: readonly FieldName[] = [...clusterFieldNames, ...nodeFieldNames]

/** Fields that are also flags of `shoal start`. */
export const flagNames = [
  'data',
  's3',
  'admin',
  'listen',
  'join',
  'joinFile',
  'cluster',
  'name',
  'zone',
  'capacity',
] as const

/**
 * The checked configuration. Sizes are bytes (`capacity`, `segmentSize`), durations milliseconds
 * (`shutdownTimeout`), rates bytes a second; the fields' meanings stand at the schema above.
 */
export type Config = Readonly<z.output<typeof schema>>

/** Values as written: text, or what TOML and YAML make of it. */
export type RawConfig = Readonly<Partial<Record<FieldName, unknown>>>

export interface ConfigSources {
  readonly flags?: RawConfig | undefined
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  readonly file?: { readonly path: string; readonly text: string } | undefined
  /** What node.json holds from an earlier start. */
  readonly remembered?: RawConfig | undefined
}

/** --join-file of joinFile. */
function flagOf(field: string): string {
  return `--${field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** SHOAL_SEGMENT_SIZE of segmentSize. */
export function variableName(field: string): string {
  return `SHOAL_${field.replaceAll(/[A-Z]/g, '_$&').toUpperCase()}`
}

/**
 * SHOAL_* variables that are no field: worth a warning, not an error, because orchestrators set some
 * by themselves (SHOAL_SERVICE_HOST for a service of this name).
 */
export function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = new Set(fieldNames.map(variableName))
  return Object.keys(env)
    .filter((name) => name.startsWith('SHOAL_') && !known.has(name))
    .sort()
}

/** Throws UsageError with one line that names the place of the wrong value. */
export function resolveConfig(sources: ConfigSources): Config {
  const { flags = {}, env = {}, file, remembered = {} } = sources
  const fromFile = file === undefined ? {} : parseConfigFile(file, fieldNames)
  const values: Record<string, unknown> = {}
  for (const field of fieldNames) {
    const variable = variableName(field)
    const candidates: readonly (readonly [unknown, string])[] = [
      [flags[field], flagOf(field)],
      [env[variable] === '' ? undefined : env[variable], variable],
      [fromFile[field], `${file?.path ?? ''}: ${field}`],
      [remembered[field], `what the data directory remembers: ${field}`],
    ]
    const [value, place] = candidates.find(([raw]) => raw !== undefined) ?? [undefined, field]
    const result = fields[field].safeParse(value)
    if (!result.success) {
      throw new UsageError(`${place}: ${shown(field, value)} ${problemOf(result.error)}`)
    }
    if (result.data !== undefined) values[field] = result.data
  }
  const config = values as unknown as Config
  if ((config.rootAccessKey === undefined) !== (config.rootSecretKey === undefined)) {
    const [given, missing] =
      config.rootAccessKey === undefined
        ? ['rootSecretKey', 'rootAccessKey']
        : ['rootAccessKey', 'rootSecretKey']
    throw new UsageError(`${given} is set without ${missing}: set both or neither`)
  }
  return config
}

function problemOf(error: z.ZodError): string {
  return error.issues[0]?.message ?? 'is not valid'
}

/** The value as the user wrote it, shortened, without control characters; secrets never. */
function shown(field: FieldName, value: unknown): string {
  if (field === 'rootSecretKey' || field === 'join') return 'the value'
  const json = JSON.stringify(value) ?? String(value)
  const plain = typeof value === 'string' ? `'${json.slice(1, -1)}'` : json
  return plain.length > 80 ? `${plain.slice(0, 77)}…` : plain
}
