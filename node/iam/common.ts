/**
 * What the modules of the IAM role are given by identities.ts, and what several of them do alike:
 * tags, and the port for checks of rights. The modules depend on `RightsCheck` and not on rights.ts,
 * which reads roles and buckets.
 */

import type { PolicyText } from '../../gateway/port/identity.ts'
import type { IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import type { IamTag } from '../../protocol/iam/record.ts'
import type { Clock, Random } from '../env/ports.ts'
import { invalidInput, limitExceeded } from './errors.ts'
import { recordsOf, textsOf } from './parameters.ts'
import type { Records } from './records.ts'

/** A user or role of the caller's account, as it will be after the change. */
export interface PolicyBearer {
  readonly accountId: string
  readonly id: string
  /** Its ARN, for messages. */
  readonly name: string
  /**
   * Policies of other accounts may give it rights that can't be looked up here. So only
   * administrators may widen what it can do.
   */
  readonly namedAbroad?: true | undefined
  /** Identity policies, those of its groups included. */
  readonly policies: readonly PolicyText[]
  /** Its permissions boundary: what its identity policies allow counts only within it. */
  readonly boundary?: PolicyText | undefined
}

/**
 * Callers give only rights that they have themselves (F31). Each check throws IamError AccessDenied
 * when the change would give more, and when the comparison takes too many steps. The root and
 * administrators always pass. Implemented by rights.ts.
 */
export interface RightsCheck {
  /**
   * These policies are given to a principal that may have others. `boundary` is that of the principal, when it is known
   * to keep it. Called before the change is made.
   */
  mustCover(call: IamCall, granted: readonly PolicyText[], boundary?: PolicyText): Promise<void>
  /**
   * Everything that the bearer may do, also by its name and as the roles that it may assume. `bearer`
   * is the principal as it will be after the change.
   */
  mustCoverBearer(call: IamCall, bearer: PolicyBearer): Promise<void>
  /**
   * Identity policies must allow the caller everything. `granted` is what the change gives away, for
   * the message only.
   */
  mustBeAdministrator(call: IamCall, granted: readonly PolicyText[]): Promise<void>
  /** Can what a principal with these identity policies may do change with its name? Always false for changes by
   * administrators. */
  dependsOnName(call: IamCall, policies: readonly PolicyText[]): Promise<boolean>
}

export interface ModuleOptions {
  readonly records: Records
  readonly clock: Clock
  readonly random: Random
  readonly rights: RightsCheck
}

/** AWS's quota for tags of one user, role or policy. */
const TAGS_MAX = 50

/**
 * The tags of the call's `Tags`, in the order given; empty when there are none. Throws IamError
 * InvalidInput for a key that is there twice.
 */
export function iamTagsOf(call: IamCall): IamTag[] {
  const tags = recordsOf(call, 'Tags').map((tag) => ({
    key: tag['Key'] as string,
    value: tag['Value'] as string,
  }))
  if (new Set(tags.map(({ key }) => key)).size !== tags.length) {
    throw invalidInput('Duplicate tag keys found. Please note that Tag keys are case insensitive.')
  }
  return tags
}

/**
 * The tags of an entity after TagUser or TagRole: a tag of the call replaces the one with its key.
 * Throws IamError LimitExceeded above 50.
 */
export function withTags(tags: readonly IamTag[], call: IamCall): IamTag[] {
  const set = iamTagsOf(call)
  const kept = tags.filter(({ key }) => !set.some((tag) => tag.key === key))
  const all = [...kept, ...set]
  if (all.length > TAGS_MAX)
    throw limitExceeded(`Cannot exceed quota for TagsPerEntity: ${TAGS_MAX}`)
  return all
}

/**
 * The tags of an entity after UntagUser or UntagRole. Keys that it does not have are ignored, as in
 * AWS.
 */
export function withoutTags(tags: readonly IamTag[], call: IamCall): IamTag[] {
  const keys = textsOf(call, 'TagKeys')
  return tags.filter(({ key }) => !keys.includes(key))
}

/** The Tags element of an answer. Undefined when there are none, because AWS then leaves it out. */
export function shownTags(tags: readonly IamTag[]): IamResult[] | undefined {
  return tags.length === 0 ? undefined : tags.map(({ key, value }) => ({ Key: key, Value: value }))
}
