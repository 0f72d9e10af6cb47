/** A bucket's record: its states, and its settings as the gateway names them. Pure. */

import {
  DOCUMENT_NAMES,
  type BucketDocuments,
  type DocumentChange,
} from '../../gateway/port/bucket-documents.ts'
import { abortRulesOf, rulesOf } from './bucket-lifecycle.ts'
import { byteString } from '../../protocol/bytes.ts'
import { bucketCodec, type BucketRecord, type PairRecord } from '../../protocol/codec/versioned.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import type {
  BucketChange,
  BucketInfo,
  BucketSettings,
  PublicAccessBlock,
  Versioning,
} from '../../gateway/port/buckets.ts'

/**
 * The states of a bucket. Numbers of the stored record: none is ever used for another state.
 *
 * CREATING ──► LIVE ◄──► DELETING ──► DELETED
 *     └──────────────────────────────────▲      (its intent was removed)
 */
export const BUCKET_LIVE = 1
export const BUCKET_DELETING = 2
export const BUCKET_DELETED = 3
/** Not decided yet: the account's list decides whether the bucket comes to life (T6). */
export const BUCKET_CREATING = 4

/** By the number in the record: never configured, enabled, suspended. */
const VERSIONING: readonly (Versioning | undefined)[] = [undefined, 'Enabled', 'Suspended']

/** Tells "configured, with all four off" from "never configured", which is 0. */
const ACCESS_BLOCK_SET = 16

/**
 * The record in a bucket's register; undefined when it is absent. Tombstones have one too. Throws RecordVersionError or
 * ShapeError.
 */
export function recordOf(value: RegisterValue | undefined): BucketRecord | undefined {
  return value === undefined ? undefined : bucketCodec.decode(value.body)
}

/** The register's value for a record. A deleted bucket's is a tombstone, which is collected later (G2). */
export function bucketValue(record: BucketRecord): Omit<RegisterValue, 'operation'> {
  return {
    tombstone: record.state === BUCKET_DELETED,
    body: bucketCodec.encode(record),
    blocks: [],
  }
}

/** A record in state "creating", without other settings than `documents`. Object lock comes with versioning. */
export function newBucket(
  identity: Pick<
    BucketRecord,
    'name' | 'incarnation' | 'ownerAccount' | 'createdMs' | 'region' | 'shards'
  >,
  documents: BucketDocuments = {},
): BucketRecord {
  return {
    ...identity,
    generation: 0,
    state: BUCKET_CREATING,
    versioning: VERSIONING.indexOf(documents.objectLock === undefined ? undefined : 'Enabled'),
    policy: '',
    principals: [],
    publicAccessBlock: 0,
    abortRules: [],
    documents: withDocuments([], documents),
  }
}

/** A bucket that was deleted and created again under its name has another incarnation. */
export function sameIncarnation(
  a: Pick<BucketRecord, 'incarnation'>,
  b: Pick<BucketRecord, 'incarnation'>,
): boolean {
  return byteString(a.incarnation) === byteString(b.incarnation)
}

/** What clients may know of a bucket without its settings. */
export function bucketInfoOf(record: BucketRecord): BucketInfo {
  return {
    name: record.name,
    ownerAccount: record.ownerAccount,
    createdMs: record.createdMs,
    region: record.region,
  }
}

/** The settings as the gateway names them. A setting that was never made, or was removed, is undefined. */
export function settingsOf(record: BucketRecord): BucketSettings {
  return {
    versioning: VERSIONING[record.versioning],
    policy: record.policy === '' ? undefined : record.policy,
    principals:
      record.principals.length === 0
        ? undefined
        : record.principals.map(({ name, value }) => ({ arn: name, id: value })),
    publicAccessBlock: accessBlockOf(record.publicAccessBlock),
    ...documentsOf(record),
  }
}

/**
 * The record after a change, one generation on. Sets only what the change names, so that two changes of different
 * settings at the same time both count. In a change null removes a setting, and undefined keeps it.
 */
export function withChange(record: BucketRecord, change: BucketChange): BucketRecord {
  const { versioning, policy, principals = [], publicAccessBlock, lifecycle } = change
  return {
    ...record,
    generation: record.generation + 1,
    // A bucket cannot go back to "never configured".
    ...(versioning !== undefined && { versioning: VERSIONING.indexOf(versioning) }),
    ...(policy !== undefined && {
      policy: policy ?? '',
      principals: principals.map(({ arn, id }) => ({ name: arn, value: id })),
    }),
    ...(publicAccessBlock !== undefined && {
      publicAccessBlock: publicAccessBlock === null ? 0 : accessBlockNumber(publicAccessBlock),
    }),
    ...(lifecycle !== undefined && {
      abortRules: lifecycle === null ? [] : abortRulesOf(lifecycle),
    }),
    documents: withDocuments(record.documents, change),
  }
}

function documentsOf({ documents: stored, abortRules }: BucketRecord): BucketDocuments {
  const found: Record<string, unknown> = {}
  for (const { name, value } of stored) {
    if (isDocument(name)) found[name] = JSON.parse(value)
  }
  const documents = found as BucketDocuments
  return { ...documents, lifecycle: rulesOf(abortRules, documents.lifecycle) }
}

/** Documents that the change does not name stay, also those whose names are not known here. */
function withDocuments(documents: readonly PairRecord[], change: DocumentChange): PairRecord[] {
  const after = documents.filter(({ name }) => !isDocument(name) || change[name] === undefined)
  for (const name of DOCUMENT_NAMES) {
    const given = change[name]
    if (given !== undefined && given !== null) after.push({ name, value: JSON.stringify(given) })
  }
  return after
}

function isDocument(name: string): name is (typeof DOCUMENT_NAMES)[number] {
  return (DOCUMENT_NAMES as readonly string[]).includes(name)
}

function accessBlockOf(bits: number): PublicAccessBlock | undefined {
  if (bits === 0) return undefined
  return {
    blockPublicAcls: (bits & 1) !== 0,
    ignorePublicAcls: (bits & 2) !== 0,
    blockPublicPolicy: (bits & 4) !== 0,
    restrictPublicBuckets: (bits & 8) !== 0,
  }
}

function accessBlockNumber(block: PublicAccessBlock): number {
  return (
    ACCESS_BLOCK_SET |
    (block.blockPublicAcls ? 1 : 0) |
    (block.ignorePublicAcls ? 2 : 0) |
    (block.blockPublicPolicy ? 4 : 0) |
    (block.restrictPublicBuckets ? 8 : 0)
  )
}
