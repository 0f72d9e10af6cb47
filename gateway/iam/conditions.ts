/** Condition keys that an action of IAM has besides those of every request: what it names, and what its entity has. */

import type { JudgedEntity, QueryRecord } from '../port/iam-backend.ts'

/** Actions whose right may depend on the permissions boundary of the user or role, as AWS lists them. */
const BOUNDED =
  /^(Create(User|Role)|(Put|Delete|Attach|Detach)(User|Role)(Policy|PermissionsBoundary))$/

/**
 * Values by lower-case key. `entity` is what the action is about, if that exists. The boundary is the one that the request
 * gives, otherwise the one that the entity has.
 */
export function actionConditions(
  action: string,
  parameters: QueryRecord,
  entity: JudgedEntity | undefined,
): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, readonly string[]>()
  const { PolicyArn: policy, PermissionsBoundary: given } = parameters
  if (/^(Attach|Detach)/.test(action) && typeof policy === 'string') {
    values.set('iam:policyarn', [policy])
  }
  const boundary = typeof given === 'string' ? given : entity?.boundary
  if (BOUNDED.test(action) && boundary !== undefined) {
    values.set('iam:permissionsboundary', [boundary])
  }
  return values
}
