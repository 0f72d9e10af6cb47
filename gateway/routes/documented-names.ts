/** What Shoal does with each name that AWS documents for an operation, for docs/s3-parameters.md and its test. */

import { DOCUMENTED } from '../http/documented.ts'
import { COMMON_HEADERS, HTTP_HEADERS } from '../http/names.ts'
import type { Operation } from '../s3/operation.ts'
import { nameOfMark } from '../s3/table/define.ts'
import { VALUE_RULES, type ValueRule } from '../http/values.ts'

/** What Shoal does with a name. `misplaced`: AWS refuses it for this operation. */
export type Fate = 'accepted' | 'refused' | 'misplaced' | 'ignored'

/** A query parameter or header that AWS documents for an operation. */
export interface DocumentedName {
  readonly place: 'query' | 'header'
  readonly name: string
  readonly fate: Fate
  /** Why it is ignored, or AWS's text when it is misplaced. */
  readonly why?: string | undefined
}

/**
 * Every name that AWS documents for the operation or that it understands beyond AWS's model, sorted by place and
 * name, each with its one fate. Later entries replace earlier ones: what the table says replaces what the model says.
 */
export function documentedNames(operation: Operation): DocumentedName[] {
  const { query, headers, conditions, marks, markHeader, refusedQuery, refusedHeaders } = operation
  const [, queryWords = '', headerWords = ''] = DOCUMENTED[operation.name] ?? []
  const found = new Map<string, DocumentedName>()
  const add = (place: 'query' | 'header', name: string, fate: Fate, why?: string): void => {
    if (name !== '') found.set(`${place} ${name}`, { place, name, fate, why })
  }
  for (const name of queryWords.split(' ')) add('query', name, 'accepted')
  for (const name of headerWords.split(' ')) {
    if (COMMON_HEADERS.has(name) || HTTP_HEADERS.has(name)) add('header', name, 'accepted')
  }
  for (const name of [...marks.map(nameOfMark), ...query]) add('query', name, 'accepted')
  for (const name of [...headers, ...conditions]) add('header', name, 'accepted')
  if (markHeader !== undefined) add('header', markHeader, 'accepted')
  for (const name of refusedQuery) add('query', name, 'refused')
  for (const name of refusedHeaders) add('header', name, 'refused')
  for (const [name, why] of operation.ignored) add('header', name, 'ignored', why)
  for (const [name, words] of operation.misplaced) {
    add(name.startsWith('x-amz-') ? 'header' : 'query', name, 'misplaced', words)
  }
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each)
}

/**
 * The text of docs/s3-parameters.md, for the operations that are implemented. `node .config/s3-table.ts` writes it.
 */
export function parametersMarkdown(operations: readonly Operation[]): string {
  const built = operations.filter(({ run, name }) => run !== undefined && name !== 'PostObject')
  return `# Query parameters and headers of S3

Generated from the table of operations by \`node .config/s3-table.ts\`; a test fails when it is out of date, and another one
sends each of these to a gateway. The names are those of AWS's service model (gateway/http/documented.ts) and others that
an operation understands. The fields of PostObject are named like the headers of PutObject, and mean the same.

- **accepted**: it has its effect. In the query of a presigned request, \`x-amz-…\` count as headers too.
- **501**: AWS documents it for this operation, Shoal does not implement it. The error names it.
- **400**: AWS refuses it for this operation, with the text below.
- **ignored**: it cannot have an effect, for the reason below.

All other query parameters and headers are ignored, with these exceptions:

- A sub-resource of S3 (\`?acl\`, \`?uploads\`, …) with another method or path than its own gets 405, 501, or 400 together
  with another sub-resource. Sub-resources of buckets that S3 ignores when an object is read are ignored there.
- A condition (\`If-Match\`, \`If-None-Match\`, \`If-Modified-Since\`, \`If-Unmodified-Since\`, \`If-Range\`) on a write that does
  not understand it gets 501.
- \`x-amz-checksum-*\` of an algorithm that does not exist gets 400 where a body is hashed.
- An understood query parameter, or an \`x-amz-*\` header with one value, that is sent twice gets 400.

Every operation accepts the headers of signatures and bodies: \`x-amz-content-sha256\`, \`x-amz-date\`,
\`x-amz-security-token\`, \`x-amz-decoded-content-length\`, \`x-amz-trailer\`; and \`x-amz-expected-bucket-owner\` and
\`x-amz-request-payer\`.

## Headers with a fixed set of values

| header | accepted | 501 | anything else |
| --- | --- | --- | --- |
${[...VALUE_RULES].map(valueLine).join('\n')}

## Refused with AWS's text: 400 InvalidArgument

${misplacedMarkdown(built)}

## Ignored, because it cannot have an effect

| operation | header | reason |
| --- | --- | --- |
${built.flatMap(({ name, ignored }) => [...ignored].map(([each, why]) => `| ${name} | \`${each}\` | ${why} |`)).join('\n')}

## By operation

| operation | accepted | 501 |
| --- | --- | --- |
${built.map(operationLine).join('\n')}
`
}

function valueLine([name, rule]: readonly [string, ValueRule]): string {
  const notBuilt = rule.notBuilt === 'others' ? 'all others' : coded(rule.notBuilt)
  const rest = rule.notBuilt === 'others' ? '' : `400 ${rule.code ?? 'InvalidArgument'}`
  return `| \`${name}\` | ${coded(rule.accepted)} | ${notBuilt} | ${rest} |`
}

/** One line for each text of AWS, since several operations share it. */
function misplacedMarkdown(operations: readonly Operation[]): string {
  const byWords = new Map<string, { name: string; operations: string[] }>()
  for (const operation of operations) {
    for (const [name, words] of operation.misplaced) {
      const at = byWords.get(words) ?? { name, operations: [] }
      at.operations.push(operation.name)
      byWords.set(words, at)
    }
  }
  const lines = [...byWords].map(([words, each]) => {
    const where = each.name === 'versionId' ? 'all without versions' : each.operations.join(', ')
    return `| \`${each.name}\` | ${where} | ${words} |`
  })
  return ['| name | operations | text |', '| --- | --- | --- |', ...lines].join('\n')
}

/** One operation with its accepted and its refused names; those in the query begin with `?`. */
function operationLine(operation: Operation): string {
  const names = documentedNames(operation)
  const of = (fate: Fate): string =>
    (['query', 'header'] as const)
      .map((place) => names.filter((each) => each.place === place && each.fate === fate))
      .filter((group) => group.length > 0)
      .map((group) =>
        coded(group.map(({ place, name }) => (place === 'query' ? `?${name}` : name))),
      )
      .join(', ')
  return `| ${operation.name} | ${of('accepted')} | ${of('refused')} |`
}

/** Names as code, separated by commas. */
function coded(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ')
}
