/** The users, roles and accounts whose credentials a memory backend was given. */

import { entityIdOf } from '../../protocol/iam/principal.ts'
import type { Credential } from '../port/identity.ts'
import type { PrincipalDirectory } from '../port/principals.ts'

export function principalsOf(credentials: readonly Credential[]): PrincipalDirectory {
  const ids = new Map<string, string>()
  for (const { identity } of credentials) {
    const { accountId, principalArn, principalId, roleArn } = identity
    ids.set(`arn:aws:iam::${accountId}:root`, accountId)
    ids.set(principalArn, principalId)
    if (roleArn !== undefined) ids.set(roleArn, entityIdOf(principalId))
  }
  const arns = new Map([...ids].map(([arn, id]) => [id, arn]))
  return {
    principalIds: (_context, asked) => Promise.resolve(chosen(ids, asked)),
    // Nothing in memory reads these marks.
    markNamed: () => Promise.resolve(),
    principalArns: (_context, asked) =>
      Promise.resolve(
        chosen(
          arns,
          asked.map(({ id }) => id),
        ),
      ),
  }
}

function chosen(all: ReadonlyMap<string, string>, keys: readonly string[]): Map<string, string> {
  const some = new Map<string, string>()
  for (const key of keys) {
    const value = all.get(key)
    if (value !== undefined) some.set(key, value)
  }
  return some
}
