/** What a row of the table of IAM's and STS's actions is, and the parameters that many rows share (operations.ts). */

import { PATH, POLICY_ARN, POLICY_NAME } from '../../protocol/iam/identity.ts'
import { integer, list, plainText, record, required, type ParameterRules } from './parameters.ts'
import type { ResourceRule } from './resource.ts'
import type { QueryService } from './xml.ts'

/** The definition of one action. */
export interface IamAction {
  /** AWS's name of the action. */
  readonly name: string
  readonly service: QueryService
  /** The right that it needs. */
  readonly action: string
  /** The right is needed on all of these. */
  readonly resources: readonly ResourceRule[]
  /**
   * `gate`: the policies of the caller decide, on each of `resources`. `nobody`: every signed request may do it.
   * `handler`: the backend decides, since that needs more than the caller's policies, such as the trust policy of a
   * role.
   */
  readonly authorizedBy: 'gate' | 'handler' | 'nobody'
  /** Requests need no signature: a parameter proves who asks. */
  readonly unsigned?: true
  readonly parameters: ParameterRules
  /** Changes identities or policies: it gets a line in the audit log, also when it is refused. */
  readonly mutating: boolean
}

/** Parameters that many actions share. The names are those of the parameters. */
export const pathRule = plainText(512, PATH)
export const pathPrefixRule = plainText(512, /^\/[!-~]{0,511}$/)
export const pageRules: ParameterRules = { Marker: plainText(320), MaxItems: integer(1, 1_000) }
export const tagsRule = list(
  record({ Key: required(plainText(128)), Value: required(plainText(256, undefined, 0)) }),
  50,
)
export const tagKeysRule = list(plainText(128), 50)
/** A policy document. Its own limits are checked where it is stored. */
export const documentRule = plainText(131_072)
export const policyArnRule = plainText(2_048, POLICY_ARN)
export const policyArns = (max: number) => list(record({ arn: required(policyArnRule) }), max)

export const policyNameRule = { PolicyName: required(plainText(128, POLICY_NAME)) }
export const onPolicy: ResourceRule = { of: 'arn', parameter: 'PolicyArn' }
export const onAnything: ResourceRule = { of: 'anything' }

/**
 * An action of IAM with the usual fields: the right of its name, decided by the gate, audited unless it only reads.
 */
export function iamAction(
  name: string,
  resources: ResourceRule | readonly ResourceRule[],
  parameters: ParameterRules,
  extras: Partial<IamAction> = {},
): IamAction {
  return {
    name,
    service: 'iam',
    action: `iam:${name}`,
    resources: Array.isArray(resources) ? resources : [resources as ResourceRule],
    authorizedBy: 'gate',
    parameters,
    mutating: !/^(Get|List|Simulate)/.test(name),
    ...extras,
  }
}
