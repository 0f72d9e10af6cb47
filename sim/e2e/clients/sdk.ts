/** AWS SDK for JavaScript v3, one client for each gateway. */

import type { S3Client } from '@aws-sdk/client-s3'
import type { Context, Suite } from '../suite.ts'
import { bucketSteps } from './sdk/buckets.ts'
import { sdkClient } from './sdk/common.ts'
import { conditionSteps } from './sdk/conditions.ts'
import { listingSteps } from './sdk/listing.ts'
import { multipartSteps } from './sdk/multipart.ts'
import { objectSteps } from './sdk/objects.ts'

async function runSuite(context: Context): Promise<void> {
  const clients = context.endpoints.map((_, index) => sdkClient(context, index))
  let turn = 0
  const next = (): S3Client => {
    const client = clients[turn++ % clients.length]
    if (client === undefined) throw new Error('no endpoint')
    return client
  }
  try {
    await bucketSteps(context, next)
    await objectSteps(context, next)
    await conditionSteps(context, next)
    await listingSteps(context, next)
    await multipartSteps(context, next)
  } finally {
    for (const client of clients) client.destroy()
  }
}

export const sdk: Suite = { name: 'sdk', run: runSuite }
