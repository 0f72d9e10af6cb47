/**
 * Who uses a managed policy: the lists in its record, of those that it is attached to and of those whose permissions
 * boundary it is. Both are supersets (T2): the record of the user, group or role decides. attachments.ts has the protocol.
 */

import type { RequestContext } from '../../protocol/context.ts'
import { POLICY_ARN } from '../../protocol/iam/identity.ts'
import { HOLDERS_MAX, type PolicyRecord } from '../../protocol/iam/policy-record.ts'
import { limitExceeded, noSuchEntity } from './errors.ts'
import { POLICY, POLICY_NAME_KIND } from './holdings.ts'
import { BUILT_IN_POLICIES, type BuiltInPolicy } from './managed.ts'
import { byId, byName, type RecordEdit, type Records } from './records.ts'

/** The list of a policy's record: attached to, or boundary of. */
export type UseList = 'holders' | 'bounded'

/** Finds policies, and changes their lists. Used by attachments.ts and boundaries.ts. */
export class PolicyUses {
  readonly #records: Records

  constructor(records: Records) {
    this.#records = records
  }

  /** The record of an account's own policy, or of the account's use of a built-in one. Throws NoSuchEntity. */
  async find(context: RequestContext, accountId: string, arn: string): Promise<PolicyRecord> {
    const builtIn = BUILT_IN_POLICIES.get(arn)
    if (builtIn !== undefined) {
      const used = await this.#records.read(context, POLICY, byId(accountId, builtIn.id))
      return used ?? useOf(builtIn, accountId)
    }
    const [, account, path, name] = POLICY_ARN.exec(arn) ?? []
    if (account === accountId && name !== undefined) {
      const pointer = await this.#records.read(context, POLICY_NAME_KIND, byName(accountId, name))
      const policy =
        pointer && (await this.#records.read(context, POLICY, byId(accountId, pointer.id)))
      if (policy !== undefined && policy.name === name && policy.path === path) return policy
    }
    throw noSuchEntity('policy', arn)
  }

  /**
   * Adds an entry to a list. Returns the policy with this entry. Throws IamError LimitExceeded when the list is full.
   */
  async enter(
    context: RequestContext,
    policy: PolicyRecord,
    list: UseList,
    id: string,
    token: string,
  ): Promise<PolicyRecord> {
    const { accountId } = policy
    const { after } = await this.#records.change(
      context,
      POLICY,
      byId(accountId, policy.id),
      (stored) => {
        // The account's first use of a built-in policy.
        const current = stored ?? (isBuiltIn(policy) ? policy : undefined)
        if (current === undefined) return { keep: true }
        const entries = current[list] ?? []
        if (entries.length >= HOLDERS_MAX) {
          throw limitExceeded(`Cannot exceed quota for EntitiesPerPolicy: ${HOLDERS_MAX}`)
        }
        return { write: { ...current, [list]: [...entries, { id, token }] } }
      },
    )
    if (after === undefined) throw noSuchEntity('policy', policy.name)
    return after
  }

  /** Takes back this one entry, known by its token. Another entry of the same holder stays. */
  async leave(
    context: RequestContext,
    policy: Pick<PolicyRecord, 'accountId' | 'id'>,
    list: UseList,
    id: string,
    token: string,
  ): Promise<void> {
    await this.change(context, policy, (current) => {
      const before = current[list] ?? []
      const entries = before.filter((each) => each.id !== id || each.token !== token)
      if (entries.length === before.length) return { keep: true }
      return { write: { ...current, [list]: entries } }
    })
  }

  /**
   * Once its holder is written: removes the token of a deletion that has begun, which then fails. False when the policy
   * is already deleted.
   */
  async exists(context: RequestContext, policy: PolicyRecord): Promise<boolean> {
    const { accountId, id } = policy
    const current = await this.#records.read(context, POLICY, byId(accountId, id))
    if (current === undefined) return false
    if (current.deleting === '') return true
    const { after } = await this.change(context, policy, (now) => ({
      write: { ...now, deleting: '' },
    }))
    return after !== undefined
  }

  /** Changes the policy's record. Nothing happens when it is gone. */
  change(
    context: RequestContext,
    { accountId, id }: Pick<PolicyRecord, 'accountId' | 'id'>,
    edit: (current: PolicyRecord) => RecordEdit<PolicyRecord>,
  ) {
    return this.#records.change(context, POLICY, byId(accountId, id), (current) =>
      current === undefined ? { keep: true } : edit(current),
    )
  }
}

/** Records of built-in policies only list who uses them in the account: their text is part of the program. */
function useOf(builtIn: BuiltInPolicy, accountId: string): PolicyRecord {
  return {
    accountId,
    id: builtIn.id,
    name: builtIn.name,
    path: '/',
    createdMs: builtIn.createdMs,
    updatedMs: builtIn.createdMs,
    description: '',
    defaultVersion: 1,
    nextVersion: 2,
    versions: [{ number: 1, text: builtIn.text, createdMs: builtIn.createdMs }],
    holders: [],
    deleting: '',
    tags: [],
  }
}

function isBuiltIn({ id }: PolicyRecord): boolean {
  for (const builtIn of BUILT_IN_POLICIES.values()) if (builtIn.id === id) return true
  return false
}
