/** What of S3 is there, from the table of operations: as JSON for programs, as Markdown for readers. */

import type { Operation } from './operation.ts'
import { jsonResponse, type S3Response } from './response.ts'

export type Support = 'full' | 'unconfigured' | 'none'

export function supportOf(operation: Operation): Support {
  if (operation.run === undefined) return 'none'
  return operation.answersUnconfigured === true ? 'unconfigured' : 'full'
}

/** `GET /?capabilities`. */
export function capabilitiesResponse(operations: readonly Operation[]): S3Response {
  const rows = operations.map((operation) => ({
    name: operation.name,
    support: supportOf(operation),
    method: operation.method,
    level: operation.level,
    action: operation.action,
    marks: operation.marks,
    query: [...operation.query],
    headers: [...operation.headers],
    conditions: [...operation.conditions],
  }))
  return jsonResponse({
    server: 'Shoal',
    version: 1,
    authentication: ['sigv4-header', 'sigv4-query', 'sigv4-chunked', 'sigv4-chunked-trailer'],
    checksums: ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'],
    operations: rows,
  })
}

/** docs/s3-compatibility.md. */
export function compatibilityMarkdown(operations: readonly Operation[]): string {
  const table = (support: Support): string => {
    const rows = operations.filter((operation) => supportOf(operation) === support).map(rowOf)
    return ['| operation | request | IAM action |', '| --- | --- | --- |', ...rows].join('\n')
  }
  return `# S3 compatibility

Made from the table of operations (gateway/operations.ts) by \`node .config/s3-table.ts\`; a test says when it is out
of date. The same as JSON: a signed \`GET /?capabilities\`.

Nothing is silently ignored: a sub-resource, a query parameter, an \`x-amz-*\` header or a condition that
an operation does not understand is answered with 501 NotImplemented.

- Signatures: SigV4 in the header and in the query (presigned), \`UNSIGNED-PAYLOAD\`, aws-chunked bodies
  (signed, signed with trailer, unsigned with trailer). No SigV2, no POST forms, no anonymous access.
- Checksums: CRC32, CRC32C, CRC64NVME, SHA-1, SHA-256, in headers and trailers; composite and of the
  whole object for multipart uploads.
- ACLs: \`private\` and \`bucket-owner-full-control\`, which say what is the case anyway; others are 501.
- Storage classes are kept and shown as given. All data is stored alike.
- Buckets have no versions: \`versionId=null\` names an object's only version.

## Implemented

${table('full')}

## Answered as S3 does when nothing is configured

Clients probe these. Reading one says that there is nothing, removing one succeeds.

${table('unconfigured')}

## Not implemented: 501

${table('none')}
`
}

function rowOf(operation: Operation): string {
  return `| ${operation.name} | \`${requestOf(operation)}\` | \`${operation.action}\` |`
}

function requestOf({ method, level, marks, markHeader }: Operation): string {
  const path = { service: '/', bucket: '/{bucket}', object: '/{bucket}/{key}' }[level]
  const query = marks.length === 0 ? '' : `?${marks.join('&')}`
  const header = markHeader === undefined ? '' : `, ${markHeader}`
  return `${method} ${path}${query}${header}`
}
