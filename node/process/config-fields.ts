/**
 * The fields of the configuration: what each takes, its default, what it means and what it costs. config.ts reads them,
 * and the tables of README.md and docs/operations.md are made from them (`node .config/settings-table.ts`).
 *
 * Field `segmentSize` is the variable SHOAL_SEGMENT_SIZE. Only the fields of `flagNames` are flags: every user of a
 * machine sees the arguments of its processes, so secrets are not among them.
 */

import { z } from 'zod'
import { ACCESS_KEY_ID } from '../../protocol/iam/identity.ts'
import { PART_BYTES_MIN } from '../../protocol/limits.ts'
import {
  countValue,
  durationValue,
  hostNamesValue,
  shareValue,
  sizeValue,
  textValue,
} from './config-values.ts'
import { guides, type FieldGuide } from './config-guides.ts'
import { NODE_NAME } from './node-name.ts'
import { notificationFields } from './config-notifications.ts'
import { servingFields } from './config-serving.ts'

const MIN_SEGMENT_BYTES = 4 * 2 ** 20
/** Offsets in a segment have 32 bits, and a batch may pass the limit by its own length. */
const MAX_SEGMENT_BYTES = 3 * 2 ** 30

/** The default of `gatewayThreads`. */
const GATEWAY_THREADS = 0
const GATEWAY_THREADS_MAX = 8

/** What all nodes of a cluster must agree on. */
export const clusterFields = {
  region: textValue(/^[a-z0-9-]{1,32}$/, 'is not a region name, such as us-east-1')
    .default('us-east-1')
    .register(guides, {
      meaning:
        'The S3 region that clients sign for and that GetBucketLocation answers. A client that is set to another region ' +
        'is refused with AuthorizationHeaderMalformed.',
      takes: '1 to 32 lower-case letters, digits and dashes',
    }),
  replication: countValue(1, 7)
    .default(3)
    .register(guides, {
      meaning:
        'Replicas of every partition, at most as many as there are members. The node that founds the cluster takes it ' +
        'at its first start; later `shoal layout replication` changes it. A majority of the replicas must answer, so ' +
        'three survive the loss of one node, five the loss of two.',
      cost: 'each byte is stored and sent that many times.',
      takes: '1 to 7',
      remembered: 'in the layout: `shoal layout replication` changes it',
    }),
  sigv2: z
    .enum(['on', 'presigned', 'off'], 'is not one of on, presigned, off')
    .default('presigned')
    .register(guides, {
      meaning:
        'Where a request may carry a signature of version 2: `on` (header, query and forms), `presigned` (query and ' +
        'forms: the links of boto3, `aws s3 presign` of CLI v1 and s3cmd) or `off`.',
      cost: 'such a signature uses SHA-1 and covers neither the body nor the parameters of a listing.',
      takes: '`on`, `presigned`, `off`',
    }),
  hostSuffixes: hostNamesValue()
    .default([])
    .register(guides, {
      meaning:
        'Host names under which buckets are sub-domains (`bucket.s3.example.org`). Without them only paths name ' +
        'buckets. In a variable they are separated by commas.',
      cost: 'one comparison for each name and request.',
      takes: 'lower-case host names; in a file a list',
      otherwise: 'none',
    }),
  bucketsPerAccount: countValue(1, 10_000)
    .default(100)
    .register(guides, {
      meaning: 'Buckets that one account may have.',
      cost:
        "the account's register holds the names of all its buckets, about 60 bytes each, and each CreateBucket and " +
        'DeleteBucket writes it.',
      takes: '1 to 10000',
    }),
  rootAccessKey: textValue(
    ACCESS_KEY_ID,
    'has 3 to 128 characters: letters, digits, underscores, dots, dashes, + and @',
  )
    .optional()
    .register(guides, {
      meaning:
        'Access key id of the root account, given together with `rootSecretKey`. The node that founds the cluster takes ' +
        'both at its first start; later they are ignored.',
      takes: '3 to 128 letters, digits, `_`, `.`, `-`, `+`, `@`; both or neither',
      otherwise: 'random',
      remembered: "in the cluster's first layout, for good",
    }),
  rootSecretKey: textValue(/^[!-~]{8,128}$/, 'has 8 to 128 printable characters, no spaces')
    .optional()
    .register(guides, {
      meaning: 'Secret of `rootAccessKey`. It is never logged.',
      takes: '8 to 128 printable ASCII characters without spaces; both or neither',
      otherwise: 'random',
      remembered: "in the cluster's first layout, for good",
    }),
}

/** What may differ from node to node. */
export const nodeFields = {
  data: textValue(/^[^\0]+$/, 'is not a directory name')
    .default('./shoal-data')
    .register(guides, {
      meaning: 'Directory that holds everything of this node. One process at a time may use it.',
      takes: 'a directory',
    }),
  ...servingFields,
  join: textValue(/^\S{16,16384}$/, 'is not a join token: make one with `shoal token`')
    .optional()
    .register(guides, {
      meaning:
        'Token of the cluster to join, read at the first start only. Without a token the node founds a cluster of one. ' +
        'Other users of the machine can see the arguments of a process: `joinFile` is safer.',
      takes: 'a token of `shoal token`',
      otherwise: 'none',
    }),
  joinFile: textValue(/^[^\0]+$/, 'is not a file name')
    .optional()
    .register(guides, {
      meaning:
        'File that holds the token of the cluster to join; `-` is standard input. It is read at the first start only, ' +
        'and may be deleted afterwards.',
      takes: 'a file with a token of `shoal token`, `-` for standard input',
      otherwise: 'none',
    }),
  cluster: textValue(/^[0-9a-f]{32}$/, 'is not the id of a cluster, 32 hexadecimal digits')
    .optional()
    .register(guides, {
      meaning:
        'Id of the cluster that this node belongs to, as its first start and `shoal status` print it. With it a directory ' +
        'that is empty, because its volume is not mounted, or that belongs to another cluster is refused, and no cluster ' +
        'is founded. Set it wherever a machine starts the node.',
      takes: 'the id of a cluster, 32 hexadecimal digits',
      otherwise: 'the cluster of the data directory',
    }),
  name: textValue(NODE_NAME, 'has 1 to 64 letters, digits, dots, dashes and underscores')
    .optional()
    .register(guides, {
      meaning:
        'What commands and tables call this node. It is taken when the node becomes a member; later ' +
        '`shoal layout set NODE --name` changes it.',
      takes: '1 to 64 letters, digits, `.`, `_`, `-`',
      otherwise: 'names of host and data directory',
      remembered: 'in the layout',
    }),
  zone: textValue(/^[A-Za-z0-9._-]{1,64}$/, 'has 1 to 64 letters, digits, dots, dashes')
    .default('default')
    .register(guides, {
      meaning:
        'Failure domain of this node: rack, room or site. The replicas of a partition are in different zones where that ' +
        'is possible; with all nodes in one zone it has no effect.',
      takes: '1 to 64 letters, digits, `.`, `_`, `-`',
      remembered: 'yes',
    }),
  capacity: sizeValue(2 ** 26, 2 ** 53 - 1, 'is less than 64MiB')
    .optional()
    .register(guides, {
      meaning:
        'Space that this node offers. Its share of the partitions is in proportion. Memory and repair traffic depend on ' +
        'what is stored, not on this figure.',
      takes: '64MiB or more',
      otherwise: 'size of the disk that holds `data`',
      remembered: 'yes',
    }),
  segmentSize: sizeValue(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES, 'is outside 4MiB to 3GiB')
    .prefault('2GiB')
    .register(guides, {
      meaning:
        'Size at which a segment, a file of the log, is sealed. Smaller ones give space back in smaller steps.',
      cost: 'each segment takes an open file and a section of hints that a start reads.',
      takes: '4MiB to 3GiB',
    }),
  shutdownTimeout: durationValue(0, 3_600e3, 'is longer than 1h').prefault('10s').register(guides, {
    meaning: 'How long a stop waits for requests in flight before it cuts them off.',
    cost: 'a stop takes that much longer while there are long uploads.',
    takes: '0ms to 1h',
  }),
  bodyMemory: sizeValue(2 ** 25, 2 ** 40, 'is outside 32MiB to 1TiB')
    .prefault('256MiB')
    .register(guides, {
      meaning:
        'Memory for bodies and answers that are kept as a whole: XML, forms, objects of at most 64 KiB, lists. A quarter ' +
        'of it is for small ones alone. A request that finds no room gets 503.',
      cost: 'that much memory at most.',
      takes: '32MiB to 1TiB',
    }),
  readMemory: sizeValue(2 ** 24, 2 ** 40, 'is outside 16MiB to 1TiB')
    .prefault('64MiB')
    .register(guides, {
      meaning:
        'Memory for blocks on their way to readers. A quarter as much is added for small blocks that were read last.',
      cost: 'that much memory and a quarter at most. With less, slow readers make the node read the same block more often.',
      takes: '16MiB to 1TiB',
    }),
  addressShare: shareValue(0.01, 1)
    .prefault(0.25)
    .register(guides, {
      meaning:
        'Share of connections, requests in flight and `bodyMemory` that one remote address may have for requests without ' +
        'a signature. An IPv6 network of 64 bits counts as one address. Set it to 1 where all clients come through one ' +
        'proxy ([why](docs/operations.md#what-one-caller-can-take)).',
      takes: '0.01 to 1',
    }),
  callerShare: shareValue(0.01, 1).prefault(0.5).register(guides, {
    meaning:
      'The same share for one user, role or root whose requests are signed. Set it to 1 where there is only one.',
    takes: '0.01 to 1',
  }),
  gatewayThreads: countValue(0, GATEWAY_THREADS_MAX)
    .default(GATEWAY_THREADS)
    .register(guides, {
      meaning:
        'Threads that do HTTP, signatures, policies and hashing beside the thread of the core; `0` does everything on one ' +
        'thread. Where several processes cannot share a port (Node before 23.1, macOS) there is at most one.',
      cost: 'each takes some 30 MiB of memory.',
      takes: '0 to 8',
    }),
  reclaimDelay: durationValue(0, 86_400e3, 'is longer than 1d')
    .prefault('30s')
    .register(guides, {
      meaning:
        'How long freed data stays on the disk for readers that have just begun, at least 3 s. Slow readers keep it for ' +
        'as long as they read. While the disk is short of space the delay is 3 s.',
      cost: 'space comes back that much later.',
      takes: '0ms to 1d',
    }),
  scanPause: durationValue(1_000, 30 * 86_400e3, 'is outside 1s to 30d')
    .prefault('10m')
    .register(guides, {
      meaning: 'Pause between two searches for data that nothing refers to.',
      cost: 'each search reads the index once, and asks the registers about what it finds.',
      takes: '1s to 30d',
    }),
  compactionInterval: durationValue(100, 86_400e3, 'is outside 100ms to 1d')
    .prefault('10s')
    .register(guides, {
      meaning:
        'How often compaction looks for work; every second while the disk is short of space.',
      takes: '100ms to 1d',
    }),
  compactionRate: sizeValue(2 ** 16, 2 ** 40, 'is outside 64KiB to 1TiB')
    .prefault('64MiB')
    .register(guides, {
      meaning:
        'Live bytes that compaction copies a second at most; four times as many while the disk is short of space.',
      cost: 'disk and CPU time, as much as clients that write at that rate.',
      takes: '64KiB to 1TiB',
    }),
  compactionDeadShare: shareValue(0.05, 0.95)
    .prefault(0.4)
    .register(guides, {
      meaning:
        'Share of the log that may be dead while the disk has room. Once four fifths of the disk are used, the share ' +
        'shrinks, down to a fifteenth.',
      cost: 'with a smaller share compaction copies more.',
      takes: '0.05 to 0.95',
    }),
  moveRate: sizeValue(0, 2 ** 40, 'is above 1TiB')
    .prefault('64MiB')
    .register(guides, {
      meaning:
        'Bytes of blocks that this node fetches a second at most after the layout has changed; `0` is no limit.',
      cost:
        'a higher rate takes bandwidth and disk time from clients; with a lower one the former holders have to serve ' +
        'for longer.',
      takes: '0 to 1TiB',
    }),
  scrubRate: sizeValue(2 ** 16, 2 ** 40, 'is outside 64KiB to 1TiB')
    .prefault('16MiB')
    .register(guides, {
      meaning: 'Bytes that the scrub in the background reads a second at most.',
      takes: '64KiB to 1TiB',
    }),
  scrubPause: durationValue(1_000, 365 * 86_400e3, 'is outside 1s to 365d')
    .prefault('7d')
    .register(guides, {
      meaning: 'Pause between two scrubs.',
      cost: 'damage may stay unknown for that long.',
      takes: '1s to 365d',
    }),
  removeAfter: durationValue(60_000, 365 * 86_400e3, 'is outside 1m to 365d')
    .optional()
    .register(guides, {
      meaning:
        'A member that a majority of the others has not reached for this long is removed, and its partitions go to them. ' +
        'It is kept while they have no room for its data, or while too few members, zones or replicas would be left.',
      cost: 'when the node comes back later its disk has to be emptied, and its data was copied in vain.',
      takes: '1m to 365d',
      otherwise: 'never',
    }),
  partSizeMin: sizeValue(1, PART_BYTES_MIN, 'is outside 1B to 5MiB')
    .prefault('5MiB')
    .register(guides, {
      meaning:
        "Least size of an upload's parts except the last. S3 has 5 MiB; smaller ones are for tests of uploads with many " +
        'parts.',
      cost: 'every part is a register, whatever its size.',
      takes: '1B to 5MiB',
    }),
  ...notificationFields,
  accessLog: textValue(/^[^\0]+$/, 'is not off, stdout or the path of a file')
    .default('off')
    .register(guides, {
      meaning:
        'Where the access log goes, one line of JSON for each request ([fields](docs/operations.md#the-access-log)): ' +
        '`off`, `stdout`, or a file to append to, which is made again when it was moved away.',
      cost: 'some microseconds and 400 bytes for each request. Lines that cannot be written in time are lost, and counted.',
      takes: '`off`, `stdout`, or the path of a file',
    }),
  bucketLogInterval: durationValue(1_000, 3_600e3, 'is outside 1s to 1h')
    .prefault('60s')
    .register(guides, {
      meaning:
        'How long a line of the access log that a bucket keeps in another one (PutBucketLogging) waits before it is stored, ' +
        'unless 1 MiB of lines is there earlier ([logs](docs/bucket-logs.md)).',
      cost: 'a shorter one makes more and smaller objects; a process that dies loses the lines of one interval.',
      takes: '1s to 1h',
    }),
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error'], 'is not one of debug, info, warn, error')
    .default('info')
    .register(guides, {
      meaning: 'Least severity that is logged, as lines of JSON on standard error.',
      cost: '`debug` slows the node down.',
      takes: '`debug`, `info`, `warn`, `error`',
    }),
}

export const configFields = { ...clusterFields, ...nodeFields }

/** The name of a field, as in a configuration file. */
export type FieldName = keyof typeof configFields

/** Fields that are also flags of `shoal start`. */
export const flagNames = [
  'data',
  's3',
  'website',
  'tlsCert',
  'tlsKey',
  'oidcKeys',
  'admin',
  'adminTlsCert',
  'adminTlsKey',
  'listen',
  'join',
  'joinFile',
  'cluster',
  'name',
  'zone',
  'capacity',
  'gatewayThreads',
] as const

/** What the tables of the documents say about a field. Every field has a guide; a test sees to it. */
export function guideOf(field: FieldName): FieldGuide {
  const guide = guides.get(configFields[field])
  if (guide === undefined) throw new Error(`${field} has no guide`)
  return guide
}

/** The default as a file would have it, '2GiB'; undefined for a field that has none. */
export function defaultOf(field: FieldName): string | undefined {
  const { def } = configFields[field] as { readonly def: { readonly defaultValue?: unknown } }
  const value = def.defaultValue
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return undefined
  return typeof value === 'string' ? value : JSON.stringify(value)
}
