/**
 * JWTs by jose, HS256 only: every node that may check a token may also make one. What the claims mean, and whether
 * the token has expired, is the caller's to judge.
 */

import { CompactSign, compactVerify, decodeProtectedHeader, errors } from 'jose'
import { utf8, utf8Text } from '../../protocol/bytes.ts'
import type { TokenSigner } from './ports.ts'

const ALGORITHM = 'HS256'
const TYPE = 'JWT'

export class JoseTokenSigner implements TokenSigner {
  sign(key: Uint8Array, claims: string, keyId?: string): Promise<string> {
    const kid = keyId === undefined ? {} : { kid: keyId }
    const header = { alg: ALGORITHM, typ: TYPE, ...kid }
    return new CompactSign(utf8(claims)).setProtectedHeader(header).sign(key)
  }

  keyIdOf(token: string): string | undefined {
    try {
      const { kid } = decodeProtectedHeader(token)
      return typeof kid === 'string' ? kid : undefined
    } catch {
      return undefined
    }
  }

  async verify(key: Uint8Array, token: string): Promise<string | undefined> {
    try {
      // The list of algorithms refuses `none`, and public keys used as secrets.
      const verified = await compactVerify(token, key, { algorithms: [ALGORITHM] })
      return verified.protectedHeader.typ === TYPE ? utf8Text(verified.payload) : undefined
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined
      throw error
    }
  }
}
