/** Policies are kept as text and asked often: parsed once, bounded by the text that is kept. */

import { assert } from '../assert.ts'
import type { Meter, Work } from '../work.ts'
import type { CompiledPolicy } from './decide.ts'
import { parsePolicy, type Policy, type PolicyKind } from './policy.ts'
import type { ResolvedPrincipal } from './principal.ts'

/** A policy as it is kept: JSON, under the name that explanations use. */
export interface NamedText {
  readonly name: string
  readonly text: string
  /** Whom the ARNs in it mean, where that was resolved when it was written. */
  readonly principals?: readonly ResolvedPrincipal[] | undefined
}

/** Compiled policies take some fifty times as many bytes, at worst a hundred. */
const CACHED_CHARACTERS_MAX = 512 * 1024
/** What parsing a character costs, at worst. */
export const PARSING_STEPS = 64

/** By kind and text, the longest unused first. Undefined when the text is not a policy. */
const cache = new Map<string, Policy | undefined>()
let cachedCharacters = 0

/**
 * The policy from the cache, or parsed now, without interruption. `policy` is undefined when the text
 * is none: it then denies all (decide.ts). Never throws.
 */
export function compiledPolicy(
  name: string,
  text: string,
  kind: PolicyKind = 'identity',
  principals: readonly ResolvedPrincipal[] = [],
): CompiledPolicy {
  const key = keyOf(kind, text, principals)
  if (cache.has(key)) {
    const policy = cache.get(key)
    cache.delete(key)
    cache.set(key, policy)
    return { name, policy }
  }
  const policy = policyOf(text, kind, principals)
  cache.set(key, policy)
  cachedCharacters += key.length
  for (const oldest of cache.keys()) {
    if (cachedCharacters <= CACHED_CHARACTERS_MAX) break
    cache.delete(oldest)
    cachedCharacters -= oldest.length
  }
  assert(
    cachedCharacters >= 0 && cachedCharacters <= CACHED_CHARACTERS_MAX,
    'the count of kept characters is right',
  )
  return { name, policy }
}

/**
 * All of them, in order. Those that are not known yet are parsed in slices, and their cost is taken
 * from the meter. Throws BudgetError.
 */
export function* compilingPolicies(
  sources: readonly NamedText[],
  meter: Meter,
  kind: PolicyKind = 'identity',
): Work<CompiledPolicy[]> {
  const policies: CompiledPolicy[] = []
  for (const { name, text, principals = [] } of sources) {
    const isKnown = cache.has(keyOf(kind, text, principals))
    meter.take(isKnown ? 16 + (text.length >> 3) : text.length * PARSING_STEPS)
    policies.push(compiledPolicy(name, text, kind, principals))
    if (meter.isDue()) yield
  }
  return policies
}

/** The principals are part of the key: the same text may mean others elsewhere. */
function keyOf(kind: PolicyKind, text: string, principals: readonly ResolvedPrincipal[]): string {
  return principals.length === 0 ? kind + text : kind + text + JSON.stringify(principals)
}

function policyOf(
  text: string,
  kind: PolicyKind,
  principals: readonly ResolvedPrincipal[],
): Policy | undefined {
  try {
    return parsePolicy(text, kind, principals)
  } catch {
    return undefined
  }
}
