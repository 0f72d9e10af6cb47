/**
 * Operations on objects and multipart uploads, as entries of the table (Operation says what the fields mean).
 *
 * Operations with the same method and path differ by their marks and mark header: `PUT /bucket/key` alone is
 * PutObject, with x-amz-copy-source CopyObject, with `partNumber` and `uploadId` UploadPart, with all three
 * UploadPartCopy. The router takes the entry with the most marks that the request has.
 */

import type { Operation } from '../operation.ts'
import { ACL_HEADERS } from '../acl-grants.ts'
import { getObjectAttributes } from '../attributes.ts'
import { completeMultipartUpload } from '../complete.ts'
import { copyObject } from '../copy.ts'
import { deleteObject } from '../delete.ts'
import { getObject, headObject } from '../get.ts'
import {
  abortMultipartUpload,
  createMultipartUpload,
  listParts,
  uploadPart,
  uploadPartCopy,
} from '../multipart.ts'
import { getObjectAcl, putObjectAcl } from '../object-acl.ts'
import {
  getObjectLegalHold,
  getObjectRetention,
  putObjectLegalHold,
  putObjectRetention,
} from '../object-lock.ts'
import { deleteObjectTagging, getObjectTagging, putObjectTagging } from '../object-tags.ts'
import { postObject } from '../post.ts'
import { putObject } from '../put.ts'
import { renameObject } from '../rename.ts'
import {
  CHECKSUMS,
  COPY_SOURCE,
  CUSTOMER_KEY,
  ENCRYPTED,
  LOCKS,
  NO_ENCRYPTION,
  NO_METADATA,
  OVERRIDES,
  READ_CONDITIONS,
  defineOperation,
  SOURCE_KEY,
  STORED,
  WRITE_CONDITIONS,
} from './define.ts'

const PUT_OBJECT = defineOperation('PutObject', 'PUT', 'object', putObject, {
  headers: [...STORED, ...ENCRYPTED, 'x-amz-tagging', ...LOCKS, ...CHECKSUMS],
  conditions: WRITE_CONDITIONS,
})

/**
 * The form of a browser is addressed to the bucket, and its fields are headers of PutObject. AWS's pages know no conditions
 * for it.
 */
function formOf(put: Operation): Operation {
  const form = { name: 'PostObject', method: 'POST', level: 'bucket', run: postObject } as const
  return { ...put, ...form, conditions: new Set() }
}

/** As in AWS, a named version needs the same right as the current one. */
const LOCK_OPERATIONS: readonly Operation[] = [
  defineOperation('GetObjectRetention', 'GET', 'object', getObjectRetention, {
    marks: ['retention'],
    versionAction: 's3:GetObjectRetention',
    query: ['versionId'],
  }),
  defineOperation('PutObjectRetention', 'PUT', 'object', putObjectRetention, {
    marks: ['retention'],
    versionAction: 's3:PutObjectRetention',
    query: ['versionId'],
    headers: [...CHECKSUMS, 'x-amz-bypass-governance-retention'],
  }),
  defineOperation('GetObjectLegalHold', 'GET', 'object', getObjectLegalHold, {
    marks: ['legal-hold'],
    versionAction: 's3:GetObjectLegalHold',
    query: ['versionId'],
  }),
  defineOperation('PutObjectLegalHold', 'PUT', 'object', putObjectLegalHold, {
    marks: ['legal-hold'],
    versionAction: 's3:PutObjectLegalHold',
    query: ['versionId'],
    headers: CHECKSUMS,
  }),
]

/**
 * A right that AWS names after another operation is given as `action`. HeadObject needs the right to get the object,
 * and CopyObject the right to put its target; the handler checks the right to the source.
 */
export const OBJECT_OPERATIONS: readonly Operation[] = [
  PUT_OBJECT,
  formOf(PUT_OBJECT),
  defineOperation('CopyObject', 'PUT', 'object', copyObject, {
    markHeader: 'x-amz-copy-source',
    action: 's3:PutObject',
    headers: [
      ...COPY_SOURCE,
      ...SOURCE_KEY,
      ...STORED,
      ...ENCRYPTED,
      ...LOCKS,
      'x-amz-metadata-directive',
      'x-amz-tagging',
      'x-amz-tagging-directive',
      'x-amz-checksum-algorithm',
    ],
    conditions: WRITE_CONDITIONS,
    ignored: { 'x-amz-object-annotation-directive': 'no object has annotations' },
  }),
  // AWS's right is that of a session of a directory bucket; here it is that of a copy and a delete.
  defineOperation('RenameObject', 'PUT', 'object', renameObject, {
    marks: ['renameObject'],
    action: 's3:PutObject',
    headers: [
      'x-amz-client-token',
      'x-amz-rename-source',
      'x-amz-rename-source-if-match',
      'x-amz-rename-source-if-modified-since',
      'x-amz-rename-source-if-none-match',
      'x-amz-rename-source-if-unmodified-since',
    ],
    conditions: [...WRITE_CONDITIONS, 'if-modified-since', 'if-unmodified-since'],
  }),
  defineOperation('GetObject', 'GET', 'object', getObject, {
    versionAction: 's3:GetObjectVersion',
    query: [...OVERRIDES, 'partNumber', 'versionId'],
    headers: ['x-amz-checksum-mode', ...CUSTOMER_KEY],
    conditions: READ_CONDITIONS,
    misplaced: NO_ENCRYPTION,
  }),
  defineOperation('HeadObject', 'HEAD', 'object', headObject, {
    action: 's3:GetObject',
    versionAction: 's3:GetObjectVersion',
    query: [...OVERRIDES, 'partNumber', 'versionId'],
    headers: ['x-amz-checksum-mode', ...CUSTOMER_KEY],
    conditions: READ_CONDITIONS,
    misplaced: NO_ENCRYPTION,
  }),
  defineOperation('DeleteObject', 'DELETE', 'object', deleteObject, {
    versionAction: 's3:DeleteObjectVersion',
    query: ['versionId'],
    headers: [
      'x-amz-if-match-size',
      'x-amz-if-match-last-modified-time',
      'x-amz-bypass-governance-retention',
    ],
    conditions: ['if-match'],
  }),
  defineOperation('GetObjectAttributes', 'GET', 'object', getObjectAttributes, {
    marks: ['attributes'],
    versionAction: 's3:GetObjectVersionAttributes',
    query: ['versionId'],
    headers: [
      'x-amz-object-attributes',
      'x-amz-max-parts',
      'x-amz-part-number-marker',
      ...CUSTOMER_KEY,
    ],
  }),
  defineOperation('GetObjectAcl', 'GET', 'object', getObjectAcl, {
    marks: ['acl'],
    versionAction: 's3:GetObjectVersionAcl',
    query: ['versionId'],
  }),
  defineOperation('PutObjectAcl', 'PUT', 'object', putObjectAcl, {
    marks: ['acl'],
    versionAction: 's3:PutObjectVersionAcl',
    query: ['versionId'],
    headers: [...ACL_HEADERS, ...CHECKSUMS],
    audited: true,
  }),
  defineOperation('GetObjectTagging', 'GET', 'object', getObjectTagging, {
    marks: ['tagging'],
    versionAction: 's3:GetObjectVersionTagging',
    query: ['versionId'],
  }),
  defineOperation('PutObjectTagging', 'PUT', 'object', putObjectTagging, {
    marks: ['tagging'],
    versionAction: 's3:PutObjectVersionTagging',
    query: ['versionId'],
    headers: CHECKSUMS,
  }),
  defineOperation('DeleteObjectTagging', 'DELETE', 'object', deleteObjectTagging, {
    marks: ['tagging'],
    versionAction: 's3:DeleteObjectVersionTagging',
    query: ['versionId'],
  }),
  ...LOCK_OPERATIONS,
]

/** Everything that brings data to an upload, or completes it, needs the right to put the object. */
export const UPLOAD_OPERATIONS: readonly Operation[] = [
  defineOperation('CreateMultipartUpload', 'POST', 'object', createMultipartUpload, {
    marks: ['uploads'],
    action: 's3:PutObject',
    headers: [
      ...STORED,
      ...ENCRYPTED,
      'x-amz-tagging',
      ...LOCKS,
      'x-amz-checksum-algorithm',
      'x-amz-sdk-checksum-algorithm',
      'x-amz-checksum-type',
    ],
  }),
  defineOperation('UploadPart', 'PUT', 'object', uploadPart, {
    marks: ['partNumber', 'uploadId'],
    action: 's3:PutObject',
    headers: [...CHECKSUMS, ...CUSTOMER_KEY],
    misplaced: { ...NO_METADATA, ...NO_ENCRYPTION },
  }),
  defineOperation('UploadPartCopy', 'PUT', 'object', uploadPartCopy, {
    marks: ['partNumber', 'uploadId'],
    markHeader: 'x-amz-copy-source',
    action: 's3:PutObject',
    headers: [...COPY_SOURCE, ...SOURCE_KEY, ...CUSTOMER_KEY, 'x-amz-copy-source-range'],
    misplaced: { ...NO_METADATA, ...NO_ENCRYPTION },
  }),
  defineOperation('CompleteMultipartUpload', 'POST', 'object', completeMultipartUpload, {
    marks: ['uploadId'],
    action: 's3:PutObject',
    headers: [...CHECKSUMS, ...CUSTOMER_KEY, 'x-amz-checksum-type', 'x-amz-mp-object-size'],
    conditions: WRITE_CONDITIONS,
  }),
  defineOperation('AbortMultipartUpload', 'DELETE', 'object', abortMultipartUpload, {
    marks: ['uploadId'],
  }),
  defineOperation('ListParts', 'GET', 'object', listParts, {
    marks: ['uploadId'],
    action: 's3:ListMultipartUploadParts',
    query: ['max-parts', 'part-number-marker'],
    headers: CUSTOMER_KEY,
  }),
]
