/**
 * The condition keys that policies ask for, in conditions and as variables: GetContextKeysForCustomPolicy and
 * GetContextKeysForPrincipalPolicy. Each key is given once, as the first policy writes it.
 */

import type { PolicyText } from '../../gateway/port/identity.ts'
import type { IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import { PARSING_STEPS } from '../../protocol/iam/compiled.ts'
import { DECISION_STEPS_MAX } from '../../protocol/iam/decide.ts'
import { BudgetError, Meter, type Work } from '../../protocol/work.ts'
import { invalidInput } from './errors.ts'
import { requiredText, textsOf } from './parameters.ts'
import { policySource, type PolicySourceOptions } from './policy-source.ts'
import type { IamActions } from './service.ts'
import { checkedInput } from './simulate.ts'

/** `${aws:username}`, also with a default behind it. `${*}`, `${?}` and `${$}` are characters. */
const VARIABLE = /\$\{([^*?$,}][^,}]*)/g

/** Answers the two actions. They read only. */
export function contextKeyActions(options: PolicySourceOptions): IamActions {
  return {
    GetContextKeysForCustomPolicy: (call) => answer(call, []),
    GetContextKeysForPrincipalPolicy: async (call) => {
      const { policies } = await policySource(call, options, requiredText(call, 'PolicySourceArn'))
      return answer(call, policies)
    },
  }
}

async function answer(call: IamCall, held: readonly PolicyText[]): Promise<IamResult> {
  const given = textsOf(call, 'PolicyInputList').map((text, at) => ({
    name: `PolicyInputList.${at + 1}`,
    text,
  }))
  return call.inTurns(gathering(given, held))
}

/** Throws IamError InvalidInput for a given policy that is malformed, and when all are too long together. */
function* gathering(given: readonly PolicyText[], held: readonly PolicyText[]): Work<IamResult> {
  const meter = new Meter(DECISION_STEPS_MAX)
  const names = new Map<string, string>()
  try {
    for (const { name, text } of given) {
      meter.take(text.length * PARSING_STEPS)
      checkedInput(name, text, 'identity')
      if (meter.isDue()) yield
    }
    for (const { text } of [...given, ...held]) {
      meter.take(text.length * PARSING_STEPS)
      for (const key of keysIn(JSON.parse(text))) {
        if (!names.has(key.toLowerCase())) names.set(key.toLowerCase(), key)
      }
      if (meter.isDue()) yield
    }
  } catch (error) {
    if (!(error instanceof BudgetError)) throw error
    throw invalidInput('Invalid Input: the policies take too long to read.')
  }
  return { ContextKeyNames: [...names.values()] }
}

/** The keys of a policy that parses. */
function keysIn(document: unknown): string[] {
  const { Version, Statement } = document as { Version?: unknown; Statement: unknown }
  // In the older version `${` is literal text.
  const hasVariables = Version === '2012-10-17'
  return [Statement].flat().flatMap((statement) => {
    const { Condition, Resource, NotResource } = statement as Readonly<Record<string, unknown>>
    const conditions = Object.values((Condition ?? {}) as Readonly<Record<string, object>>)
    const keys = conditions.flatMap((operator) => Object.keys(operator))
    if (!hasVariables) return keys
    const values = conditions.flatMap((operator) => Object.values(operator) as unknown[])
    const texts = [Resource, NotResource, values].flat(3).filter((each) => typeof each === 'string')
    const variables = texts.flatMap((text) => [...text.matchAll(VARIABLE)].map(([, key]) => key))
    return [...keys, ...variables.map((key = '') => key.trim())]
  })
}
