/**
 * The actions about keys of the cluster that encrypt objects (`shoal kms`): Shoal's own, in the query API. An account sees and
 * changes its own keys. The cluster's own key, which SSE-S3 uses, can be rotated by the first account.
 *
 * No key is ever removed, because objects may need it.
 */

import { DEFAULT_KEY_ID } from '../../gateway/port/encryption.ts'
import type { IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import { CLUSTER_KEYS_MAX, type ClusterKey } from '../../protocol/iam/key-ring-record.ts'
import type { FirstAccount } from './access-keys.ts'
import { KeyRingFullError, type ClusterKeys } from './cluster-keys.ts'
import { accessDenied, alreadyExists, limitExceeded, noSuchEntity } from './errors.ts'
import { requiredText } from './parameters.ts'
import type { IamActions } from './service.ts'

const KIND = 'encryption key'

export interface KeyActionsOptions {
  readonly clusterKeys: ClusterKeys
  readonly firstAccount: () => FirstAccount
}

/** One for each node. */
export class KeyActions {
  readonly #options: KeyActionsOptions

  constructor(options: KeyActionsOptions) {
    this.#options = options
  }

  actions(): IamActions {
    const { clusterKeys } = this.#options
    return {
      CreateEncryptionKey: async (call) => {
        const name = requiredText(call, 'KeyName')
        const id = `${call.caller.accountId}/${name}`
        // The ARN of the cluster's own key has that name in every account.
        const isFree = name !== DEFAULT_KEY_ID
        if (!isFree || !(await withRoom(clusterKeys.create(call.context, id)))) {
          throw alreadyExists(KIND, name)
        }
        return {}
      },
      ListEncryptionKeys: (call) => this.#list(call),
      RotateEncryptionKey: async (call) => {
        await existing(call, withRoom(clusterKeys.rotate(call.context, this.#idOf(call))))
        return {}
      },
      EnableEncryptionKey: (call) => this.#setEnabled(call, true),
      DisableEncryptionKey: (call) => this.#setEnabled(call, false),
    }
  }

  async #list({ context, caller }: IamCall): Promise<IamResult> {
    const { clusterKeys } = this.#options
    const own = await clusterKeys.list(context, `${caller.accountId}/`)
    const shared = this.#isFirst(caller.accountId)
      ? await clusterKeys.list(context, DEFAULT_KEY_ID)
      : []
    return { EncryptionKeys: [...shared, ...own].map(shown) }
  }

  async #setEnabled(call: IamCall, enabled: boolean): Promise<IamResult> {
    const id = this.#idOf(call)
    if (id === DEFAULT_KEY_ID) throw accessDenied("The cluster's own key cannot be disabled.")
    await existing(call, this.#options.clusterKeys.setEnabled(call.context, id, enabled))
    return {}
  }

  /** Throws AccessDenied for the cluster's own key, unless the caller belongs to the first account. */
  #idOf(call: IamCall): string {
    const { accountId } = call.caller
    const name = requiredText(call, 'KeyName')
    if (name !== DEFAULT_KEY_ID) return `${accountId}/${name}`
    if (this.#isFirst(accountId)) return name
    throw accessDenied("The cluster's own key belongs to the cluster's first account.")
  }

  #isFirst(accountId: string): boolean {
    return accountId === this.#options.firstAccount().accountId
  }
}

async function existing(call: IamCall, work: Promise<boolean>): Promise<void> {
  if (!(await work)) throw noSuchEntity(KIND, requiredText(call, 'KeyName'))
}

async function withRoom(work: Promise<boolean>): Promise<boolean> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof KeyRingFullError)) throw error
    throw limitExceeded(`Cannot exceed quota for EncryptionKeysPerCluster: ${CLUSTER_KEYS_MAX}`)
  }
}

function shown({ id, createdMs, disabled, versions }: ClusterKey): IamResult {
  return {
    KeyName: id.slice(id.indexOf('/') + 1),
    CreateDate: new Date(createdMs),
    Enabled: disabled !== true,
    Versions: versions.length,
  }
}
