/** SSE-KMS with named keys: who may use them, and what is answered. Keys themselves: node/iam/key-actions.test.ts. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RawResponse } from './conformance/world.ts'
import type { Backend } from './port/backend.ts'
import type { Credential } from './port/identity.ts'
import { StoreError } from '../protocol/errors.ts'
import { ALL, CALLERS_ACCOUNT, OTHER_ACCOUNT, send, user } from './testing/callers.ts'
import { startGateway, type TestGateway } from './testing/gateway.ts'
import { may } from './testing/permission-world.ts'
import { EXAMPLE_CREDENTIAL } from './testing/requests.ts'

const SSE = 'x-amz-server-side-encryption'
const KEY_ID = `${SSE}-aws-kms-key-id`
const arnOf = (name: string, account = CALLERS_ACCOUNT, region = 'us-east-1'): string =>
  `arn:aws:kms:${region}:${account}:key/${name}`
const OBJECTS = may(['s3:GetObject', 's3:PutObject'], 'arn:aws:s3:::bucket/*')

const writer = user('writer', [OBJECTS, may('kms:GenerateDataKey', arnOf('reports'))])
const reader = user('reader', [OBJECTS, may('kms:Decrypt', arnOf('reports'))])
const nobody = user('nobody', [OBJECTS])
const powerful = user('powerful', [ALL])
const stranger = user('stranger', [ALL], OTHER_ACCOUNT)

let server: TestGateway
let down = false
beforeAll(async () => {
  server = await startGateway({
    credentials: [EXAMPLE_CREDENTIAL, writer, reader, nobody, powerful, stranger],
    keys: [`${CALLERS_ACCOUNT}/reports`, `${OTHER_ACCOUNT}/reports`],
    backend: (memory) =>
      new Proxy(memory as Backend, {
        get(target, name: keyof Backend) {
          const isKeyCall = name === 'wrapDataKey' || name === 'unwrapDataKey'
          if (down && isKeyCall) return () => Promise.reject(new StoreError('Unavailable'))
          const found: unknown = target[name]
          return typeof found === 'function' ? found.bind(target) : found
        },
      }),
  })
  await as(EXAMPLE_CREDENTIAL, 'PUT', '/bucket')
  const Principal = { AWS: OTHER_ACCOUNT }
  const Statement = [{ ...may('s3:*', 'arn:aws:s3:::bucket/*'), Principal }]
  const body = [Buffer.from(JSON.stringify({ Version: '2012-10-17', Statement }))]
  await as(EXAMPLE_CREDENTIAL, 'PUT', '/bucket', { query: [['policy', '']], body })
})
afterAll(() => server.close())

function as(
  who: Credential | undefined,
  method: string,
  path: string,
  more: Partial<Parameters<typeof send>[2]> = {},
): Promise<RawResponse> {
  return send(server.target, who, { method, path, ...more })
}

function put(
  who: Credential | undefined,
  key: string,
  keyId: string | undefined,
  more: Record<string, string> = {},
): Promise<RawResponse> {
  const named = keyId === undefined ? {} : { [KEY_ID]: keyId }
  const headers = { [SSE]: 'aws:kms', ...named, ...more }
  return as(who, 'PUT', `/bucket/${key}`, { headers, body: [Buffer.from('plain text')] })
}

const outcome = ({ status, code }: RawResponse): string => (code === undefined ? `${status}` : code)

describe('a named key', () => {
  test('needs the right to it for writes and for reads, besides that to the object', async () => {
    const made = await put(writer, 'k', 'reports')
    expect([made.status, made.headers[SSE], made.headers[KEY_ID]]).toEqual([
      200,
      'aws:kms',
      arnOf('reports'),
    ])
    // Not the MD5 of the text.
    expect(made.headers['etag']).toMatch(/^"[0-9a-f]{32}"$/)
    expect(made.headers['etag']).not.toBe('"31bc5c2b8fd4f20cd747347b7504a385"')
    const got = await as(reader, 'GET', '/bucket/k')
    expect([got.text, got.headers[KEY_ID]]).toEqual(['plain text', arnOf('reports')])
    expect(outcome(await as(writer, 'GET', '/bucket/k'))).toBe('AccessDenied')
    expect(outcome(await as(nobody, 'GET', '/bucket/k'))).toBe('AccessDenied')
    expect(outcome(await put(reader, 'k', 'reports'))).toBe('AccessDenied')
    expect(outcome(await put(nobody, 'k', arnOf('reports')))).toBe('AccessDenied')
    // As in AWS, a HEAD decrypts nothing.
    expect(outcome(await as(nobody, 'HEAD', '/bucket/k'))).toBe('200')
    const copy = { 'x-amz-copy-source': '/bucket/k' }
    expect(outcome(await as(nobody, 'PUT', '/bucket/copy', { headers: copy }))).toBe('AccessDenied')
    expect(outcome(await as(reader, 'PUT', '/bucket/copy', { headers: copy }))).toBe('200')
  })

  test('belongs to its account', async () => {
    await put(powerful, 'k', 'reports')
    expect(outcome(await as(stranger, 'GET', '/bucket/k'))).toBe('AccessDenied')
    expect(outcome(await put(stranger, 's', arnOf('reports')))).toBe('AccessDenied')
    const own = await put(stranger, 's', 'reports')
    expect(own.headers[KEY_ID]).toBe(arnOf('reports', OTHER_ACCOUNT))
    expect(outcome(await as(powerful, 'GET', '/bucket/s'))).toBe('AccessDenied')
    expect((await as(stranger, 'GET', '/bucket/s')).text).toBe('plain text')
  })

  test('that does not exist, or is of another region, is refused by name', async () => {
    const wrong: readonly [string, string][] = [
      ['none', `Key '${arnOf('none')}' does not exist`],
      [arnOf('none'), `Key '${arnOf('none')}' does not exist`],
      ['a key', "Invalid keyId 'a key'"],
      ['../x', "Invalid keyId '../x'"],
      ['alias/x', "Invalid keyId 'alias/x'"],
      [arnOf('reports', CALLERS_ACCOUNT, 'mars'), 'Invalid arn mars'],
    ]
    for (const [keyId, text] of wrong) {
      const answer = await put(powerful, 'x', keyId)
      expect([answer.status, answer.code]).toEqual([400, 'KMS.NotFoundException'])
      expect(answer.text.replaceAll('&apos;', "'")).toContain(`<Message>${text}</Message>`)
    }
    expect((await as(powerful, 'HEAD', '/bucket/x')).status).toBe(404)
  })
})

test('without a named key the one of the cluster is used, by everybody who may write', async () => {
  for (const keyId of [undefined, 'alias/aws/s3', arnOf('shoal-s3')]) {
    const made = await put(nobody, 'd', keyId, { [`${SSE}-bucket-key-enabled`]: 'true' })
    expect([made.headers[KEY_ID], made.headers[`${SSE}-bucket-key-enabled`]]).toEqual([
      arnOf('shoal-s3'),
      'true',
    ])
    expect((await as(nobody, 'GET', '/bucket/d')).text).toBe('plain text')
  }
})

test('the context is bound to the key, answered by the write, and otherwise not shown', async () => {
  const context = Buffer.from('{"b":"2","a":"1"}').toString('base64')
  const made = await put(powerful, 'c', 'reports', { [`${SSE}-context`]: context })
  const shown = Buffer.from(made.headers[`${SSE}-context`] ?? '', 'base64').toString()
  expect(JSON.parse(shown)).toEqual({ a: '1', b: '2' })
  const got = await as(powerful, 'GET', '/bucket/c')
  expect([got.text, got.headers[`${SSE}-context`]]).toEqual(['plain text', undefined])
  for (const text of ['x', '[]', '{"a":1}', 'null', '"a"']) {
    const wrong = { [`${SSE}-context`]: Buffer.from(text).toString('base64') }
    expect(outcome(await put(powerful, 'x', 'reports', wrong))).toBe('InvalidArgument')
  }
})

test('without a signature of version 4 there is no read', async () => {
  await put(powerful, 'k', undefined)
  const Statement = [{ ...may('s3:*', 'arn:aws:s3:::bucket/*'), Principal: '*' }]
  const body = [Buffer.from(JSON.stringify({ Version: '2012-10-17', Statement }))]
  const query = [['policy', '']] as const
  expect((await as(EXAMPLE_CREDENTIAL, 'PUT', '/bucket', { query, body })).status).toBe(204)
  const answer = await as(undefined, 'GET', '/bucket/k')
  expect(outcome(answer)).toBe('InvalidArgument')
  expect(answer.text).toContain('require AWS Signature Version 4')
})

test('parts need the right to open the key of their upload', async () => {
  const created = await as(powerful, 'POST', '/bucket/u', {
    query: [['uploads', '']],
    headers: { [SSE]: 'aws:kms', [KEY_ID]: 'reports' },
  })
  expect(created.headers[KEY_ID]).toBe(arnOf('reports'))
  const uploadId = /<UploadId>([^<]*)</.exec(created.text)?.[1] ?? ''
  const part = (who: Credential): Promise<RawResponse> =>
    as(who, 'PUT', '/bucket/u', {
      query: [
        ['partNumber', '1'],
        ['uploadId', uploadId],
      ],
      body: [Buffer.from('part')],
    })
  expect(outcome(await part(writer))).toBe('AccessDenied')
  const sent = await part(reader)
  expect([sent.status, sent.headers[KEY_ID]]).toEqual([200, arnOf('reports')])
  const list = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${sent.headers['etag']}</ETag></Part></CompleteMultipartUpload>`
  const body = [Buffer.from(list)]
  const done = await as(reader, 'POST', '/bucket/u', { query: [['uploadId', uploadId]], body })
  expect([done.status, done.headers[KEY_ID]]).toEqual([200, arnOf('reports')])
  expect((await as(reader, 'GET', '/bucket/u')).text).toBe('part')
})

test('while the keys cannot be reached nothing is stored, and nothing is read', async () => {
  await put(powerful, 'k', 'reports')
  down = true
  try {
    expect((await put(powerful, 'new', 'reports')).status).toBe(503)
    const headers = { [SSE]: 'AES256' }
    const aes = await as(powerful, 'PUT', '/bucket/new', { headers, body: [Buffer.from('x')] })
    expect(aes.status).toBe(503)
    expect((await as(powerful, 'GET', '/bucket/k')).status).toBe(503)
    expect((await as(powerful, 'HEAD', '/bucket/new')).status).toBe(404)
  } finally {
    down = false
  }
})
