/**
 * Policies of users, groups and roles, alike for all three: inline ones are part of the holder's record, managed ones
 * are attached to it (attachments.ts).
 *
 * Callers give only rights that they have themselves (F31): those that a new policy allows; and, when a policy with a
 * Deny is removed or replaced, those that its holders have without the Deny.
 */

import type { PolicyText } from '../../gateway/port/identity.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import type { BoundedHolder, HolderRecord } from '../../protocol/iam/entity.ts'
import {
  attachedPage,
  type Attachments,
  type AttachmentHolder,
  type HolderKind,
} from './attachments.ts'
import type { PolicyBearer, RightsCheck } from './common.ts'
import { compareTexts } from './directory.ts'
import { checkDocument, checkSize, encodedDocument, INLINE_POLICY_CHARACTERS } from './documents.ts'
import { concurrentModification, noSuchEntity } from './errors.ts'
import { sameBoundary } from './holdings.ts'
import { pageOf, readPage } from './page.ts'
import { requiredText } from './parameters.ts'
import { denies } from './rights.ts'
import type { RecordEdit } from './records.ts'
import type { IamActions } from './service.ts'

/**
 * What differs between users, groups and roles as holders of policies. Each of the three modules
 * gives one.
 */
export interface HolderSource<T extends BoundedHolder> {
  /** As AWS's actions and limits spell it: PutUserPolicy, UserPolicySizePerUser. */
  readonly word: 'User' | 'Group' | 'Role'
  readonly kind: HolderKind
  /** The holder that the call names. Throws IamError NoSuchEntity. */
  find(call: IamCall): Promise<T>
  /**
   * Changes the holder's record under its id. `edit` is pure and may run several times. Throws
   * IamError NoSuchEntity when the holder is gone.
   */
  change(context: RequestContext, record: T, edit: (current: T) => RecordEdit<T>): Promise<unknown>
  /**
   * Whose rights change with its policies: the holder itself, or the members of a group. Throws
   * IamError AccessDenied when there are too many members to look at.
   */
  bearers(call: IamCall, record: T): Promise<readonly PolicyBearer[]>
}

export interface HolderPoliciesOptions {
  readonly attachments: Attachments
  readonly rights: RightsCheck
}

/** The seven actions for one kind of holder, by AWS's names: PutUserPolicy, PutGroupPolicy, … */
export function holderPolicyActions<T extends BoundedHolder>(
  source: HolderSource<T>,
  options: HolderPoliciesOptions,
): IamActions {
  const { word } = source
  const policies = new HolderPolicies(source, options)
  return {
    [`Put${word}Policy`]: (call) => policies.put(call),
    [`Get${word}Policy`]: (call) => policies.get(call),
    [`Delete${word}Policy`]: (call) => policies.delete(call),
    [`List${word}Policies`]: (call) => policies.list(call),
    [`Attach${word}Policy`]: (call) => policies.attach(call),
    [`Detach${word}Policy`]: (call) => policies.detach(call),
    [`ListAttached${word}Policies`]: (call) => policies.listAttached(call),
  }
}

class HolderPolicies<T extends BoundedHolder> {
  readonly #source: HolderSource<T>
  readonly #options: HolderPoliciesOptions

  constructor(source: HolderSource<T>, options: HolderPoliciesOptions) {
    this.#source = source
    this.#options = options
  }

  /**
   * Stores or replaces an inline policy. The rights are compared with the policy as it was read, so
   * another change of this policy in between is refused.
   */
  async put(call: IamCall): Promise<IamResult> {
    const { word, kind } = this.#source
    const name = requiredText(call, 'PolicyName')
    const text = requiredText(call, 'PolicyDocument')
    checkDocument(text, 'identity')
    const holder = await this.#source.find(call)
    const before = textIn(holder, name)
    const inline = this.#inlineName(holder, name)
    const given = { name: inline, text }
    await this.#options.rights.mustCover(call, [given], await this.#boundary(call, holder))
    await this.#mayLift(call, holder, inline, before, [given])
    await this.#source.change(call.context, holder, (current) => {
      if (textIn(current, name) !== before || !sameBoundary(current, holder)) {
        throw concurrentModification()
      }
      const others = current.policies.filter((policy) => policy.name !== name)
      const policies = [...others, { name, text }]
      const texts = policies.map((policy) => policy.text)
      checkSize(`${word}PolicySizePer${word}`, texts, INLINE_POLICY_CHARACTERS[kind])
      return { write: { ...current, policies } }
    })
    return {}
  }

  async get(call: IamCall): Promise<IamResult> {
    const { word, kind } = this.#source
    const holder = await this.#source.find(call)
    const name = requiredText(call, 'PolicyName')
    const text = textIn(holder, name)
    if (text === undefined) throw noSuchEntity(`${kind} policy`, name)
    return {
      [`${word}Name`]: holder.name,
      PolicyName: name,
      PolicyDocument: encodedDocument(text),
    }
  }

  async delete(call: IamCall): Promise<IamResult> {
    const holder = await this.#source.find(call)
    const name = requiredText(call, 'PolicyName')
    const before = textIn(holder, name)
    if (before === undefined) throw noSuchEntity(`${this.#source.kind} policy`, name)
    await this.#mayLift(call, holder, this.#inlineName(holder, name), before)
    await this.#source.change(call.context, holder, (current) => {
      if (textIn(current, name) !== before || !sameBoundary(current, holder)) {
        throw concurrentModification()
      }
      const policies = current.policies.filter((policy) => policy.name !== name)
      return { write: { ...current, policies } }
    })
    return {}
  }

  async list(call: IamCall): Promise<IamResult> {
    const holder = await this.#source.find(call)
    const names = holder.policies.map(({ name }) => name).sort(compareTexts)
    const { items, more } = await readPage(
      names,
      pageOf(call),
      (name) => name,
      (name) => Promise.resolve(name),
    )
    return { PolicyNames: items, ...more }
  }

  /** Attaches a managed policy that the caller could give away. */
  async attach(call: IamCall): Promise<IamResult> {
    const { attachments, rights } = this.#options
    const arn = requiredText(call, 'PolicyArn')
    const holder = await this.#source.find(call)
    const boundary = await this.#boundary(call, holder)
    await attachments.attach(call.context, this.#attachmentHolder(holder), arn, (policy) =>
      rights.mustCover(call, [policy], boundary),
    )
    return {}
  }

  /** Detaches a managed policy, if the caller may lift what it denies. */
  async detach(call: IamCall): Promise<IamResult> {
    const { attachments } = this.#options
    const arn = requiredText(call, 'PolicyArn')
    const holder = await this.#source.find(call)
    const text = await attachments.textOf(call.context, holder, arn)
    await this.#mayLift(call, holder, arn, text)
    await attachments.detach(call.context, this.#attachmentHolder(holder), arn)
    return {}
  }

  async listAttached(call: IamCall): Promise<IamResult> {
    return attachedPage(call, (await this.#source.find(call)).attached)
  }

  /**
   * Called before a policy is removed or replaced. Without its Deny, those who had it may do what
   * their other policies allow; the caller must have these rights (F31). Throws IamError
   * AccessDenied.
   *
   * @param name the policy's name as explanations show it, by which it is found among a bearer's
   *   policies
   * @param instead what takes its place
   */
  async #mayLift(
    call: IamCall,
    holder: T,
    name: string,
    text: string | undefined,
    instead: readonly PolicyText[] = [],
  ): Promise<void> {
    if (text === undefined || !denies(text)) return
    for (const bearer of await this.#source.bearers(call, holder)) {
      const kept = bearer.policies.filter((policy) => policy.name !== name)
      await this.#options.rights.mustCoverBearer(call, {
        ...bearer,
        policies: [...kept, ...instead],
      })
    }
  }

  /** As holdings.ts names inline policies: 'user/ann/read'. */
  #inlineName(holder: T, name: string): string {
    return `${this.#source.kind}/${holder.name}/${name}`
  }

  #attachmentHolder({ accountId, id, name, boundary }: T): AttachmentHolder {
    return { kind: this.#source.kind, accountId, id, name, boundary }
  }

  /** The boundary of the holder; undefined when it has none. */
  async #boundary(call: IamCall, holder: T): Promise<PolicyText | undefined> {
    if (holder.boundary === undefined) return undefined
    const [bearer] = await this.#source.bearers(call, holder)
    return bearer?.boundary
  }
}

/** The text of an inline policy; undefined when the holder has none of this name. */
function textIn({ policies }: HolderRecord, name: string): string | undefined {
  return policies.find((policy) => policy.name === name)?.text
}
