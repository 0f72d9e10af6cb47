/** Values for the headers of encryption, for documented-requests.ts. */

import { createHash } from 'node:crypto'
import { DEFAULT_KEY_ID } from '../port/encryption.ts'
import type { Operation } from '../s3/operation.ts'

/** What is added to a request, so that it has a name that AWS documents. */
export interface RequestSample {
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  /** The status of the answer, when it differs from that of the request without the name. */
  readonly status?: number
  /** A header of the plain request that cannot be sent together with this one. */
  readonly without?: string
}

const SSE = 'x-amz-server-side-encryption'
const CUSTOMER = /^(x-amz-(?:copy-source-)?server-side-encryption-customer-)/
const KEY = Buffer.alloc(32, 'key')

/** Undefined for other headers. Objects, uploads and sources of the samples are not encrypted. */
export function encryptionSample(
  { name, headers }: Pick<Operation, 'name' | 'headers'>,
  header: string,
): RequestSample | undefined {
  const prefix = CUSTOMER.exec(header)?.[1]
  if (prefix !== undefined) {
    const sent = {
      [`${prefix}algorithm`]: 'AES256',
      [`${prefix}key`]: KEY.toString('base64'),
      [`${prefix}key-md5`]: createHash('md5').update(KEY).digest('base64'),
    }
    const makes = ['PutObject', 'CopyObject', 'CreateMultipartUpload'].includes(name)
    const isSource = prefix.includes('copy-source')
    // The refusal of a key that nothing is encrypted with shows that it was looked at.
    return makes && !isSource ? { headers: sent } : { headers: sent, status: 400 }
  }
  if (!header.startsWith(SSE) || !headers.has(header)) return undefined
  switch (header.slice(SSE.length)) {
    case '':
      return { headers: { [header]: 'AES256' } }
    case '-aws-kms-key-id':
      return { headers: { [SSE]: 'aws:kms', [header]: DEFAULT_KEY_ID } }
    case '-context':
      return { headers: { [SSE]: 'aws:kms', [header]: Buffer.from('{}').toString('base64') } }
    default:
      return { headers: { [header]: 'true' } }
  }
}
