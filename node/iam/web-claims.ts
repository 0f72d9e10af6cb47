/**
 * What the token of an OIDC provider says, once its signature is verified. The token is someone else's document: each claim
 * that is used is checked for its type and its length, and all others are left alone.
 */

import { IamError } from '../../gateway/port/iam-backend.ts'
import type { ProviderRecord } from '../../protocol/iam/provider-record.ts'
import { SESSION_KEY_CHARACTERS_MAX, SKEW_MS } from './sessions.ts'

export interface WebClaims {
  /** The URL of the provider. */
  readonly issuer: string
  readonly subject: string
  /** The client id for which the token counts: the authorized party if it names one, else the audience. */
  readonly audience: string
  /** The audiences of a token that names an authorized party; else empty. */
  readonly originalAudiences: readonly string[]
  /** How the subject was authenticated (`amr`). */
  readonly methods: readonly string[]
}

/** The characters of all claims that become condition values, together: what a session has room for besides its keys. */
const CLAIM_CHARACTERS_MAX = SESSION_KEY_CHARACTERS_MAX / 2
const LIST_MAX = 32

/**
 * The claims of a token of this provider. A clock may be behind the provider's by a minute; the end of the token counts to
 * the second, as in AWS.
 *
 * @param text of a JSON object
 * @throws IamError InvalidIdentityToken, ExpiredTokenException
 */
export function readWebClaims(text: string, provider: ProviderRecord, nowMs: number): WebClaims {
  const claims = objectOf(text)
  if (claims['iss'] !== `https://${provider.name}`) throw invalidIdentityToken('Incorrect issuer')
  const subject = textClaim(claims, 'sub')
  const audiences = textsClaim(claims, 'aud')
  const party = claims['azp'] === undefined ? undefined : textClaim(claims, 'azp')
  const methods = claims['amr'] === undefined ? [] : textsClaim(claims, 'amr')
  const all = [subject, ...audiences, ...audiences, party ?? '', party ?? '', ...methods]
  if (all.reduce((sum, each) => sum + each.length, 0) > CLAIM_CHARACTERS_MAX) {
    throw invalidIdentityToken('The claims of the ID Token are too long')
  }
  checkTimes(claims, nowMs)
  const candidates = party === undefined ? audiences : [party]
  const audience = candidates.find((each) => provider.clientIds.includes(each))
  if (audience === undefined) throw invalidIdentityToken('Incorrect token audience')
  const originalAudiences = party === undefined ? [] : audiences
  return { issuer: `https://${provider.name}`, subject, audience, originalAudiences, methods }
}

/** The provider's token cannot be taken. AWS's text says why. */
export function invalidIdentityToken(message: string): IamError {
  return new IamError('InvalidIdentityToken', 400, message)
}

function checkTimes(claims: Readonly<Record<string, unknown>>, nowMs: number): void {
  const expiresMs = secondsClaim(claims, 'exp') * 1_000
  const issuedMs = secondsClaim(claims, 'iat') * 1_000
  if (nowMs >= expiresMs) {
    throw new IamError(
      'ExpiredTokenException',
      400,
      `Token expired: current date/time ${Math.floor(nowMs / 1000)} must be before the expiration date/time ${Math.floor(expiresMs / 1000)}`,
    )
  }
  const startsMs = claims['nbf'] === undefined ? issuedMs : secondsClaim(claims, 'nbf') * 1_000
  if (Math.max(issuedMs, startsMs) > nowMs + SKEW_MS) {
    throw invalidIdentityToken('The ID Token is not valid yet')
  }
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidIdentityToken('The claims of the ID Token are no JSON object')
  }
  // Claims that the token does not have must not be found in a prototype.
  return Object.assign(Object.create(null) as Record<string, unknown>, value)
}

function textClaim(claims: Readonly<Record<string, unknown>>, name: string): string {
  const value = claims[name]
  if (value === undefined) throw invalidIdentityToken(`Missing a required claim: ${name}`)
  if (typeof value === 'string' && value !== '') return value
  throw invalidIdentityToken(`The claim ${name} is not a text`)
}

/** A text, or a list of texts. */
function textsClaim(claims: Readonly<Record<string, unknown>>, name: string): string[] {
  const value = claims[name]
  if (!Array.isArray(value)) return [textClaim(claims, name)]
  const isList = value.length > 0 && value.length <= LIST_MAX
  if (isList && value.every((each) => typeof each === 'string' && each !== '')) {
    return value as string[]
  }
  throw invalidIdentityToken(`The claim ${name} is not a list of texts`)
}

function secondsClaim(claims: Readonly<Record<string, unknown>>, name: string): number {
  const value = claims[name]
  if (value === undefined) throw invalidIdentityToken(`Missing a required claim: ${name}`)
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw invalidIdentityToken(`The claim ${name} is not a number`)
}
