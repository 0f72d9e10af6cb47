/** Tokens of OIDC providers: the form of a JWT and its claims. Their signatures are left to the library. */

import { JoseWebTokens } from '../../node/env/web-tokens.ts'
import { readWebClaims } from '../../node/iam/web-claims.ts'
import { issuerKeysOf } from '../../node/process/issuer-keys-file.ts'
import { UsageError } from '../../node/tools/usage-error.ts'
import type { SmallRandom } from '../../protocol/iam/testing/cases.ts'
import { promise, some, subjectText, WORD, type Subject } from './subject.ts'

const NAME = 'idp.example.org/a'
const NOW_S = 1_764_547_200
const PROVIDER = {
  accountId: '000000000001',
  id: 'AOIPABCDEFGHIJKLMNOPQ',
  name: NAME,
  createdMs: 5,
  clientIds: ['app', 'a'],
  thumbprints: [],
  tags: [],
}

const tokens = new JoseWebTokens(() => new Map())
const coded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function drawnClaims(random: SmallRandom): Record<string, unknown> {
  const client = random.pick(['app', 'a'])
  return {
    iss: `https://${NAME}`,
    sub: subjectText(random, `${WORD}|:/é`, 40, 1),
    aud: random.pick<unknown>([client, [client], ['b', client]]),
    iat: NOW_S - random.below(1_000),
    exp: NOW_S + 1 + random.below(1_000),
    ...(random.chance(0.3) && { nbf: NOW_S - random.below(100) }),
    ...(random.chance(0.3) && { azp: client }),
    ...(random.chance(0.3) && { amr: ['pwd', ...some(random, 2, () => 'mfa')] }),
    ...(random.chance(0.3) && { [subjectText(random, WORD, 8, 1)]: { deep: [1, null] } }),
  }
}

const webTokens: Subject = {
  name: 'tokens of identity providers',
  pieces: /[\w-]{1,24}|\./g,
  share: 20,
  sizeMax: 20_000,
  valid(random) {
    const alg = random.pick(['RS256', 'ES384', 'PS512'])
    return [coded({ alg, typ: 'JWT', kid: 'one' }), coded(drawnClaims(random)), 'AAAA'].join('.')
  },
  take(text) {
    const issuer = tokens.issuerOf(text)
    if (issuer === undefined) return false
    const [, payload = ''] = text.split('.')
    const json = Buffer.from(payload, 'base64url').toString('utf8')
    const claims = readWebClaims(json, PROVIDER, NOW_S * 1000)
    promise(claims.issuer === issuer, 'the claims are of another issuer')
    promise(PROVIDER.clientIds.includes(claims.audience), 'the token is for another client')
    return true
  },
}

/** The claims alone, so that more of the inputs reach them. */
const webClaims: Subject = {
  name: 'claims of identity providers',
  pieces: /"[^"]*"(?::"[^"]*")?|\[[^[\]]*\]|\d+/g,
  share: 20,
  sizeMax: 15_000,
  valid: (random) => JSON.stringify(drawnClaims(random)),
  take(text) {
    const { subject, audience, originalAudiences, methods } = readWebClaims(
      text,
      PROVIDER,
      NOW_S * 1000,
    )
    const all = [subject, audience, ...originalAudiences, ...methods]
    promise(
      all.every((each) => typeof each === 'string' && each !== ''),
      'a claim is no text',
    )
    promise(all.join('').length <= 4_096, 'the claims are longer than a session can hold')
    return true
  },
}

const issuerKeys: Subject = {
  name: 'keys of identity providers',
  pieces: /"[^"]*"(?::"[^"]*")?|\{[^{}]*\}|\[[^[\]]*\]/g,
  share: 10,
  sizeMax: 20_000,
  valid(random) {
    const key = { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', kid: subjectText(random, WORD, 8) }
    const keys = some(random, 3, () => key)
    return JSON.stringify({ [`https://${subjectText(random, WORD, 8, 1)}.org`]: { keys } })
  },
  take(text) {
    try {
      for (const { keys } of issuerKeysOf(text, 'f').values()) {
        promise(
          keys.every(({ d, k }) => d === undefined && k === undefined),
          'a secret key',
        )
      }
      return true
    } catch (error) {
      if (error instanceof UsageError) return false
      throw error
    }
  },
}

export const TOKEN_SUBJECTS: readonly Subject[] = [webTokens, webClaims, issuerKeys]
