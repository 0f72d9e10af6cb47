/** The gateway's port to storage, made of buckets, objects, uploads and identities. */

import type { Backend } from '../../gateway/port/backend.ts'
import type { KeyBackend } from '../../gateway/port/encryption.ts'
import type { PrincipalDirectory } from '../../gateway/port/principals.ts'
import type { Buckets } from '../objects/buckets.ts'
import type { Notifications } from '../notifications/notifications.ts'
import type { Objects } from '../objects/objects.ts'
import type { Uploads } from '../objects/uploads.ts'

/** The roles that answer, and the two look-ups of who signs. */
export interface BackendOptions extends Pick<Backend, 'credential' | 'sessionCredential'> {
  readonly buckets: Buckets
  readonly objects: Objects
  readonly uploads: Uploads
  readonly notifications: Notifications
  readonly principals: PrincipalDirectory
  readonly clusterKeys: KeyBackend
}

/**
 * Joins the roles to the one object that the gateway knows. No call is changed on its way: each role
 * throws the errors of the port itself.
 */
export function createBackend(options: BackendOptions): Backend {
  const { buckets, objects, uploads, principals, credential, sessionCredential } = options
  const { clusterKeys, notifications } = options
  return {
    principalIds: (context, arns) => principals.principalIds(context, arns),
    markNamed: (context, accountId, named) => principals.markNamed(context, accountId, named),
    principalArns: (context, resolved) => principals.principalArns(context, resolved),
    credential,
    sessionCredential,
    bucketAccess: (context, bucket) => buckets.access(context, bucket),
    createBucket: (context, request) => buckets.create(context, request),
    headBucket: (context, bucket) => buckets.head(context, bucket),
    deleteBucket: (...all) => buckets.delete(...all),
    checkWebhooks: (context, request) => notifications.check(context, request),
    listBuckets: (context, request) => buckets.list(context, request),
    getBucketSettings: (context, bucket) => buckets.settings(context, bucket),
    changeBucket: (context, request) => buckets.changeSettings(context, request),
    putObject: (context, request) => objects.put(context, request),
    getObject: (context, request) => objects.get(context, request),
    deleteObject: (context, request) => objects.delete(context, request),
    changeObject: (context, request) => objects.change(context, request),
    renameObject: (context, request) => objects.rename(context, request),
    listObjects: (context, request) => objects.list(context, request),
    listVersions: (context, request) => objects.listVersions(context, request),
    createUpload: (context, request) => uploads.create(context, request),
    getUpload: (context, request) => uploads.get(context, request),
    putPart: (context, request) => uploads.putPart(context, request),
    listParts: (context, request) => uploads.listParts(context, request),
    listUploads: (context, request) => uploads.list(context, request),
    completeUpload: (context, request) => uploads.complete(context, request),
    abortUpload: (context, request) => uploads.abort(context, request),
    wrapDataKey: (context, request) => clusterKeys.wrapDataKey(context, request),
    unwrapDataKey: (context, request) => clusterKeys.unwrapDataKey(context, request),
  }
}
