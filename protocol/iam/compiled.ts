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

/** The policies of one text, by kind and principals. Undefined when the text is not a policy. */
type Readings = Map<string, Policy | undefined>

/**
 * By text, the longest unused first. The text alone is the key, because it is the very string of the record: the engine
 * has its hash, while a key that is put together would be copied and hashed for each request.
 */
const cache = new Map<string, Readings>()
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
  const reading = readingOf(kind, principals)
  const readings: Readings = cache.get(text) ?? new Map()
  cache.delete(text)
  cache.set(text, readings)
  if (readings.has(reading)) return { name, policy: readings.get(reading) }
  const policy = policyOf(text, kind, principals)
  readings.set(reading, policy)
  cachedCharacters += text.length + reading.length
  dropUnused()
  return { name, policy }
}

/** Drops the texts that were not used for longest, until the rest may be kept. */
function dropUnused(): void {
  for (const [text, readings] of cache) {
    if (cachedCharacters <= CACHED_CHARACTERS_MAX) break
    cache.delete(text)
    for (const reading of readings.keys()) cachedCharacters -= text.length + reading.length
  }
  assert(
    cachedCharacters >= 0 && cachedCharacters <= CACHED_CHARACTERS_MAX,
    'the count of kept characters is right',
  )
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
    const isKnown = cache.get(text)?.has(readingOf(kind, principals)) === true
    meter.take(isKnown ? 16 + (text.length >> 3) : text.length * PARSING_STEPS)
    policies.push(compiledPolicy(name, text, kind, principals))
    if (meter.isDue()) yield
  }
  return policies
}

/** The same of one policy, where there may be none. */
export function* compilingPolicy(
  source: NamedText | undefined,
  meter: Meter,
): Work<CompiledPolicy | undefined> {
  return source && (yield* compilingPolicies([source], meter))[0]
}

/** The principals are part of it: the same text may mean others elsewhere. */
function readingOf(kind: PolicyKind, principals: readonly ResolvedPrincipal[]): string {
  return principals.length === 0 ? kind : kind + JSON.stringify(principals)
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
