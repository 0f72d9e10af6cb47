/**
 * The cluster's keys, which wrap the data keys of objects: one record for all, so that a rotation of the cluster secret
 * encrypts all of them again in one change. A version of a key is never removed, since objects may need it.
 */

import type { RecordCodec } from '../codec/versioned.ts'
import { fieldsOf, listOf, matchOf } from '../layout/json.ts'
import { instantOf, jsonCodec, markOf } from './record.ts'

export const CLUSTER_KEYS_MAX = 100
/** Of all keys together: the record stays below 200 KB. */
export const KEY_VERSIONS_MAX = 1_000
/** What a key of an account may be called. */
export const CLUSTER_KEY_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/
/** The cluster's own key, or the account and the name of a key. */
const CLUSTER_KEY_ID = /^(?:\d{12}\/)?[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/
const SECRET_ID = /^[0-9a-f]{32}$/
const BASE64 = /^[A-Za-z0-9+/]{4,1024}={0,2}$/

export interface KeyVersion {
  readonly createdMs: number
  /** 256 bits in base64, encrypted with a key derived from the cluster secret (node/layout/secret-encryption.ts). */
  readonly sealedSecret: string
  /** `secretId` of that cluster secret. */
  readonly sealedWith: string
}

export interface ClusterKey {
  readonly id: string
  readonly createdMs: number
  /** Left out while it is enabled. */
  readonly disabled?: true | undefined
  /** The first one is version 1. The last one encrypts. */
  readonly versions: readonly KeyVersion[]
}

export interface KeyRingRecord {
  readonly keys: readonly ClusterKey[]
}

/** Decoding throws RecordVersionError or ShapeError. */
export const keyRingCodec: RecordCodec<KeyRingRecord> = jsonCodec((value) => {
  const { keys } = fieldsOf(value, ['keys'])
  return { keys: listOf(keys, CLUSTER_KEYS_MAX, clusterKeyOf) }
})

function clusterKeyOf(value: unknown): ClusterKey {
  const fields = fieldsOf(value, ['id', 'createdMs', 'versions'], ['disabled'])
  return {
    id: matchOf(fields.id, CLUSTER_KEY_ID),
    createdMs: instantOf(fields.createdMs),
    ...markOf('disabled', fields.disabled),
    versions: listOf(fields.versions, KEY_VERSIONS_MAX, (item) => {
      const version = fieldsOf(item, ['createdMs', 'sealedSecret', 'sealedWith'])
      return {
        createdMs: instantOf(version.createdMs),
        sealedSecret: matchOf(version.sealedSecret, BASE64),
        sealedWith: matchOf(version.sealedWith, SECRET_ID),
      }
    }),
  }
}
