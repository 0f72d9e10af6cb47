/**
 * PutBucketOwnershipControls, GetBucketOwnershipControls and DeleteBucketOwnershipControls: who owns the objects of a
 * bucket, and whether access control lists count. A bucket begins with BucketOwnerEnforced, as in AWS: its account owns
 * everything in it, and policies alone decide.
 */

import { trimXml } from '../http/ascii.ts'
import { isOwnersAcl } from '../../protocol/iam/acl.ts'
import { S3Error } from '../http/errors.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../http/response.ts'
import { childText, tag, type XmlElement, type XmlLimits } from '../http/xml.ts'
import type { ObjectOwnership } from '../port/bucket-documents.ts'
import { changeAccess } from './access-change.ts'
import { bucketLacking } from './common.ts'
import type { Call } from './operation.ts'
import { settingXml } from './versioning.ts'

/** Room for the one rule. */
export const OWNERSHIP_LIMITS: XmlLimits = { maxBytes: 16 * 1024, maxElements: 8, maxDepth: 4 }

const OWNERSHIPS: readonly string[] = [
  'BucketOwnerEnforced',
  'BucketOwnerPreferred',
  'ObjectWriter',
] satisfies ObjectOwnership[]

/**
 * `PUT /bucket?ownershipControls`: 200. Throws MalformedXML, NoSuchBucket, InvalidBucketAclWithObjectOwnership for
 * BucketOwnerEnforced while the list of the bucket grants something to others than its owner.
 */
export async function putBucketOwnershipControls(call: Call): Promise<S3Response> {
  const ownership = parseOwnership(await settingXml(call, OWNERSHIP_LIMITS))
  const { info } = await call.access(call.bucket)
  await changeAccess(call, ({ acl = [] }) => {
    if (ownership === 'BucketOwnerEnforced' && !isOwnersAcl(acl, info.ownerAccount)) {
      throw new S3Error('InvalidBucketAclWithObjectOwnership')
    }
    return { ownership }
  })
  return emptyResponse(200)
}

/** `GET /bucket?ownershipControls`. Throws OwnershipControlsNotFoundError after it was deleted, NoSuchBucket. */
export async function getBucketOwnershipControls(call: Call): Promise<S3Response> {
  const { ownership = 'BucketOwnerEnforced' } = await call.store.getBucketSettings(
    call.context,
    call.bucket,
  )
  if (ownership === 'Removed') {
    throw bucketLacking(call, 'OwnershipControlsNotFoundError')
  }
  return xmlResponse('OwnershipControls', `<Rule>${tag('ObjectOwnership', ownership)}</Rule>`)
}

/** `DELETE /bucket?ownershipControls`: 204. As in AWS, a bucket without the rule is one with ObjectWriter. */
export async function deleteBucketOwnershipControls(call: Call): Promise<S3Response> {
  await changeAccess(call, () => ({ ownership: 'Removed' }))
  return emptyResponse(204)
}

/** Reads an OwnershipControls document, which has one rule. Throws MalformedXML. */
export function parseOwnership(root: XmlElement): ObjectOwnership {
  const [rule, ...more] = root.children
  if (root.name !== 'OwnershipControls' || rule?.name !== 'Rule' || more.length > 0) {
    throw new S3Error('MalformedXML')
  }
  const text = trimXml(childText(rule, 'ObjectOwnership'))
  if (!isOwnership(text) || rule.children.length !== 1) throw new S3Error('MalformedXML')
  return text
}

function isOwnership(text: string | undefined): text is ObjectOwnership {
  return text !== undefined && OWNERSHIPS.includes(text)
}
