/**
 * The one table of S3 operations: which request is which, what it may carry, which right it wants, who
 * answers. The router, the gate, `GET /?capabilities` and docs/s3-compatibility.md all come from it.
 *
 * What AWS documents for an operation and its row does not understand is refused with 501; what AWS does not
 * document for it is ignored (support.ts; docs/s3-compatibility.md, rule 1).
 */

import { capabilitiesResponse } from './compatibility.ts'
import { QUERY_ROWS } from '../iam/table.ts'
import type { Operation } from '../s3/operation.ts'
import { listBuckets } from '../s3/bucket.ts'
import { BUCKET_OPERATIONS, SETTING_OPERATIONS } from '../s3/table/buckets.ts'
import { OBJECT_OPERATIONS, UPLOAD_OPERATIONS } from '../s3/table/objects.ts'
import { row } from '../s3/table/row.ts'
import { ABSENT_OPERATIONS, PROBE_OPERATIONS } from '../s3/table/unconfigured.ts'

const SERVICE_OPERATIONS: readonly Operation[] = [
  row('ListBuckets', 'GET', 'service', listBuckets, {
    action: 's3:ListAllMyBuckets',
    query: ['max-buckets', 'continuation-token', 'prefix', 'bucket-region'],
  }),
  // Shoal's own: what of S3 is there.
  row(
    'GetCapabilities',
    'GET',
    'service',
    (call) => Promise.resolve(capabilitiesResponse(OPERATIONS, QUERY_ROWS, call.sigv2)),
    {
      marks: ['capabilities'],
    },
  ),
]

export const OPERATIONS: readonly Operation[] = [
  ...SERVICE_OPERATIONS,
  ...BUCKET_OPERATIONS,
  ...SETTING_OPERATIONS,
  ...OBJECT_OPERATIONS,
  ...UPLOAD_OPERATIONS,
  ...PROBE_OPERATIONS,
  ...ABSENT_OPERATIONS,
]
