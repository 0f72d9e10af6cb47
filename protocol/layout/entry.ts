/**
 * One entry of the layout: the agreed list of members at one epoch (L1, L2).
 *
 * Canonical bytes are JSON with fields in the order written here and members by node id: exactly one
 * text for each entry, so that its hash names it. Bytes that are not canonical are refused, and so is
 * a version that this program does not know.
 *
 *   {"version":1,"epoch":…,"previousHash":"hex","state":"STABLE","cause":"…","genesis":{…},
 *    "members":[…],"next":[…] or null,"tokens":[…],"secret":{…},
 *    "replication":3,"nextReplication":3,"sources":[{"epoch":…,"members":[…],"replication":3},…]}
 *
 * Fields from `tokens` on came later, and so did a member's `name` and `place`: an entry without them reads as it
 * always did, and has the same bytes as ever (F20). A field that says the same as its default is left out.
 */

import { equalBytes, hex, utf8 } from '../bytes.ts'
import { blake3 } from '../hash.ts'
import { NODE_ID, type ClusterId, type NodeId, type StorageId } from '../ids.ts'
import { PLACEMENT, type PlacementVersion } from '../keyspace/placement.ts'
import type { LayoutBallot } from './ballot.ts'
import {
  fieldsOf,
  integerOf,
  listOf,
  matchOf,
  oneOf,
  parseJson,
  ShapeError,
  textOf,
} from './json.ts'
import { readSecret, secretJson, type SecretRecord } from './secret.ts'
import { readTokens, tokenJson, type TokenRecord } from './token-record.ts'

const VERSION = 1
export const MEMBERS_MAX = 100_000
const ADDRESSES_MAX = 32
export const NAME_LENGTH_MAX = 64
export const REPLICATION_MAX = 15
/** Earlier placements whose blocks may still be on their way to the members of today. */
export const SOURCES_MAX = 3
export const STORAGE_ID = /^[0-9a-f]{24}$/
export const CLUSTER_ID = /^[0-9a-f]{32}$/
export const HASH = /^[0-9a-f]{64}$/

/** Hash that the first entry names as its predecessor's. */
export const NO_HASH = '0'.repeat(64)

export interface Member {
  readonly nodeId: NodeId
  /** Drawn when the data directory was formatted: a node votes as (node id, storage id) (D1). */
  readonly storageId: StorageId
  /** Failure domain. */
  readonly zone: string
  readonly capacityBytes: number
  /** Multiaddresses under which it was last known to listen. */
  readonly addresses: readonly string[]
  /** What people call it; its short id unless given. */
  readonly name?: string | undefined
  /** The node whose tokens it uses. A replacement takes the lost node's place, so that only the partitions of
   * that node move. It is the node itself unless given. No two members have the same place. */
  readonly place?: NodeId | undefined
}

/** An earlier placement. Blocks that were written under it may still be with its nodes only (L5). */
export interface Source {
  /** The STABLE entry that began with it. */
  readonly epoch: number
  readonly members: readonly Member[]
  readonly replication: number
}

/** What all members must agree on for good. */
export interface Genesis {
  readonly clusterId: ClusterId
  readonly partitionBits: number
  /** Partitions of system registers' own, behind the others. Absent in clusters that earlier programs
   * founded; a program that does not know the field refuses the entry (F20). */
  readonly systemPartitionBits?: number | undefined
  /** Which placement function. Absent in clusters that earlier programs founded. */
  readonly placement?: PlacementVersion | undefined
  readonly replication: number
  readonly rootAccount: RootAccount
  /** Wall clock of the founder, milliseconds since 1970. For display. */
  readonly createdMs: number
}

export interface RootAccount {
  readonly accountId: string
  readonly accessKeyId: string
  /** The secret access key, sealed with a key derived from the cluster secret. Any text. */
  readonly sealedSecret: string
}

/** What they mean: transition.ts. */
export const STATES = ['STABLE', 'PLANNED', 'JOINT'] as const
export type LayoutState = (typeof STATES)[number]
/** Why the entry was proposed: what a refused joiner is told, and what `layout show` prints. */
export const CAUSES = [
  'founded',
  'join',
  'synced',
  'holds-data',
  'no-answer',
  'token',
  'secret',
  'plan',
  'replan',
  'joint',
  'abandoned',
  'moved',
] as const
export type Cause = (typeof CAUSES)[number]

export interface LayoutEntry {
  /** 1, 2, 3 … */
  readonly epoch: number
  /** Hex hash of the entry before, NO_HASH for the first. */
  readonly previousHash: string
  readonly state: LayoutState
  readonly cause: Cause
  readonly genesis: Genesis
  /** P: the members, by node id. */
  readonly members: readonly Member[]
  /** P′: in PLANNED and JOINT. */
  readonly next?: readonly Member[] | undefined
  /** Tokens of joiners; absent in clusters of earlier programs until the first one is issued. */
  readonly tokens?: readonly TokenRecord[] | undefined
  /** The cluster secret; absent while the first one is in force. */
  readonly secret?: SecretRecord | undefined
  /** Replication of `members`; the genesis record's unless given (`replicationOf`). */
  readonly replication?: number | undefined
  /** Replication of `next`; that of `members` unless given (`nextReplicationOf`). */
  readonly nextReplication?: number | undefined
  /** Oldest first, at most SOURCES_MAX. */
  readonly sources?: readonly Source[] | undefined
}

/** Signatures of a majority of the last STABLE members over one ballot (L1): certificate.ts. */
export interface Certificate {
  readonly ballot: LayoutBallot
  readonly signatures: readonly { readonly nodeId: NodeId; readonly signature: Uint8Array }[]
}

/** An entry with the proof that it was decided. Any node may pass it on. */
export interface DecidedEntry {
  readonly entry: LayoutEntry
  readonly certificate: Certificate
}

/** Replicas that a partition should have in P. */
export function replicationOf({ replication, genesis }: LayoutEntry): number {
  return replication ?? genesis.replication
}

/** Replicas that a partition should have in P′. */
export function nextReplicationOf(entry: LayoutEntry): number {
  return entry.nextReplication ?? replicationOf(entry)
}

/** The node whose tokens a member uses. */
export function placeOf({ nodeId, place }: Pick<Member, 'nodeId' | 'place'>): NodeId {
  return place ?? nodeId
}

export function encodeEntry(entry: LayoutEntry): Uint8Array<ArrayBuffer> {
  const { genesis } = entry
  const root = genesis.rootAccount
  return utf8(
    JSON.stringify({
      version: VERSION,
      epoch: entry.epoch,
      previousHash: entry.previousHash,
      state: entry.state,
      cause: entry.cause,
      genesis: {
        clusterId: genesis.clusterId,
        partitionBits: genesis.partitionBits,
        systemPartitionBits: genesis.systemPartitionBits,
        placement: genesis.placement,
        replication: genesis.replication,
        rootAccount: {
          accountId: root.accountId,
          accessKeyId: root.accessKeyId,
          sealedSecret: root.sealedSecret,
        },
        createdMs: genesis.createdMs,
      },
      members: orderedMembers(entry.members).map(memberJson),
      next: entry.next === undefined ? null : orderedMembers(entry.next).map(memberJson),
      tokens: entry.tokens?.map(tokenJson),
      secret: entry.secret && secretJson(entry.secret),
      replication: unlessDefault(replicationOf(entry), genesis.replication),
      nextReplication: entry.next && unlessDefault(nextReplicationOf(entry), replicationOf(entry)),
      sources: entry.sources?.length ? entry.sources.map(sourceJson) : undefined,
    }),
  )
}

/** Throws ShapeError on anything but the canonical bytes of an entry of a known version. */
export function decodeEntry(bytes: Uint8Array): LayoutEntry {
  const raw = parseJson(bytes)
  if (typeof raw === 'object' && raw !== null && 'version' in raw && raw.version !== VERSION) {
    throw new ShapeError(`layout entry of an unknown version ${JSON.stringify(raw.version)}`)
  }
  const fields = fieldsOf(
    raw,
    ['version', 'epoch', 'previousHash', 'state', 'cause', 'genesis', 'members', 'next'],
    ['tokens', 'secret', 'replication', 'nextReplication', 'sources'],
  )
  const state = oneOf(fields.state, STATES)
  const next = fields.next === null ? undefined : readMembers(fields.next)
  if ((state === 'STABLE') !== (next === undefined)) {
    throw new ShapeError('PLANNED and JOINT have next members, STABLE has none')
  }
  const entry: LayoutEntry = {
    epoch: integerOf(fields.epoch, 1, Number.MAX_SAFE_INTEGER),
    previousHash: matchOf(fields.previousHash, HASH),
    state,
    cause: oneOf(fields.cause, CAUSES),
    genesis: readGenesis(fields.genesis),
    members: readMembers(fields.members),
    next,
    ...(fields.tokens !== undefined && { tokens: readTokens(fields.tokens) }),
    ...(fields.secret !== undefined && { secret: readSecret(fields.secret) }),
    ...(fields.replication !== undefined && { replication: readReplication(fields.replication) }),
    ...(fields.nextReplication !== undefined && {
      nextReplication: readReplication(fields.nextReplication),
    }),
    ...(fields.sources !== undefined && { sources: readSources(fields.sources) }),
  }
  if (entry.sources?.some(({ epoch }) => epoch > entry.epoch)) {
    throw new ShapeError('a source of a later epoch')
  }
  if (!equalBytes(encodeEntry(entry), bytes)) throw new ShapeError('entry is not canonical')
  return entry
}

/** Hex of BLAKE3 over the canonical bytes. It names the entry: the next one carries it, and acceptors sign it. */
export function entryHash(entry: LayoutEntry): string {
  return hex(blake3(encodeEntry(entry)))
}

/** By node id, as an entry lists them. The argument is not changed. */
export function orderedMembers(members: readonly Member[]): readonly Member[] {
  return [...members].sort((a, b) => (a.nodeId < b.nodeId ? -1 : a.nodeId > b.nodeId ? 1 : 0))
}

/** Throws ShapeError. What members must not share is checked by the list that holds them. */
export function readMember(value: unknown): Member {
  const fields = fieldsOf(
    value,
    ['nodeId', 'storageId', 'zone', 'capacityBytes', 'addresses'],
    ['name', 'place'],
  )
  return {
    nodeId: matchOf(fields.nodeId, NODE_ID) as NodeId,
    storageId: matchOf(fields.storageId, STORAGE_ID) as StorageId,
    zone: textOf(fields.zone, 128),
    capacityBytes: integerOf(fields.capacityBytes, 1, Number.MAX_SAFE_INTEGER),
    addresses: listOf(fields.addresses, ADDRESSES_MAX, (item) => textOf(item, 512)),
    ...(fields.name !== undefined && { name: readName(fields.name) }),
    ...(fields.place !== undefined && { place: matchOf(fields.place, NODE_ID) as NodeId }),
  }
}

function readName(value: unknown): string {
  const name = textOf(value, NAME_LENGTH_MAX)
  if (name === '') throw new ShapeError('an empty name')
  return name
}

function memberJson(member: Member): Member {
  return {
    nodeId: member.nodeId,
    storageId: member.storageId,
    zone: member.zone,
    capacityBytes: member.capacityBytes,
    addresses: member.addresses,
    name: member.name,
    place: unlessDefault(member.place, member.nodeId),
  }
}

/** Throws ShapeError when the list is empty, or when two members share a node id, a storage id or a place. */
function readMembers(value: unknown): Member[] {
  const members = listOf(value, MEMBERS_MAX, readMember)
  if (members.length === 0) throw new ShapeError('a layout has members')
  const nodes = new Set(members.map((member) => member.nodeId))
  const storages = new Set(members.map((member) => member.storageId))
  if (nodes.size < members.length || storages.size < members.length) {
    throw new ShapeError('a node or a storage is a member twice')
  }
  if (new Set(members.map(placeOf)).size < members.length) {
    throw new ShapeError('two members have the same place')
  }
  return members
}

function sourceJson({ epoch, members, replication }: Source): Source {
  return { epoch, members: orderedMembers(members).map(memberJson), replication }
}

function readSources(value: unknown): Source[] {
  const sources = listOf(value, SOURCES_MAX, (item) => {
    const fields = fieldsOf(item, ['epoch', 'members', 'replication'])
    return {
      epoch: integerOf(fields.epoch, 2, Number.MAX_SAFE_INTEGER),
      members: readMembers(fields.members),
      replication: readReplication(fields.replication),
    }
  })
  if (sources.some(({ epoch }, i) => i > 0 && epoch <= sources[i - 1]!.epoch)) {
    throw new ShapeError('sources are in the order of their epochs')
  }
  return sources
}

function readReplication(value: unknown): number {
  return integerOf(value, 1, REPLICATION_MAX)
}

/** A value as an entry has it: left out when it is the default. */
export function unlessDefault<T>(value: T, usual: T): T | undefined {
  return value === usual ? undefined : value
}

function readGenesis(value: unknown): Genesis {
  const fields = fieldsOf(
    value,
    ['clusterId', 'partitionBits', 'replication', 'rootAccount', 'createdMs'],
    ['systemPartitionBits', 'placement'],
  )
  const systemBits = fields.systemPartitionBits
  const partitionBits = integerOf(fields.partitionBits, 1, 16)
  const root = fieldsOf(fields.rootAccount, ['accountId', 'accessKeyId', 'sealedSecret'])
  return {
    clusterId: matchOf(fields.clusterId, CLUSTER_ID) as ClusterId,
    partitionBits,
    // A partition number has two bytes.
    ...(systemBits !== undefined && {
      systemPartitionBits: integerOf(systemBits, 0, partitionBits < 16 ? partitionBits : -1),
    }),
    ...(fields.placement !== undefined && {
      placement: integerOf(fields.placement, 2, PLACEMENT) as PlacementVersion,
    }),
    replication: readReplication(fields.replication),
    rootAccount: {
      accountId: textOf(root.accountId, 256),
      accessKeyId: textOf(root.accessKeyId, 256),
      sealedSecret: textOf(root.sealedSecret, 4096),
    },
    createdMs: integerOf(fields.createdMs, 0, Number.MAX_SAFE_INTEGER),
  }
}
