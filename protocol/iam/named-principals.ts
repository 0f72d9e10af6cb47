/**
 * The users, roles and sessions that a policy's text names: which of them have to be resolved when it is
 * stored, and how the text is shown when some of them have another name by then.
 */

import type { Policy } from './policy.ts'
import type { ResolvedPrincipal } from './principal.ts'

/** ARNs in the policy whose ids are not known, each once. */
export function unresolvedPrincipals({ statements }: Policy): string[] {
  return [...new Set(statements.flatMap(({ principals }) => [...(principals?.unresolved ?? [])]))]
}

/**
 * The text with the present ARN of each principal, and with the id of one that is gone, as AWS shows it. The
 * very text that was given, unless something has changed.
 *
 * @param present ARNs by id
 */
export function shownPolicy(
  text: string,
  principals: readonly ResolvedPrincipal[],
  present: ReadonlyMap<string, string>,
): string {
  const renamed = new Map<string, string>()
  for (const { arn, id } of principals) {
    const now = present.get(id) ?? id
    if (now !== arn) renamed.set(arn, now)
  }
  if (renamed.size === 0) return text
  const document = JSON.parse(text) as { Statement: RawStatement | RawStatement[] }
  const statements = Array.isArray(document.Statement) ? document.Statement : [document.Statement]
  for (const statement of statements) {
    for (const element of ['Principal', 'NotPrincipal'] as const) {
      const named = statement[element]
      if (typeof named !== 'object' || named.AWS === undefined) continue
      const show = (arn: string): string => renamed.get(arn) ?? arn
      named.AWS = Array.isArray(named.AWS) ? named.AWS.map(show) : show(named.AWS)
    }
  }
  return JSON.stringify(document)
}

interface RawStatement {
  Principal?: RawPrincipal
  NotPrincipal?: RawPrincipal
}

type RawPrincipal = string | { AWS?: string | string[] }
