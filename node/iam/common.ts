/** What the modules of the IAM role are given, and what they show alike. */

import type { PolicyText } from '../../gateway/port/identity.ts'
import type { IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import type { IamTag } from '../../protocol/iam/record.ts'
import type { Clock, Random } from '../env/ports.ts'
import { invalidInput, limitExceeded } from './errors.ts'
import { recordsOf, textsOf } from './parameters.ts'
import type { Records } from './records.ts'

/** A user or role of the caller's account, as it will be. */
export interface PolicyBearer {
  readonly accountId: string
  readonly id: string
  /** For the message. */
  readonly name: string
  /** Policies of other accounts may give it things. */
  readonly namedAbroad?: true | undefined
  /** Identity policies, of groups too. */
  readonly policies: readonly PolicyText[]
}

/** F31: nobody gives what it has not. Each throws AccessDenied. */
export interface RightsCheck {
  /** These policies are given to somebody, who may have others. */
  mustCover(call: IamCall, granted: readonly PolicyText[]): Promise<void>
  /** All that the bearer may do, also by name and as the roles that it may take on. */
  mustCoverBearer(call: IamCall, bearer: PolicyBearer): Promise<void>
  /** By what the caller may do everything. `granted`: for the message. */
  mustBeAdministrator(call: IamCall, granted: readonly PolicyText[]): Promise<void>
  /** May what somebody with these identity policies may do change with its name? Of administrators' changes
   * nobody needs to know. */
  dependsOnName(call: IamCall, policies: readonly PolicyText[]): Promise<boolean>
}

export interface ModuleOptions {
  readonly records: Records
  readonly clock: Clock
  readonly random: Random
  readonly rights: RightsCheck
}

const TAGS_MAX = 50

/** Of `Tags`. Throws InvalidInput for a key that stands twice. */
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

/** With those of the call set. Throws LimitExceeded. */
export function withTags(tags: readonly IamTag[], call: IamCall): IamTag[] {
  const set = iamTagsOf(call)
  const kept = tags.filter(({ key }) => !set.some((tag) => tag.key === key))
  const all = [...kept, ...set]
  if (all.length > TAGS_MAX)
    throw limitExceeded(`Cannot exceed quota for TagsPerEntity: ${TAGS_MAX}`)
  return all
}

export function withoutTags(tags: readonly IamTag[], call: IamCall): IamTag[] {
  const keys = textsOf(call, 'TagKeys')
  return tags.filter(({ key }) => !keys.includes(key))
}

/** Left out when there are none. */
export function shownTags(tags: readonly IamTag[]): IamResult[] | undefined {
  return tags.length === 0 ? undefined : tags.map(({ key, value }) => ({ Key: key, Value: value }))
}
