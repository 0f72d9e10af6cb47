/**
 * Writes gateway/http/documented.ts: which parameters and headers AWS's service model of S3 has for each operation. The
 * model comes with AWS's SDK for JavaScript, which only tests depend on. When an update of the SDK adds something, the test
 * says that the file is out of date.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import * as sdk from '@aws-sdk/client-s3'
import { format, resolveConfig } from 'prettier'

const path = new URL('../gateway/http/documented.ts', import.meta.url)

/** Kinds of schemas in the SDK's notation (@smithy/types, StaticSchema). */
const STRUCTURE = 3
const OPERATION = 9

interface Bindings {
  readonly http?: readonly [method: string, uri: string, status: number]
  readonly httpQuery?: string
  readonly httpHeader?: string
  readonly httpPrefixHeaders?: string
}
type OperationSchema = readonly [
  kind: number,
  namespace: string,
  name: string,
  traits: Bindings,
  input: () => InputSchema | string,
]
type InputSchema = readonly [
  kind: number,
  namespace: string,
  name: string,
  traits: unknown,
  names: readonly string[],
  members: readonly (readonly [schema: unknown, traits: Bindings | number] | number)[],
]

export interface DocumentedLine {
  readonly name: string
  /** Method and place: `PUT object?tagging`, `GET bucket?list-type=2`. */
  readonly request: string
  readonly query: readonly string[]
  readonly headers: readonly string[]
}

export function documentedLines(): DocumentedLine[] {
  const lines: DocumentedLine[] = []
  for (const schema of Object.values(sdk) as unknown[]) {
    if (Array.isArray(schema) && schema[0] === OPERATION) {
      lines.push(lineOf(schema as unknown as OperationSchema))
    }
  }
  return lines.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function lineOf([, , name, traits, input]: OperationSchema): DocumentedLine {
  const [method, uri] = traits.http ?? ['', '']
  const query: string[] = []
  const headers: string[] = []
  const shape = input()
  const members = Array.isArray(shape) && shape[0] === STRUCTURE ? (shape as InputSchema)[5] : []
  for (const member of members) {
    const bindings = typeof member === 'number' ? 0 : member[1]
    if (typeof bindings !== 'object') continue
    if (bindings.httpQuery !== undefined) query.push(bindings.httpQuery)
    if (bindings.httpHeader !== undefined) headers.push(bindings.httpHeader.toLowerCase())
    if (bindings.httpPrefixHeaders !== undefined) headers.push(`${bindings.httpPrefixHeaders}*`)
  }
  const inBucket = Array.isArray(shape) && (shape as InputSchema)[4].includes('Bucket')
  const request = `${method} ${placeOf(uri, inBucket)}`
  return { name, request, query: query.sort(), headers: headers.sort() }
}

/** `/{Key+}?tagging&x-id=PutObjectTagging` → `object?tagging`. `x-id` only repeats the operation's name. */
function placeOf(uri: string, inBucket: boolean): string {
  const [path = '', query = ''] = uri.split('?')
  const marks = query.split('&').filter((mark) => mark !== '' && !mark.startsWith('x-id='))
  // In the model the bucket's name is part of the host, not of the path.
  const level =
    path === '/{Key+}' ? 'object' : path !== '/' ? path : inBucket ? 'bucket' : 'service'
  return marks.length === 0 ? level : `${level}?${marks.join('&')}`
}

export async function documentedSource(): Promise<string> {
  const lines = documentedLines().map(
    ({ name, request, query, headers }) =>
      `  ${name}: ['${request}', '${query.join(' ')}', '${headers.join(' ')}'],`,
  )
  const text = `/**
 * What AWS's service model names for each operation of S3: the request, its query parameters, its headers (lower-case).
 * Made by \`node .config/s3-model.ts\`; a test says when the model of AWS's SDK has more.
 */

type Line = readonly [request: string, query: string, headers: string]

// One operation a line.
// prettier-ignore
export const DOCUMENTED: Readonly<Record<string, Line>> = {
${lines.join('\n')}
}
`
  const options = await resolveConfig(new URL('prettier.json', import.meta.url), {
    config: new URL('prettier.json', import.meta.url),
  })
  return format(text, { ...options, parser: 'typescript' })
}

export async function isCurrent(): Promise<boolean> {
  return readFileSync(path, 'utf8') === (await documentedSource())
}

if (import.meta.main) writeFileSync(path, await documentedSource())
