/** Whom the ARNs of a policy mean: asked once, when the policy is stored. */

import type { ResolvedPrincipal } from '../protocol/iam/principal.ts'
import type { PrincipalDirectory, RequestContext } from './backend.ts'

/** Those of the ARNs with their ids. `missing` is thrown for the first one that is nobody's. */
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
