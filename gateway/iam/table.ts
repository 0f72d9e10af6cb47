/** The query API's rows as the table of operations shows them: capabilities and documents. */

import { ABSENT_ACTIONS } from './absent.ts'
import { IAM_ACTIONS } from './operations.ts'

/** An action of the query API, as the tables show it. */
export interface QueryRow {
  readonly service: 'iam' | 'sts'
  readonly name: string
  readonly action: string
  readonly support: 'full' | 'none'
}

const STS_ABSENT: ReadonlySet<string> = new Set([
  'AssumeRoleWithSAML',
  'AssumeRoleWithWebIdentity',
  'AssumeRoot',
  'DecodeAuthorizationMessage',
  'GetFederationToken',
])

export const QUERY_ROWS: readonly QueryRow[] = [
  ...[...IAM_ACTIONS.values()].map(({ name, service, action }): QueryRow => ({
    service,
    name,
    action,
    support: 'full',
  })),
  ...ABSENT_ACTIONS.map((name): QueryRow => {
    const service = STS_ABSENT.has(name) ? 'sts' : 'iam'
    return { service, name, action: `${service}:${name}`, support: 'none' }
  }),
]
