/** Whom the ARNs of a policy mean: asked once, when the policy is stored. */

import type { ResolvedPrincipal } from '../../protocol/iam/principal.ts'
import type { RequestContext } from '../../protocol/context.ts'

/** The users and roles of all accounts. Linearizable. */
export interface PrincipalDirectory {
  /**
   * Unique ids ('AIDA…', 'AROA…', 'AROA…:session') by ARN. An ARN that is nobody's does not stand there.
   */
  principalIds(
    context: RequestContext,
    arns: readonly string[],
  ): Promise<ReadonlyMap<string, string>>
  /**
   * Called once a policy of this account is known to be good, and before it is stored: marks those of other accounts
   * as named abroad, so that whoever looks afterwards knows.
   */
  markNamed(
    context: RequestContext,
    accountId: string,
    principals: readonly ResolvedPrincipal[],
  ): Promise<void>
  /** Present ARNs by id; one that is gone does not stand there. */
  principalArns(
    context: RequestContext,
    principals: readonly ResolvedPrincipal[],
  ): Promise<ReadonlyMap<string, string>>
}

/** Those of the ARNs in a policy with their ids. `missing` is thrown for the first one that is nobody's. */
export async function resolvePrincipals(
  directory: PrincipalDirectory,
  context: RequestContext,
  arns: readonly string[],
  missing: (arn: string) => Error,
): Promise<ResolvedPrincipal[]> {
  if (arns.length === 0) return []
  const ids = await directory.principalIds(context, arns)
  return arns.map((arn) => {
    const id = ids.get(arn)
    if (id === undefined) throw missing(arn)
    return { arn, id }
  })
}
