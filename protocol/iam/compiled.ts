/** Policies are kept as text and asked often: parsed once, bounded by the text that is kept. */

import type { CompiledPolicy } from './decide.ts'
import { parsePolicy, type Policy, type PolicyKind } from './policy.ts'

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
): CompiledPolicy {
  const known = cache[kind]
  if (known.has(text)) return { name, policy: known.get(text) }
  let policy: Policy | undefined
  try {
    policy = parsePolicy(text, kind)
  } catch {
    policy = undefined
  }
  if (cachedCharacters + text.length > CACHED_CHARACTERS_MAX) {
    for (const each of Object.values(cache)) each.clear()
    cachedCharacters = 0
  }
  known.set(text, policy)
  cachedCharacters += text.length
  return { name, policy }
}
