/** Whom the ARNs of a policy mean: asked once, when the policy is stored. */

import type { ResolvedPrincipal } from '../protocol/iam/principal.ts'
import type { RequestContext } from './backend.ts'

/** The users and roles of all accounts. Linearizable. */
export interface PrincipalDirectory {
  /**
   * For a policy of this account: unique ids ('AIDA…', 'AROA…', 'AROA…:session') by ARN. An ARN that is nobody's does not
   * stand there. Those of other accounts are marked as named abroad.
   */
  principalIds(
    context: RequestContext,
    accountId: string,
    arns: readonly string[],
  ): Promise<ReadonlyMap<string, string>>
  /** Present ARNs by id; one that is gone does not stand there. */
  principalArns(
    context: RequestContext,
    principals: readonly ResolvedPrincipal[],
  ): Promise<ReadonlyMap<string, string>>
}

/** Those of the ARNs in a policy of this account with their ids. `missing` is thrown for the first one that is nobody's. */
export async function resolvePrincipals(
  directory: PrincipalDirectory,
  context: RequestContext,
  accountId: string,
  arns: readonly string[],
  missing: (arn: string) => Error,
): Promise<ResolvedPrincipal[]> {
  if (arns.length === 0) return []
  const ids = await directory.principalIds(context, accountId, arns)
  return arns.map((arn) => {
    const id = ids.get(arn)
    if (id === undefined) throw missing(arn)
    return { arn, id }
  })
}
