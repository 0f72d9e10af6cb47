/** JWTs of OIDC providers by jose, checked with the public keys that the operator has given. */

import {
  compactVerify,
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type CryptoKey,
  type JSONWebKeySet,
} from 'jose'
import { utf8Text } from '../../protocol/bytes.ts'
import type { VerifiedWebToken, WebTokens } from './ports.ts'

/** Signatures by private keys only: a public key must never be used as a secret, and `none` is no signature. */
const ALGORITHMS = ['RS', 'PS', 'ES'].flatMap((kind) =>
  ['256', '384', '512'].map((bits) => kind + bits),
)
/** Keys that are tried for a token which does not name its own. */
const TRIED_MAX = 8

type KeySet = ReturnType<typeof createLocalJWKSet>

/** The keys of an issuer, of the form of RFC 7517. */
export type IssuerKeys = ReadonlyMap<string, JSONWebKeySet>

export class JoseWebTokens implements WebTokens {
  readonly #keys: () => IssuerKeys
  /** Made once for each set of keys, so that a key is imported once. */
  readonly #sets = new WeakMap<JSONWebKeySet, KeySet>()

  /** @param keys by the URL of the issuer, as they are now */
  constructor(keys: () => IssuerKeys) {
    this.#keys = keys
  }

  issuerOf(token: string): string | undefined {
    try {
      const { alg } = decodeProtectedHeader(token)
      if (alg === undefined || !ALGORITHMS.includes(alg)) return undefined
      const { iss } = decodeJwt(token)
      return typeof iss === 'string' ? iss : undefined
    } catch {
      return undefined
    }
  }

  async verify(issuer: string, token: string): Promise<VerifiedWebToken> {
    const keys = this.#keys().get(issuer)
    if (keys === undefined) return { lacks: 'keys' }
    const set = this.#sets.get(keys) ?? createLocalJWKSet(keys)
    this.#sets.set(keys, set)
    try {
      return await verifiedBy(token, set)
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return lackOf(error)
      return verifiedByAny(token, error)
    }
  }
}

async function verifiedBy(token: string, key: KeySet | CryptoKey): Promise<VerifiedWebToken> {
  const options = { algorithms: ALGORITHMS }
  const { payload } = await (typeof key === 'function'
    ? compactVerify(token, key, options)
    : compactVerify(token, key, options))
  return { claims: utf8Text(payload) }
}

/** Several keys fit, because the token names none: one of them must have signed it. */
async function verifiedByAny(
  token: string,
  fitting: AsyncIterable<CryptoKey>,
): Promise<VerifiedWebToken> {
  let tried = 0
  try {
    for await (const key of fitting) {
      try {
        return await verifiedBy(token, key)
      } catch (error) {
        const lack = lackOf(error)
        if (++tried === TRIED_MAX) return lack
      }
    }
  } catch (error) {
    return lackOf(error)
  }
  return { lacks: 'signature' }
}

/** Throws what is not about the token or the keys. */
function lackOf(error: unknown): VerifiedWebToken {
  if (error instanceof errors.JWKSNoMatchingKey) return { lacks: 'key' }
  const isRefusal =
    error instanceof errors.JOSEError || error instanceof TypeError || error instanceof DOMException
  if (isRefusal) return { lacks: 'signature' }
  throw error
}
