/** The actions of the query API, as capabilities and documents show them. */

import { ABSENT_ACTIONS } from './absent.ts'
import { IAM_ACTIONS } from './operations.ts'

/** An action, and whether Shoal implements it. */
export interface QueryOperation {
  readonly service: 'iam' | 'sts'
  readonly name: string
  readonly action: string
  readonly support: 'full' | 'none'
}

/** The actions of STS among those that Shoal does not implement. All others are IAM's. */
const STS_ABSENT: ReadonlySet<string> = new Set([
  'AssumeRoleWithSAML',
  'AssumeRoot',
  'DecodeAuthorizationMessage',
  'GetFederationToken',
])

/** All actions of AWS and Shoal's own: first those that are implemented. Used by routes/operations.ts. */
export const QUERY_OPERATIONS: readonly QueryOperation[] = [
  ...[...IAM_ACTIONS.values()].map(({ name, service, action }): QueryOperation => ({
    service,
    name,
    action,
    support: 'full',
  })),
  ...ABSENT_ACTIONS.map((name): QueryOperation => {
    const service = STS_ABSENT.has(name) ? 'sts' : 'iam'
    return { service, name, action: `${service}:${name}`, support: 'none' }
  }),
]
