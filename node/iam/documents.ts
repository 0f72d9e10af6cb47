/**
 * Policy documents as clients give them and get them back: what is checked when one is stored, AWS's
 * limits of size, and the encoding in answers. Called by the modules of actions that take a document.
 */

import {
  MalformedPolicyError,
  parsePolicy,
  unknownOperator,
  type Policy,
  type PolicyKind,
} from '../../protocol/iam/policy.ts'
import { limitExceeded, malformedPolicy } from './errors.ts'

/** AWS's limit for one version of a managed policy, in characters without white space. */
export const MANAGED_POLICY_CHARACTERS = 6_144
/** AWS's limit for the trust policy of a role. */
export const TRUST_POLICY_CHARACTERS = 4_096
/** Limits for all inline policies of one holder together. */
export const INLINE_POLICY_CHARACTERS = { user: 2_048, group: 5_120, role: 10_240 } as const

/**
 * Parses a document that a caller wants to store. Throws IamError MalformedPolicyDocument with the
 * place of the error, and for a condition operator that Shoal can't decide.
 */
export function checkDocument(text: string, kind: PolicyKind): Policy {
  let policy: Policy
  try {
    policy = parsePolicy(text, kind)
  } catch (error) {
    if (error instanceof MalformedPolicyError) throw malformedPolicy(error.message)
    throw error
  }
  // A policy that cannot be decided would only ever deny: say so now instead of letting the user find out later.
  const unknown = unknownOperator(policy)
  if (unknown !== undefined) throw malformedPolicy(`${unknown} is not a condition operator`)
  return policy
}

/** How many characters AWS counts: white space is free. */
export function countedCharacters(text: string): number {
  return text.replace(/\s/g, '').length
}

/**
 * Throws IamError LimitExceeded when the texts together have more than `max` characters that count.
 * `what` is AWS's name of the limit.
 */
export function checkSize(what: string, texts: readonly string[], max: number): void {
  const size = texts.reduce((sum, text) => sum + countedCharacters(text), 0)
  if (size > max) throw limitExceeded(`Cannot exceed quota for ${what}: ${max}`)
}

/** The document as AWS returns it: URL-encoded by RFC 3986, so with `!'()*` encoded too. */
export function encodedDocument(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
