/**
 * Sub-resources that clients probe, and operations of S3 that Shoal does not implement (501).
 *
 * Probes are calls that clients make for every bucket or object, without wanting to configure anything. They get the
 * answer of one that is not configured. Whatever would configure something is refused, because ignoring it would
 * change what the client asked for.
 */

import { upperCase } from '../../http/ascii.ts'
import type { Method, Operation } from '../operation.ts'
import { bucketHas, bucketLacks } from '../unconfigured.ts'
import { missing, probe, removal } from './define.ts'

/** Answered as S3 does when nothing is configured (s3/unconfigured.ts). */
export const PROBE_OPERATIONS: readonly Operation[] = [
  probe('GetBucketAbac', 'bucket', 'abac', bucketHas('AbacStatus', '<Status>Disabled</Status>')),
  probe(
    'GetBucketReplication',
    'bucket',
    'replication',
    bucketLacks('ReplicationConfigurationNotFoundError'),
    { action: 's3:GetReplicationConfiguration' },
  ),
  probe(
    'GetBucketAccelerateConfiguration',
    'bucket',
    'accelerate',
    bucketHas('AccelerateConfiguration'),
    { action: 's3:GetAccelerateConfiguration' },
  ),
  probe(
    'GetBucketRequestPayment',
    'bucket',
    'requestPayment',
    bucketHas('RequestPaymentConfiguration', '<Payer>BucketOwner</Payer>'),
  ),
  removal('DeleteBucketReplication', 'replication', 's3:PutReplicationConfiguration'),
]

/**
 * Refused with 501. The last argument is the right, where AWS does not name it after the operation. Families of
 * operations are written as loops.
 */
export const ABSENT_OPERATIONS: readonly Operation[] = [
  missing('CreateSession', 'GET', 'bucket', 'session'),
  missing('PutBucketReplication', 'PUT', 'bucket', 'replication', 's3:PutReplicationConfiguration'),
  missing(
    'PutBucketAccelerateConfiguration',
    'PUT',
    'bucket',
    'accelerate',
    's3:PutAccelerateConfiguration',
  ),
  missing('PutBucketRequestPayment', 'PUT', 'bucket', 'requestPayment'),
  ...['analytics', 'inventory', 'metrics', 'intelligent-tiering'].flatMap((mark) => {
    const words = mark.split('-').map((word) => upperCase(word.charAt(0)) + word.slice(1))
    const kind = `${words.join('')}Configuration`
    return [
      missing(`GetBucket${kind}`, 'GET', 'bucket', mark, `s3:Get${kind}`),
      missing(`PutBucket${kind}`, 'PUT', 'bucket', mark, `s3:Put${kind}`),
      missing(`DeleteBucket${kind}`, 'DELETE', 'bucket', mark, `s3:Put${kind}`),
    ]
  }),
  missing('PutBucketAbac', 'PUT', 'bucket', 'abac'),
  ...['metadataConfiguration', 'metadataTable'].flatMap((mark) => {
    const kind = mark === 'metadataTable' ? 'MetadataTableConfiguration' : 'MetadataConfiguration'
    const of = (verb: string, method: Method): Operation =>
      // Both generations of the API need the same rights.
      missing(
        `${verb}Bucket${kind}`,
        method,
        'bucket',
        mark,
        `s3:${verb}BucketMetadataTableConfiguration`,
      )
    return [of('Create', 'POST'), of('Get', 'GET'), of('Delete', 'DELETE')]
  }),
  ...['Annotation', 'Inventory', 'Journal'].map((kind) =>
    missing(
      `UpdateBucketMetadata${kind}TableConfiguration`,
      'PUT',
      'bucket',
      `metadata${kind}Table`,
    ),
  ),
  missing('GetObjectAnnotation', 'GET', 'object', 'annotation'),
  missing('PutObjectAnnotation', 'PUT', 'object', 'annotation'),
  missing('DeleteObjectAnnotation', 'DELETE', 'object', 'annotation'),
  missing('UpdateObjectEncryption', 'PUT', 'object', 'encryption'),
  missing('GetObjectTorrent', 'GET', 'object', 'torrent'),
  missing('RestoreObject', 'POST', 'object', 'restore'),
  missing('SelectObjectContent', 'POST', 'object', 'select', 's3:GetObject'),
]
