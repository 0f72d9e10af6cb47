/**
 * An access key, under its own id. It is valid while it is Active and its user exists and lists it; a root's key,
 * while the account exists and lists it. The record holds the encrypted secret (node/layout/secret-encryption.ts).
 */

import type { RecordCodec } from '../codec/versioned.ts'
import { fieldsOf, matchOf, oneOf } from '../layout/json.ts'
import { ACCESS_KEY_ID, ACCOUNT_ID, UNIQUE_ID } from './identity.ts'
import { instantOf, jsonCodec } from './record.ts'

const SECRET_ID = /^[0-9a-f]{32}$/
const BASE64 = /^[A-Za-z0-9+/]{4,1024}={0,2}$/

export interface AccessKeyRecord {
  readonly accessKeyId: string
  readonly accountId: string
  /** Unique id of the user, AIDA…. Left out for the account's root. */
  readonly userId?: string | undefined
  /** Encrypted with a key derived from the cluster secret, base64. */
  readonly sealedSecret: string
  /** `secretId` of that cluster secret. Left out for the first one. */
  readonly sealedWith?: string | undefined
  readonly status: 'Active' | 'Inactive'
  readonly createdMs: number
}

/** Decoding throws RecordVersionError or ShapeError. */
export const accessKeyCodec: RecordCodec<AccessKeyRecord> = jsonCodec((value) => {
  const fields = fieldsOf(
    value,
    ['accessKeyId', 'accountId', 'sealedSecret', 'status', 'createdMs'],
    ['userId', 'sealedWith'],
  )
  return {
    accessKeyId: matchOf(fields.accessKeyId, ACCESS_KEY_ID),
    accountId: matchOf(fields.accountId, ACCOUNT_ID),
    sealedSecret: matchOf(fields.sealedSecret, BASE64),
    status: oneOf(fields.status, ['Active', 'Inactive']),
    createdMs: instantOf(fields.createdMs),
    ...(fields.sealedWith !== undefined && { sealedWith: matchOf(fields.sealedWith, SECRET_ID) }),
    ...(fields.userId === undefined ? {} : { userId: matchOf(fields.userId, UNIQUE_ID) }),
  }
})
