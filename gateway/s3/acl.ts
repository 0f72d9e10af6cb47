/**
 * GetBucketAcl and PutBucketAcl, and what other operations ask about access control lists. How lists are written:
 * acl-grants.ts. Lists can be set where the bucket's ownership allows them (auth/acl-settings.ts).
 */

import { StoreError } from '../../protocol/errors.ts'
import { ANONYMOUS_OWNER, isOwnersAcl, isPublicAcl, type AclGrant } from '../../protocol/iam/acl.ts'
import { allowsAcls } from '../auth/acl-settings.ts'
import { S3Error } from '../http/errors.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../http/response.ts'
import { parsingXml } from '../http/xml.ts'
import type { BucketChange, BucketSettings } from '../port/buckets.ts'
import type { ObjectOwnership } from '../port/bucket-documents.ts'
import { changeAccess } from './access-change.ts'
import {
  ACL_LIMITS,
  aclXml,
  grantsOfHeaders,
  ownersGrants,
  parseAcl,
  type AclOwners,
} from './acl-grants.ts'
import { gatherBody, invalidArgument } from './common.ts'
import type { Call } from './operation.ts'
import { judgingChange } from './policy-rights.ts'

/** `GET /bucket?acl`. As in AWS, it shows the owner's full control where lists do not count. Throws NoSuchBucket. */
export async function getBucketAcl(call: Call): Promise<S3Response> {
  const { ownerAccount } = await call.store.headBucket(call.context, call.bucket)
  const settings = await call.store.getBucketSettings(call.context, call.bucket)
  const grants = allowsAcls(settings) ? settings.acl : undefined
  const content = aclXml(ownerAccount, grants ?? ownersGrants(ownerAccount))
  return xmlResponse('AccessControlPolicy', content)
}

/**
 * `PUT /bucket?acl`: replaces the list by a canned one, by grants in headers or by a document. A list is a change of
 * rights: it may not give what its writer does not have (F31).
 *
 * Throws MissingSecurityHeader without a list, UnexpectedContent for a list in both places,
 * AccessControlListNotSupported where lists do not count, AccessDenied for a public list that BlockPublicAcls forbids or
 * with another owner, InvalidArgument for an account that does not exist, and what the parsers throw.
 */
export async function putBucketAcl(call: Call): Promise<S3Response> {
  const { bytes } = await gatherBody(call, ACL_LIMITS.maxBytes)
  const { info } = await call.access(call.bucket)
  const acl = await requestedGrants(call, bytes, { owner: info.ownerAccount })
  await changeAccess(call, (settings) => {
    if (!allowsAcls(settings)) throw new S3Error('AccessControlListNotSupported')
    refuseBlocked(acl, settings)
    return { acl }
  })
  return emptyResponse(200)
}

/**
 * The list that a request asks for, in headers or in its body. Throws MissingSecurityHeader without a list,
 * UnexpectedContent for a list in both places, AccessDenied for another owner, InvalidArgument for an account that does not
 * exist, and what the parsers throw.
 */
export async function requestedGrants(
  call: Call,
  bytes: Uint8Array,
  owners: AclOwners,
): Promise<readonly AclGrant[]> {
  const grants = grantsOfHeaders(call.request.headers, owners)
  if (grants !== undefined) {
    if (bytes.length > 0) throw new S3Error('UnexpectedContent')
    await requireAccounts(call, grants)
    return grants
  }
  if (bytes.length === 0) {
    throw new S3Error('MissingSecurityHeader', undefined, {
      details: { MissingHeaderName: 'x-amz-acl' },
    })
  }
  const document = parseAcl(await call.inTurns(parsingXml(bytes, ACL_LIMITS)))
  // As in AWS, no list changes who the owner is.
  if (document.owner !== owners.owner) throw new S3Error('AccessDenied')
  await requireAccounts(call, document.grants)
  return document.grants
}

/** Throws InvalidArgument unless all accounts that are granted something exist. */
export async function requireAccounts(call: Call, grants: readonly AclGrant[]): Promise<void> {
  const named = new Set(grants.map(({ account }) => account))
  named.delete(undefined)
  named.delete(call.identity.accountId)
  named.delete(ANONYMOUS_OWNER)
  if (named.size === 0) return
  const arns = new Map([...named].map((account) => [`arn:aws:iam::${account}:root`, account]))
  const existing = await call.store.principalIds(call.context, [...arns.keys()])
  for (const [arn, account = ''] of arns) {
    if (!existing.has(arn)) throw invalidArgument('CanonicalUser/ID', account, 'Invalid id')
  }
}

/** Throws AccessDenied for a public list that BlockPublicAcls forbids. */
export function refuseBlocked(
  acl: readonly AclGrant[],
  { publicAccessBlock }: BucketSettings,
): void {
  if (publicAccessBlock?.blockPublicAcls !== true || !isPublicAcl(acl)) return
  throw new S3Error(
    'AccessDenied',
    'The ACL is public, and public ACLs are blocked by the BlockPublicAcls setting of the bucket',
  )
}

/**
 * The ownership and the list that a new bucket is asked to have, after checking the rights to set them (F31). A list that
 * gives its owner alone something is none. Throws InvalidBucketAclWithObjectOwnership where lists do not count,
 * AccessDenied, and what the parsers throw.
 */
export async function newBucketAccess(
  call: Call,
): Promise<Pick<BucketSettings, 'acl' | 'ownership'>> {
  const { headers } = call.request
  const { accountId } = call.identity
  // Its value was checked (http/values.ts).
  const ownership = (headers['x-amz-object-ownership'] || undefined) as ObjectOwnership | undefined
  if (ownership !== undefined) await call.authorizeAlso('s3:PutBucketOwnershipControls')
  const acl = grantsOfHeaders(headers, { owner: accountId })
  if (acl === undefined || isOwnersAcl(acl, accountId)) return { ownership }
  await call.authorizeAlso('s3:PutBucketAcl')
  if (!allowsAcls({ ownership })) throw new S3Error('InvalidBucketAclWithObjectOwnership')
  await requireAccounts(call, acl)
  const bucket = { name: call.bucket, ownerAccount: accountId }
  await call.inTurns(judgingChange(call.identity, bucket, { ownership }, { acl, ownership }))
  return { acl, ownership }
}

/**
 * As in AWS's first region, to create one's own bucket again resets its list. Throws NoSuchBucket when the caller's account
 * does not have the bucket any more.
 */
export async function resetBucketAcl(call: Call, wanted: BucketSettings['acl']): Promise<void> {
  const owned = await call.store.headBucket(call.context, call.bucket)
  if (owned.ownerAccount !== call.identity.accountId) throw new StoreError('NoSuchBucket')
  const settings = await call.store.getBucketSettings(call.context, call.bucket)
  if (!allowsAcls(settings) || (settings.acl === undefined && wanted === undefined)) return
  const changeOf = (judged: BucketSettings): BucketChange => {
    if (wanted !== undefined) refuseBlocked(wanted, judged)
    return { acl: allowsAcls(judged) ? (wanted ?? null) : undefined }
  }
  await changeAccess(call, changeOf, owned)
}
