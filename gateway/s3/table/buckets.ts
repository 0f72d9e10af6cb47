/** Operations on buckets and their settings. */

import type { Operation } from '../operation.ts'
import { createBucket, deleteBucket, getBucketLocation, headBucket } from '../bucket.ts'
import { deleteObjects } from '../delete.ts'
import { deleteBucketLifecycle, getBucketLifecycle, putBucketLifecycle } from '../lifecycle.ts'
import { listObjects, listObjectsV2 } from '../list.ts'
import { listObjectVersions } from '../list-versions.ts'
import { listMultipartUploads } from '../multipart.ts'
import {
  deleteBucketPolicy,
  deletePublicAccessBlock,
  getBucketPolicy,
  getBucketPolicyStatus,
  getPublicAccessBlock,
  putBucketPolicy,
  putPublicAccessBlock,
} from '../policy.ts'
import { getBucketVersioning, putBucketVersioning } from '../versioning.ts'
import { CHECKSUMS, LISTING, NO_LOCK, row } from './row.ts'

export const BUCKET_OPERATIONS: readonly Operation[] = [
  row('CreateBucket', 'PUT', 'bucket', createBucket, {
    headers: [
      'x-amz-acl',
      'x-amz-bucket-object-lock-enabled',
      'x-amz-object-ownership',
      'x-amz-bucket-namespace',
      ...CHECKSUMS,
    ],
  }),
  row('HeadBucket', 'HEAD', 'bucket', headBucket, { action: 's3:ListBucket' }),
  row('DeleteBucket', 'DELETE', 'bucket', deleteBucket),
  row('GetBucketLocation', 'GET', 'bucket', getBucketLocation, { marks: ['location'] }),
  row('ListObjects', 'GET', 'bucket', listObjects, {
    action: 's3:ListBucket',
    query: [...LISTING, 'marker', 'max-keys'],
    headers: ['x-amz-optional-object-attributes'],
    misplaced: {
      'continuation-token': 'continuation-token only supported in REST.GET.BUCKET with list-type=2',
      'start-after': 'startAfter only supported in REST.GET.BUCKET with list-type=2',
    },
  }),
  row('ListObjectsV2', 'GET', 'bucket', listObjectsV2, {
    marks: ['list-type=2'],
    action: 's3:ListBucket',
    query: [...LISTING, 'start-after', 'continuation-token', 'max-keys', 'fetch-owner'],
    headers: ['x-amz-optional-object-attributes'],
    misplaced: { marker: 'Marker unsupported with REST.GET.BUCKET in list-type=2' },
  }),
  row('ListObjectVersions', 'GET', 'bucket', listObjectVersions, {
    marks: ['versions'],
    action: 's3:ListBucketVersions',
    query: [...LISTING, 'key-marker', 'version-id-marker', 'max-keys'],
    headers: ['x-amz-optional-object-attributes'],
  }),
  row('ListMultipartUploads', 'GET', 'bucket', listMultipartUploads, {
    marks: ['uploads'],
    action: 's3:ListBucketMultipartUploads',
    query: [...LISTING, 'key-marker', 'upload-id-marker', 'max-uploads'],
  }),
  row('DeleteObjects', 'POST', 'bucket', deleteObjects, {
    marks: ['delete'],
    action: 's3:DeleteObject',
    versionAction: 's3:DeleteObjectVersion',
    resource: 'object',
    // Each key by itself: a denied key is a row of the answer.
    authorizedBy: 'handler',
    headers: CHECKSUMS,
    ignored: NO_LOCK,
  }),
]

/** What a bucket's owner can set. */
export const SETTING_OPERATIONS: readonly Operation[] = [
  row('GetBucketVersioning', 'GET', 'bucket', getBucketVersioning, { marks: ['versioning'] }),
  row('PutBucketVersioning', 'PUT', 'bucket', putBucketVersioning, {
    marks: ['versioning'],
    headers: CHECKSUMS,
  }),
  row('GetBucketPolicy', 'GET', 'bucket', getBucketPolicy, { marks: ['policy'] }),
  row('PutBucketPolicy', 'PUT', 'bucket', putBucketPolicy, {
    marks: ['policy'],
    audited: true,
    headers: [...CHECKSUMS, 'x-amz-confirm-remove-self-bucket-access'],
  }),
  row('DeleteBucketPolicy', 'DELETE', 'bucket', deleteBucketPolicy, {
    marks: ['policy'],
    audited: true,
  }),
  row('GetBucketPolicyStatus', 'GET', 'bucket', getBucketPolicyStatus, { marks: ['policyStatus'] }),
  row('GetPublicAccessBlock', 'GET', 'bucket', getPublicAccessBlock, {
    marks: ['publicAccessBlock'],
    action: 's3:GetBucketPublicAccessBlock',
  }),
  row('PutPublicAccessBlock', 'PUT', 'bucket', putPublicAccessBlock, {
    marks: ['publicAccessBlock'],
    action: 's3:PutBucketPublicAccessBlock',
    audited: true,
    headers: CHECKSUMS,
  }),
  row('DeletePublicAccessBlock', 'DELETE', 'bucket', deletePublicAccessBlock, {
    marks: ['publicAccessBlock'],
    action: 's3:PutBucketPublicAccessBlock',
    audited: true,
  }),
  row('GetBucketLifecycleConfiguration', 'GET', 'bucket', getBucketLifecycle, {
    marks: ['lifecycle'],
    action: 's3:GetLifecycleConfiguration',
  }),
  row('PutBucketLifecycleConfiguration', 'PUT', 'bucket', putBucketLifecycle, {
    marks: ['lifecycle'],
    action: 's3:PutLifecycleConfiguration',
    headers: [...CHECKSUMS, 'x-amz-transition-default-minimum-object-size'],
  }),
  row('DeleteBucketLifecycle', 'DELETE', 'bucket', deleteBucketLifecycle, {
    marks: ['lifecycle'],
    action: 's3:PutLifecycleConfiguration',
  }),
]
