/**
 * One entry of the layout: the agreed list of members at one epoch (L1, L2).
 *
 * Canonical bytes are JSON with fields in the order written here and members by node id: exactly one
 * text for each entry, so that its hash names it. Bytes that are not canonical are refused, and so is
 * a version that this program does not know.
 *
 *   {"version":1,"epoch":…,"previousHash":"hex","state":"STABLE","cause":"…","genesis":{…},
 *    "members":[…],"next":[…] or null,"tokens":[…],"secret":{…}}
 *
 * `tokens` and `secret` came later: an entry without reads as it always did (fault 20).
 */

import { equalBytes, hex, utf8 } from '../bytes.ts'
import { blake3 } from '../hash.ts'
import type { ClusterId, NodeId, StorageId } from '../ids.ts'
import type { Ballot } from './ballot.ts'
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
import { readTokens, tokenJson, type TokenRecord } from './tokens.ts'

const VERSION = 1
export const MEMBERS_MAX = 100_000
const ADDRESSES_MAX = 32
export const NODE_ID = /^[1-9A-HJ-NP-Za-km-z]{8,128}$/
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
}

/** What all members must agree on for good. */
export interface Genesis {
  readonly clusterId: ClusterId
  readonly partitionBits: number
  /** Partitions of system registers' own, behind the others. Absent in clusters that earlier programs
   * founded; a program that does not know the field refuses the entry (fault 20). */
  readonly systemPartitionBits?: number | undefined
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

export const STATES = ['STABLE', 'JOINT'] as const
/** Why the entry was proposed: what a refused joiner is told, and what `layout show` prints. */
export const CAUSES = [
  'founded',
  'join',
  'synced',
  'holds-data',
  'no-answer',
  'token',
  'secret',
] as const
export type Cause = (typeof CAUSES)[number]

export interface LayoutEntry {
  /** 1, 2, 3 … */
  readonly epoch: number
  /** Hex hash of the entry before, NO_HASH for the first. */
  readonly previousHash: string
  readonly state: (typeof STATES)[number]
  readonly cause: Cause
  readonly genesis: Genesis
  /** P: the members, by node id. */
  readonly members: readonly Member[]
  /** P′: only in JOINT. */
  readonly next?: readonly Member[] | undefined
  /** Of joiners. Absent in clusters of earlier programs until the first one is issued. */
  readonly tokens?: readonly TokenRecord[] | undefined
  /** Of the cluster. Absent: the first one is in force. */
  readonly secret?: SecretRecord | undefined
}

/** Signatures of a majority of the last STABLE members over one ballot (L1): certificate.ts. */
export interface Certificate {
  readonly ballot: Ballot
  readonly signatures: readonly { readonly nodeId: NodeId; readonly signature: Uint8Array }[]
}

export interface DecidedEntry {
  readonly entry: LayoutEntry
  readonly certificate: Certificate
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
    ['tokens', 'secret'],
  )
  const state = oneOf(fields.state, STATES)
  const next = fields.next === null ? undefined : readMembers(fields.next)
  if ((state === 'JOINT') !== (next !== undefined)) throw new ShapeError('JOINT has next members')
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
  }
  if (!equalBytes(encodeEntry(entry), bytes)) throw new ShapeError('entry is not canonical')
  return entry
}

/** Hex. */
export function entryHash(entry: LayoutEntry): string {
  return hex(blake3(encodeEntry(entry)))
}

export function orderedMembers(members: readonly Member[]): readonly Member[] {
  return [...members].sort((a, b) => (a.nodeId < b.nodeId ? -1 : a.nodeId > b.nodeId ? 1 : 0))
}

export function readMember(value: unknown): Member {
  const fields = fieldsOf(value, ['nodeId', 'storageId', 'zone', 'capacityBytes', 'addresses'])
  return {
    nodeId: matchOf(fields.nodeId, NODE_ID) as NodeId,
    storageId: matchOf(fields.storageId, STORAGE_ID) as StorageId,
    zone: textOf(fields.zone, 128),
    capacityBytes: integerOf(fields.capacityBytes, 1, Number.MAX_SAFE_INTEGER),
    addresses: listOf(fields.addresses, ADDRESSES_MAX, (item) => textOf(item, 512)),
  }
}

function memberJson(member: Member): Member {
  return {
    nodeId: member.nodeId,
    storageId: member.storageId,
    zone: member.zone,
    capacityBytes: member.capacityBytes,
    addresses: member.addresses,
  }
}

function readMembers(value: unknown): Member[] {
  const members = listOf(value, MEMBERS_MAX, readMember)
  if (members.length === 0) throw new ShapeError('a layout has members')
  const nodes = new Set(members.map((member) => member.nodeId))
  const storages = new Set(members.map((member) => member.storageId))
  if (nodes.size < members.length || storages.size < members.length) {
    throw new ShapeError('a node or a storage is a member twice')
  }
  return members
}

function readGenesis(value: unknown): Genesis {
  const fields = fieldsOf(
    value,
    ['clusterId', 'partitionBits', 'replication', 'rootAccount', 'createdMs'],
    ['systemPartitionBits'],
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
    replication: integerOf(fields.replication, 1, 15),
    rootAccount: {
      accountId: textOf(root.accountId, 256),
      accessKeyId: textOf(root.accessKeyId, 256),
      sealedSecret: textOf(root.sealedSecret, 4096),
    },
    createdMs: integerOf(fields.createdMs, 0, Number.MAX_SAFE_INTEGER),
  }
}
