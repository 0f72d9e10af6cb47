/**
 * Policies of users and groups, alike for both: inline ones lie in the holder's record, managed ones are
 * attached (attachments.ts).
 *
 * Nobody gives what it has not (F31): what a policy allows, and, when one with a Deny is taken away or
 * replaced, what those who had it may do without it.
 */

import type { PolicyText } from '../../gateway/port/identity.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import type { NamedPolicy } from '../../protocol/iam/record.ts'
import {
  attachedPage,
  type Attachments,
  type AttachmentHolder,
  type HolderKind,
  type HolderRecord,
} from './attachments.ts'
import type { PolicyBearer, RightsCheck } from './common.ts'
import { compareTexts } from './directory.ts'
import { checkDocument, checkSize, encodedDocument, INLINE_POLICY_CHARACTERS } from './documents.ts'
import { concurrentModification, noSuchEntity } from './errors.ts'
import { pageOf, readPage } from './page.ts'
import { requiredText } from './parameters.ts'
import { denies } from './rights.ts'
import type { RecordEdit } from './records.ts'
import type { IamActions } from './service.ts'

export interface PolicyHolder extends HolderRecord {
  readonly policies: readonly NamedPolicy[]
}

export interface HolderSource<T extends PolicyHolder> {
  readonly word: 'User' | 'Group' | 'Role'
  readonly kind: HolderKind
  /** The one that the call names. Throws NoSuchEntity. */
  find(call: IamCall): Promise<T>
  change(context: RequestContext, record: T, edit: (current: T) => RecordEdit<T>): Promise<unknown>
  /** Whose rights change with its policies: itself, or the members of a group. Throws AccessDenied when they
   * are too many to look at. */
  bearers(call: IamCall, record: T): Promise<readonly PolicyBearer[]>
}

export interface HolderPoliciesOptions {
  readonly attachments: Attachments
  readonly rights: RightsCheck
}

export function holderPolicyActions<T extends PolicyHolder>(
  source: HolderSource<T>,
  { attachments, rights }: HolderPoliciesOptions,
): IamActions {
  const { word, kind } = source
  const holderOf = ({ accountId, id, name }: T): AttachmentHolder => ({ kind, accountId, id, name })
  const shownName = ({ name }: T): IamResult => ({ [`${word}Name`]: name })

  /**
   * Is a policy with this name and text to go, or to be replaced? Without its Deny, those who had it may do what
   * their other policies allow. `name` as explanations have it.
   */
  const mayLift = async (
    call: IamCall,
    holder: T,
    name: string,
    text: string | undefined,
    instead: readonly PolicyText[] = [],
  ): Promise<void> => {
    if (text === undefined || !denies(text)) return
    for (const bearer of await source.bearers(call, holder)) {
      const kept = bearer.policies.filter((policy) => policy.name !== name)
      await rights.mustCoverBearer(call, { ...bearer, policies: [...kept, ...instead] })
    }
  }

  const put = async (call: IamCall): Promise<IamResult> => {
    const name = requiredText(call, 'PolicyName')
    const text = requiredText(call, 'PolicyDocument')
    checkDocument(text, 'identity')
    const holder = await source.find(call)
    const inline = `${kind}/${holder.name}/${name}`
    const before = textIn(holder, name)
    const given = { name: inline, text }
    await rights.mustCover(call, [given])
    await mayLift(call, holder, inline, before, [given])
    await source.change(call.context, holder, (current) => {
      if (textIn(current, name) !== before) throw concurrentModification()
      const others = current.policies.filter((policy) => policy.name !== name)
      const policies = [...others, { name, text }]
      const texts = policies.map((policy) => policy.text)
      checkSize(`${word}PolicySizePer${word}`, texts, INLINE_POLICY_CHARACTERS[kind])
      return { write: { ...current, policies } }
    })
    return {}
  }

  const get = async (call: IamCall): Promise<IamResult> => {
    const holder = await source.find(call)
    const name = requiredText(call, 'PolicyName')
    const text = textIn(holder, name)
    if (text === undefined) throw noSuchEntity(`${kind} policy`, name)
    return { ...shownName(holder), PolicyName: name, PolicyDocument: encodedDocument(text) }
  }

  const remove = async (call: IamCall): Promise<IamResult> => {
    const holder = await source.find(call)
    const name = requiredText(call, 'PolicyName')
    const before = textIn(holder, name)
    if (before === undefined) throw noSuchEntity(`${kind} policy`, name)
    await mayLift(call, holder, `${kind}/${holder.name}/${name}`, before)
    await source.change(call.context, holder, (current) => {
      if (textIn(current, name) !== before) throw concurrentModification()
      const policies = current.policies.filter((policy) => policy.name !== name)
      return { write: { ...current, policies } }
    })
    return {}
  }

  const list = async (call: IamCall): Promise<IamResult> => {
    const holder = await source.find(call)
    const names = holder.policies.map(({ name }) => name).sort(compareTexts)
    const { items, more } = await readPage(
      names,
      pageOf(call),
      (name) => name,
      (name) => Promise.resolve(name),
    )
    return { PolicyNames: items, ...more }
  }

  const attach = async (call: IamCall): Promise<IamResult> => {
    const arn = requiredText(call, 'PolicyArn')
    const holder = await source.find(call)
    await attachments.attach(call.context, holderOf(holder), arn, (policy) =>
      rights.mustCover(call, [policy]),
    )
    return {}
  }

  const detach = async (call: IamCall): Promise<IamResult> => {
    const arn = requiredText(call, 'PolicyArn')
    const holder = await source.find(call)
    const text = await attachments.textOf(call.context, holder, arn)
    await mayLift(call, holder, arn, text)
    await attachments.detach(call.context, holderOf(holder), arn)
    return {}
  }

  const listAttached = async (call: IamCall): Promise<IamResult> =>
    attachedPage(call, (await source.find(call)).attached)

  return {
    [`Put${word}Policy`]: put,
    [`Get${word}Policy`]: get,
    [`Delete${word}Policy`]: remove,
    [`List${word}Policies`]: list,
    [`Attach${word}Policy`]: attach,
    [`Detach${word}Policy`]: detach,
    [`ListAttached${word}Policies`]: listAttached,
  }
}

function textIn({ policies }: PolicyHolder, name: string): string | undefined {
  return policies.find((policy) => policy.name === name)?.text
}
