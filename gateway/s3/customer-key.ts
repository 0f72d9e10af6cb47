/** The headers with which a client brings its own key: SSE-C. The key is never stored and never logged. */

import { createHash } from 'node:crypto'
import { isLoopbackAddress } from '../http/address.ts'
import { S3Error } from '../http/errors.ts'
import type { S3Request } from '../http/request.ts'
import type { ResponseHeaders } from '../http/response.ts'
import { invalidArgument } from './common.ts'

export interface CustomerKey {
  /** 256 bits. The key of a read may have any length: a wrong one opens nothing. */
  readonly key: Uint8Array
  /** Base64. */
  readonly md5: string
}

/** Whose headers are meant, and for what. */
export type KeyPlace = 'write' | 'read' | 'source'

const OBJECT_PREFIX = 'x-amz-server-side-encryption-customer-'
const PREFIXES: Readonly<Record<KeyPlace, string>> = {
  write: OBJECT_PREFIX,
  read: OBJECT_PREFIX,
  source: 'x-amz-copy-source-server-side-encryption-customer-',
}
/** What AWS's errors about any of these headers name. */
const NAMED = 'x-amz-server-side-encryption'
const KEY_BYTES = 32
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/**
 * The key in the headers of a request; undefined when it has none of them. As in AWS, only a write has to bring the MD5 of
 * the key, and a key must not travel in the clear: it comes over TLS, or from this machine, where a proxy may have ended
 * TLS. Throws InvalidRequest, InvalidArgument, InvalidEncryptionAlgorithmError.
 */
export function customerKey(
  { headers, secure, remoteAddress }: Pick<S3Request, 'headers' | 'secure' | 'remoteAddress'>,
  place: KeyPlace,
): CustomerKey | undefined {
  const prefix = PREFIXES[place]
  const algorithm = headers[`${prefix}algorithm`]
  const key = headers[`${prefix}key`]
  const md5 = headers[`${prefix}key-md5`]
  if (algorithm === undefined && key === undefined && md5 === undefined) return undefined
  if (!secure && !isLoopbackAddress(remoteAddress)) {
    throw new S3Error('InvalidRequest', `${OF_REQUESTS} must be made over a secure connection.`)
  }
  if (algorithm === undefined) throw unfit('must provide a valid encryption algorithm.')
  if (algorithm !== 'AES256') {
    throw new S3Error(
      'InvalidEncryptionAlgorithmError',
      'The Encryption request you specified is not valid. Supported value: AES256.',
      { details: { ArgumentName: NAMED, ArgumentValue: algorithm } },
    )
  }
  if (key === undefined) throw unfit('must provide an appropriate secret key.')
  if (md5 === undefined && place === 'write') {
    throw unfit('must provide the client calculated MD5 of the secret key.')
  }
  const bytes = new Uint8Array(Buffer.from(key, 'base64'))
  const actual = createHash('md5').update(bytes).digest('base64')
  // The errors don't show the values: these are secrets, and proxies and clients log errors.
  if (md5 !== undefined && md5 !== actual) {
    throw wrong('The calculated MD5 hash of the key did not match the hash that was provided.')
  }
  if (place === 'write' && (!BASE64.test(key) || bytes.length !== KEY_BYTES)) {
    throw wrong('The secret key was invalid for the specified algorithm.')
  }
  return { key: bytes, md5: actual }
}

const OF_REQUESTS = 'Requests specifying Server Side Encryption with Customer provided keys'

function unfit(what: string): S3Error {
  return wrong(`${OF_REQUESTS} ${what}`)
}

function wrong(text: string): S3Error {
  return invalidArgument(NAMED, 'null', text)
}

/** A read with another key than the one that encrypted the object. */
export function otherCustomerKey(): S3Error {
  return new S3Error('AccessDenied', `${OF_REQUESTS} must provide the correct secret key.`)
}

/** What an answer says of the client's key. */
export function customerHeaders({ md5 }: CustomerKey): ResponseHeaders {
  return {
    'x-amz-server-side-encryption-customer-algorithm': 'AES256',
    'x-amz-server-side-encryption-customer-key-MD5': md5,
  }
}
