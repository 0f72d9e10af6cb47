/**
 * Sessions: temporary credentials whose token says who it is, so that every node checks a request
 * signed with them without a look-up.
 *
 * Invariants:
 *   - the token is bound to its cluster, to its access key id and to an expiry: one that differs in any
 *     of these is refused
 *   - key and secrets are derived from the cluster secret, each under a name of its own: what signs
 *     tokens never signs or seals anything else
 *   - no session lives longer than its kind may, neither when it is issued nor when it is checked: who has the
 *     key, or made a mistake with it, can't make one that stays
 *   - what the session may do is not in the token: policies are read as for other identities (T7). Only
 *     its own limits, the session policies, travel with it.
 *
 * The claims, besides iss (cluster id), aud 'shoal', iat, exp (seconds), jti and sub (ARN):
 *   key   access key id            acc   account id
 *   kind  root | user | role       id    unique id of the account, user or role
 *   name  of the user or role      ses   session name, of roles
 *   pol   session policy, JSON     arns  managed policies that limit it as well
 *   anps  their unique ids
 *   chain true: a session asked for it
 */

import { assert } from '../../protocol/assert.ts'
import { utf8 } from '../../protocol/bytes.ts'
import { StoreError } from '../../protocol/errors.ts'
import { blake3 } from '../../protocol/hash.ts'
import {
  fieldsOf,
  integerOf,
  listOf,
  matchOf,
  oneOf,
  ShapeError,
  textOf,
} from '../../protocol/layout/json.ts'
import { ROLE_SESSION_SECONDS_MAX } from '../../protocol/iam/role-record.ts'
import type { Clock, Random, TokenSigner } from '../env/ports.ts'

export const SESSION_SECONDS_MIN = 900
/** Of an account's root, and of a role that a session took on. */
export const HOUR_SECONDS = 3_600
/** Of GetSessionToken by a user. */
const USER_SESSION_SECONDS_MAX = 129_600
/** JSON of the session policy, without insignificant spaces. */
export const SESSION_POLICY_CHARACTERS_MAX = 2_048
export const SESSION_POLICY_ARNS_MAX = 10
/** Clocks of two nodes differ: so much a token may seem to come from the future. */
const SKEW_MS = 60_000
const TOKEN_CHARACTERS_MAX = 12_288
const CACHED_MAX = 4_096

const AUDIENCE = 'shoal'
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const KEY_ID = /^ASIA[A-Z2-7]{16}$/
const TOKEN_ID = /^[0-9a-f]{32}$/
const ACCOUNT_ID = /^[0-9]{1,12}$/
const WORD = /^[\w+=,.@/:-]{1,2048}$/

/** Whose session it is. */
export interface SessionSubject {
  readonly kind: 'root' | 'user' | 'role'
  /** As policies see it: of a role 'arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION'. */
  readonly principalArn: string
  readonly accountId: string
  /** Unique id of the user or role: one made anew under the same name is another. The account's of root. */
  readonly entityId: string
  /** Of the user or role; 'root'. */
  readonly name: string
  /** Of a role's session, else ''. */
  readonly sessionName: string
  /** A role that was taken on with the credentials of another session. */
  readonly isChained?: boolean | undefined
  /** JSON without insignificant spaces; ''. */
  readonly policy: string
  readonly policyArns: readonly string[]
  /** Ids of these, in the same order: a policy that is made under the ARN of a deleted one is another. */
  readonly policyIds: readonly string[]
}

export interface Session extends SessionSubject {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly issuedMs: number
  readonly expiresMs: number
}

export interface IssuedSession extends Session {
  readonly token: string
  /** Of SESSION_POLICY_CHARACTERS_MAX, in percent, rounded up. */
  readonly packedPolicyPercent: number
}

export interface SessionsOptions {
  readonly tokens: TokenSigner
  readonly clock: Pick<Clock, 'nowMs'>
  readonly random: Pick<Random, 'bytes'>
  /** Of the cluster that this node is a member of. */
  readonly cluster: () => { readonly id: string; readonly secret: Uint8Array }
}

export class Sessions {
  readonly #options: SessionsOptions
  /** Tokens that were verified, the least recently used first. */
  readonly #cache = new Map<string, Session>()
  #key: Uint8Array | undefined

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  /** @param seconds the caller has checked its bounds, those of the kind included */
  async issue(subject: SessionSubject, seconds: number): Promise<IssuedSession> {
    const { tokens, clock, random, cluster } = this.#options
    assert(seconds >= SESSION_SECONDS_MIN, 'a session lives a quarter of an hour at least')
    assert(seconds <= sessionSecondsMax(subject), 'a session lives no longer than its kind may')
    const accessKeyId = `ASIA${[...random.bytes(16)].map((byte) => LETTERS[byte & 31]).join('')}`
    const tokenId = Buffer.from(random.bytes(16)).toString('hex')
    const iat = Math.floor(clock.nowMs() / 1000)
    const claims = {
      iss: cluster().id,
      aud: AUDIENCE,
      iat,
      exp: iat + seconds,
      jti: tokenId,
      sub: subject.principalArn,
      key: accessKeyId,
      acc: subject.accountId,
      kind: subject.kind,
      id: subject.entityId,
      name: subject.name,
      ...(subject.sessionName === '' ? {} : { ses: subject.sessionName }),
      ...(subject.isChained === true && { chain: true }),
      ...(subject.policy === '' ? {} : { pol: subject.policy }),
      ...(subject.policyArns.length === 0
        ? {}
        : { arns: subject.policyArns, anps: subject.policyIds }),
    }
    const token = await tokens.sign(this.#signingKey(), JSON.stringify(claims))
    return {
      ...subject,
      accessKeyId,
      secretAccessKey: this.#secretOf(accessKeyId, tokenId),
      issuedMs: iat * 1000,
      expiresMs: claims.exp * 1000,
      token,
      packedPolicyPercent: packedPercent(subject),
    }
  }

  /** Throws StoreError ExpiredToken or InvalidToken. */
  async open(accessKeyId: string, token: string): Promise<Session> {
    const session = this.#cache.get(token) ?? (await this.#verify(token))
    const nowMs = this.#options.clock.nowMs()
    // One key's token with another key's id: whose it is says the token alone.
    if (session.accessKeyId !== accessKeyId) throw invalid()
    if (session.issuedMs > nowMs + SKEW_MS) throw invalid()
    if (session.expiresMs <= nowMs) {
      this.#cache.delete(token)
      throw new StoreError('ExpiredToken', 'The security token included in the request is expired')
    }
    this.#remember(token, session)
    return session
  }

  async #verify(token: string): Promise<Session> {
    if (token.length > TOKEN_CHARACTERS_MAX) throw invalid()
    const text = await this.#options.tokens.verify(this.#signingKey(), token)
    if (text === undefined) throw invalid()
    try {
      return this.#sessionOf(text)
    } catch (error) {
      // Signed by this cluster, but by a program that speaks otherwise (row 20).
      if (error instanceof ShapeError || error instanceof SyntaxError) throw invalid()
      throw error
    }
  }

  #sessionOf(text: string): Session {
    const claims = fieldsOf(
      JSON.parse(text),
      ['iss', 'aud', 'iat', 'exp', 'jti', 'sub', 'key', 'acc', 'kind', 'id', 'name'],
      ['ses', 'pol', 'arns', 'anps', 'chain'],
    )
    if (claims.iss !== this.#options.cluster().id || claims.aud !== AUDIENCE) throw invalid()
    const policyArns = claimed(claims.arns)
    const policyIds = claimed(claims.anps)
    if (policyArns.length !== policyIds.length) throw invalid()
    const iat = integerOf(claims.iat, 0, Number.MAX_SAFE_INTEGER / 1000)
    const kind = oneOf(claims.kind, ['root', 'user', 'role'])
    const isChained = claims.chain !== undefined
    if (isChained && (claims.chain !== true || kind !== 'role')) throw invalid()
    if ((claims.ses !== undefined) !== (kind === 'role')) throw invalid()
    const exp = integerOf(claims.exp, iat + 1, iat + sessionSecondsMax({ kind, isChained }))
    const accessKeyId = matchOf(claims.key, KEY_ID)
    return {
      kind,
      ...(isChained && { isChained }),
      principalArn: matchOf(claims.sub, WORD),
      accountId: matchOf(claims.acc, ACCOUNT_ID),
      entityId: matchOf(claims.id, WORD),
      name: matchOf(claims.name, WORD),
      sessionName: claims.ses === undefined ? '' : matchOf(claims.ses, WORD),
      policy: claims.pol === undefined ? '' : textOf(claims.pol, SESSION_POLICY_CHARACTERS_MAX),
      policyArns,
      policyIds,
      accessKeyId,
      secretAccessKey: this.#secretOf(accessKeyId, matchOf(claims.jti, TOKEN_ID)),
      issuedMs: iat * 1000,
      expiresMs: exp * 1000,
    }
  }

  #remember(token: string, session: Session): void {
    this.#cache.delete(token)
    this.#cache.set(token, session)
    if (this.#cache.size <= CACHED_MAX) return
    for (const oldest of this.#cache.keys()) {
      this.#cache.delete(oldest)
      break
    }
  }

  #signingKey(): Uint8Array {
    this.#key ??= blake3(utf8('shoal session token 1'), this.#options.cluster().secret)
    return this.#key
  }

  /** 40 characters, as AWS's. Both ids have a fixed length, so that no two pairs are hashed alike. */
  #secretOf(accessKeyId: string, tokenId: string): string {
    const { secret } = this.#options.cluster()
    const hash = blake3(utf8('shoal session secret 1'), secret, utf8(accessKeyId + tokenId))
    return Buffer.from(hash).toString('base64url').slice(0, 40)
  }
}

/** The longest life of a session of this kind, whatever a role's own bound is. */
export function sessionSecondsMax({
  kind,
  isChained = false,
}: Pick<SessionSubject, 'kind' | 'isChained'>): number {
  switch (kind) {
    case 'root':
      return HOUR_SECONDS
    case 'user':
      return USER_SESSION_SECONDS_MAX
    case 'role':
      return isChained ? HOUR_SECONDS : ROLE_SESSION_SECONDS_MAX
  }
}

function claimed(list: unknown): string[] {
  if (list === undefined) return []
  return listOf(list, SESSION_POLICY_ARNS_MAX, (item) => matchOf(item, WORD))
}

/** How full the room for session policies is. */
export function packedPercent({
  policy,
  policyArns,
}: Pick<SessionSubject, 'policy' | 'policyArns'>): number {
  const characters = policy.length + policyArns.reduce((sum, arn) => sum + arn.length, 0)
  return Math.ceil((100 * characters) / SESSION_POLICY_CHARACTERS_MAX)
}

function invalid(): StoreError {
  return new StoreError('InvalidToken', 'The security token included in the request is invalid')
}
