/** The policies of an account's buckets, for checks of what they give by name (node/iam/rights.ts). */

import { StoreError } from '../../protocol/errors.ts'
import type { Backend } from '../../gateway/port/backend.ts'
import type { BucketSettings } from '../../gateway/port/buckets.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { BucketPolicyText } from './surroundings.ts'
import { readAll } from './records.ts'

/**
 * The two questions to the buckets of this node's backend that are needed here
 * (node/objects/buckets.ts).
 */
export interface BucketSource {
  /** A page of an account's buckets, by name. */
  readonly list: Backend['listBuckets']
  /** Read linearizably. Throws StoreError NoSuchBucket. */
  readonly settings: Backend['getBucketSettings']
}

/** Buckets in one page of the list. */
const PAGE = 1_000

/**
 * The policies of the buckets that have one, as they are now, in the order of the buckets' names.
 * Reads the settings of every bucket of the account, READS_AT_ONCE at a time. Throws StoreError
 * Unavailable.
 */
export async function bucketPoliciesOf(
  buckets: BucketSource,
  context: RequestContext,
  accountId: string,
): Promise<BucketPolicyText[]> {
  const policies: BucketPolicyText[] = []
  let after: string | undefined
  do {
    const page = await buckets.list(context, {
      ownerAccount: accountId,
      prefix: '',
      after,
      limit: PAGE,
    })
    const names = page.buckets.map(({ name }) => name)
    const read = await readAll(names, (name) => settingsOf(buckets, context, name))
    for (const { policy, principals = [] } of read) {
      if (policy !== undefined) policies.push({ policy, principals })
    }
    after = page.next
  } while (after !== undefined)
  return policies
}

async function settingsOf(
  buckets: BucketSource,
  context: RequestContext,
  name: string,
): Promise<BucketSettings> {
  try {
    return await buckets.settings(context, name)
  } catch (error) {
    // The bucket was deleted after it was listed.
    if (error instanceof StoreError && error.code === 'NoSuchBucket') return {}
    throw error
  }
}
