/**
 * The ARNs that an action of the query API is about, for the decision of the policies. They have the path of the
 * entity, which requests do not name, so the backend is asked for it.
 */

import { entityArn, POLICY_ARN, providerArn, providerOfArn } from '../../protocol/iam/identity.ts'
import type { Identity } from '../port/identity.ts'
import type { NamedKind, QueryRecord } from '../port/iam-backend.ts'

/** How to find the ARN in the parameters of an action. */
export type ResourceRule =
  /** The entity that a parameter names, with its path. With `orCaller`, the caller when the parameter is absent. */
  | {
      readonly of: 'entity'
      readonly kind: NamedKind
      readonly parameter: string
      readonly orCaller?: boolean
    }
  /** A new entity: parameters give its name and path; what they leave out comes from `from`. */
  | {
      readonly of: 'future'
      readonly kind: NamedKind | 'policy'
      readonly name: string
      readonly path: string
      /** The parameter with the current name, when an entity is renamed. */
      readonly from?: string
    }
  /** All entities of a kind below the PathPrefix. */
  | { readonly of: 'kind'; readonly kind: NamedKind | 'policy' }
  /** A parameter is the ARN. */
  | { readonly of: 'arn'; readonly parameter: string }
  /** A parameter is the URL of an OIDC provider. */
  | { readonly of: 'provider'; readonly parameter: string }
  /** An account of the cluster (Shoal's own actions); all accounts when the parameter is absent. */
  | { readonly of: 'account'; readonly parameter?: string }
  | { readonly of: 'anything' }

/** Finds the ARN of an existing entity, including its path. */
export type ArnOf = (accountId: string, kind: NamedKind, name: string) => Promise<string>

/**
 * The ARN by which policies judge the action. `*` for actions without a resource. A missing entity gets the ARN it
 * would have with the path '/': the caller is refused or allowed before it learns whether there is one. Undefined
 * when the rule does not apply, because no new name or path was given.
 */
export async function resourceOf(
  rule: ResourceRule,
  parameters: QueryRecord,
  caller: Identity,
  arnOf: ArnOf,
): Promise<string | undefined> {
  const { accountId } = caller
  const textOf = (name: string): string | undefined => {
    const value = parameters[name]
    return typeof value === 'string' ? value : undefined
  }
  switch (rule.of) {
    case 'entity': {
      const name = textOf(rule.parameter)
      if (name !== undefined) return arnOf(accountId, rule.kind, name)
      return rule.orCaller === true ? caller.principalArn : '*'
    }
    case 'future': {
      const newName = textOf(rule.name)
      const newPath = textOf(rule.path)
      if (rule.from === undefined) {
        return entityArn(accountId, rule.kind, newPath ?? '/', newName ?? '')
      }
      if (newName === undefined && newPath === undefined) return undefined
      const name = textOf(rule.from) ?? ''
      const present = await arnOf(accountId, rule.kind as NamedKind, name)
      const path = newPath ?? pathOf(present, rule.kind, name)
      return entityArn(accountId, rule.kind, path, newName ?? name)
    }
    case 'kind':
      return entityArn(accountId, rule.kind, textOf('PathPrefix') ?? '/', '')
    case 'arn':
      return textOf(rule.parameter) ?? '*'
    case 'provider':
      return providerArn(accountId, (textOf(rule.parameter) ?? '').replace(/^https:\/\//, ''))
    case 'account': {
      const id = rule.parameter === undefined ? undefined : textOf(rule.parameter)
      return `arn:aws:shoal::${accountId}:account/${id ?? '*'}`
    }
    case 'anything':
      return '*'
  }
}

/** The path in an ARN: `/a/b/` of `arn:aws:iam::1:user/a/b/ann`. */
function pathOf(arn: string, kind: string, name: string): string {
  const start = arn.indexOf(`:${kind}/`) + kind.length + 1
  return arn.slice(start, arn.length - name.length)
}

/** What the request names that belongs to another account: `policy` or `identity provider`. Policies of 'aws' belong to none. */
export function foreignThing(parameters: QueryRecord, caller: Identity): string | undefined {
  const { PolicyArn, OpenIDConnectProviderArn } = parameters
  if (typeof PolicyArn === 'string') {
    const account = POLICY_ARN.exec(PolicyArn)?.[1]
    return account === caller.accountId || account === 'aws' ? undefined : 'policy'
  }
  if (typeof OpenIDConnectProviderArn === 'string') {
    const account = providerOfArn(OpenIDConnectProviderArn)?.accountId
    return account === caller.accountId ? undefined : 'identity provider'
  }
  return undefined
}
