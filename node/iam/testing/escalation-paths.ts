/**
 * Every way in which a change of identities or policies can concern a principal: generated from the table of
 * operations, each parameter with each thing of EscalationWorld that it can name.
 */

import { IAM_ACTIONS } from '../../../gateway/iam/operations.ts'
import type { ParameterRule } from '../../../gateway/iam/parameters.ts'
import { allow, FIRST_ACCOUNT } from './world.ts'
import { type EscalationAttempt } from './escalation-world.ts'
import {
  ADMIN,
  BUCKETS,
  documentOf,
  HER_CLIENT,
  iamArn,
  IDP,
  MALLORY,
  trust,
} from './escalation-account.ts'

const EVERYTHING = allow('*')
/** Mallory's policies allow it, and the bucket's policy denies it to her. */
const DENIED = allow('s3:GetObject', 'arn:aws:s3:::ledger/secret/*')
/** Within the rights of every principal that may do anything here. */
const LITTLE = allow('s3:GetObject', 'arn:aws:s3:::open/x')

function valuesOf(action: string, lostKeys: readonly string[], other: string) {
  const byToken = { Federated: iamArn(`oidc-provider/${IDP}`) }
  const trustingTokens = documentOf({
    Effect: 'Allow',
    Principal: byToken,
    Action: 'sts:AssumeRoleWithWebIdentity',
  })
  const trusting = [trust(MALLORY), trust('*'), trustingTokens]
  // An entity that does not exist can only be created.
  const ghost = action.startsWith('Create') ? ['ghost'] : []
  const values: Readonly<Record<string, readonly string[]>> = {
    UserName: ['mallory', 'puppet', 'tame', 'trusted', 'deputy', 'victim', ...ghost],
    GroupName: ['staff', 'admins', ...ghost],
    RoleName: ['worker', 'boss', 'apart', ...ghost],
    OpenIDConnectProviderArn: [iamArn(`oidc-provider/${IDP}`)],
    Url: [`https://${IDP}`, 'https://new.example.org'],
    ClientID: [HER_CLIENT],
    ThumbprintList: ['a'.repeat(40)],
    PolicyName: ['deny', 'x'],
    PolicyArn: [...['held', 'unheld', 'fence', 'wall', 'limit'].map(policyArn), ADMIN],
    PermissionsBoundary: [policyArn('limit'), policyArn('unheld'), ADMIN],
    PolicyDocument: action === 'UpdateAssumeRolePolicy' ? trusting : [EVERYTHING, LITTLE, DENIED],
    AssumeRolePolicyDocument: trusting,
    NewUserName: ['ghost', 'other'],
    NewGroupName: ['ghosts'],
    NewPath: ['/app/'],
    AccessKeyId: lostKeys,
    Status: ['Active'],
    VersionId: ['v2'],
    SetAsDefault: ['true'],
    RoleArn: ['boss', 'worker', 'shadow', 'apart'].map((name) => iamArn(`role/${name}`)),
    AccountId: [other, FIRST_ACCOUNT],
  }
  return values
}

const policyArn = (name: string): string => iamArn(`policy/${name}`)

/** Parameters that are tried both given and left out: each changes what the operation does. */
const OPTIONAL: ReadonlySet<string> = new Set([
  'NewUserName',
  'NewPath',
  'NewGroupName',
  'PermissionsBoundary',
])

/** Parameters that may be left out, and that are always given. */
const GIVEN: ReadonlySet<string> = new Set(['SetAsDefault', 'UserName'])

/** Operations of IAM and STS that change or give something. */
function queryAttempts(lostKeys: readonly string[], other: string): EscalationAttempt[] {
  const attempts: EscalationAttempt[] = []
  for (const { name, parameters, mutating, service } of IAM_ACTIONS.values()) {
    if (!mutating && !(service === 'sts' && !name.startsWith('GetAccessKey'))) continue
    const values = valuesOf(name, lostKeys, other)
    let forms: Record<string, string>[] = [{}]
    for (const [parameter, rule] of Object.entries(parameters)) {
      const known = values[parameter]
      if (rule.required === true || GIVEN.has(parameter)) {
        forms = combined(forms, parameter, known, rule)
      } else if (OPTIONAL.has(parameter) && known !== undefined) {
        forms = [...forms, ...combined(forms, parameter, known, rule)]
      }
    }
    attempts.push(...forms.map((form) => ({ action: name, parameters: form })))
  }
  return attempts
}

function combined(
  forms: readonly Record<string, string>[],
  name: string,
  values: readonly string[] | undefined,
  rule: ParameterRule,
): Record<string, string>[] {
  if (values === undefined) return forms.map((form) => ({ ...form, ...sample(name, rule) }))
  return forms.flatMap((form) => values.map((value) => ({ ...form, [name]: value })))
}

/** The shortest value that a parameter takes. */
function sample(name: string, rule: ParameterRule): Record<string, string> {
  switch (rule.type) {
    case 'list':
      return sample(`${name}.member.1`, rule.items)
    case 'record':
      return Object.assign(
        {},
        ...Object.entries(rule.fields).map(([field, each]) => sample(`${name}.${field}`, each)),
      ) as Record<string, string>
    case 'integer':
      return { [name]: String(rule.min) }
    case 'choice':
      return { [name]: rule.choices[0] ?? '' }
    case 'text':
      return { [name]: 'x'.repeat(Math.max(3, rule.min)) }
  }
}

const BLOCK_OFF =
  '<PublicAccessBlockConfiguration><RestrictPublicBuckets>false</RestrictPublicBuckets></PublicAccessBlockConfiguration>'

/** Operations on bucket policies. */
function bucketAttempts(): EscalationAttempt[] {
  return BUCKETS.flatMap((bucket): EscalationAttempt[] => {
    const Resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`]
    const statement = { Effect: 'Allow', Action: 's3:*', Resource }
    const bodies = [
      documentOf({ ...statement, Principal: { AWS: MALLORY } }),
      documentOf({ ...statement, Principal: '*' }),
      documentOf({ ...statement, NotPrincipal: { AWS: iamArn('user/victim') } }),
      documentOf({ ...statement, Effect: 'Deny', Principal: { AWS: iamArn('user/victim') } }),
    ]
    return [
      ...bodies.map((body) => ({ action: 's3:PutBucketPolicy', parameters: { bucket, body } })),
      { action: 's3:DeleteBucketPolicy', parameters: { bucket } },
      { action: 's3:PutBucketPublicAccessBlock', parameters: { bucket, body: BLOCK_OFF } },
      { action: 's3:PutBucketPublicAccessBlock', parameters: { bucket } },
    ]
  })
}

export function escalationAttempts(world: {
  readonly lostKeys: readonly string[]
  readonly otherAccount: string
}): EscalationAttempt[] {
  return [...queryAttempts(world.lostKeys, world.otherAccount), ...bucketAttempts()]
}

/** A random sequence of operations. */
export function drawnSequence(
  attempts: readonly EscalationAttempt[],
  draw: () => number,
): EscalationAttempt[] {
  const byAction = new Map<string, EscalationAttempt[]>()
  for (const attempt of attempts) {
    const known = byAction.get(attempt.action)
    if (known === undefined) byAction.set(attempt.action, [attempt])
    else known.push(attempt)
  }
  const pick = <T>(list: readonly T[]): T => list[Math.floor(draw() * list.length)] as T
  const actions = [...byAction.values()]
  return Array.from({ length: draw() < 0.5 ? 2 : 3 }, () => pick(pick(actions)))
}
