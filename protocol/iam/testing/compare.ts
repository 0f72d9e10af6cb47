/** Generated cases, each decided twice: by decide.ts and by the oracle. For tests only. */

import { decide, type Decision } from '../decide.ts'
import { oracle } from './oracle.ts'
import { questionOf, randomCases, randomOf, rawQuestionOf, type Case } from './cases.ts'

export interface Comparison {
  /** The first case on which the two differ. */
  readonly differing: { readonly raw: Case; readonly decision: Decision } | undefined
  /** Decisions by kind and source. */
  readonly counts: ReadonlyMap<string, number>
}

const KINDS = { 'explicit-deny': 'deny', allow: 'allow', 'default-deny': 'none' } as const

/** Cases for each draw of policies. */
const REQUESTS = 4

export function compareCases(cases: number, seed: number): Comparison {
  const random = randomOf(seed)
  const counts = new Map<string, number>()
  for (let done = 0; done < cases; done += REQUESTS) {
    for (const raw of randomCases(random, REQUESTS)) {
      const decision = decide(questionOf(raw))
      const { kind, source, allowed } = decision
      if (KINDS[kind] !== oracle(rawQuestionOf(raw)) || allowed !== (kind === 'allow')) {
        return { differing: { raw, decision }, counts }
      }
      const name = `${kind}, ${source}`
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
  }
  return { differing: undefined, counts }
}
