/**
 * Access keys: actions of the query API on those of users and of the account's root.
 *
 * A user's key is valid while its register says Active and its user exists and lists it. It is entered in the user's
 * record first, then written; it is removed first, then taken out of the list (T2). A root's key: account-keys.ts.
 * The secret is shown once, in the answer that creates the key.
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

export interface FirstAccount {
  readonly accountId: string
  /** The key in the genesis record. It stays for good. */
  readonly accessKeyId: string
}

export interface AccessKeysOptions extends ModuleOptions {
  readonly users: Users
  readonly clusterSecret: () => Uint8Array
  readonly firstAccount: () => FirstAccount
}

type Status = AccessKeyRecord['status']

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

  /** An active key of an account's root. Also for an account that was just created. */
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

  async #createUserKey({ context, nowMs }: IamCall, user: UserRecord): Promise<IamResult> {
    const { records, users } = this.#options
    const { accessKeyId, key, shown } = this.#draw(user.accountId, user.id, nowMs)
    const dead = user.accessKeys.length < KEYS_MAX ? [] : await this.#dead(context, user)
    await users.names.change(context, user, (current) => {
      const keys = current.accessKeys.filter((id) => !dead.includes(id))
      if (keys.length >= KEYS_MAX) throw tooMany()
      return { write: { ...current, accessKeys: [...keys, accessKeyId] } }
    })
    await records.change(context, ACCESS_KEY, accessKeyId, () => ({ write: key() }))
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

  /** Undefined when the key is to be removed. */
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

function accountAt(record: AccountRecord | undefined, accountId: string): AccountRecord {
  return record ?? accountOf(undefined, accountId)
}

function tooMany(): Error {
  return limitExceeded(`Cannot exceed quota for AccessKeysPerUser: ${KEYS_MAX}`)
}

function noKey(id: string): Error {
  return noSuchEntity('Access Key', id)
}
