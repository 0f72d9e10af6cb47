/**
 * A form that uploads a file, as the PutObject that it means: fields become the headers of the same meaning, so that
 * whatever is true for a header of PutObject is true for the field too.
 */

import { S3Error } from './errors.ts'
import { missingField, type FormFields, type SentForm } from './form-fields.ts'
import { CONDITIONS } from './names.ts'
import { isHeaderValue } from './hoisted.ts'
import { checkedKey, checkMetadataSize, withoutEmpty } from './request.ts'
import type { S3Request } from './request.ts'
import { parseTags, TAGGING_LIMITS } from './tags.ts'
import { parseXml } from './xml.ts'

/** Fields whose header has another name. */
const RENAMED: Readonly<Record<string, string>> = {
  acl: 'x-amz-acl',
  'x-amz-checksum-algorithm': 'x-amz-sdk-checksum-algorithm',
}

/** Fields whose header has the same name, besides x-amz-*. */
const SAME_NAME: ReadonlySet<string> = new Set([
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-md5',
  'content-type',
  'expires',
  ...CONDITIONS,
])

/** Fields of the signature, which was verified. */
const SIGNATURE_FIELDS: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-security-token',
  'x-amz-signature',
])

/** They say how a body is framed and covered, which forms are not. */
const FRAMING: readonly string[] = [
  'x-amz-content-sha256',
  'x-amz-decoded-content-length',
  'x-amz-trailer',
]

/** The request's own headers of these names are about the form, or about the browser's cache, and not about the object. */
const ABOUT_FORM: ReadonlySet<string> = new Set([
  ...FRAMING,
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
])

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/

/**
 * The request that a form means. `matters` tells whether a header means something for the upload: then it must not
 * contradict the form. Throws InvalidArgument for a value that a header cannot carry; InvalidRequest when a header of the request contradicts
 * the form; MalformedXML, MetadataTooLarge, NotImplemented, and what `formKeyOf` throws.
 */
export function formRequest(
  request: S3Request,
  form: SentForm,
  matters: (header: string) => boolean,
): S3Request {
  const { fields, file } = form
  const given: Record<string, string> = headersOf(fields)
  for (const name in request.headers) {
    const value = request.headers[name]
    if (value === undefined || ABOUT_FORM.has(name)) continue
    const isForObject = name === 'content-md5' || (name.startsWith('x-amz-') && matters(name))
    if (isForObject && given[name] !== value) throw contradicting(name)
    given[name] ??= value
  }
  const { headers, amzNames } = withoutEmpty(given)
  checkMetadataSize(headers, amzNames)
  const key = formKeyOf(fields)
  return { ...request, key, headers, amzNames, form, contentLength: file.sizeBytesMax }
}

/** Throws InvalidRequest for a form whose body is framed or hashed as a whole. */
export function refuseFraming({ headers }: S3Request): void {
  for (const name of FRAMING) {
    const value = headers[name]
    if (value === undefined || value === 'UNSIGNED-PAYLOAD') continue
    throw new S3Error('InvalidRequest', 'A form that uploads a file cannot have this header.', {
      details: { Header: name },
    })
  }
}

/** Throws InvalidArgument without a key, InvalidURI, KeyTooLongError. */
export function formKeyOf(fields: FormFields): string {
  const key = fields.get('key')?.value
  if (key === undefined) throw missingField('key')
  if (key === '') {
    throw new S3Error('InvalidArgument', 'User key must have a length greater than 0.', {
      details: { ArgumentName: 'key', ArgumentValue: '' },
    })
  }
  return checkedKey(key)
}

function headersOf(fields: FormFields): Record<string, string> {
  const headers: Record<string, string> = Object.create(null)
  for (const [lower, { name, value }] of fields) {
    const header = headerOf(lower)
    if (header === undefined) continue
    if (FRAMING.includes(lower)) {
      throw new S3Error('NotImplemented', 'A field you provided is not implemented', {
        details: { Field: name },
      })
    }
    // As headers, they would have carried the value as UTF-8 bytes, which Node shows as latin1.
    const latin1 = Buffer.from(value, 'utf8').toString('latin1')
    if (!TOKEN.test(header) || !isHeaderValue(latin1)) {
      throw new S3Error('InvalidArgument', 'A field of the form cannot be used as a header.', {
        details: { ArgumentName: name },
      })
    }
    if (headers[header] !== undefined && headers[header] !== latin1) throw contradicting(header)
    headers[header] = latin1
  }
  const tagging = fields.get('tagging')?.value
  if (tagging !== undefined) addTags(headers, tagging)
  return headers
}

/** Undefined when the field is no header of an upload. */
function headerOf(lower: string): string | undefined {
  const renamed = Object.hasOwn(RENAMED, lower) ? RENAMED[lower] : undefined
  if (renamed !== undefined) return renamed
  if (SIGNATURE_FIELDS.has(lower)) return undefined
  return SAME_NAME.has(lower) || lower.startsWith('x-amz-') ? lower : undefined
}

/** The field has the document of the tagging operations, and the header the form of a query. */
function addTags(headers: Record<string, string>, xml: string): void {
  const tags = parseTags(parseXml(Buffer.from(xml), TAGGING_LIMITS), 'Object')
  const name = 'x-amz-tagging'
  const header = tags
    .map(({ key, value }) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
    .join('&')
  if (headers[name] !== undefined && headers[name] !== header) throw contradicting(name)
  headers[name] = header
}

function contradicting(name: string): S3Error {
  return new S3Error(
    'InvalidRequest',
    'Conflicting values provided in HTTP headers and POST form fields.',
    { details: { Header: name } },
  )
}
