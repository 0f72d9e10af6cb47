/**
 * From an access key, or a session token, to the identity that signed and its policies: the gateway's look-up.
 *
 * Invariants:
 *   - every record that an identity is made from was read less than a second before the request came, by the node's
 *     monotonic clock, or is read again. When that fails: Unavailable (T7), so a node that is cut off accepts no
 *     request
 *   - a new user under the name of a deleted one is another identity: references name ids
 *   - the cluster's first root is in the genesis record and needs no read
 *
 * An identity in use is read again in the background when half its time is over, all its records at once. So requests
 * wait for reads only after a pause, or when a peer is slow.
 */

import { utf8, utf8Text } from '../../protocol/bytes.ts'
import { ACCESS_KEY_ID, entityArn, principalArn } from '../../protocol/iam/identity.ts'
import type { AccessKeyRecord } from '../../protocol/iam/access-key-record.ts'
import type { UserRecord } from '../../protocol/iam/user-record.ts'
import type { RoleRecord } from '../../protocol/iam/role-record.ts'
import type { Credential, Identity, PolicyText } from '../../gateway/port/identity.ts'
import { RIGHTS_AGE_MS, type Timed } from '../../gateway/port/rights.ts'
import type { Clock, Network } from '../env/ports.ts'
import { internalContext } from '../tools/internal-context.ts'
import { FreshCache, type Fresh } from '../tools/fresh.ts'
import {
  boundaryText,
  managedText,
  ROLE,
  rolePolicies,
  userPolicies,
  type RecordReader,
} from './holdings.ts'
import { ACCESS_KEY, ACCOUNT, byId, USER, type RecordKind, type Records } from './records.ts'
import { unsealed, type SealingSecrets } from '../layout/secret-encryption.ts'
import type { Session, Sessions } from './sessions.ts'

/** How old an identity may be (T7). */
const AGE_MS_MAX = RIGHTS_AGE_MS
/** From this age on, an identity in use is read again ahead of time. */
const AGE_MS_AHEAD = 500
/**
 * Bounds the memory of the cache of records. At the limit, the one that was not read for the longest
 * time goes.
 */
const RECORDS_MAX = 20_000
/** Bounds the memory of the cache of identities. */
const IDENTITIES_MAX = 10_000
/**
 * Decrypted secrets of access keys that are kept. At the limit all are dropped: decrypting again is
 * cheap.
 */
const SECRETS_MAX = 10_000
/** Nodes publish here which records they have changed: 'SPACE NAME' in UTF-8. */
const TOPIC = 'iam'

export interface ResolverOptions {
  readonly records: Pick<Records, 'read'>
  readonly sessions: Sessions
  readonly clock: Clock
  /** Carries news of changed records. News may be lost: AGE_MS_MAX holds without it. */
  readonly network: Pick<Network, 'publish' | 'subscribe'>
  /** The first root, from the genesis record, decrypted. */
  readonly root: () => Credential
  /**
   * The secrets that decrypt access keys. Throws StoreError Unavailable while the node does not have
   * them.
   */
  readonly cluster: () => SealingSecrets
}

/** The result of a look-up, and the records that it is made of. */
interface Resolved {
  /** Undefined when there is no such key or its principal is gone. This answer is cached as well. */
  readonly credential: Credential | undefined
  readonly parts: readonly Part[]
}

type Find = (read: RecordReader) => Promise<Credential | undefined>

/** One record that a look-up has read. */
interface Part {
  readonly kind: RecordKind<unknown>
  readonly name: string
}

/**
 * The look-up that the gateway makes for each signed request. Keeps what it has read for less than a
 * second.
 */
export class Resolver {
  readonly #options: ResolverOptions
  /** Records by 'SPACE NAME', shared by all identities. */
  readonly #records: FreshCache<unknown>
  /** Finished look-ups, by access key id, or 'session ID'. */
  readonly #identities: FreshCache<Resolved>
  /** Identities that are being read again ahead of time. */
  readonly #ahead = new Set<string>()
  /** Decrypted secrets of access keys, by their encrypted text. */
  readonly #secrets = new Map<string, string>()

  constructor(options: ResolverOptions) {
    this.#options = options
    this.#records = new FreshCache(options.clock, RECORDS_MAX)
    this.#identities = new FreshCache(options.clock, IDENTITIES_MAX)
    options.network.subscribe(TOPIC, (_from, bytes) => this.#heard(bytes))
  }

  /**
   * Who signs with this access key. Undefined when there is no such key, it is inactive, or its
   * principal is gone. Throws StoreError Unavailable when that can't be known as of less than a
   * second ago (T7).
   */
  credential(accessKeyId: string): Promise<Credential | undefined> {
    const root = this.#options.root()
    if (root.accessKeyId === accessKeyId) return Promise.resolve(root)
    if (!ACCESS_KEY_ID.test(accessKeyId)) return Promise.resolve(undefined)
    return this.#resolve(accessKeyId, (read) => this.#ofKey(read, accessKeyId))
  }

  /**
   * Who signs with this key of a session. Undefined when the principal is gone. Throws StoreError
   * ExpiredToken, InvalidToken or Unavailable.
   */
  async session(accessKeyId: string, token: string): Promise<Credential | undefined> {
    const session = await this.#options.sessions.open(accessKeyId, token)
    // A key id belongs to one token, so the id is enough as a name. A session key without its token is refused.
    return this.#resolve(`session ${accessKeyId}`, (read) => this.#ofSession(read, session))
  }

  /**
   * As `credential` or, with a token, as `session`: the answer, at most `ageMs` old, and for how long it may be used from now on.
   * For caches in front of this one.
   */
  async timed(
    accessKeyId: string,
    token: string | undefined,
    ageMs: number,
  ): Promise<Timed<Credential | undefined>> {
    const { clock, root, sessions } = this.#options
    const calledMs = clock.monotonicMs()
    const nowMs = clock.nowMs()
    if (token !== undefined) {
      const session = await sessions.open(accessKeyId, token)
      const find: Find = (read) => this.#ofSession(read, session)
      const { value, usableMs } = await this.#timed(`session ${accessKeyId}`, ageMs, find, calledMs)
      return { value, usableMs: Math.min(usableMs, session.expiresMs - nowMs) }
    }
    const first = root()
    if (first.accessKeyId === accessKeyId) return { value: first, usableMs: AGE_MS_MAX }
    if (!ACCESS_KEY_ID.test(accessKeyId)) return { value: undefined, usableMs: AGE_MS_MAX }
    const find: Find = (read) => this.#ofKey(read, accessKeyId)
    return this.#timed(accessKeyId, ageMs, find, calledMs)
  }

  /** Called when something is forgotten: caches in front of this one must forget all that they keep. At most one listener. */
  onForget(forget: () => void): void {
    this.#identities.onForget(forget)
  }

  /**
   * A record was changed, or may have been: forgets it here, and tells the other nodes. Called by
   * records.ts.
   */
  changed(kind: RecordKind<unknown>, name: string): void {
    this.#forget(kind.space, name)
    this.#options.network.publish(TOPIC, utf8(`${kind.space} ${name}`))
  }

  /**
   * Another node has changed a record. News that is not understood is ignored: the age of records
   * bounds the harm.
   */
  #heard(bytes: Uint8Array): void {
    let text: string
    try {
      text = utf8Text(bytes)
    } catch {
      return
    }
    const space = text.indexOf(' ')
    if (space > 0) this.#forget(text.slice(0, space), text.slice(space + 1))
  }

  /**
   * Which identities contain the record is not kept, so all are dropped. Their other records stay in
   * the cache.
   */
  #forget(space: string, name: string): void {
    this.#records.drop(`${space} ${name}`)
    this.#identities.clear()
  }

  /**
   * The identity from the cache, or read now. One that is older than AGE_MS_AHEAD is answered at once
   * and read again in the background.
   */
  #resolve(name: string, find: Find): Promise<Credential | undefined> {
    const known = this.#identities.peek(name, AGE_MS_MAX)
    if (known === undefined) return this.#read(name, AGE_MS_MAX, find)
    const aged = this.#options.clock.monotonicMs() - known.sinceMs >= AGE_MS_AHEAD
    if (aged && !this.#ahead.has(name)) {
      this.#ahead.add(name)
      const done = (): void => void this.#ahead.delete(name)
      // A failure is ignored here: the next request tries again, and reports it once the time is over.
      this.#read(name, AGE_MS_AHEAD, find, known.value).then(done, done)
    }
    return Promise.resolve(known.value.credential)
  }

  /**
   * Looks an identity up from records that are at most `ageMs` old. It is as old as its oldest
   * record. `before` is the look-up before this one.
   */
  async #read(
    name: string,
    ageMs: number,
    find: Find,
    before?: Resolved,
  ): Promise<Credential | undefined> {
    return (await this.#fresh(name, ageMs, find, before)).value.credential
  }

  async #timed(
    name: string,
    ageMs: number,
    find: Find,
    calledMs: number,
  ): Promise<Timed<Credential | undefined>> {
    const before = this.#identities.peek(name, AGE_MS_MAX)?.value
    const { value, sinceMs } = await this.#fresh(name, ageMs, find, before)
    return { value: value.credential, usableMs: sinceMs + AGE_MS_MAX - calledMs }
  }

  #fresh(name: string, ageMs: number, find: Find, before?: Resolved): Promise<Fresh<Resolved>> {
    return this.#identities.get(name, ageMs, async (startedMs) => {
      // Reads all records of the identity at once; the look-up then finds them in the cache.
      for (const part of before?.parts ?? []) this.#part(part, ageMs).catch(() => {})
      let sinceMs = startedMs
      const parts: Part[] = []
      const read: RecordReader = async <T>(kind: RecordKind<T>, part: string) => {
        const found = await this.#part({ kind: kind as RecordKind<unknown>, name: part }, ageMs)
        sinceMs = Math.min(sinceMs, found.sinceMs)
        parts.push({ kind: kind as RecordKind<unknown>, name: part })
        return found.value as T | undefined
      }
      const credential = await find(read)
      return { value: { credential, parts }, sinceMs }
    })
  }

  /** One record, at most `ageMs` old, from the cache or from a majority. */
  #part({ kind, name }: Part, ageMs: number): Promise<Fresh<unknown>> {
    return this.#records.get(`${kind.space} ${name}`, ageMs, async (startedMs) => ({
      value: await this.#options.records.read(internalContext(), kind, name),
      sinceMs: startedMs,
    }))
  }

  /**
   * A user's key is valid while it is active and its user lists it; a root's while its account lists
   * it and is not closed (T2).
   */
  async #ofKey(read: RecordReader, accessKeyId: string): Promise<Credential | undefined> {
    const key = await read(ACCESS_KEY, accessKeyId)
    if (key === undefined || key.status !== 'Active') return undefined
    const { accountId, userId } = key
    let identity: Identity | undefined
    if (userId === undefined) {
      const account = await read(ACCOUNT, accountId)
      if (account === undefined || !account.rootKeys.includes(accessKeyId)) return undefined
      if (!account.closed) identity = rootIdentity(accountId)
    } else {
      const user = await read(USER, byId(accountId, userId))
      if (user === undefined || !user.accessKeys.includes(accessKeyId)) return undefined
      identity = await userIdentity(read, user)
    }
    if (identity === undefined) return undefined
    return { accessKeyId, secretAccessKey: this.#secretOf(key), identity }
  }

  /** A session has the rights of its principal as they are now, within its own session policies. */
  async #ofSession(read: RecordReader, session: Session): Promise<Credential | undefined> {
    const { accessKeyId, secretAccessKey } = session
    const identity = await this.#sessionIdentity(read, session)
    if (identity === undefined) return undefined
    const sessionPolicies = await sessionPoliciesOf(read, session)
    return {
      accessKeyId,
      secretAccessKey,
      identity: {
        ...identity,
        tokenIssuedMs: session.issuedMs,
        sessionPolicies,
        ...(session.keys !== undefined && { keys: session.keys }),
      },
    }
  }

  /** The principal of a session. Undefined when it is gone or its account is closed. */
  async #sessionIdentity(read: RecordReader, session: Session): Promise<Identity | undefined> {
    const { kind, accountId, entityId } = session
    switch (kind) {
      case 'root': {
        // The first account's record is read too, although it says nothing: a node that is cut off may not have heard
        // that the secret which signed this session is retired, and must not accept it.
        const account = await read(ACCOUNT, accountId)
        if (accountId === this.#options.root().identity.accountId) return rootIdentity(accountId)
        return account === undefined || account.closed ? undefined : rootIdentity(accountId)
      }
      case 'user': {
        const user = await read(USER, byId(accountId, entityId))
        return user && userIdentity(read, user)
      }
      case 'role': {
        const role = await read(ROLE, byId(accountId, entityId))
        return role && roleIdentity(read, role, session.sessionName)
      }
    }
  }

  /** Decrypting is kept out of the path of most requests. */
  #secretOf(key: AccessKeyRecord): string {
    const known = this.#secrets.get(key.sealedSecret)
    if (known !== undefined) return known
    const secret = unsealed(this.#options.cluster(), key)
    if (this.#secrets.size >= SECRETS_MAX) this.#secrets.clear()
    this.#secrets.set(key.sealedSecret, secret)
    return secret
  }
}

/** The root of an account. It needs no policies: `isRoot` allows everything in its account. */
export function rootIdentity(accountId: string): Identity {
  return {
    accountId,
    principalArn: principalArn(accountId, undefined),
    principalId: accountId,
    userName: 'root',
    type: 'Account',
    isRoot: true,
    policies: [],
  }
}

/**
 * The user with the policies that it holds, those of its groups included. Throws StoreError
 * Unavailable.
 */
export async function userIdentity(read: RecordReader, user: UserRecord): Promise<Identity> {
  return {
    accountId: user.accountId,
    principalArn: entityArn(user.accountId, 'user', user.path, user.name),
    principalId: user.id,
    userName: user.name,
    type: 'User',
    isRoot: false,
    policies: await userPolicies(read, user),
    boundary: await boundaryText(read, user),
  }
}

/**
 * A session of the role with the role's policies. `sessionName` is what AssumeRole was given; the
 * session policies are added by the caller.
 */
export async function roleIdentity(
  read: RecordReader,
  role: RoleRecord,
  sessionName: string,
): Promise<Identity> {
  return {
    accountId: role.accountId,
    principalArn: sessionArn(role, sessionName),
    principalId: `${role.id}:${sessionName}`,
    userName: '',
    type: 'AssumedRole',
    isRoot: false,
    policies: await rolePolicies(read, role),
    boundary: await boundaryText(read, role),
    roleArn: entityArn(role.accountId, 'role', role.path, role.name),
  }
}

/** As policies see the session: 'arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION'. */
export function sessionArn(role: RoleRecord, sessionName: string): string {
  return `arn:aws:sts::${role.accountId}:assumed-role/${role.name}/${sessionName}`
}

/** Undefined when the session has no limit of its own. A session whose policies are gone is limited to nothing. */
async function sessionPoliciesOf(
  read: RecordReader,
  { accountId, policy, policyArns, policyIds }: Session,
): Promise<PolicyText[] | undefined> {
  if (policy === '' && policyArns.length === 0) return undefined
  const managed = await Promise.all(
    policyArns.map((arn, at) => managedText(read, accountId, arn, policyIds[at] ?? '')),
  )
  const inline = policy === '' ? [] : [{ name: 'session-policy', text: policy }]
  return [...inline, ...managed.filter((text) => text !== undefined)]
}
