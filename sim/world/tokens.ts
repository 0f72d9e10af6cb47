/** Tokens of the simulation: claims, the key's name and a keyed hash, made and checked at once. */

import { hex, utf8 } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { TokenSigner } from '../../node/env/ports.ts'

export class SimulatedTokenSigner implements TokenSigner {
  sign(key: Uint8Array, claims: string, keyId = ''): Promise<string> {
    const text = `${keyId}.${claims}`
    return Promise.resolve(`${tagOf(key, text)}.${text}`)
  }

  keyIdOf(token: string): string | undefined {
    return /^[0-9a-f]{64}\.([0-9a-f]+)\./.exec(token)?.[1]
  }

  verify(key: Uint8Array, token: string): Promise<string | undefined> {
    const text = token.slice(65)
    const right = token.length > 65 && token.slice(0, 64) === tagOf(key, text)
    return Promise.resolve(right ? text.slice(text.indexOf('.') + 1) : undefined)
  }
}

function tagOf(key: Uint8Array, claims: string): string {
  return hex(blake3(utf8('simulated token'), key, utf8(claims)))
}
