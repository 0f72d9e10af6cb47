/**
 * Managed policies on users, groups and roles.
 *
 * Invariants:
 *   - the holder's record decides what is attached; the policy's list of holders is a superset (T2)
 *   - a policy is deleted only when it has no holder and is nobody's permissions boundary, also when it is attached at the
 *     same moment
 *
 * Attach: (1) enter the holder in the policy and check that the caller may give away what the policy says then, (2)
 * change the holder, (3) look at the policy again: a deletion that has begun is called off; after a deletion that is
 * done, the attachment is undone.
 * Delete: (1) put a token of this deletion into the policy, (2) read every holder, (3) remove the policy if it still
 * has the token. If (2) reads a holder before the attachment's (2), then the attachment's (3) comes after the token
 * was set and removes it. So never both happen.
 */

import type { PolicyText } from '../../gateway/port/identity.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { IamError, type IamCall, type IamResult } from '../../gateway/port/iam-backend.ts'
import type { BoundedHolder, HolderRecord } from '../../protocol/iam/entity.ts'
import { POLICY_ARN } from '../../protocol/iam/identity.ts'
import type { PolicyRecord } from '../../protocol/iam/policy-record.ts'
import type { AttachedPolicy } from '../../protocol/iam/record.ts'
import type { Random } from '../env/ports.ts'
import { compareTexts } from './directory.ts'
import { concurrentModification, deleteConflict, limitExceeded, noSuchEntity } from './errors.ts'
import { managedText, ROLE, sameBoundary, textOfManaged, type RecordReader } from './holdings.ts'
import { drawToken } from './ids.ts'
import { pageOf, readPage } from './page.ts'
import { textParameter } from './parameters.ts'
import type { PolicyUses } from './policy-uses.ts'
import {
  byId,
  GROUP,
  readAll,
  USER,
  type Changed,
  type RecordKind,
  type Records,
} from './records.ts'

/** What can hold a managed policy. The kind is also readable from the first letters of the id. */
export type HolderKind = 'user' | 'group' | 'role'

/** The user, group or role that a policy is attached to. */
export interface AttachmentHolder {
  readonly kind: HolderKind
  readonly accountId: string
  readonly id: string
  /** For messages. The record is found by `id`. */
  readonly name: string
  /** Its permissions boundary when rights were compared: with another one, nothing is attached. */
  readonly boundary?: AttachedPolicy | undefined
}

/** A user, group or role that uses a managed policy, in one way or both. */
export interface PolicyHolder {
  readonly kind: HolderKind
  readonly record: HolderRecord
  readonly isAttached: boolean
  readonly isBoundary: boolean
}

/** AWS's default quota. */
const ATTACHED_MAX = 10

/**
 * Changes and reads attachments. Used by holder-policies.ts (attach, detach) and policies.ts (delete,
 * list holders).
 */
export class Attachments {
  readonly #records: Records
  readonly #random: Random
  readonly #uses: PolicyUses

  constructor(records: Records, random: Random, uses: PolicyUses) {
    this.#records = records
    this.#random = random
    this.#uses = uses
  }

  /**
   * Attaches the policy of this ARN. Nothing changes when it is attached already. `mayGrant` is given
   * the text that the policy has once the holder is entered, and throws when the caller may not give
   * it away (F31). When it returns, a deletion of the policy that began earlier has failed or will
   * fail.
   *
   * @throws IamError NoSuchEntity, LimitExceeded, ConcurrentModification, and what `mayGrant` throws
   */
  async attach(
    context: RequestContext,
    holder: AttachmentHolder,
    arn: string,
    mayGrant: (policy: PolicyText) => Promise<void>,
  ): Promise<void> {
    const found = await this.#uses.find(context, holder.accountId, arn)
    const token = drawToken(this.#random)
    const policy = await this.#uses.enter(context, found, 'holders', holder.id, token)
    let changed: Changed<BoundedHolder>
    try {
      // The policy as it is with a holder: from now on it gets no text that its changer could not give away.
      await mayGrant(textOfManaged(arn, policy))
      changed = await this.#changeHolder(context, holder, (current) => {
        if (!sameBoundary(current, holder)) throw concurrentModification()
        const { attached } = current
        if (attached.some(({ id }) => id === policy.id)) return undefined
        if (attached.length >= ATTACHED_MAX) {
          throw limitExceeded(
            `Cannot exceed quota for PoliciesPer${camel(holder.kind)}: ${ATTACHED_MAX}`,
          )
        }
        return [...attached, { arn, id: policy.id, token }]
      })
    } catch (error) {
      // After any other failure it is not known whether the change has happened: the list is a superset.
      if (error instanceof IamError) await this.#leave(context, policy, holder.id, token)
      throw error
    }
    if (!changed.written) return this.#leave(context, policy, holder.id, token)
    if (await this.#uses.exists(context, policy)) return
    await this.#changeHolder(context, holder, ({ attached }) => {
      const left = attached.filter((each) => each.token !== token)
      return left.length === attached.length ? undefined : left
    })
    throw concurrentModification()
  }

  /**
   * The text of an attached policy: what a detachment would take away. Undefined when none of this
   * ARN is attached.
   */
  async textOf(
    context: RequestContext,
    { accountId, attached }: HolderRecord,
    arn: string,
  ): Promise<string | undefined> {
    const held = attached.find((each) => each.arn === arn)
    if (held === undefined) return undefined
    const read: RecordReader = (kind, name) => this.#records.read(context, kind, name)
    return (await managedText(read, accountId, arn, held.id))?.text
  }

  /**
   * Detaches by ARN: the holder first, then the entry in the policy's list. Throws IamError
   * NoSuchEntity, also when the policy is not attached.
   */
  async detach(context: RequestContext, holder: AttachmentHolder, arn: string): Promise<void> {
    const { written, before } = await this.#changeHolder(context, holder, (current) => {
      if (!sameBoundary(current, holder)) throw concurrentModification()
      const { attached } = current
      const left = attached.filter((each) => each.arn !== arn)
      return left.length === attached.length ? undefined : left
    })
    // As it was when it was changed: the last call of an edit may meet a later state.
    const gone = written ? before?.attached.find((each) => each.arn === arn) : undefined
    if (gone === undefined) {
      throw noSuchEntity('policy', `${arn} attached to ${holder.kind} ${holder.name}`)
    }
    const { accountId } = holder
    await this.#leave(context, { accountId, id: gone.id }, holder.id, gone.token)
  }

  /**
   * The users, groups and roles that really have this policy attached, or as their permissions boundary, of those in its
   * lists. Reads each record once.
   */
  async holders(
    context: RequestContext,
    { accountId, holders, bounded = [], id }: PolicyRecord,
  ): Promise<PolicyHolder[]> {
    const ids = [...new Set([...holders, ...bounded].map((holder) => holder.id))]
    const found = await readAll(ids, async (each) => {
      const kind = kindOf(each)
      const record = await this.#readHolder(context, kind, byId(accountId, each))
      if (record === undefined) return undefined
      const isAttached = record.attached.some((policy) => policy.id === id)
      const isBoundary = record.boundary?.id === id
      return isAttached || isBoundary ? { kind, record, isAttached, isBoundary } : undefined
    })
    return found.filter((each) => each !== undefined)
  }

  /** Takes an entry out of the policy's list of holders. */
  #leave(
    context: RequestContext,
    policy: Pick<PolicyRecord, 'accountId' | 'id'>,
    holderId: string,
    token: string,
  ): Promise<void> {
    return this.#uses.leave(context, policy, 'holders', holderId, token)
  }

  /**
   * Makes sure that the policy has no holder while `remove` removes it. `remove` is given this
   * deletion's token, and must fail when the record has another one: then the policy was attached
   * meanwhile. When it has holders the token is taken back.
   *
   * @throws IamError DeleteConflict when the policy is attached, NoSuchEntity, and what `remove`
   *   throws
   */
  async whileUnheld(
    context: RequestContext,
    policy: PolicyRecord,
    remove: (mark: string) => Promise<void>,
  ): Promise<void> {
    const mark = drawToken(this.#random)
    const { after } = await this.#uses.change(context, policy, (current) => ({
      write: { ...current, deleting: mark },
    }))
    if (after === undefined) throw noSuchEntity('policy', policy.name)
    const held = await this.holders(context, after)
    if (held.length === 0) return remove(mark)
    await this.#uses.change(context, policy, (current) =>
      current.deleting === mark ? { write: { ...current, deleting: '' } } : { keep: true },
    )
    throw deleteConflict('Cannot delete a policy attached to entities.')
  }

  /** No change when `edit` returns undefined. Throws NoSuchEntity. */
  #changeHolder(
    context: RequestContext,
    holder: AttachmentHolder,
    edit: (current: BoundedHolder) => readonly AttachedPolicy[] | undefined,
  ): Promise<Changed<BoundedHolder>> {
    switch (holder.kind) {
      case 'user':
        return this.#changeOne(context, USER, holder, edit)
      case 'group':
        return this.#changeOne(context, GROUP, holder, edit)
      case 'role':
        return this.#changeOne(context, ROLE, holder, edit)
    }
  }

  /**
   * The change of `#changeHolder` for one kind of record: the compiler can't pair a kind that it does
   * not know with its record.
   */
  #changeOne<T extends HolderRecord>(
    context: RequestContext,
    kind: RecordKind<T>,
    { accountId, id, name, kind: word }: AttachmentHolder,
    edit: (current: BoundedHolder) => readonly AttachedPolicy[] | undefined,
  ): Promise<Changed<BoundedHolder>> {
    return this.#records.change(context, kind, byId(accountId, id), (current) => {
      if (current === undefined) throw noSuchEntity(word, name)
      const attached = edit(current)
      return attached === undefined ? { keep: true } : { write: { ...current, attached } }
    })
  }

  #readHolder(
    context: RequestContext,
    kind: HolderKind,
    name: string,
  ): Promise<BoundedHolder | undefined> {
    switch (kind) {
      case 'user':
        return this.#records.read(context, USER, name)
      case 'group':
        return this.#records.read(context, GROUP, name)
      case 'role':
        return this.#records.read(context, ROLE, name)
    }
  }
}

/** By the prefixes of protocol/iam/identity.ts: AIDA, AGPA, and AROA for the rest. */
function kindOf(id: string): HolderKind {
  return id.startsWith('AIDA') ? 'user' : id.startsWith('AGPA') ? 'group' : 'role'
}

/**
 * The answer of ListAttachedUserPolicies and its like for groups and roles: the page of `attached`
 * that the call asks for, ordered by ARN, those below PathPrefix only.
 */
export async function attachedPage(
  call: IamCall,
  attached: readonly AttachedPolicy[],
): Promise<IamResult> {
  const prefix = textParameter(call, 'PathPrefix') ?? '/'
  const fits = attached.filter(({ arn }) => (POLICY_ARN.exec(arn)?.[2] ?? '/').startsWith(prefix))
  const { items, more } = await readPage(
    fits.toSorted((a, b) => compareTexts(a.arn, b.arn)),
    pageOf(call),
    ({ arn }) => arn,
    (policy) => Promise.resolve(shownAttached(policy)),
  )
  return { AttachedPolicies: items, ...more }
}

/** The AttachedPolicy element of answers. */
export function shownAttached({ arn }: AttachedPolicy): IamResult {
  return { PolicyName: POLICY_ARN.exec(arn)?.[3], PolicyArn: arn }
}

function camel(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}
