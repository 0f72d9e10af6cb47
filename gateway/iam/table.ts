/** The query API's rows as the table of operations shows them: capabilities and documents. */

import type { QueryRow } from '../routes/compatibility.ts'
import { ABSENT_ACTIONS } from './absent.ts'
import { IAM_ACTIONS } from './operations.ts'

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
