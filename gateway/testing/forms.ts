/** Forms that upload a file, and their signatures, for tests: independent of auth/form/ and http/multipart.ts. */

import { createHmac } from 'node:crypto'
import { sendUnsigned, type ConformanceTarget, type RawResponse } from '../conformance/world.ts'
import { hmacSha256 } from './signer.ts'

/** A part of a form: a field, or a file when it has a file name. */
export interface FormPart {
  readonly name: string
  readonly value: string | Uint8Array
  readonly filename?: string
}

export interface SignedForm {
  readonly bucket: string
  /** Without the fields of the signature. */
  readonly fields: Readonly<Record<string, string>>
  /** Besides those for the bucket, the fields and the signature. */
  readonly conditions?: readonly unknown[]
  /** Fields that no condition is made for. */
  readonly uncovered?: readonly string[]
  readonly expiration?: string
  readonly version?: 2 | 4
  /** 20261121T120000Z; now when absent. */
  readonly timestamp?: string
  readonly sessionToken?: string
}

type Signer = Pick<ConformanceTarget, 'region' | 'accessKeyId' | 'secretAccessKey'>

export const BOUNDARY = '----shoal7MA4YWxkTrZu0gW'
export const FORM_TYPE = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }

/** The fields of the form with its policy and signature, in the order in which clients send them. */
export function signedFields(signer: Signer, form: SignedForm): Record<string, string> {
  const { fields, bucket, uncovered = [], conditions = [], version = 4 } = form
  const timestamp = form.timestamp ?? new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
  const scope = `${timestamp.slice(0, 8)}/${signer.region}/s3/aws4_request`
  const own: Record<string, string> = {
    ...fields,
    ...(version === 4 && {
      'x-amz-algorithm': 'AWS4-HMAC-SHA256',
      'x-amz-credential': `${signer.accessKeyId}/${scope}`,
      'x-amz-date': timestamp,
    }),
    ...(form.sessionToken !== undefined && { 'x-amz-security-token': form.sessionToken }),
  }
  const covered = Object.entries(own).filter(
    ([name]) => !uncovered.includes(name) && !name.startsWith('x-ignore-'),
  )
  const policy = policyField(
    [
      ...(uncovered.includes('bucket') ? [] : [{ bucket }]),
      ...covered.map(([name, value]) =>
        value.includes('${filename}') ? ['starts-with', `$${name}`, ''] : { [name]: value },
      ),
      ...conditions,
    ],
    form.expiration,
  )
  return { ...own, policy, ...signatureFields(signer, policy, scope, version) }
}

export function policyField(conditions: readonly unknown[], expiration?: string): string {
  const until = expiration ?? new Date(Date.now() + 600_000).toISOString()
  return Buffer.from(JSON.stringify({ expiration: until, conditions })).toString('base64')
}

export function signatureFields(
  signer: Signer,
  policy: string,
  scope: string,
  version: 2 | 4,
): Record<string, string> {
  if (version === 2) {
    const signature = createHmac('sha1', signer.secretAccessKey).update(policy).digest('base64')
    return { AWSAccessKeyId: signer.accessKeyId, signature }
  }
  let key: string | Buffer = `AWS4${signer.secretAccessKey}`
  for (const part of scope.split('/')) key = hmacSha256(key, part)
  return { 'x-amz-signature': hmacSha256(key, policy).toString('hex') }
}

/** The parts of a form with a file at its end. */
export function partsOf(
  fields: Readonly<Record<string, string>>,
  file: string | Uint8Array,
  filename = 'photo.jpg',
): FormPart[] {
  const parts: FormPart[] = Object.entries(fields).map(([name, value]) => ({ name, value }))
  return [...parts, { name: 'file', value: file, filename }]
}

/** The body, as browsers write it. */
export function encodeForm(parts: readonly FormPart[], boundary = BOUNDARY): Buffer {
  const pieces = parts.flatMap(({ name, value, filename }) => {
    const file = filename === undefined ? '' : `; filename="${filename}"`
    const type = filename === undefined ? '' : 'Content-Type: application/octet-stream\r\n'
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n${type}\r\n`
    return [Buffer.from(head), Buffer.from(value), Buffer.from('\r\n')]
  })
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)])
}

/** Posts a body to the bucket. */
export function postBody(
  endpoint: string,
  bucket: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<RawResponse> {
  const length = { 'content-length': String(body.length) }
  const message = {
    method: 'POST',
    url: `/${bucket}`,
    headers: { ...FORM_TYPE, ...length, ...headers },
  }
  return sendUnsigned(endpoint, message, body)
}

/** Signs a form and posts it. */
export function postForm(
  target: ConformanceTarget,
  form: SignedForm & { readonly file: string | Uint8Array; readonly filename?: string },
  headers: Readonly<Record<string, string>> = {},
): Promise<RawResponse> {
  const body = encodeForm(partsOf(signedFields(target, form), form.file, form.filename))
  return postBody(target.endpoint, form.bucket, body, headers)
}
