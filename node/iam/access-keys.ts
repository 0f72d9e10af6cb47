/**
 * Access keys: actions of the query API on those of users and of the account's root.
 *
 * Invariants:
 *   - a user's key is valid only while its register says Active, its user exists and the user's
 *     record lists it (T2)
 *   - when a key is made, it is entered in the user's record before its register is written. When it
 *     is deleted, the register goes first and the entry last
 *   - so an entry may name a key that does not exist (its creator died), and a listed key is never
 *     missing from the list
 *   - the secret is shown once, in the answer that creates the key. The register holds it encrypted
 *     with the cluster secret
 *
 * A root's key is not listed in a user's record but in the account's: see account-keys.ts. Called by
 * service.ts; accounts.ts makes the root key of a new account here.
 */

import type { Identity } from '../../gateway/port/identity.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import type { AccessKeyRecord } from '../../protocol/iam/access-key-record.ts'
import type { AccountRecord } from '../../protocol/codec/versioned.ts'
import type { UserRecord } from '../../protocol/iam/user-record.ts'
import { secretId } from '../../protocol/layout/secret.ts'
import { accountOf } from '../objects/account-record.ts'
import { rootKeysOf, withRootKey } from './account-keys.ts'
import type { ModuleOptions } from './common.ts'
import { compareTexts } from './directory.ts'
import {
  accessDenied,
  concurrentModification,
  deleteConflict,
  limitExceeded,
  noSuchEntity,
} from './errors.ts'
import { drawSecret, uniqueId } from './ids.ts'
import { pageOf, readPage } from './page.ts'
import { requiredText, subjectOf } from './parameters.ts'
import { ACCESS_KEY, ACCOUNT, byId, USER } from './records.ts'
import { encryptSecret } from '../layout/secret-encryption.ts'
import type { IamActions } from './service.ts'
import type { Users } from './users.ts'

/** AWS's quota. The root of the first account also has the key of the genesis record. */
const KEYS_MAX = 2
const NONCE_BYTES = 12

/** The account that the genesis record names. Its root is the first administrator of the cluster. */
export interface FirstAccount {
  readonly accountId: string
  /** The key in the genesis record. It stays for good. */
  readonly accessKeyId: string
}

export interface AccessKeysOptions extends ModuleOptions {
  readonly users: Users
  /** The cluster secret in force, 32 bytes. Asked for again at each write, because it can be rotated. */
  readonly clusterSecret: () => Uint8Array
  /** From the genesis record. Throws while this node is not a member of a cluster. */
  readonly firstAccount: () => FirstAccount
}

type Status = AccessKeyRecord['status']

/** Answers the actions about access keys. Holds no state: everything is in registers. */
export class AccessKeys {
  readonly #options: AccessKeysOptions

  constructor(options: AccessKeysOptions) {
    this.#options = options
  }

  actions(): IamActions {
    return {
      CreateAccessKey: (call) => this.#create(call),
      ListAccessKeys: (call) => this.#list(call),
      UpdateAccessKey: (call) => this.#update(call),
      DeleteAccessKey: (call) => this.#delete(call),
      GetAccessKeyLastUsed: (call) => this.#lastUsed(call),
    }
  }

  /**
   * Makes an active key of an account's root, also for an account that was just created. (1) Enters
   * the key in the account as inactive, (2) writes the register of the key, (3) sets the entry to
   * active. A request that is broken off leaves an inactive entry, which counts towards the quota
   * until it is deleted.
   *
   * @returns the fields of AWS's AccessKey element, with the secret
   * @throws IamError LimitExceeded when the root has two keys already, ConcurrentModification when
   *   the entry was removed between (1) and (3)
   */
  async createRootKey(
    context: RequestContext,
    accountId: string,
    createdMs: number,
  ): Promise<IamResult> {
    const { records } = this.#options
    const { accessKeyId: id, key, shown } = this.#draw(accountId, undefined, createdMs)
    await records.change(context, ACCOUNT, accountId, (current) => {
      const account = accountAt(current, accountId)
      if (account.rootKeys.length >= KEYS_MAX) throw tooMany()
      return { write: withRootKey(account, id, false) }
    })
    await records.change(context, ACCESS_KEY, id, () => ({ write: key() }))
    await records.change(context, ACCOUNT, accountId, (current) => {
      const account = accountAt(current, accountId)
      if (!rootKeysOf(account).some((each) => each.id === id)) throw concurrentModification()
      return { write: withRootKey(account, id, true) }
    })
    return { UserName: 'root', ...shown }
  }

  async #create(call: IamCall): Promise<IamResult> {
    const { context, caller, nowMs } = call
    const name = subjectOf(call)
    if (name === undefined) {
      mustOutlast(caller)
      return { AccessKey: await this.createRootKey(context, caller.accountId, nowMs) }
    }
    const user = await this.#options.users.names.get(context, caller.accountId, name)
    await this.#mayMakeKey(call, user)
    return { AccessKey: { UserName: user.name, ...(await this.#createUserKey(call, user)) } }
  }

  /** A key can do all that its user may, for good, and so can a key that is enabled again (F31). */
  async #mayMakeKey(call: IamCall, user: UserRecord): Promise<void> {
    const { caller, context } = call
    const { rights, users } = this.#options
    const own = caller.type === 'User' && caller.principalId === user.id
    if (own) mustOutlast(caller)
    if (own && caller.sessionPolicies === undefined) return
    await rights.mustCoverBearer(call, await users.bearer(context, user))
  }

  /**
   * (1) Enters the key in the user's record, (2) writes its register, (3) reads the user again. When
   * the entry is gone by then, the register is removed and the request fails: a key that no record
   * lists is not valid.
   */
  async #createUserKey({ context, nowMs }: IamCall, user: UserRecord): Promise<IamResult> {
    const { records, users } = this.#options
    const { accessKeyId, key, shown } = this.#draw(user.accountId, user.id, nowMs)
    // Only a full list is searched for entries without a key: otherwise there is room for this one.
    const dead = user.accessKeys.length < KEYS_MAX ? [] : await this.#dead(context, user)
    await users.names.change(context, user, (current) => {
      const keys = current.accessKeys.filter((id) => !dead.includes(id))
      if (keys.length >= KEYS_MAX) throw tooMany()
      return { write: { ...current, accessKeys: [...keys, accessKeyId] } }
    })
    await records.change(context, ACCESS_KEY, accessKeyId, () => ({ write: key() }))
    // The user may be gone, or another CreateAccessKey may have taken this entry for one whose key
    // was never written.
    // The user may be gone, or a cleaner may have taken this key for one that was never finished.
    const now = await users.names.readById(context, user.accountId, user.id)
    if (now?.accessKeys.includes(accessKeyId) !== true) {
      await records.change(context, ACCESS_KEY, accessKeyId, () => ({ remove: true }))
      throw now === undefined ? noSuchEntity('user', user.name) : concurrentModification()
    }
    return shown
  }

  async #list(call: IamCall): Promise<IamResult> {
    const { context, caller } = call
    const name = subjectOf(call)
    const ids =
      name === undefined
        ? await this.#rootIds(context, caller.accountId)
        : (await this.#options.users.names.get(context, caller.accountId, name)).accessKeys
    const { items, more } = await readPage(
      [...ids].sort(compareTexts),
      pageOf(call),
      (id) => id,
      async (id) => {
        const key = await this.#read(context, caller.accountId, id)
        return key && { UserName: name ?? 'root', AccessKeyId: id, ...key }
      },
    )
    return { UserName: name ?? 'root', AccessKeyMetadata: items, ...more }
  }

  async #update(call: IamCall): Promise<IamResult> {
    const status = requiredText(call, 'Status') as Status
    await this.#change(call, status)
    return {}
  }

  async #delete(call: IamCall): Promise<IamResult> {
    await this.#change(call, undefined)
    return {}
  }

  /**
   * Sets the status of the key that the call names, or removes the key when `status` is undefined.
   * Throws IamError NoSuchEntity when the user does not list it.
   */
  async #change(call: IamCall, status: Status | undefined): Promise<void> {
    const { context, caller } = call
    const id = requiredText(call, 'AccessKeyId')
    const name = subjectOf(call)
    if (name === undefined) {
      if (status === 'Active') mustOutlast(caller)
      return this.#changeRootKey(context, caller.accountId, id, status)
    }
    const { records, users } = this.#options
    const user = await users.names.get(context, caller.accountId, name)
    if (!user.accessKeys.includes(id)) throw noKey(id)
    const known = await records.read(context, ACCESS_KEY, id)
    // Decided on what was read here, and checked again inside the change: a key that became inactive
    // in between is refused, because the caller's rights were not compared for it.
    const activates = status === 'Active' && known !== undefined && known.status !== 'Active'
    if (activates) await this.#mayMakeKey(call, user)
    await records.change(context, ACCESS_KEY, id, (current) => {
      if (current === undefined) throw noKey(id)
      if (status === 'Active' && current.status !== 'Active' && !activates) {
        throw concurrentModification()
      }
      return status === undefined ? { remove: true } : { write: { ...current, status } }
    })
    if (status !== undefined) return
    await records.change(context, USER, byId(user.accountId, user.id), (current) => {
      if (current?.accessKeys.includes(id) !== true) return { keep: true }
      const accessKeys = current.accessKeys.filter((key) => key !== id)
      return { write: { ...current, accessKeys } }
    })
  }

  /**
   * The same for a key of the root, whose status is in the account's record. The last active key of
   * an account stays: without it, no root could sign. The first account has the key of the genesis
   * record, so all its others may go. Throws IamError DeleteConflict or NoSuchEntity.
   */
  async #changeRootKey(
    context: RequestContext,
    accountId: string,
    id: string,
    status: Status | undefined,
  ): Promise<void> {
    const { records, firstAccount } = this.#options
    const first = firstAccount()
    if (id === first.accessKeyId && accountId === first.accountId) {
      throw deleteConflict('The access key with which the cluster was founded cannot be changed.')
    }
    const active = status === 'Active'
    if (active && (await records.read(context, ACCESS_KEY, id)) === undefined) throw noKey(id)
    await records.change(context, ACCOUNT, accountId, (current) => {
      const account = accountAt(current, accountId)
      const keys = rootKeysOf(account)
      if (!keys.some((key) => key.id === id)) throw noKey(id)
      const others = keys.some((key) => key.active && key.id !== id)
      if (!active && !others && accountId !== first.accountId) {
        throw deleteConflict(
          'This is the last active key of the last administrator of the account.',
        )
      }
      return { write: withRootKey(account, id, active) }
    })
    if (status !== undefined) return
    await records.change(context, ACCESS_KEY, id, () => ({ remove: true }))
    await records.change(context, ACCOUNT, accountId, (current) => ({
      write: withRootKey(accountAt(current, accountId), id, undefined),
    }))
  }

  /**
   * Shoal does not record when a key was used, so the answer has AWS's N/A. A key of another account
   * is refused like one that does not exist.
   */
  async #lastUsed(call: IamCall): Promise<IamResult> {
    const { context, caller } = call
    const id = requiredText(call, 'AccessKeyId')
    const { records, users, firstAccount } = this.#options
    const never = { ServiceName: 'N/A', Region: 'N/A' }
    const first = firstAccount()
    if (id === first.accessKeyId && caller.accountId === first.accountId) {
      return { UserName: 'root', AccessKeyLastUsed: never }
    }
    const key = await records.read(context, ACCESS_KEY, id)
    if (key?.accountId !== caller.accountId) throw accessDenied('Access Denied')
    if (key.userId === undefined) return { UserName: 'root', AccessKeyLastUsed: never }
    const user = await users.names.readById(context, key.accountId, key.userId)
    if (user === undefined) throw accessDenied('Access Denied')
    return { UserName: user.name, AccessKeyLastUsed: never }
  }

  #draw(
    accountId: string,
    userId: string | undefined,
    createdMs: number,
  ): {
    readonly accessKeyId: string
    /** Encrypted with the cluster secret that is in force when the record is written (rotation.ts). */
    readonly key: () => AccessKeyRecord
    readonly shown: IamResult
  } {
    const { random, clusterSecret } = this.#options
    const accessKeyId = uniqueId(random, 'key').slice(0, ACCESS_KEY_CHARACTERS)
    const secret = drawSecret(random)
    const status = 'Active'
    return {
      accessKeyId,
      key: () => {
        const sealing = clusterSecret()
        return {
          accessKeyId,
          accountId,
          ...(userId !== undefined && { userId }),
          // Each call draws its own nonce: one nonce is never used for two keys.
          sealedSecret: encryptSecret(sealing, random.bytes(NONCE_BYTES), secret),
          sealedWith: secretId(sealing),
          status,
          createdMs,
        }
      },
      shown: {
        AccessKeyId: accessKeyId,
        Status: status,
        SecretAccessKey: secret,
        CreateDate: new Date(createdMs),
      },
    }
  }

  /** Listed keys of a user that are gone or were never finished. */
  async #dead(context: RequestContext, user: UserRecord): Promise<string[]> {
    const dead: string[] = []
    for (const id of user.accessKeys) {
      if ((await this.#options.records.read(context, ACCESS_KEY, id)) === undefined) dead.push(id)
    }
    return dead
  }

  async #rootIds(context: RequestContext, accountId: string): Promise<string[]> {
    const first = this.#options.firstAccount()
    const record = await this.#options.records.read(context, ACCOUNT, accountId)
    const ids = record === undefined ? [] : rootKeysOf(record).map(({ id }) => id)
    return first.accountId === accountId ? [first.accessKeyId, ...ids] : ids
  }

  /**
   * Status and creation of a key for a list; undefined when it has no register. The root's keys take
   * their status from the account's record.
   */
  async #read(
    context: RequestContext,
    accountId: string,
    id: string,
  ): Promise<{ readonly Status: Status; readonly CreateDate?: Date } | undefined> {
    const { records, firstAccount } = this.#options
    const account = async (): Promise<AccountRecord> =>
      accountAt(await records.read(context, ACCOUNT, accountId), accountId)
    if (id === firstAccount().accessKeyId) {
      return { Status: 'Active' }
    }
    const key = await records.read(context, ACCESS_KEY, id)
    if (key === undefined) return undefined
    const CreateDate = new Date(key.createdMs)
    if (key.userId !== undefined) return { Status: key.status, CreateDate }
    const listed = rootKeysOf(await account()).find((each) => each.id === id)
    return listed && { Status: listed.active ? 'Active' : 'Inactive', CreateDate }
  }
}

/** A session may not create a key for its own user or root, because the key would outlast it. Throws AccessDenied. */
function mustOutlast({ tokenIssuedMs }: Identity): void {
  if (tokenIssuedMs === undefined) return
  throw accessDenied(
    'Session credentials cannot create an access key for their own user, because it would outlast them.',
  )
}

/** As long as AWS's secrets. */
const ACCESS_KEY_CHARACTERS = 20

/** The first account has no record until something is written to it. */
function accountAt(record: AccountRecord | undefined, accountId: string): AccountRecord {
  return record ?? accountOf(undefined, accountId)
}

function tooMany(): Error {
  return limitExceeded(`Cannot exceed quota for AccessKeysPerUser: ${KEYS_MAX}`)
}

function noKey(id: string): Error {
  return noSuchEntity('Access Key', id)
}
