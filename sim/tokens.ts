/** Tokens of the simulation: claims and a keyed hash, made and checked at once. */

import { hex, utf8 } from '../protocol/bytes.ts'
import { blake3 } from '../protocol/hash.ts'
import type { TokenSigner } from '../node/env/ports.ts'

export class SimulatedTokenSigner implements TokenSigner {
  sign(key: Uint8Array, claims: string): Promise<string> {
    return Promise.resolve(`${tagOf(key, claims)}.${claims}`)
  }

  verify(key: Uint8Array, token: string): Promise<string | undefined> {
    const claims = token.slice(65)
    const right = token.length > 65 && token.slice(0, 64) === tagOf(key, claims)
    return Promise.resolve(right ? claims : undefined)
  }
}

function tagOf(key: Uint8Array, claims: string): string {
  return hex(blake3(utf8('simulated token'), key, utf8(claims)))
}
