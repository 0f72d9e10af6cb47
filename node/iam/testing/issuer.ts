/** An OIDC provider of tests: a key of its own, and tokens that it signs. */

import { CompactSign, exportJWK, generateKeyPair, type CryptoKey, type JSONWebKeySet } from 'jose'
import { utf8 } from '../../../protocol/bytes.ts'

export class TestIssuer {
  readonly url: string
  /** What the operator of a cluster is given. */
  readonly keys: JSONWebKeySet
  readonly #key: CryptoKey
  readonly #algorithm: string

  private constructor(url: string, keys: JSONWebKeySet, algorithm: string, key: CryptoKey) {
    this.url = url
    this.keys = keys
    this.#algorithm = algorithm
    this.#key = key
  }

  static async create(url: string, algorithm = 'ES256', kid = 'one'): Promise<TestIssuer> {
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
    const keys = { keys: [{ ...(await exportJWK(publicKey)), kid, alg: algorithm }] }
    return new TestIssuer(url, keys, algorithm, privateKey)
  }

  /** Claims that are undefined are left out. `header` replaces what the header says. */
  token(
    claims: Readonly<Record<string, unknown>>,
    header: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const text = JSON.stringify({ iss: this.url, ...claims })
    return new CompactSign(utf8(text))
      .setProtectedHeader({ alg: this.#algorithm, kid: 'one', typ: 'JWT', ...header })
      .sign(this.#key)
  }
}
