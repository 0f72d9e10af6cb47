/** An OIDC identity provider of an account, under its unique id: whose tokens may be exchanged for sessions of roles. */

import type { RecordCodec } from '../codec/versioned.ts'
import { fieldsOf, listOf, matchOf, textOf } from '../layout/json.ts'
import { ACCOUNT_ID, PROVIDER_NAME, UNIQUE_ID } from './identity.ts'
import { instantOf, jsonCodec, recordTags, type IamTag } from './record.ts'

/** AWS's limits. */
export const CLIENT_IDS_MAX = 100
export const THUMBPRINTS_MAX = 5
const CLIENT_ID_MAX = 255
const THUMBPRINT = /^[0-9A-Fa-f]{40}$/

export interface ProviderRecord {
  readonly accountId: string
  /** 'AOIP…'. Trust policies mean it by this id, so a new provider under the same URL gets nothing. */
  readonly id: string
  /** The URL of the issuer without 'https://'. */
  readonly name: string
  readonly createdMs: number
  /** The audiences for which its tokens count. */
  readonly clientIds: readonly string[]
  /** SHA-1 of certificates, hex. They are kept for clients that compare them. */
  readonly thumbprints: readonly string[]
  readonly tags: readonly IamTag[]
}

/** Decoding throws RecordVersionError or ShapeError. */
export const providerCodec: RecordCodec<ProviderRecord> = jsonCodec((value) => {
  const fields = fieldsOf(value, [
    'accountId',
    'id',
    'name',
    'createdMs',
    'clientIds',
    'thumbprints',
    'tags',
  ])
  return {
    accountId: matchOf(fields.accountId, ACCOUNT_ID),
    id: matchOf(fields.id, UNIQUE_ID),
    name: matchOf(fields.name, PROVIDER_NAME),
    createdMs: instantOf(fields.createdMs),
    clientIds: listOf(fields.clientIds, CLIENT_IDS_MAX, (item) => textOf(item, CLIENT_ID_MAX)),
    thumbprints: listOf(fields.thumbprints, THUMBPRINTS_MAX, (item) => matchOf(item, THUMBPRINT)),
    tags: recordTags(fields.tags),
  }
})
