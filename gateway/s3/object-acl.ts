/**
 * GetObjectAcl and PutObjectAcl, and the owner and the list that a new object gets. How lists are written: acl-grants.ts.
 *
 * Who owns a new object is decided when it is written, by the ownership of its bucket:
 *
 *   BucketOwnerEnforced    the account of the bucket; lists do not count
 *   BucketOwnerPreferred   the writer's account, or the bucket's with the canned list bucket-owner-full-control
 *   ObjectWriter           the writer's account
 *
 * Neither is ever copied from another object. Both stay with the object while the bucket has BucketOwnerEnforced, and count
 * again afterwards, as in AWS.
 */

import {
  ANONYMOUS_OWNER,
  isOwnersAcl,
  objectActions,
  type AclGrant,
} from '../../protocol/iam/acl.ts'
import { StoreError } from '../../protocol/errors.ts'
import { allowsAcls } from '../auth/acl-settings.ts'
import { ANONYMOUS } from '../auth/authorize.ts'
import { S3Error } from '../http/errors.ts'
import {
  emptyResponse,
  xmlResponse,
  type ResponseHeaders,
  type S3Response,
} from '../http/response.ts'
import type { BucketSettings } from '../port/buckets.ts'
import type { ObjectAcl, ObjectInfo } from '../port/objects.ts'
import { refuseBlocked, requestedGrants, requireAccounts } from './acl.ts'
import { ACL_LIMITS, aclXml, grantsOfHeaders, ownersGrants, type AclOwners } from './acl-grants.ts'
import { gatherBody } from './common.ts'
import type { Call } from './operation.ts'
import { addVersionHeader, requestedVersion } from './version.ts'

/** The canned list that gives the account of the bucket everything. */
const CANNED_OWNER = 'bucket-owner-full-control'

/** Each attempt starts again from the object of the time. After the last one the client gets 409. */
const CHANGE_ATTEMPTS = 5

/**
 * `GET /bucket/key?acl`. As in AWS, it shows the full control of the bucket's account where lists do not count. Throws
 * NoSuchKey, NoSuchVersion, MethodNotAllowed for a delete marker.
 */
export async function getObjectAcl(call: Call): Promise<S3Response> {
  const { bucket, key } = call
  const versionId = requestedVersion(call)
  const { info, versioned } = await call.getObject({ bucket, key, versionId, withData: false })
  const headers: ResponseHeaders = {}
  addVersionHeader(headers, { versioned, versionId: info.versionId })
  const access = await call.access(bucket)
  const acl = allowsAcls(access.settings) ? info.acl : undefined
  const owner = acl?.owner ?? access.info.ownerAccount
  const content = aclXml(owner, acl?.grants ?? ownersGrants(owner))
  return xmlResponse('AccessControlPolicy', content, headers)
}

/**
 * `PUT /bucket/key?acl`: replaces the list of an object or a version. Neither its ETag nor Last-Modified changes. Nobody
 * grants what they do not have (F31).
 *
 * Throws AccessControlListNotSupported where lists do not count, what `requestedGrants` throws, AccessDenied for a public
 * list that BlockPublicAcls forbids and for grants beyond the caller's rights, NoSuchKey, NoSuchVersion, MethodNotAllowed for
 * a delete marker, OperationAborted after too many conflicts.
 */
export async function putObjectAcl(call: Call): Promise<S3Response> {
  const { bucket, key } = call
  const versionId = requestedVersion(call)
  const { bytes } = await gatherBody(call, ACL_LIMITS.maxBytes)
  const { info, settings } = await call.access(bucket)
  const bucketOwner = info.ownerAccount
  if (!allowsAcls(settings)) return ownersAclAgain(call, versionId, bytes, bucketOwner)
  for (let attempt = 1; ; attempt++) {
    const named = { bucket, key, versionId }
    const { info: object } = await call.getObject({ ...named, withData: false })
    const owner = object.acl?.owner ?? bucketOwner
    const grants = await requestedGrants(call, bytes, { owner, bucketOwner })
    refuseBlocked(grants, settings)
    await requireRights(call, versionId, object, { owner, bucketOwner }, grants)
    const headers: ResponseHeaders = {}
    try {
      addVersionHeader(headers, await call.changeObject(versionId, { grants }, object))
      return emptyResponse(200, headers)
    } catch (error) {
      const isConflict = error instanceof StoreError && error.code === 'Conflict'
      if (!isConflict || attempt === CHANGE_ATTEMPTS) throw error
    }
  }
}

/**
 * Where lists do not count, the one that says what is always so is accepted, as in AWS, and changes nothing: some clients put
 * back the list that they have read.
 */
async function ownersAclAgain(
  call: Call,
  versionId: string | undefined,
  bytes: Uint8Array,
  bucketOwner: string,
): Promise<S3Response> {
  const { bucket, key } = call
  const grants = await requestedGrants(call, bytes, { owner: bucketOwner, bucketOwner })
  const canned = call.request.headers['x-amz-acl'] || undefined
  // AWS's page names no other canned list.
  const says = canned === undefined ? isFullControl(grants, bucketOwner) : canned === CANNED_OWNER
  if (!says) throw new S3Error('AccessControlListNotSupported')
  const { info, versioned } = await call.getObject({ bucket, key, versionId, withData: false })
  const headers: ResponseHeaders = {}
  addVersionHeader(headers, { versioned, versionId: info.versionId })
  return emptyResponse(200, headers)
}

/**
 * Throws AccessDenied for a grant that the object does not have yet, of something that the caller may not do. The owner has
 * everything, and can be granted it.
 */
async function requireRights(
  call: Call,
  versionId: string | undefined,
  object: ObjectInfo,
  { owner }: AclOwners,
  grants: readonly AclGrant[],
): Promise<void> {
  const { bucket, key } = call
  const kept = new Set((object.acl?.grants ?? []).map(nameOf))
  const given = grants.filter((each) => each.account !== owner && !kept.has(nameOf(each)))
  const actions = new Set(given.flatMap(({ permission }) => objectActions(permission)))
  for (const action of actions) {
    // As everywhere, the right to versions is another one: of the two the caller needs the one that this request is about.
    if (action.includes('Version') !== (versionId !== undefined)) continue
    if (await call.may(action, { bucket, key, versionId }, object)) continue
    throw new S3Error(
      'AccessDenied',
      `User: ${call.identity.principalArn} is not authorized to change who may use the object, because it would give rights that the caller does not have`,
    )
  }
}

function nameOf({ account, group, permission }: AclGrant): string {
  return JSON.stringify([account, group, permission])
}

/** The canned lists that a bucket with BucketOwnerEnforced takes: they say what is always so in it. */
const OWNERS_ALONE: ReadonlySet<string> = new Set(['private', CANNED_OWNER])

/**
 * The owner and the list that the request gives to the object that it stores; undefined for an object of the bucket's account
 * without a list. A list that grants others something needs the right to put one; the two canned lists that the bucket's
 * account has nothing against need no right.
 *
 * Throws AccessControlListNotSupported where lists do not count, AccessDenied without the right and for a public list that
 * BlockPublicAcls forbids, InvalidArgument for an account that does not exist, and what `grantsOfHeaders` throws.
 */
export async function newObjectAcl(call: Call): Promise<ObjectAcl | undefined> {
  const { headers } = call.request
  const { info, settings } = await call.access(call.bucket)
  const canned = headers['x-amz-acl'] || undefined
  const bucketOwner = info.ownerAccount
  if (!allowsAcls(settings)) {
    const grants = grantsOfHeaders(headers, { owner: bucketOwner, bucketOwner })
    const says =
      canned === undefined ? isFullControl(grants, bucketOwner) : OWNERS_ALONE.has(canned)
    if (grants !== undefined && !says) throw new S3Error('AccessControlListNotSupported')
    return undefined
  }
  const owner = ownerOfNew(call, settings, bucketOwner)
  const grants = grantsOfHeaders(headers, { owner, bucketOwner })
  const acl: ObjectAcl = {
    ...(owner !== bucketOwner && { owner }),
    // Nobody can sign as the owner of what was written without a signature: what AWS grants it is for all who do not sign.
    ...(owner === ANONYMOUS_OWNER && { grants: ownersGrants(owner) }),
    ...(grants !== undefined && { grants }),
  }
  if (grants !== undefined) {
    refuseBlocked(grants, settings)
    await requireAccounts(call, grants)
    const isAsked = canned === undefined || !OWNERS_ALONE.has(canned)
    if (isAsked && !isOwnersAcl(grants, owner)) {
      await call.authorizeAlso('s3:PutObjectAcl', { owner: acl.owner })
    }
  }
  return acl.owner === undefined && acl.grants === undefined ? undefined : acl
}

/** Whether the grants of headers say, in another form, that the bucket's owner has full control. */
function isFullControl(grants: readonly AclGrant[] | undefined, bucketOwner: string): boolean {
  const [only, ...more] = grants ?? []
  return more.length === 0 && only?.account === bucketOwner && only.permission === 'FULL_CONTROL'
}

function ownerOfNew(
  { request, identity }: Call,
  { ownership }: BucketSettings,
  bucketOwner: string,
): string {
  const canned = request.headers['x-amz-acl']
  if (ownership === 'BucketOwnerPreferred' && canned === CANNED_OWNER) {
    return bucketOwner
  }
  return identity === ANONYMOUS ? ANONYMOUS_OWNER : identity.accountId
}
