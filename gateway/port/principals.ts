/** Which users and roles the ARNs in a policy name. This is looked up once, when the policy is stored. */

import type { ResolvedPrincipal } from '../../protocol/iam/principal.ts'
import type { RequestContext } from '../../protocol/context.ts'

/** The accounts with their users and roles. Linearizable. */
export interface PrincipalDirectory {
  /**
   * Unique ids ('AIDA…', 'AROA…', 'AROA…:session', the account's id of a root) by ARN. ARNs of what does not exist are
   * left out.
   */
  principalIds(
    context: RequestContext,
    arns: readonly string[],
  ): Promise<ReadonlyMap<string, string>>
  /**
   * Called when a policy of this account is known to be valid, before it is stored. Marks the principals of other
   * accounts as named by this account, so that later checks of their rights know about it.
   */
  markNamed(
    context: RequestContext,
    accountId: string,
    principals: readonly ResolvedPrincipal[],
  ): Promise<void>
  /** Current ARNs by id. Principals that no longer exist are left out. */
  principalArns(
    context: RequestContext,
    principals: readonly ResolvedPrincipal[],
  ): Promise<ReadonlyMap<string, string>>
}

/** The ARNs with their ids. Throws what `missing` returns for the first ARN that names no user or role. */
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
