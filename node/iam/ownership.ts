/**
 * A policy gives rights over an entity by its ARN. Under another name or path, other principals may get rights over
 * the entity, or it may escape a Deny. So only callers that have every right over it may rename it (F31).
 */

import type { IamCall } from '../../gateway/port/iam-backend.ts'
import { IAM_ACTIONS } from '../../gateway/iam/operations.ts'
import { DECISION_STEPS_MAX } from '../../protocol/iam/decide.ts'
import { Meter, type Work } from '../../protocol/work.ts'
import { accessDenied } from './errors.ts'
import { decidingFor } from './subject.ts'

/**
 * Called before a rename of a user or group. Throws IamError AccessDenied, naming an action that the
 * caller may not do on `arn`, unless it may do all that exist for this kind.
 */
export async function mustOwn(call: IamCall, kind: 'user' | 'group', arn: string): Promise<void> {
  const missing = await call.inTurns(findingMissing(call, kind, arn))
  if (missing === undefined) return
  throw accessDenied(
    `User: ${call.caller.principalArn} is not authorized to perform: iam:${call.action} on resource: ${arn} because under another name it would fall to those who have ${missing}, which the caller does not have`,
  )
}

/**
 * The first action on the entity that the caller may not do; undefined when it may do them all. One
 * meter for all questions, so the work has one bound.
 */
function* findingMissing(
  { caller, conditions }: IamCall,
  kind: 'user' | 'group',
  arn: string,
): Work<string | undefined> {
  const meter = new Meter(DECISION_STEPS_MAX)
  for (const action of actionsOn(kind)) {
    const question = { resourceAccount: caller.accountId, action, resource: arn }
    const decision = yield* decidingFor(caller, { ...question, context: conditions }, meter)
    if (!decision.allowed) return action
  }
  return undefined
}

/** All actions of the table of operations whose resource is a user, or a group. */
function actionsOn(kind: 'user' | 'group'): string[] {
  return [...IAM_ACTIONS.values()]
    .filter(({ resources }) => resources.some((rule) => rule.of === 'entity' && rule.kind === kind))
    .map(({ action }) => action)
}
