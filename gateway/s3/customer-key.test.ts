/** How the key of a client may travel. Everything else about it: gateway/conformance/encryption.ts. */

import { expect, test } from 'vitest'
import { createHash } from 'node:crypto'
import { S3Error } from '../http/errors.ts'
import { customerKey } from './customer-key.ts'

const KEY = Buffer.alloc(32, 7)
const PREFIX = 'x-amz-server-side-encryption-customer-'
const headers = {
  [`${PREFIX}algorithm`]: 'AES256',
  [`${PREFIX}key`]: KEY.toString('base64'),
  [`${PREFIX}key-md5`]: createHash('md5').update(KEY).digest('base64'),
}

test.each([
  [true, '192.0.2.1', 'taken'],
  [false, '127.0.0.1', 'taken'],
  [false, '::ffff:127.0.0.2', 'taken'],
  [false, '::1', 'taken'],
  [false, '192.0.2.1', 'InvalidRequest'],
  [false, '2001:db8::1', 'InvalidRequest'],
])('over TLS: %s, from %s: %s', (secure, remoteAddress, outcome) => {
  const take = (): string => {
    try {
      return customerKey({ headers, secure, remoteAddress }, 'write') ? 'taken' : 'none'
    } catch (error) {
      return error instanceof S3Error ? error.code : String(error)
    }
  }
  expect(take()).toBe(outcome)
})

test('without headers nothing is wrong, also in the clear', () => {
  const request = { headers: {}, secure: false, remoteAddress: '192.0.2.1' }
  expect(customerKey(request, 'read')).toBe(undefined)
})
