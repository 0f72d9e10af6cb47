/** The answers of the query API: AWS's XML documents for results and errors. */

import { tag } from '../http/xml.ts'
import { escapeXml, XML_DECLARATION } from '../http/xml-text.ts'
import type { IamResult, ResultValue } from '../port/iam-backend.ts'

/** The services of the query API. A request does not name its service: the action tells it. */
export type QueryService = 'iam' | 'sts'

/** With the version of the API, as clients expect it. */
export const NAMESPACES: Readonly<Record<QueryService, string>> = {
  iam: 'https://iam.amazonaws.com/doc/2010-05-08/',
  sts: 'https://sts.amazonaws.com/doc/2011-06-15/',
}

/** `<CreateUserResponse><CreateUserResult>…`. Actions without a result have no …Result element. */
export function resultXml(
  service: QueryService,
  action: string,
  result: IamResult,
  requestId: string,
): string {
  const content = fieldsXml(result)
  const inner = content === '' ? '' : `<${action}Result>${content}</${action}Result>`
  return (
    `${XML_DECLARATION}<${action}Response xmlns="${NAMESPACES[service]}">${inner}` +
    `<ResponseMetadata>${tag('RequestId', requestId)}</ResponseMetadata></${action}Response>`
  )
}

/**
 * The error document of IAM and STS, which differs from that of S3. Its `Type` says whose fault it was: the sender's
 * below 500, else the receiver's.
 */
export function queryErrorXml(
  service: QueryService,
  error: { readonly code: string; readonly status: number; readonly message: string },
  requestId: string,
): string {
  const type = error.status < 500 ? 'Sender' : 'Receiver'
  return (
    `${XML_DECLARATION}<ErrorResponse xmlns="${NAMESPACES[service]}"><Error><Type>${type}</Type>` +
    `${tag('Code', error.code)}${tag('Message', error.message)}</Error>` +
    `${tag('RequestId', requestId)}</ErrorResponse>`
  )
}

function fieldsXml(fields: IamResult): string {
  let text = ''
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) text += `<${name}>${valueXml(value)}</${name}>`
  }
  return text
}

/** A value as ResultValue describes it. Dates have whole seconds, as in AWS. */
function valueXml(value: ResultValue): string {
  if (value instanceof Date) return `${value.toISOString().slice(0, 19)}Z`
  if (Array.isArray(value)) {
    return value.map((item: ResultValue) => `<member>${valueXml(item)}</member>`).join('')
  }
  if (value instanceof Map) return entriesXml(value as ReadonlyMap<string, ResultValue>)
  if (typeof value === 'object') return fieldsXml(value as IamResult)
  return escapeXml(String(value))
}

function entriesXml(map: ReadonlyMap<string, ResultValue>): string {
  let text = ''
  for (const [key, value] of map) {
    text += `<entry>${tag('key', key)}<value>${valueXml(value)}</value></entry>`
  }
  return text
}
