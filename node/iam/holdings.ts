/** The policies that users, groups and roles hold, as texts with the names that explanations use. */

import type { PolicyText } from '../../gateway/port/identity.ts'
import type { BoundedHolder, BoundedRecord, EntityRecord } from '../../protocol/iam/entity.ts'
import type { GroupRecord } from '../../protocol/iam/group-record.ts'
import { POLICY_ARN } from '../../protocol/iam/identity.ts'
import type { NameRecord } from '../../protocol/iam/name-record.ts'
import { policyCodec, policyTextOf, type PolicyRecord } from '../../protocol/iam/policy-record.ts'
import type { AttachedPolicy, NamedPolicy } from '../../protocol/iam/record.ts'
import { roleCodec, type RoleRecord } from '../../protocol/iam/role-record.ts'
import type { UserRecord } from '../../protocol/iam/user-record.ts'
import { BUILT_IN_POLICIES } from './managed.ts'
import { byId, byName, GROUP, nameKind, readAll, type RecordKind } from './records.ts'

/** A role, by account and unique id: `byId`. */
export const ROLE: RecordKind<RoleRecord> = { space: 'role', codec: roleCodec }
/**
 * A managed policy, by account and unique id: `byId`. For a built-in policy it is the account's list
 * of holders.
 */
export const POLICY: RecordKind<PolicyRecord> = { space: 'policy', codec: policyCodec }
/** By account and name: `byName`. */
export const ROLE_NAME: RecordKind<NameRecord> = nameKind('role')
/** By account and name: `byName`. */
export const POLICY_NAME_KIND: RecordKind<NameRecord> = nameKind('policy')

/**
 * Reads one record; undefined when there is none. resolve.ts passes its cache, the modules of actions
 * a linearizable read. Throws StoreError Unavailable.
 */
export type RecordReader = <T>(kind: RecordKind<T>, name: string) => Promise<T | undefined>

/**
 * Everything that gives or denies the user rights: inline policies, those of its groups, and managed
 * ones, each once. Groups that are gone give nothing.
 */
export async function userPolicies(read: RecordReader, user: UserRecord): Promise<PolicyText[]> {
  const groups = await readAll(user.groups, ({ id }) => read(GROUP, byId(user.accountId, id)))
  const present = groups.filter((group) => group !== undefined)
  const attached = [...user.attached, ...present.flatMap((group) => group.attached)]
  return [
    ...inlineTexts('user', user.name, user.policies),
    ...present.flatMap(({ name, policies }) => inlineTexts('group', name, policies)),
    ...(await attachedTexts(read, user.accountId, attached)),
  ]
}

/** The group's inline policies, then its managed ones. */
export async function groupPolicies(read: RecordReader, group: GroupRecord): Promise<PolicyText[]> {
  return [
    ...inlineTexts('group', group.name, group.policies),
    ...(await attachedTexts(read, group.accountId, group.attached)),
  ]
}

/** The role's inline policies, then its managed ones. Its trust policy is not one of them. */
export async function rolePolicies(read: RecordReader, role: RoleRecord): Promise<PolicyText[]> {
  return [
    ...inlineTexts('role', role.name, role.policies),
    ...(await attachedTexts(read, role.accountId, role.attached)),
  ]
}

/**
 * The permissions boundary of a user or role. Undefined when it has none. One whose policy is gone can't be read, and so
 * denies everything.
 */
export async function boundaryText(
  read: RecordReader,
  { accountId, boundary }: EntityRecord & BoundedRecord,
): Promise<PolicyText | undefined> {
  if (boundary === undefined) return undefined
  const { arn, id } = boundary
  return (await managedText(read, accountId, arn, id)) ?? { name: arn, text: '' }
}

/** Whether both have the same boundary, put by the same request. */
export function sameBoundary(
  a: BoundedRecord,
  b: { readonly boundary?: AttachedPolicy | undefined },
): boolean {
  return a.boundary?.token === b.boundary?.token
}

/** Whether both have the same policies of their own and the same boundary, so that they give the same rights. */
export function sameHoldings(a: BoundedHolder, b: BoundedHolder): boolean {
  const held = ({ policies, attached, boundary }: BoundedHolder): string =>
    JSON.stringify([policies, attached, boundary])
  return held(a) === held(b)
}

/**
 * A managed policy by ARN and id, in its default version. The id tells it from a new policy under the
 * ARN of a deleted one. Undefined when it is gone.
 */
export async function managedText(
  read: RecordReader,
  accountId: string,
  arn: string,
  id: string,
): Promise<PolicyText | undefined> {
  const builtIn = BUILT_IN_POLICIES.get(arn)
  if (builtIn !== undefined) return { name: arn, text: builtIn.text }
  const policy = await read(POLICY, byId(accountId, id))
  return policy === undefined ? undefined : { name: arn, text: policyTextOf(policy) }
}

/** The same of a record that was read. The text of a built-in policy is that of the program. */
export function textOfManaged(arn: string, policy: PolicyRecord): PolicyText {
  return { name: arn, text: BUILT_IN_POLICIES.get(arn)?.text ?? policyTextOf(policy) }
}

/**
 * The id of the policy that has this ARN now. Undefined when the account has no such policy, or it
 * has another path.
 */
export async function managedPolicyId(
  read: RecordReader,
  accountId: string,
  arn: string,
): Promise<string | undefined> {
  const builtIn = BUILT_IN_POLICIES.get(arn)
  if (builtIn !== undefined) return builtIn.id
  const [, account, path, name] = POLICY_ARN.exec(arn) ?? []
  if (account !== accountId || name === undefined) return undefined
  const entry = await read(POLICY_NAME_KIND, byName(accountId, name))
  if (entry === undefined) return undefined
  const policy = await read(POLICY, byId(accountId, entry.id))
  return policy?.name === name && policy.path === path ? policy.id : undefined
}

/** Inline policies as explanations name them: 'user/ann/read'. */
function inlineTexts(
  kind: 'user' | 'group' | 'role',
  holder: string,
  policies: readonly NamedPolicy[],
): PolicyText[] {
  return policies.map(({ name, text }) => ({ name: `${kind}/${holder}/${name}`, text }))
}

/** Each policy once. A policy that is gone gives nothing: it is deleted only when it has no holder. */
async function attachedTexts(
  read: RecordReader,
  accountId: string,
  attached: readonly AttachedPolicy[],
): Promise<PolicyText[]> {
  const unique = new Map(attached.map((each) => [each.id, each]))
  const texts = await readAll([...unique.values()], ({ arn, id }) =>
    managedText(read, accountId, arn, id),
  )
  return texts.filter((text) => text !== undefined)
}
