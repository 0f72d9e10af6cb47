/** Which parts of S3 are implemented, from the table of operations: as JSON for programs, as Markdown for readers. */

import { upperCase } from '../http/ascii.ts'
import type { SigV2 } from '../auth/auth.ts'
import { documentedNames } from './documented-names.ts'
import type { QueryOperation } from '../iam/table.ts'
import type { Operation } from '../s3/operation.ts'
import { jsonResponse, type S3Response } from '../http/response.ts'

export type Support = 'full' | 'unconfigured' | 'none'

export function supportOf(operation: Operation): Support {
  if (operation.run === undefined) return 'none'
  return operation.answersUnconfigured === true ? 'unconfigured' : 'full'
}

const SIGV2_METHODS: Readonly<Record<SigV2, readonly string[]>> = {
  on: ['sigv2-query', 'sigv2-header'],
  presigned: ['sigv2-query'],
  off: [],
}

/** The answer to `GET /?capabilities`. */
export function capabilitiesResponse(
  operations: readonly Operation[],
  queries: readonly QueryOperation[],
  sigv2: SigV2,
): S3Response {
  const rows = operations.map((operation) => ({
    service: operation.service,
    name: operation.name,
    support: supportOf(operation),
    method: operation.method,
    level: operation.level,
    action: operation.action,
    versionAction: operation.versionAction,
    resource: operation.resource,
    marks: operation.marks,
    query: [...operation.query],
    headers: [...operation.headers],
    conditions: [...operation.conditions],
    parameters: operation.run === undefined ? [] : documentedNames(operation),
  }))
  return jsonResponse({
    server: 'Shoal',
    version: 1,
    authentication: [
      'sigv4-header',
      'sigv4-query',
      'sigv4-chunked',
      'sigv4-chunked-trailer',
      ...SIGV2_METHODS[sigv2],
    ],
    checksums: ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'],
    operations: [...rows, ...queries],
  })
}

const ABOUT = `# S3 compatibility

Made from the table of operations (gateway/routes/operations.ts) by \`node .config/s3-table.ts\`; a test says when it is out
of date. The same as JSON: a signed \`GET /?capabilities\`. Query parameters and headers: docs/s3-parameters.md.

What changes the meaning of a request is never ignored, and what AWS ignores is: see rule 1.

- Signatures: SigV4 in the header and in the query (presigned), \`UNSIGNED-PAYLOAD\`, aws-chunked bodies
  (signed, signed with trailer, unsigned with trailer), session tokens. Requests without a signature
  where the bucket's policy allows them. No POST forms.
- SigV2 by the setting \`sigv2\`: \`presigned\` (the default) accepts links, \`on\` the Authorization header too,
  \`off\` none. It signs what AWS's page names and every parameter that makes a request another operation;
  never aws-chunked bodies, nor the forms of IAM and STS. Policies see \`s3:signatureversion\` \`AWS\`.
  Such a link is good for as long as its signer wrote; links of SigV4 are for a week at most.
- aws-chunked: extensions of chunks that have no meaning are passed over, and one empty line behind the body is. Every
  fault of the framing, and a length other than \`x-amz-decoded-content-length\`, is IncompleteBody.
- A plus in a path stands for a space, as in S3; a plus itself is \`%2B\`.
- Checksums: CRC32, CRC32C, CRC64NVME, SHA-1, SHA-256, in headers and trailers; composite and of the
  whole object for multipart uploads. Shoal computes each part's and makes the object's of them; what a client
  declares is compared with that. An object without a declared checksum gets CRC64NVME. MD5, SHA-512 and XXHash
  are 501.
- User metadata that is not ASCII comes back as an encoded word of RFC 2047, in UTF-8.
- Every answer about a bucket carries \`x-amz-bucket-region\`. Forms of browsers (POST) and CORS preflights are 501.
- ACLs: \`private\` and \`bucket-owner-full-control\`, which say what is the case anyway; others are 501.
- Storage classes are kept and shown as given. All data is stored alike.
- Versions: of a right with two names, the second is wanted when the request names a version. The null
  version is \`null\`. MFA delete is 501.
- Lifecycle: rules that abort uploads which stay open, with a prefix or none, at most 1,000; every other
  action or filter is 501, and then nothing of the request is taken.
- Bucket policies: at most 20 KiB. An unknown key, operator, action or resource is refused with the
  place where it stands.

## Rules

Code and tests cite these by number.

1. What changes the meaning of a request is never ignored; what AWS ignores is ignored. A query parameter, header or
   condition that AWS documents for an operation and that Shoal does not implement gets 501 NotImplemented, or AWS's
   own error; so does a sub-resource at another method or path than its own. Everything else is ignored: \`?v=2\`,
   \`?utm_source=…\`, \`?x-…=…\`, \`x-amz-te\`, \`X-Amz-Cf-Id\`. An empty value counts as not given, but for user
   metadata, a version id, a copy source and the conditions of a write, which are refused when they are empty.
   Headers that are lists may come on several lines.
2. Framing of aws-chunked bodies never reaches the object.
3. Tools clean up with ListObjectVersions and DeleteObjects: both work on every bucket.
4. DeleteObjects takes Content-MD5 or an \`x-amz-checksum-*\` header. ETags in conditions may come without quotes.
5. Sub-resources that clients probe answer as AWS does when nothing is configured.
6. Errors carry AWS's code, status, XML body, \`x-amz-request-id\` and \`x-amz-id-2\`.
7. Conditions are atomic: of 50 writers that race on one key with \`If-None-Match: *\`, one gets 200, the others 412
   or 409, through any mix of gateways.
`

/** The text of docs/s3-compatibility.md. */
export function compatibilityMarkdown(
  operations: readonly Operation[],
  queries: readonly QueryOperation[],
): string {
  const table = (support: Support): string => {
    const lines = operations.filter((operation) => supportOf(operation) === support).map(lineOf)
    return ['| operation | request | IAM action |', '| --- | --- | --- |', ...lines].join('\n')
  }
  return `${ABOUT}
## Implemented

${table('full')}

## Answered as S3 does when nothing is configured

Clients probe these. Reading one says that there is nothing, removing one succeeds.

${table('unconfigured')}

## Not implemented: 501

${table('none')}
${queryMarkdown(queries)}`
}

function queryMarkdown(queries: readonly QueryOperation[]): string {
  let text = ''
  for (const service of ['iam', 'sts'] as const) {
    const rows = queries.filter((row) => row.service === service)
    const full = rows.filter((row) => row.support === 'full')
    const none = rows.filter((row) => row.support === 'none')
    text += `
## ${upperCase(service)}: \`POST /\` with \`Action=…\`

| operation | IAM action |
| --- | --- |
${full.map(({ name, action }) => `| ${name} | \`${action}\` |`).join('\n')}

Not implemented, 501: ${none.map((row) => row.name).join(', ')}.
`
  }
  return text
}

function lineOf(operation: Operation): string {
  const { name, action, versionAction } = operation
  const actions = versionAction === undefined ? [action] : [action, versionAction]
  return `| ${name} | \`${requestOf(operation)}\` | ${actions.map((each) => `\`${each}\``).join(', ')} |`
}

function requestOf({ method, level, marks, markHeader }: Operation): string {
  const path = { service: '/', bucket: '/{bucket}', object: '/{bucket}/{key}' }[level]
  const query = marks.length === 0 ? '' : `?${marks.join('&')}`
  const header = markHeader === undefined ? '' : `, ${markHeader}`
  return `${method} ${path}${query}${header}`
}
