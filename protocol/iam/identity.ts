/**
 * Identity records: the bodies of the registers of users and access keys.
 *
 *   version (1 byte) ‖ JSON in UTF-8
 *
 * Unknown versions and unknown fields are refused, never misread (fault 20). Secrets lie in them
 * sealed; sealing is node/'s, since it needs the cluster secret.
 */

import { utf8 } from '../bytes.ts'
import { RecordVersionError } from '../codec/versioned.ts'
import { fieldsOf, integerOf, listOf, matchOf, oneOf, parseJson, textOf } from '../layout/json.ts'
import { POLICY_CHARACTERS_MAX } from './policy.ts'

const VERSION = 1
const POLICIES_MAX = 20

export const ACCOUNT_ID = /^[0-9]{12}$/
export const USER_NAME = /^[A-Za-z0-9_+=,.@-]{1,64}$/
export const ACCESS_KEY_ID = /^[A-Za-z0-9_]{3,128}$/
const BASE64 = /^[A-Za-z0-9+/]{4,1024}={0,2}$/

export interface NamedPolicy {
  readonly name: string
  /** JSON, as the user gave it: policy.ts parses it. */
  readonly text: string
}

export interface UserRecord {
  readonly accountId: string
  readonly name: string
  readonly createdMs: number
  readonly policies: readonly NamedPolicy[]
}

export interface AccessKeyRecord {
  readonly accessKeyId: string
  readonly accountId: string
  /** Absent: the account's root. */
  readonly userName?: string | undefined
  /** Sealed with a key derived from the cluster secret, base64. */
  readonly sealedSecret: string
  readonly status: 'Active' | 'Inactive'
  readonly createdMs: number
}

/** 'arn:aws:iam::123456789012:user/ann', of the root without a name. */
export function principalArn(accountId: string, userName: string | undefined): string {
  return `arn:aws:iam::${accountId}:${userName === undefined ? 'root' : `user/${userName}`}`
}

export function encodeUser(record: UserRecord): Uint8Array {
  return encode(record)
}

/** Throws RecordVersionError or ShapeError. */
export function decodeUser(bytes: Uint8Array): UserRecord {
  const fields = fieldsOf(decode(bytes), ['accountId', 'name', 'createdMs', 'policies'])
  return {
    accountId: matchOf(fields.accountId, ACCOUNT_ID),
    name: matchOf(fields.name, USER_NAME),
    createdMs: instantOf(fields.createdMs),
    policies: listOf(fields.policies, POLICIES_MAX, (item) => {
      const { name, text } = fieldsOf(item, ['name', 'text'])
      return { name: matchOf(name, USER_NAME), text: textOf(text, POLICY_CHARACTERS_MAX) }
    }),
  }
}

export function encodeAccessKey(record: AccessKeyRecord): Uint8Array {
  return encode(record)
}

/** Throws RecordVersionError or ShapeError. */
export function decodeAccessKey(bytes: Uint8Array): AccessKeyRecord {
  const fields = fieldsOf(
    decode(bytes),
    ['accessKeyId', 'accountId', 'sealedSecret', 'status', 'createdMs'],
    ['userName'],
  )
  return {
    accessKeyId: matchOf(fields.accessKeyId, ACCESS_KEY_ID),
    accountId: matchOf(fields.accountId, ACCOUNT_ID),
    sealedSecret: matchOf(fields.sealedSecret, BASE64),
    status: oneOf(fields.status, ['Active', 'Inactive']),
    createdMs: instantOf(fields.createdMs),
    ...(fields.userName === undefined ? {} : { userName: matchOf(fields.userName, USER_NAME) }),
  }
}

function instantOf(value: unknown): number {
  return integerOf(value, 0, Number.MAX_SAFE_INTEGER)
}

function encode(record: UserRecord | AccessKeyRecord): Uint8Array {
  const body = utf8(JSON.stringify(record))
  const bytes = new Uint8Array(body.length + 1)
  bytes[0] = VERSION
  bytes.set(body, 1)
  return bytes
}

function decode(bytes: Uint8Array): unknown {
  if (bytes[0] !== VERSION) throw new RecordVersionError(`record of version ${bytes[0] ?? 'none'}`)
  return parseJson(bytes.subarray(1))
}
