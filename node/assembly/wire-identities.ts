/** Wires accounts, users and keys of this cluster. */

import { BUCKETS_PER_ACCOUNT } from '../../protocol/limits.ts'
import { bucketPoliciesOf } from '../iam/bucket-policies.ts'
import { Identities } from '../iam/identities.ts'
import type { Buckets } from '../objects/buckets.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import type { NodeBase } from './node-base.ts'
import { clusterOf } from './node-options.ts'

/** Builds the IAM role. It needs registers, and the buckets for their policies. */
export function wireIdentities(
  base: NodeBase,
  registers: RegisterClient,
  buckets: Buckets,
): Identities {
  const { layout, view, options } = base
  const { clock, random, network, tokens, webTokens } = base.env
  return new Identities({
    registers,
    keyspace: () => view().genesis,
    bucketsPerAccount: options.bucketsPerAccount ?? BUCKETS_PER_ACCOUNT,
    bucketPolicies: (context, accountId) => bucketPoliciesOf(buckets, context, accountId),
    clock,
    random,
    network,
    tokens,
    webTokens,
    cluster: () => clusterOf(view(), layout.secrets),
  })
}
