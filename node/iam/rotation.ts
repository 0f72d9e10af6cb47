/**
 * After the cluster secret was rotated: encrypts every access key, and the cluster's keys for objects, with the secret in
 * force, so that the previous secret decrypts nothing that is still used.
 *
 * One pass finds all keys. It begins once this node has adopted the layout entry that brought the secret. Everything
 * it reads is read at that epoch, from majorities that have adopted it too and refuse writes of an earlier one (L4).
 * A key is entered in the list of its user or account before its register is written, so a key that the pass does not
 * find there is written later, at this epoch, and encrypted with the new secret.
 */

import { secretId } from '../../protocol/layout/secret.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Clock, Random } from '../env/ports.ts'
import { sleep } from '../tools/sleep.ts'
import { internalContext } from '../tools/internal-context.ts'
import { rootKeysOf } from './account-keys.ts'
import type { ClusterKeys } from './cluster-keys.ts'
import type { Accounts } from './accounts.ts'
import { ACCESS_KEY, ACCOUNT, type Records } from './records.ts'
import { encryptSecret, unsealed, type SealingSecrets } from '../layout/secret-encryption.ts'
import type { Users } from './users.ts'

/** The length of AES-GCM's nonce. One is drawn for each encryption, so that none encrypts two keys. */
const NONCE_BYTES = 12
/** A pause between two users, so that a pass slows requests down little. */
const PAUSE_MS = 2

export interface RotationOptions {
  readonly records: Records
  readonly clock: Clock
  readonly random: Random
  /** The secret in force and the one before it. Asked for again at each write. */
  readonly cluster: () => SealingSecrets
  readonly accounts: Accounts
  readonly users: Users
  readonly clusterKeys: Pick<ClusterKeys, 'encryptAll'>
}

/** Run by node/status/secret-upkeep.ts. */
export class Rotation {
  readonly #options: RotationOptions

  constructor(options: RotationOptions) {
    this.#options = options
  }

  /**
   * Encrypts every key that is not yet encrypted with the secret in force. Returns how many those
   * were; a second pass finds none. Throws StoreError Unavailable: the caller tries again, from the
   * beginning.
   */
  async encryptAll(): Promise<number> {
    const { records, accounts, users, clock, clusterKeys } = this.#options
    const context = internalContext()
    let count = await clusterKeys.encryptAll(context)
    for (const accountId of await accounts.ids(context)) {
      const account = await records.read(context, ACCOUNT, accountId)
      for (const { id } of account === undefined ? [] : rootKeysOf(account)) {
        if (await this.#encrypt(context, id)) count++
      }
      for (const { id } of await users.names.entries(context, accountId)) {
        const user = await users.names.readById(context, accountId, id)
        for (const key of user?.accessKeys ?? []) if (await this.#encrypt(context, key)) count++
        await sleep(clock, PAUSE_MS)
      }
    }
    return count
  }

  /** Returns whether the key was encrypted again. Most keys need only the first read. */
  async #encrypt(context: RequestContext, id: string): Promise<boolean> {
    const { records, random, cluster } = this.#options
    const found = await records.read(context, ACCESS_KEY, id)
    if (found === undefined || found.sealedWith === secretId(cluster().secret)) return false
    const { written } = await records.change(context, ACCESS_KEY, id, (current) => {
      const secrets = cluster()
      const sealedWith = secretId(secrets.secret)
      if (current === undefined || current.sealedWith === sealedWith) return { keep: true }
      const secret = unsealed(secrets, current)
      const sealedSecret = encryptSecret(secrets.secret, random.bytes(NONCE_BYTES), secret)
      return { write: { ...current, sealedSecret, sealedWith } }
    })
    return written
  }
}
