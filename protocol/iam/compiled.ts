/** Policies are kept as text and asked often: parsed once, bounded by the text that is kept. */

import type { CompiledPolicy } from './decide.ts'
import { parsePolicy, type Policy, type PolicyKind } from './policy.ts'
import type { ResolvedPrincipal } from './principal.ts'

/** Parsed policies take some ten times as many bytes. */
const CACHED_CHARACTERS_MAX = 2 * 1024 * 1024

const cache: Record<PolicyKind, Map<string, Policy | undefined>> = {
  identity: new Map(),
  resource: new Map(),
  trust: new Map(),
}
let cachedCharacters = 0

/** `policy` is undefined when the text is none: it then denies all (decide.ts). */
export function compiledPolicy(
  name: string,
  text: string,
  kind: PolicyKind = 'identity',
  principals: readonly ResolvedPrincipal[] = [],
): CompiledPolicy {
  const known = cache[kind]
  const key = principals.length === 0 ? text : JSON.stringify([text, principals])
  if (known.has(key)) return { name, policy: known.get(key) }
  let policy: Policy | undefined
  try {
    policy = parsePolicy(text, kind, principals)
  } catch {
    policy = undefined
  }
  if (cachedCharacters + key.length > CACHED_CHARACTERS_MAX) {
    for (const each of Object.values(cache)) each.clear()
    cachedCharacters = 0
  }
  known.set(key, policy)
  cachedCharacters += key.length
  return { name, policy }
}
