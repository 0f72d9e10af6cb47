/**
 * PostObject: a form of a browser that uploads a file. The gate has read the fields and compared them with the form's policy
 * (upload-form.ts); the request is that of a PutObject now, and only its answer differs.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
 */

import { S3Error } from '../http/errors.ts'
import type { FormFields } from '../http/form-fields.ts'
import type { S3Request } from '../http/request.ts'
import { headerValue, type S3Response } from '../http/response.ts'
import { tag } from '../http/xml.ts'
import { XML_DECLARATION } from '../http/xml-text.ts'
import type { Call } from './operation.ts'
import { putObject } from './put.ts'

/**
 * `POST /bucket` with multipart/form-data: stores the file as the current version of the object, exactly as PutObject does.
 * The answer has the headers of PutObject's and the object's URL, and is
 *
 *   303 to the URL in success_action_redirect (or redirect, its old name), with bucket, key and etag in the query
 *   201 with a document, or 200, when success_action_status says so
 *   204 otherwise
 *
 * Throws PreconditionFailed for a body of another type, and what PutObject throws.
 */
export async function postObject(call: Call): Promise<S3Response> {
  const { request, bucket, key } = call
  if (request.form === undefined) throw otherFormType()
  const { fields } = request.form
  const { headers } = await putObject(call)
  const etag = headers['ETag'] ?? ''
  const redirect = redirectOf(fields, { bucket, key, etag })
  if (redirect !== undefined) return { status: 303, headers: { ...headers, Location: redirect } }
  const location = locationOf(request, bucket, key)
  headers['Location'] = headerValue(location) ?? ''
  const status = fields.get('success_action_status')?.value
  if (status !== '201') return { status: status === '200' ? 200 : 204, headers }
  headers['Content-Type'] = 'application/xml'
  const document = tag('Location', location) + tag('Bucket', bucket) + tag('Key', key)
  // Unlike other documents of S3, this one has no namespace.
  const body = `${XML_DECLARATION}<PostResponse>${document}${tag('ETag', etag)}</PostResponse>`
  return { status: 201, headers, body }
}

/** The error for a POST to a bucket whose body has another type. */
export function otherFormType(): S3Error {
  return new S3Error('PreconditionFailed', undefined, {
    details: { Condition: 'Bucket POST must be of the enclosure-type multipart/form-data' },
  })
}

/** Undefined when the form names no URL of HTTP: AWS then answers as if the field were missing. */
function redirectOf(
  fields: FormFields,
  made: Readonly<Record<'bucket' | 'key' | 'etag', string>>,
): string | undefined {
  const url = (fields.get('success_action_redirect') ?? fields.get('redirect'))?.value ?? ''
  if (!/^https?:\/\/[^/?# \t]/i.test(url) || !URL.canParse(url)) return undefined
  const query = new URLSearchParams(made).toString()
  const hash = url.indexOf('#')
  const [address, fragment] = hash < 0 ? [url, ''] : [url.slice(0, hash), url.slice(hash)]
  return headerValue(`${address}${address.includes('?') ? '&' : '?'}${query}${fragment}`)
}

/** The URL of the object, as the client addresses the bucket. As in AWS, slashes of the key are escaped too. */
function locationOf(request: S3Request, bucket: string, key: string): string {
  const base = `${request.secure ? 'https' : 'http'}://${request.headers['host'] ?? ''}`
  const path = request.virtualHost ? '' : `/${bucket}`
  return `${base}${path}/${encodeURIComponent(key)}`
}
