/**
 * One action of IAM or STS on its way to the core. The values of its conditions are looked up before it leaves, because the core
 * does not have the request. Its work that takes turns does so in the core.
 *
 * Nothing here grows without a bound of its own: a form has at most 256 KiB, policies and pages of results have AWS's limits.
 */

import type { RequestContext } from '../../protocol/context.ts'
import { CONDITION_KEYS } from '../../protocol/iam/condition-keys.ts'
import type { ContextValues } from '../../protocol/iam/template.ts'
import type { Work } from '../../protocol/work.ts'
import type { Identity } from '../port/identity.ts'
import type { IamCall, IamResult, QueryRecord, QueryValue } from '../port/iam-backend.ts'
import type { InTurns } from '../port/in-turns.ts'

/** A call without what stays in its thread. */
export type PlainIamCall = Omit<IamCall, 'context' | 'inTurns' | 'conditions'> & {
  readonly conditions: ReadonlyMap<string, readonly string[]>
}

export type IamRun = (context: RequestContext, call: PlainIamCall) => Promise<IamResult>

/** In the thread. */
export function plainCall({
  caller,
  action,
  parameters,
  nowMs,
  conditions,
}: IamCall): PlainIamCall {
  return { caller, action, parameters, nowMs, conditions: valuesOf(conditions, caller) }
}

/** In the core. `inTurns` is that of the core. */
export function servedCall(
  context: RequestContext,
  plain: PlainIamCall,
  inTurns: InTurns,
): IamCall {
  return {
    ...plain,
    context,
    parameters: ownRecord(plain.parameters),
    inTurns: (work) => inTurns(untilAborted(work, context.signal)),
  }
}

/** No request has a value for any other key. */
function valuesOf(conditions: ContextValues, { keys }: Identity): Map<string, readonly string[]> {
  const values = new Map<string, readonly string[]>()
  for (const key of [...CONDITION_KEYS, ...(keys?.keys() ?? [])]) {
    const found = conditions.get(key)
    if (found !== undefined) values.set(key, found)
  }
  return values
}

/** Structured clone gives records a prototype. Names that clients choose must not meet its members (F28). */
function ownRecord(record: QueryRecord): QueryRecord {
  const own = Object.create(null) as Record<string, QueryValue>
  for (const [name, value] of Object.entries(record)) own[name] = ownValue(value)
  return own
}

function ownValue(value: QueryValue): QueryValue {
  if (typeof value === 'string') return value
  return Array.isArray(value)
    ? (value as readonly QueryValue[]).map((each) => ownValue(each))
    : ownRecord(value as QueryRecord)
}

/** Ends with the reason of the signal, at its next slice. */
function* untilAborted<T>(work: Work<T>, signal: AbortSignal): Work<T> {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
    yield
    signal.throwIfAborted()
  }
}
