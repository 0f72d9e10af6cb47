/** F22 for links of Signature Version 2: their expiry, and headers in their query. */

import { describe, expect, test } from 'vitest'

import type { AuthResult } from '../auth.ts'
import { decodeBody } from '../../body/decode.ts'
import { fakeRequest } from '../../testing/requests.ts'
import { TEST_NOW_MS } from '../../testing/signer.ts'
import type { SignedMessage } from '../../testing/signer.ts'
import { presignV2 } from '../../testing/signer-v2.ts'
import { expectV2Refused, verifyV2 } from '../../testing/verify-v2.ts'

describe('the expiry of a link', () => {
  const expiring = (expires: string): SignedMessage => presignV2({ path: '/b/k' }, { expires })

  test('is checked to the second by the server, whatever dates the client sends', async () => {
    const message = expiring(String(TEST_NOW_MS / 1000))
    await verifyV2(message)
    await expectV2Refused(message, 'AccessDenied', { nowMs: TEST_NOW_MS + 1 })
    const headers = { ...message.headers, 'x-amz-date': 'Sat, 21 Nov 2020 12:00:00 GMT' }
    await verifyV2({ ...message, headers })
    await verifyV2({ ...message, url: `${message.url}&x-amz-date=x` })
  })

  test('may be far in the future, up to the year 9999', async () => {
    await verifyV2(expiring('4102444800'))
    await verifyV2(expiring('253402300799'))
    await expectV2Refused(expiring('253402300800'), 'AccessDenied')
  })

  test.each([
    '-1',
    '1e12',
    '0x7fffffff',
    ' 1795266000',
    '1795266000.5',
    '9'.repeat(400),
    'x',
    '+5',
  ])('malformed: %s', async (expires) => {
    await expect(verifyV2(expiring(expires))).rejects.toMatchObject({
      code: 'AccessDenied',
      message: expect.stringMatching(/^Invalid date \(should be seconds since epoch\)/),
    })
  })

  test.each(['AWSAccessKeyId', 'Expires', 'Signature'])('without %s', async (name) => {
    const message = expiring('4102444800')
    const url = message.url.replace(new RegExp(`${name}=[^&]*`), '')
    await expectV2Refused({ ...message, url }, 'AccessDenied')
    await expectV2Refused({ ...message, url: `${url}&${name}=` }, 'AccessDenied')
  })
})

describe('headers of a link in its query', () => {
  /** A link as SDKs make it: headers are signed as headers and sent as parameters. */
  function moved(headers: Record<string, string>): SignedMessage {
    const signed = presignV2({ method: 'PUT', path: '/b/k', headers })
    const pairs = Object.entries(headers).map(
      ([name, value]) => `&${name}=${encodeURIComponent(value)}`,
    )
    return { ...signed, headers: { host: 'localhost:9000' }, url: signed.url + pairs.join('') }
  }

  test('count as headers', async () => {
    const message = moved({
      'content-type': 'image/png',
      'content-md5': 'XUFAKrxLKna5cZ2REBfFkg==',
      'x-amz-meta-a': 'b',
    })
    await verifyV2(message)
    const { headers } = fakeRequest(message)
    expect(headers).toMatchObject({
      'content-type': 'image/png',
      'content-md5': 'XUFAKrxLKna5cZ2REBfFkg==',
      'x-amz-meta-a': 'b',
    })
    expect(() => decodeBody(fakeRequest(message), { ...ANONYMOUS })).toThrow(
      expect.objectContaining({ code: 'MissingContentLength' }),
    )
  })

  test('may also be sent as headers, with the same values', async () => {
    const message = moved({ 'content-type': 'image/png', 'x-amz-meta-a': 'b' })
    const withHeaders = (type: string, meta: string): SignedMessage => ({
      ...message,
      headers: { ...message.headers, 'content-type': type, 'x-amz-meta-a': meta },
    })
    await verifyV2(withHeaders('image/png', 'b'))
    await expectV2Refused(withHeaders('text/html', 'b'), 'SignatureDoesNotMatch')
    await expectV2Refused(withHeaders('image/png', 'c'), 'InvalidArgument')
  })

  test('a Content-Type cannot be added to a link', async () => {
    const message = presignV2({ method: 'PUT', path: '/b/k' })
    await expectV2Refused(
      { ...message, url: `${message.url}&content-type=text%2Fhtml` },
      'SignatureDoesNotMatch',
    )
  })
})

const ANONYMOUS: AuthResult = {
  credential: undefined,
  method: 'anonymous',
  payload: { type: 'unsigned' },
  signing: undefined,
}
