/**
 * The table of S3 operations: how a request selects an operation, what it may carry, which right it needs, and its
 * handler. The router, the gate, `GET /?capabilities` and docs/s3-compatibility.md use it.
 *
 * Parameters and headers that AWS documents for an operation and its entry does not understand are refused with 501.
 * All others are ignored (support.ts; docs/s3-compatibility.md, rule 1).
 */

import { capabilitiesResponse } from './compatibility.ts'
import { QUERY_OPERATIONS } from '../iam/table.ts'
import type { Operation } from '../s3/operation.ts'
import { listBuckets } from '../s3/bucket.ts'
import { BUCKET_OPERATIONS, SETTING_OPERATIONS } from '../s3/table/buckets.ts'
import { OBJECT_OPERATIONS, UPLOAD_OPERATIONS } from '../s3/table/objects.ts'
import { defineOperation } from '../s3/table/define.ts'
import { ABSENT_OPERATIONS, PROBE_OPERATIONS } from '../s3/table/unconfigured.ts'

const SERVICE_OPERATIONS: readonly Operation[] = [
  defineOperation('ListBuckets', 'GET', 'service', listBuckets, {
    action: 's3:ListAllMyBuckets',
    query: ['max-buckets', 'continuation-token', 'prefix', 'bucket-region'],
  }),
  // Shoal's own: which operations of S3 are implemented.
  defineOperation(
    'GetCapabilities',
    'GET',
    'service',
    (call) => Promise.resolve(capabilitiesResponse(OPERATIONS, QUERY_OPERATIONS, call.sigv2)),
    {
      marks: ['capabilities'],
    },
  ),
]

/** All operations of S3, including those that Shoal does not implement. */
export const OPERATIONS: readonly Operation[] = [
  ...SERVICE_OPERATIONS,
  ...BUCKET_OPERATIONS,
  ...SETTING_OPERATIONS,
  ...OBJECT_OPERATIONS,
  ...UPLOAD_OPERATIONS,
  ...PROBE_OPERATIONS,
  ...ABSENT_OPERATIONS,
]
