/**
 * Which parts of S3 are implemented, from the table of operations: as JSON for programs, as Markdown for readers. The
 * lists in both come from the table that the gate itself uses.
 */

import { upperCase } from '../http/ascii.ts'
import type { SigV2 } from '../auth/auth.ts'
import { CHECKSUM_ALGORITHMS } from '../body/checksum.ts'
import { awsPage } from './aws-pages.ts'
import { documentedNames } from './documented-names.ts'
import { PEERS } from './peers.ts'
import type { QueryOperation } from '../iam/table.ts'
import type { Operation } from '../s3/operation.ts'
import { jsonResponse, type S3Response } from '../http/response.ts'

/** `unconfigured`: answers as S3 does when nothing is configured. */
export type Support = 'full' | 'unconfigured' | 'none'

/** The level of support of one operation, which both documents show. */
export function supportOf(operation: Operation): Support {
  if (operation.run === undefined) return 'none'
  return operation.answersUnconfigured === true ? 'unconfigured' : 'full'
}

/** The ways to sign with version 2 that each value of the setting `sigv2` allows. */
const SIGV2_METHODS: Readonly<Record<SigV2, readonly string[]>> = {
  on: ['sigv2-query', 'sigv2-header'],
  presigned: ['sigv2-query'],
  off: [],
}

/**
 * The answer to `GET /?capabilities`, for any signed caller with the right to it. `version` is that of this document.
 * Operations that are not implemented are listed without parameters.
 */
export function capabilitiesResponse(
  operations: readonly Operation[],
  queries: readonly QueryOperation[],
  sigv2: SigV2,
): S3Response {
  const entries = operations.map((operation) => ({
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
    checksums: CHECKSUM_ALGORITHMS,
    operations: [...entries, ...queries],
  })
}

/**
 * The part of the document that is not made from the table. A change of behaviour that it describes changes it too.
 */
const ABOUT = `# S3 compatibility

Generated from the table of operations (gateway/routes/operations.ts) by \`node .config/s3-table.ts\`; a test fails when it
is out of date. The same as JSON: a signed \`GET /?capabilities\`. Query parameters and headers: docs/s3-parameters.md.

Nothing that changes the meaning of a request is ignored, and what AWS ignores is ignored: see rule 1.

- Signatures: SigV4 in the header and in the query (presigned), \`UNSIGNED-PAYLOAD\`, aws-chunked bodies
  (signed, signed with trailer, unsigned with trailer), session tokens. Requests without a signature are accepted
  where the bucket's policy allows them.
- Forms of browsers (POST, multipart/form-data) are signed by their fields, with SigV4, or SigV2 unless \`sigv2\` is \`off\`.
  Every condition of a policy is checked, and every field must be named by one. Fields mean what the headers of PutObject
  mean. Fields after the file are ignored, but together with those before it they have at most 20,480 bytes. A form
  without Content-Length gets 411, one that is signed in a header or the query 501, and a header of the request
  that contradicts the form InvalidRequest. A condition about a missing field fails, \`starts-with ""\` too.
- SigV2 depends on the setting \`sigv2\`: \`presigned\` (the default) accepts links and forms, \`on\` the Authorization header too,
  \`off\` neither. It covers what AWS's page names and every parameter that selects another operation, but no
  aws-chunked bodies and no forms of IAM and STS. Policies see \`AWS\` as \`s3:signatureversion\`.
  The signer of such a link chooses any expiry date; links of SigV4 are valid for at most a week.
- aws-chunked: unknown extensions of chunks are ignored, and so is one empty line after the body. Every error of the
  framing, and a length other than \`x-amz-decoded-content-length\`, gets IncompleteBody.
- As in S3, a plus in a path is a space; a plus itself is \`%2B\`.
- Checksums: CRC32, CRC32C, CRC64NVME, SHA-1, SHA-256, SHA-512, MD5, XXHash64, XXHash3, XXHash128, in headers and
  trailers. Shoal computes the checksums of all parts, and from these that of the object, and compares
  declared checksums with them. An object without a declared checksum gets CRC64NVME.
- Multipart uploads: FULL_OBJECT is for the three CRCs, COMPOSITE for all but CRC64NVME. An upload with one of
  the five of 2026 (SHA-512, MD5, XXHash) must name it when it is created.
- User metadata that is not ASCII is returned as an encoded word of RFC 2047, in UTF-8.
- Every answer about a bucket has \`x-amz-bucket-region\`.
- CORS: preflight requests (\`OPTIONS\`) on buckets and objects are answered by the bucket's rules, without a signature.
  Requests with an \`Origin\` get the headers of the first rule that matches, with errors too, except when they cannot be
  parsed or are refused because of load. The query API of IAM and STS and the admin port have no CORS.
- ACLs of buckets and objects: canned lists, grants in headers and documents, with accounts by their ids, which are their canonical
  user ids, and groups by URI. Accounts have no e-mail address here, so \`emailAddress\` gets
  UnresolvableGrantByEmailAddress. As in AWS, a bucket has BucketOwnerEnforced unless it asks for another ownership, and its
  lists can't be changed then (AccessControlListNotSupported); a new object may ask for \`private\` and
  \`bucket-owner-full-control\`, which say what is always true. \`x-amz-acl\` and \`x-amz-grant-…\` of a new object need
  \`s3:PutObjectAcl\` too when they grant others than its owner something, except the two. A copy never takes a list along.
  \`aws-exec-read\` gets 501. [How lists decide](policies.md#access-control-lists).
- Storage classes are stored and shown as the client sent them. All data is stored the same way.
- Versions: where an operation has two rights, a request that names a version needs the second. The null
  version is \`null\`. MFA delete gets 501.
- Lifecycle: at most 1,000 rules that let current and noncurrent versions expire, remove delete markers that are left
  alone, and abort open uploads; filters by prefix, tags and size. Transitions to other storage classes get 501, and
  nothing changes. What is due at a midnight UTC goes within minutes after it, by the clocks of a majority of the nodes.
- Notifications: at most 100 configurations, by event, prefix and suffix, whose destinations are webhooks that the nodes'
  configuration names: \`arn:shoal:sqs::NAME:webhook\` or \`arn:minio:sqs::NAME:webhook\`. Events of restores, replication and
  transitions get 501, and so does EventBridge. [What is promised](notifications.md).
- Object lock: a bucket gets it when it is created or, with versioning, later, and keeps it; \`x-amz-bucket-object-lock-token\` is
  not needed. Versions begin with the lock of their request's headers, which need \`s3:PutObjectRetention\` and
  \`s3:PutObjectLegalHold\` too, or with the default retention of the bucket, of at most 36,500 days or 100 years. What is put
  with either needs Content-MD5 or a checksum. A copy does not take the lock along. Another mode counts as less, so only a
  bypass changes governance into compliance. \`x-amz-bypass-governance-retention\` needs \`s3:BypassGovernanceRetention\`, and is
  refused where the bucket has no object lock. A lock ends when the clocks of a majority of the replicas have passed it.
- Tags: at most 50 of a bucket and 10 of a version, in the order in which they were sent. \`CreateBucket\` with tags needs
  the right \`s3:TagResource\` too. \`x-amz-tagging\` needs \`s3:PutObjectTagging\` too. A copy takes the tags along, with
  \`s3:GetObjectTagging\` on its source if that has any; other tags alone do not make a copy of an object to itself.
- Bucket policies: at most 20 KiB. An unknown key, operator, action or resource is refused, and the error names its
  place.

## Rules

Code and tests cite these by number.

1. What changes the meaning of a request is never ignored; what AWS ignores is ignored. A query parameter, header or
   condition that AWS documents for an operation and that Shoal does not implement gets 501 NotImplemented, or AWS's
   own error; so does a sub-resource with another method or path than its own. Everything else is ignored: \`?v=2\`,
   \`?utm_source=…\`, \`?x-…=…\`, \`x-amz-te\`, \`X-Amz-Cf-Id\`. An empty value counts as absent, except for user
   metadata, which may be empty, and for a version id, a copy source and the conditions of a write, which are refused
   when they are empty. Headers that are lists may be sent as several lines.
2. The framing of aws-chunked bodies never reaches the object.
3. ListObjectVersions and DeleteObjects, which tools use to clean up, work on every bucket.
4. DeleteObjects accepts Content-MD5 or an \`x-amz-checksum-*\` header. ETags in conditions may be without quotes.
5. Sub-resources that clients probe answer as AWS does when nothing is configured.
6. Errors have AWS's code, status, XML body, \`x-amz-request-id\` and \`x-amz-id-2\`.
7. Conditions are atomic: when 50 writers race on one key with \`If-None-Match: *\`, one gets 200 and the others 412
   or 409, through any mix of gateways.
`

/**
 * The text of docs/s3-compatibility.md. `node .config/s3-table.ts` writes it, and a test compares it with the file.
 */
export function compatibilityMarkdown(
  operations: readonly Operation[],
  queries: readonly QueryOperation[],
): string {
  const table = (support: Support): string => {
    const lines = operations.filter((operation) => supportOf(operation) === support).map(lineOf)
    const columns = ['operation', 'request', 'IAM action', ...PEERS.map(({ name }) => name)]
    return [rowOf(columns), rowOf(columns.map(() => '---')), ...lines].join('\n')
  }
  const pages = PEERS.map(({ name, page }) => `[${name}](${page})`).join(',\n')
  return `${ABOUT}
The name of each operation links to AWS's page, which decides what it means. What is refused within an operation, and
with which error, is in docs/s3-parameters.md.

The columns of other stores repeat what their own pages say: \`yes\`, \`no\`, or nothing when a page does not mention the
operation. They were read in December 2026, and nothing of it was tried here. A \`yes\` says nothing about what happens
within the operation: Garage, for one, has no conditional writes. The pages:
${pages}.

## Implemented

${table('full')}

## Answered as S3 does when nothing is configured

Clients probe these. Reading one reports that nothing is configured; removing one succeeds.

${table('unconfigured')}

## Not implemented: 501

${table('none')}
${queryMarkdown(queries)}`
}

/** The sections about IAM and STS: a table of the actions, then the names of those that are not implemented. */
function queryMarkdown(queries: readonly QueryOperation[]): string {
  let text = ''
  for (const service of ['iam', 'sts'] as const) {
    const actions = queries.filter((action) => action.service === service)
    const full = actions.filter((action) => action.support === 'full')
    const none = actions.filter((action) => action.support === 'none')
    text += `
## ${upperCase(service)}: \`POST /\` with \`Action=…\`

| operation | IAM action |
| --- | --- |
${full.map((query) => rowOf([linkOf(query), `\`${query.action}\``])).join('\n')}

Not implemented, 501: ${none.map((action) => action.name).join(', ')}.
`
  }
  return text
}

function lineOf(operation: Operation): string {
  const { name, action, versionAction } = operation
  const actions = versionAction === undefined ? [action] : [action, versionAction]
  const others = PEERS.map((peer) => {
    if (peer.implements.has(name)) return 'yes'
    return peer.lacks.has(name) ? 'no' : ''
  })
  const rights = actions.map((each) => `\`${each}\``).join(', ')
  return rowOf([linkOf(operation), `\`${requestOf(operation)}\``, rights, ...others])
}

function rowOf(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

/** The name of an operation, as a link to AWS's page about it. */
function linkOf(operation: Pick<Operation, 'service' | 'name' | 'action'>): string {
  const page = awsPage(operation)
  return page === undefined ? operation.name : `[${operation.name}](${page})`
}

/** `PUT /{bucket}/{key}?partNumber&uploadId, x-amz-copy-source`. */
function requestOf({ method, level, marks, markHeader }: Operation): string {
  const path = { service: '/', bucket: '/{bucket}', object: '/{bucket}/{key}' }[level]
  const query = marks.length === 0 ? '' : `?${marks.join('&')}`
  const header = markHeader === undefined ? '' : `, ${markHeader}`
  return `${method} ${path}${query}${header}`
}
