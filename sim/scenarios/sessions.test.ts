import { describe, expect, test } from 'vitest'
import { CompactSign, generateKeyPair } from 'jose'
import { utf8 } from '../../protocol/bytes.ts'
import { StoreError } from '../../protocol/errors.ts'
import { blake3 } from '../../protocol/hash.ts'
import { seededRandom } from '../world/seeded-random.ts'
import { SimulatedTokenSigner } from '../world/tokens.ts'
import { JoseTokenSigner } from '../../node/env/tokens.ts'
import type { TokenSigner } from '../../node/env/ports.ts'
import { Sessions, type IssuedSession, type SessionSubject } from '../../node/iam/sessions.ts'

const CLUSTER = 'c'.repeat(32)
const SECRET = new Uint8Array(32).fill(7)
const START_MS = Date.UTC(2026, 10, 22)

const ROLE: SessionSubject = {
  kind: 'role',
  principalArn: 'arn:aws:sts::123456789012:assumed-role/reader/one',
  accountId: '123456789012',
  entityId: 'AROAABCDEFGHIJKLMNOP',
  name: 'reader',
  sessionName: 'one',
  policy: '{"Version":"2012-10-17"}',
  policyArns: ['arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'],
  policyIds: ['ANPAIZTJ4DXE7G6AGAE6M'],
}

function world(
  options: { secret?: Uint8Array; cluster?: string; tokens?: TokenSigner; seed?: number } = {},
) {
  const time = { nowMs: START_MS }
  const draw = seededRandom(options.seed ?? 0)
  const sessions = new Sessions({
    tokens: options.tokens ?? new JoseTokenSigner(),
    clock: { nowMs: () => time.nowMs },
    random: { bytes: (count) => Uint8Array.from({ length: count }, () => draw() * 256) },
    cluster: () => ({ id: options.cluster ?? CLUSTER, secret: options.secret ?? SECRET }),
  })
  return { sessions, time }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => new Error('it was accepted'),
    (failure: unknown) => failure,
  )
  if (error instanceof StoreError) return error.code
  throw error
}

function claimsOf(token: string): Record<string, unknown> {
  const part = token.split('.')[1] ?? ''
  return JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>
}

function jwt(header: object, claims: object, signature = ''): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part(claims)}.${signature}`
}

/** A token with these claims and a right signature of the cluster. */
function signed(claims: unknown, secret = SECRET): Promise<string> {
  const key = blake3(utf8('shoal session token 1'), secret)
  return new JoseTokenSigner().sign(key, JSON.stringify(claims))
}

describe('sessions', () => {
  test('another node of the cluster opens what one has issued', async () => {
    const issued = await world().sessions.issue(ROLE, 900)
    const { token, packedPolicyPercent, ...session } = issued
    expect(token.split('.')).toHaveLength(3)
    expect(packedPolicyPercent).toBe(4)
    expect(session.accessKeyId).toMatch(/^ASIA[A-Z2-7]{16}$/)
    expect(session.secretAccessKey).toMatch(/^[\w-]{40}$/)
    expect(session.expiresMs).toBe(START_MS + 900_000)
    const other = world({ seed: 99 })
    expect(await other.sessions.open(issued.accessKeyId, token)).toEqual(session)
    // The second time from the cache, by the same checks.
    expect(await other.sessions.open(issued.accessKeyId, token)).toEqual(session)
  })

  test('two sessions of one identity share neither key nor secret', async () => {
    const { sessions } = world()
    const a = await sessions.issue(ROLE, 900)
    const b = await sessions.issue(ROLE, 900)
    expect(a.accessKeyId).not.toBe(b.accessKeyId)
    expect(a.secretAccessKey).not.toBe(b.secretAccessKey)
  })

  test('the token does not hold the secret', async () => {
    const { token, secretAccessKey } = await world().sessions.issue(ROLE, 900)
    expect(JSON.stringify(claimsOf(token))).not.toContain(secretAccessKey)
  })

  test('it ends at its expiry to the millisecond, cached or not', async () => {
    const { sessions, time } = world()
    const { accessKeyId, token, expiresMs } = await sessions.issue(ROLE, 900)
    time.nowMs = expiresMs - 1
    await sessions.open(accessKeyId, token)
    time.nowMs = expiresMs
    expect(await codeOf(sessions.open(accessKeyId, token))).toBe('ExpiredToken')
    const fresh = world()
    fresh.time.nowMs = expiresMs
    expect(await codeOf(fresh.sessions.open(accessKeyId, token))).toBe('ExpiredToken')
  })

  test('the clock of the node that issued may be ahead by a minute, not more (F12)', async () => {
    const { accessKeyId, token } = await world().sessions.issue(ROLE, 900)
    const behind = world()
    behind.time.nowMs = START_MS - 60_000
    await behind.sessions.open(accessKeyId, token)
    behind.time.nowMs = START_MS - 60_001
    expect(await codeOf(behind.sessions.open(accessKeyId, token))).toBe('InvalidToken')
  })
})

/** The answer to the caller: the length comes from a request, and must never stop a node. */
function wrongLength(seconds: number, longest: number): object {
  const message = `A session of this kind lasts from 900 to ${longest} seconds: DurationSeconds is ${seconds}.`
  return { name: 'IamError', code: 'ValidationError', status: 400, message }
}

describe('limits of sessions', () => {
  describe('a session lives no longer than its kind may', () => {
    const USER: SessionSubject = { ...ROLE, kind: 'user', sessionName: '', name: 'ann' }
    const kinds: [string, SessionSubject, number][] = [
      ['a user: 36 hours', USER, 129_600],
      ['the root of an account: an hour', { ...USER, kind: 'root', name: 'root' }, 3_600],
      ['a role: 12 hours', ROLE, 43_200],
      ['a role that a session took on: an hour', { ...ROLE, isChained: true }, 3_600],
    ]

    test.each(kinds)('%s', async (_title, subject, longest) => {
      const { sessions, time } = world()
      const issued = await sessions.issue(subject, longest)
      expect(await sessions.open(issued.accessKeyId, issued.token)).toMatchObject(subject)
      for (const seconds of [899, longest + 1, Number.NaN]) {
        await expect(sessions.issue(subject, seconds)).rejects.toMatchObject(
          wrongLength(seconds, longest),
        )
      }
      // Signed by the cluster's own key, as a faulty node would: refused by every other one, at once.
      const claims = claimsOf(issued.token)
      const iat = Number(claims['iat'])
      const token = await signed({ ...claims, exp: iat + longest + 1 })
      expect(await codeOf(sessions.open(issued.accessKeyId, token))).toBe('InvalidToken')
      // Nor does one that seems to begin later get more: it is from the future.
      const late = await signed({ ...claims, iat: iat + 61, exp: iat + 61 + longest })
      expect(await codeOf(sessions.open(issued.accessKeyId, late))).toBe('InvalidToken')
      time.nowMs = issued.expiresMs
      expect(await codeOf(sessions.open(issued.accessKeyId, issued.token))).toBe('ExpiredToken')
    })

    test('a token can not be of two kinds', async () => {
      const { sessions } = world()
      const role = claimsOf((await sessions.issue({ ...ROLE, isChained: true }, 900)).token)
      const user = claimsOf((await sessions.issue(USER, 900)).token)
      const bad = [
        { ...role, kind: 'user' },
        { ...role, chain: false },
        { ...role, chain: 1 },
        { ...user, kind: 'role' },
        { ...user, ses: 'one' },
        { ...user, chain: true },
      ]
      for (const claims of bad) {
        const key = String((claims as Record<string, unknown>)['key'])
        expect(await codeOf(sessions.open(key, await signed(claims)))).toBe('InvalidToken')
      }
    })
  })

  test('a token goes with its own access key id only', async () => {
    const { sessions } = world()
    const a = await sessions.issue(ROLE, 900)
    const b = await sessions.issue({ ...ROLE, sessionName: 'two' }, 900)
    expect(await codeOf(sessions.open(b.accessKeyId, a.token))).toBe('InvalidToken')
    await sessions.open(a.accessKeyId, a.token)
    expect(await codeOf(sessions.open(b.accessKeyId, a.token))).toBe('InvalidToken')
  })

  test('another cluster: by its secret, and by its id alone', async () => {
    const { accessKeyId, token } = await world().sessions.issue(ROLE, 900)
    const stranger = world({ secret: new Uint8Array(32).fill(8) })
    expect(await codeOf(stranger.sessions.open(accessKeyId, token))).toBe('InvalidToken')
    const twin = world({ cluster: 'd'.repeat(32) })
    expect(await codeOf(twin.sessions.open(accessKeyId, token))).toBe('InvalidToken')
  })
})

describe('tokens that were changed', () => {
  test('other algorithms are refused, `none` above all', async () => {
    const { sessions } = world()
    const issued: IssuedSession = await sessions.issue(ROLE, 900)
    const { accessKeyId } = issued
    const claims = claimsOf(issued.token)
    const key = blake3(utf8('shoal session token 1'), SECRET)
    const text = utf8(JSON.stringify(claims))
    const long = new Uint8Array(64).fill(1)
    const { privateKey } = await generateKeyPair('EdDSA', { extractable: true })
    const forged = [
      jwt({ alg: 'none', typ: 'JWT' }, claims),
      jwt({ alg: 'None' }, claims),
      jwt({ typ: 'JWT' }, claims),
      await new CompactSign(text).setProtectedHeader({ alg: 'HS512', typ: 'JWT' }).sign(long),
      await new CompactSign(text).setProtectedHeader({ alg: 'EdDSA', typ: 'JWT' }).sign(privateKey),
      // The right key in another role: an unusual type, and a header that asks for more.
      await new CompactSign(text).setProtectedHeader({ alg: 'HS256', typ: 'other' }).sign(key),
      await new CompactSign(text).setProtectedHeader({ alg: 'HS256' }).sign(key),
      jwt({ alg: 'HS256', typ: 'JWT', crit: ['x'], x: 1 }, claims, 'AAAA'),
      jwt({ alg: 'HS256', typ: 'JWT', jwk: { kty: 'oct', k: 'AAAA' } }, claims, 'AAAA'),
    ]
    for (const [at, token] of forged.entries()) {
      expect(`${at} ${await codeOf(sessions.open(accessKeyId, token))}`).toBe(`${at} InvalidToken`)
    }
  })

  test('every cut and every changed character is refused', async () => {
    const { sessions } = world()
    const { accessKeyId, token } = await sessions.issue(ROLE, 900)
    const codes = new Set<string>()
    for (let length = 0; length < token.length; length += 7) {
      codes.add(await codeOf(sessions.open(accessKeyId, token.slice(0, length))))
    }
    // The last character of each part has bits without a meaning.
    for (let at = 0; at < token.length - 1; at += 5) {
      if (token[at] === '.' || token[at + 1] === '.') continue
      const changed = token[at] === 'A' ? 'B' : 'A'
      const altered = token.slice(0, at) + changed + token.slice(at + 1)
      codes.add(await codeOf(sessions.open(accessKeyId, altered)))
    }
    expect([...codes]).toEqual(['InvalidToken'])
  })
})

describe('tokens of other shapes', () => {
  test.each([
    '',
    '.',
    '..',
    '...',
    'not a token',
    '\u0000',
    '🐟.🐟.🐟',
    'A'.repeat(20_000),
    JSON.stringify({ alg: 'none' }),
  ])('what is no token at all: %#', async (token) => {
    expect(await codeOf(world().sessions.open('ASIAAAAAAAAAAAAAAAAA', token))).toBe('InvalidToken')
  })

  test('claims of another shape are refused even when signed (F20)', async () => {
    const { sessions } = world()
    const { accessKeyId, token } = await sessions.issue(ROLE, 900)
    const claims = claimsOf(token)
    const without = (name: string): object =>
      Object.fromEntries(Object.entries(claims).filter(([each]) => each !== name))
    const bad: unknown[] = [
      ...Object.keys(claims)
        .filter((name) => !['ses', 'pol', 'arns'].includes(name))
        .map(without),
      { ...claims, extra: 1 },
      { ...claims, aud: 'other' },
      { ...claims, aud: ['shoal'] },
      { ...claims, kind: 'service' },
      { ...claims, exp: Number(claims['iat']) + 129_601 },
      { ...claims, exp: '9999999999' },
      { ...claims, exp: 1e300 },
      { ...claims, exp: claims['iat'] },
      { ...claims, jti: '' },
      { ...claims, name: 'a b' },
      { ...claims, pol: 'x'.repeat(2_049) },
      { ...claims, arns: Array.from({ length: 11 }, () => 'arn:aws:iam::aws:policy/x') },
      { ...claims, arns: { length: 1 } },
      [],
      null,
      'text',
    ]
    expect(await sessions.open(accessKeyId, await signed(claims))).toBeDefined()
    for (const each of bad) {
      expect([each, await codeOf(sessions.open(accessKeyId, await signed(each)))]).toEqual([
        each,
        'InvalidToken',
      ])
    }
    const proto = JSON.stringify(claims).replace('{', '{"__proto__":{"kind":"root"},')
    const key = blake3(utf8('shoal session token 1'), SECRET)
    const polluted = await new JoseTokenSigner().sign(key, proto)
    expect(await codeOf(sessions.open(accessKeyId, polluted))).toBe('InvalidToken')
  })

  test("the simulation's tokens obey the same rules", async () => {
    const { sessions, time } = world({ tokens: new SimulatedTokenSigner() })
    const { accessKeyId, token, expiresMs } = await sessions.issue(ROLE, 900)
    await sessions.open(accessKeyId, token)
    expect(await codeOf(sessions.open(accessKeyId, `${token} `))).toBe('InvalidToken')
    time.nowMs = expiresMs
    expect(await codeOf(sessions.open(accessKeyId, token))).toBe('ExpiredToken')
  })
})
