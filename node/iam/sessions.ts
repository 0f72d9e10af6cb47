/**
 * Sessions: temporary credentials whose token says who they belong to, so that every node checks a request signed
 * with them without a look-up.
 *
 * Invariants:
 *   - the token is bound to its cluster, to its access key id and to an expiry: one that differs in any of these is
 *     refused
 *   - the token names the cluster secret that signed it: the secret in force, or for a bounded time the previous one.
 *     A token of any other secret is refused
 *   - key and secrets are derived from the cluster secret, each under a name of its own: the key that signs tokens
 *     never signs or encrypts anything else
 *   - no session lives longer than its kind may. This is checked when it is issued and when it is used, so that a
 *     misused or wrongly used key cannot make a lasting session
 *   - what the session may do is not in the token: policies are read as for other identities (T7). Only its own
 *     limits, the session policies, travel with it.
 *
 * The claims, besides iss (cluster id), aud 'shoal', iat, exp (seconds), jti and sub (ARN):
 *   key   access key id            acc   account id
 *   kind  root | user | role       id    unique id of the account, user or role
 *   name  of the user or role      ses   session name, for roles
 *   pol   session policy, JSON     arns  managed policies that limit it as well
 *   anps  their unique ids
 *   chain true: another session assumed the role
 *   ctx   condition values that it was given with, by lower-case key: [key, value, …] for each
 */

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
import { secretId } from '../../protocol/layout/secret.ts'
import { ROLE_SESSION_SECONDS_MAX } from '../../protocol/iam/role-record.ts'
import type { Clock, Random, TokenSigner } from '../env/ports.ts'
import { dropOldest } from '../tools/drop-oldest.ts'
import { validationError } from './errors.ts'

/** AWS's shortest session: 15 minutes. */
export const SESSION_SECONDS_MIN = 900
/** How long sessions of a root last at most, and those that a session gets by assuming a role. */
export const HOUR_SECONDS = 3_600
/** How long sessions that a user gets by GetSessionToken last at most. */
const USER_SESSION_SECONDS_MAX = 129_600
/** Longest JSON of the session policy, without insignificant spaces. */
export const SESSION_POLICY_CHARACTERS_MAX = 2_048
/** AWS's limit for managed policies of one session. */
export const SESSION_POLICY_ARNS_MAX = 10
export const SESSION_KEYS_MAX = 16
/** Characters of all keys and their values together. */
export const SESSION_KEY_CHARACTERS_MAX = 4_096
/** Clocks of two nodes differ: how far in the future a token may seem to have been issued. */
export const SKEW_MS = 60_000
/** Longer texts are refused before they are verified. */
const TOKEN_CHARACTERS_MAX = 12_288
/** Verified tokens that are kept, so that a request of a session costs no signature check. */
const CACHED_MAX = 4_096

const AUDIENCE = 'shoal'
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** What `issue` draws: AWS's prefix for temporary keys and 80 random bits. */
const KEY_ID = /^ASIA[A-Z2-7]{16}$/
const TOKEN_ID = /^[0-9a-f]{32}$/
const ACCOUNT_ID = /^[0-9]{1,12}$/
/** Names, ids and ARNs in claims. */
const WORD = /^[\w+=,.@/:-]{1,2048}$/

/** The principal of the session. */
export interface SessionSubject {
  readonly kind: 'root' | 'user' | 'role'
  /** As policies see it: for a role 'arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION'. */
  readonly principalArn: string
  readonly accountId: string
  /** Unique id of the user or role, which a new one under the same name does not have. For root, the account's id. */
  readonly entityId: string
  /** Name of the user or role; 'root'. */
  readonly name: string
  /** Name of a role's session; '' for other kinds. */
  readonly sessionName: string
  /** True for a role that was assumed with the credentials of another session. */
  readonly isChained?: boolean | undefined
  /** JSON without insignificant spaces; '' when there is none. */
  readonly policy: string
  /** Managed policies that limit the session, by ARN, at most SESSION_POLICY_ARNS_MAX. */
  readonly policyArns: readonly string[]
  /** Ids of these policies, in the same order: a new policy under the ARN of a deleted one is another policy. */
  readonly policyIds: readonly string[]
  /** Condition values of all its requests, by lower-case key: what its holder proved to an identity provider. */
  readonly keys?: SessionKeys | undefined
}

/** By lower-case key. At most SESSION_KEYS_MAX keys, with SESSION_KEY_CHARACTERS_MAX characters together. */
export type SessionKeys = ReadonlyMap<string, readonly string[]>

/** A session that was issued, as a verified token describes it. */
export interface Session extends SessionSubject {
  readonly accessKeyId: string
  /** Derived from the cluster secret, so no node has to keep it. */
  readonly secretAccessKey: string
  /** By the wall clock of the node that issued it, in whole seconds. */
  readonly issuedMs: number
  /** From this moment on the token is refused. */
  readonly expiresMs: number
}

/** A session as it is issued, with its token. */
export interface IssuedSession extends Session {
  /** A JWT. Clients send it with each request (x-amz-security-token). */
  readonly token: string
  /** The share of SESSION_POLICY_CHARACTERS_MAX that is used, in percent, rounded up. */
  readonly packedPolicyPercent: number
}

export interface SessionsOptions {
  readonly tokens: TokenSigner
  readonly clock: Pick<Clock, 'nowMs'>
  readonly random: Pick<Random, 'bytes'>
  /** The cluster that this node is a member of. */
  readonly cluster: () => SessionCluster
}

/** What binds tokens to one cluster. */
export interface SessionCluster {
  /** The cluster's id: the issuer of its tokens. */
  readonly id: string
  /** The secret in force, which signs. */
  readonly secret: Uint8Array
  /** The previous secret: what it has signed is valid until this time, by the wall clock. */
  readonly previous?:
    { readonly secret: Uint8Array; readonly sinceMs: number; readonly untilMs: number } | undefined
}

/** A verified session and the secret that signed it. */
interface Verified {
  readonly session: Session
  readonly keyId: string
}

/** Issues and verifies tokens. sts.ts issues, resolve.ts verifies. */
export class Sessions {
  readonly #options: SessionsOptions
  /** Tokens that were verified, the least recently used first. */
  readonly #cache = new Map<string, Verified>()

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  /**
   * A new session with its own key and token. Nothing is stored: the token is all that there is of it.
   *
   * @param seconds how long it lasts. It comes from a request, so it is checked here too, behind the table of
   *   operations and the bound of the role. Throws IamError ValidationError outside 15 minutes and the kind's longest.
   */
  async issue(subject: SessionSubject, seconds: number): Promise<IssuedSession> {
    const { tokens, clock, random, cluster } = this.#options
    const secondsMax = sessionSecondsMax(subject)
    if (!(seconds >= SESSION_SECONDS_MIN && seconds <= secondsMax)) {
      throw validationError(
        `A session of this kind lasts from ${SESSION_SECONDS_MIN} to ${secondsMax} seconds: DurationSeconds is ${seconds}.`,
      )
    }
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
      ...(subject.keys !== undefined && {
        ctx: [...subject.keys].map(([key, values]) => [key, ...values]),
      }),
    }
    const { secret } = cluster()
    const token = await tokens.sign(signingKey(secret), JSON.stringify(claims), secretId(secret))
    return {
      ...subject,
      accessKeyId,
      secretAccessKey: secretOf(secret, accessKeyId, tokenId),
      issuedMs: iat * 1000,
      expiresMs: claims.exp * 1000,
      token,
      packedPolicyPercent: packedPercent(subject),
    }
  }

  /**
   * The session of a token. Checks the key id, the issue time and the expiry for each call, the
   * signature once.
   *
   * @throws StoreError ExpiredToken, or InvalidToken for everything else that is wrong with it
   */
  async open(accessKeyId: string, token: string): Promise<Session> {
    const verified = this.#cache.get(token) ?? (await this.#verify(token))
    const { session, keyId } = verified
    // Checked again for a cached token: its secret may have been retired since.
    if (this.#secretNamed(keyId, session.issuedMs) === undefined) {
      this.#cache.delete(token)
      throw invalid()
    }
    const nowMs = this.#options.clock.nowMs()
    // A token with the key id of another one is refused: only the token says whose session it is.
    if (session.accessKeyId !== accessKeyId) throw invalid()
    if (session.issuedMs > nowMs + SKEW_MS) throw invalid()
    if (session.expiresMs <= nowMs) {
      this.#cache.delete(token)
      throw new StoreError('ExpiredToken', 'The security token included in the request is expired')
    }
    this.#remember(token, verified)
    return session
  }

  /** Checks the signature and reads the claims. Throws StoreError InvalidToken. */
  async #verify(token: string): Promise<Verified> {
    if (token.length > TOKEN_CHARACTERS_MAX) throw invalid()
    const { tokens, cluster } = this.#options
    // From an earlier program: only the secret in force can have signed it.
    const keyId = tokens.keyIdOf(token) ?? secretId(cluster().secret)
    const secret = this.#secretNamed(keyId, 0)
    const text = secret && (await tokens.verify(signingKey(secret), token))
    if (secret === undefined || text === undefined) throw invalid()
    try {
      return { session: this.#sessionOf(text, secret), keyId }
    } catch (error) {
      // Signed by this cluster, but by a program of another version (F20).
      if (error instanceof ShapeError || error instanceof SyntaxError) throw invalid()
      throw error
    }
  }

  /** Undefined when no secret of this cluster has this id, or it is retired. A node that has not heard of the rotation
   * may have issued a token with the previous secret after it, within the skew that is allowed everywhere. */
  #secretNamed(keyId: string, issuedMs: number): Uint8Array | undefined {
    const { cluster, clock } = this.#options
    const { secret, previous } = cluster()
    if (keyId === secretId(secret)) return secret
    if (previous === undefined || keyId !== secretId(previous.secret)) return undefined
    const isGood = clock.nowMs() < previous.untilMs && issuedMs <= previous.sinceMs + SKEW_MS
    return isGood ? previous.secret : undefined
  }

  /**
   * Reads the claims of a token whose signature is right. Throws StoreError InvalidToken or
   * ShapeError: another node may have a faulty program.
   */
  #sessionOf(text: string, secret: Uint8Array): Session {
    const claims = fieldsOf(
      JSON.parse(text),
      ['iss', 'aud', 'iat', 'exp', 'jti', 'sub', 'key', 'acc', 'kind', 'id', 'name'],
      ['ses', 'pol', 'arns', 'anps', 'chain', 'ctx'],
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
      ...(claims.ctx !== undefined && { keys: keysOf(claims.ctx) }),
      accessKeyId,
      secretAccessKey: secretOf(secret, accessKeyId, matchOf(claims.jti, TOKEN_ID)),
      issuedMs: iat * 1000,
      expiresMs: exp * 1000,
    }
  }

  /** Puts the token at the end of the cache, as used last. */
  #remember(token: string, verified: Verified): void {
    this.#cache.delete(token)
    this.#cache.set(token, verified)
    dropOldest(this.#cache, CACHED_MAX)
  }
}

/** The key that signs tokens: 32 bytes. */
function signingKey(secret: Uint8Array): Uint8Array {
  return blake3(utf8('shoal session token 1'), secret)
}

/** 40 characters, as AWS's. Both ids have a fixed length, so that no two pairs are hashed alike. */
function secretOf(secret: Uint8Array, accessKeyId: string, tokenId: string): string {
  const hash = blake3(utf8('shoal session secret 1'), secret, utf8(accessKeyId + tokenId))
  return Buffer.from(hash).toString('base64url').slice(0, 40)
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

/** A list of texts in the claims; empty when it is left out. */
function claimed(list: unknown): string[] {
  if (list === undefined) return []
  return listOf(list, SESSION_POLICY_ARNS_MAX, (item) => matchOf(item, WORD))
}

/** Throws ShapeError. */
function keysOf(list: unknown): SessionKeys {
  return new Map(
    listOf(list, SESSION_KEYS_MAX, (item) => {
      const [key = '', ...values] = listOf(item, SESSION_KEY_CHARACTERS_MAX, (text) =>
        textOf(text, SESSION_KEY_CHARACTERS_MAX),
      )
      return [key, values] as const
    }),
  )
}

/**
 * How much of the room for session policies is used, in percent, rounded up. Above 100 the request is
 * refused.
 */
export function packedPercent({
  policy,
  policyArns,
}: Pick<SessionSubject, 'policy' | 'policyArns'>): number {
  const characters = policy.length + policyArns.reduce((sum, arn) => sum + arn.length, 0)
  return Math.ceil((100 * characters) / SESSION_POLICY_CHARACTERS_MAX)
}

/** One error for everything, so that it does not tell what to change in a forged token. */
function invalid(): StoreError {
  return new StoreError('InvalidToken', 'The security token included in the request is invalid')
}
