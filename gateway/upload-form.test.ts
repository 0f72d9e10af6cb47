/** Forms that upload a file, over HTTP: rights, answers, and what becomes of each field. */

import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { sendRaw, type RawResponse } from './conformance/world.ts'
import {
  encodeForm,
  partsOf,
  postBody,
  postForm,
  type FormPart,
  type SignedForm,
} from './testing/forms.ts'
import type { TestGateway } from './testing/gateway.ts'
import { alteredBackend, gatewayForEachTest } from './testing/http-world.ts'
import { allowEverybody, MEBI, OTHER_CALLER } from './testing/overload-world.ts'

const start = gatewayForEachTest()

type Form = Partial<SignedForm> & { file?: string | Uint8Array }

function post({ target }: TestGateway, form: Form, headers = {}): Promise<RawResponse> {
  const whole = { bucket: 'bucket', fields: { key: 'k' }, file: 'x', ...form }
  return postForm(target, whole, headers)
}

function send({ target }: TestGateway, parts: readonly FormPart[]): Promise<RawResponse> {
  return postBody(target.endpoint, 'bucket', encodeForm(parts))
}

const shown = ({ status, code }: RawResponse): string => `${status} ${code}`

async function isEmpty({ target }: TestGateway): Promise<boolean> {
  const list = await sendRaw(target, { path: '/bucket' })
  return list.status === 200 && !list.text.includes('<Contents>')
}

async function allow(gateway: TestGateway, statement: Record<string, unknown>): Promise<void> {
  const policy = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: '*', ...statement }],
  }
  const body = [Buffer.from(JSON.stringify(policy))]
  const put = { method: 'PUT', path: '/bucket', query: [['policy', '']] as const, body }
  expect((await sendRaw(gateway.target, put)).status).toBe(204)
}

describe('rights', () => {
  test('tags need a right of their own, and policies see them', async () => {
    const gateway = await start({ credentials: [OTHER_CALLER] })
    const tagging = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>'
    const form = { fields: { key: 'k', tagging } }
    await allow(gateway, {
      Principal: { AWS: '*' },
      Action: 's3:PutObjectTagging',
      Effect: 'Deny',
      Resource: 'arn:aws:s3:::bucket/*',
    })
    expect(shown(await post(gateway, form))).toBe('403 AccessDenied')
    expect((await post(gateway, {})).status).toBe(204)
    await allow(gateway, {
      Action: 's3:PutObject',
      Effect: 'Deny',
      Resource: 'arn:aws:s3:::bucket/*',
      Condition: { StringEquals: { 's3:RequestObjectTag/a': 'b' } },
    })
    expect(shown(await post(gateway, form))).toBe('403 AccessDenied')
    expect((await post(gateway, {})).status).toBe(204)
  })

  test('an anonymous form needs a bucket policy that allows it', async () => {
    const gateway = await start()
    const parts = partsOf({ key: 'open/${filename}' }, 'x', 'a.txt')
    expect(shown(await send(gateway, parts))).toBe('403 AccessDenied')
    await allow(gateway, { Action: 's3:PutObject', Resource: 'arn:aws:s3:::bucket/open/*' })
    expect(shown(await send(gateway, partsOf({ key: 'other' }, 'x')))).toBe('403 AccessDenied')
    expect((await send(gateway, parts)).status).toBe(204)
    expect((await sendRaw(gateway.target, { path: '/bucket/open/a.txt' })).text).toBe('x')
  })

  test('policies see how a form is signed, and its fields as headers', async () => {
    const gateway = await start({ credentials: [OTHER_CALLER] })
    expect(gateway.target.accessKeyId).toBe(OTHER_CALLER.accessKeyId)
    const deny = (Condition: unknown): Promise<void> =>
      allow(gateway, {
        Effect: 'Deny',
        Action: 's3:PutObject',
        Resource: 'arn:aws:s3:::bucket/*',
        Condition,
      })
    await deny({ StringEquals: { 's3:authType': 'POST' } })
    expect(shown(await post(gateway, {}))).toBe('403 AccessDenied')
    expect((await sendRaw(gateway.target, { method: 'PUT', path: '/bucket/k' })).status).toBe(200)
    await deny({ StringEquals: { 's3:signatureversion': 'AWS' } })
    expect(shown(await post(gateway, { version: 2 }))).toBe('403 AccessDenied')
    expect((await post(gateway, {})).status).toBe(204)
    await deny({ StringEquals: { 's3:x-amz-storage-class': 'STANDARD_IA' } })
    const fields = { key: 'k', 'x-amz-storage-class': 'STANDARD_IA' }
    expect(shown(await post(gateway, { fields }))).toBe('403 AccessDenied')
    await deny({ NumericGreaterThan: { 's3:signatureAge': '3600000' } })
    const hourAgo = new Date(Date.now() - 3_660_000).toISOString().replace(/[-:]|\.\d{3}/g, '')
    expect(shown(await post(gateway, { timestamp: hourAgo }))).toBe('403 AccessDenied')
    expect((await post(gateway, {})).status).toBe(204)
  })
})

describe('before the rights are known', () => {
  test('the file is not asked of the store, and nothing is stored, without the right', async () => {
    let puts = 0
    const gateway = await start({
      credentials: [OTHER_CALLER],
      backend: (memory) =>
        alteredBackend(memory, {
          putObject: (context, request) => {
            puts++
            return memory.putObject(context, request)
          },
        }),
    })
    const body = encodeForm(partsOf({ key: 'k' }, Buffer.alloc(2 * MEBI)))
    expect(shown(await postBody(gateway.target.endpoint, 'bucket', body))).toBe('403 AccessDenied')
    expect(puts).toBe(0)
    expect(
      shown(await postForm(gateway.target, { bucket: 'missing', fields: { key: 'k' }, file: 'x' })),
    ).toBe('404 NoSuchBucket')
  })
})

const REFUSED: [string, Form, Record<string, string>, string][] = [
  ['what PutObject refuses', { fields: { key: 'k', acl: 'nonsense' } }, {}, '400 InvalidArgument'],
  [
    'a legal hold in a bucket without object lock',
    { fields: { key: 'k', 'x-amz-object-lock-legal-hold': 'ON' } },
    {},
    '400 InvalidRequest',
  ],
  [
    'encryption that does not exist',
    { fields: { key: 'k', 'x-amz-server-side-encryption': 'AES512' } },
    {},
    '400 InvalidArgument',
  ],
  [
    'a surrogate in a tag',
    {
      fields: {
        key: 'k',
        tagging: `<Tagging><TagSet><Tag><Key>&#xD800;</Key><Value/></Tag></TagSet></Tagging>`,
      },
    },
    {},
    '400 MalformedXML',
  ],
  [
    'a storage class that is none',
    { fields: { key: 'k', 'x-amz-storage-class': 'FAKE' } },
    {},
    '400 InvalidStorageClass',
  ],
  ['a condition', { fields: { key: 'k', 'If-None-Match': '*' } }, {}, '501 NotImplemented'],
  ['a condition in the head', {}, { 'if-none-match': '*' }, '501 NotImplemented'],
  [
    'a digest of the body',
    { fields: { key: 'k', 'x-amz-content-sha256': 'a' } },
    {},
    '501 NotImplemented',
  ],
  [
    'a header that contradicts',
    { fields: { key: 'k', acl: 'private' } },
    { 'x-amz-acl': 'public-read' },
    '400 InvalidRequest',
  ],
  ['a header that no policy covers', {}, { 'x-amz-meta-a': 'b' }, '400 InvalidRequest'],
  ['chunks', {}, { 'x-amz-decoded-content-length': '1' }, '400 InvalidRequest'],
  ['a signature in the head too', {}, { authorization: 'AWS a:b' }, '501 NotImplemented'],
  ['an empty key', { fields: { key: '' } }, {}, '400 InvalidArgument'],
  ['a long key', { fields: { key: 'k'.repeat(1025) } }, {}, '400 KeyTooLongError'],
  [
    'a line break in a header',
    { fields: { key: 'k', 'x-amz-meta-a': 'a\nb: c' } },
    {},
    '400 InvalidArgument',
  ],
  [
    'a name that is no header',
    { fields: { key: 'k', 'x-amz-meta-a b': 'c' } },
    {},
    '400 InvalidArgument',
  ],
  [
    'much metadata',
    { fields: { key: 'k', 'x-amz-meta-a': 'b'.repeat(2048) } },
    {},
    '400 MetadataTooLarge',
  ],
  ['tags that are not XML', { fields: { key: 'k', tagging: 'a=b' } }, {}, '400 MalformedXML'],
  [
    'a wrong MD5',
    { fields: { key: 'k', 'Content-MD5': 'AAAAAAAAAAAAAAAAAAAAAA==' } },
    {},
    '400 BadDigest',
  ],
]

const AMBIGUOUS: [string, FormPart[], string][] = [
  [
    'a field twice',
    [
      { name: 'key', value: 'a' },
      { name: 'Key', value: 'b' },
    ],
    '400 InvalidArgument',
  ],
  [
    'a header twice',
    [
      { name: 'x-amz-acl', value: 'private' },
      { name: 'x-amz-acl', value: 'private' },
    ],
    '400 InvalidArgument',
  ],
  ['no key', [], '400 InvalidArgument'],
  ['text that is not UTF-8', [{ name: 'key', value: Buffer.of(0xff) }], '400 MalformedPOSTRequest'],
]

describe('fields', () => {
  test.each(REFUSED)('%s: refused, and nothing is stored', async (_, form, headers, expected) => {
    const gateway = await start()
    expect(shown(await post(gateway, form, headers))).toBe(expected)
    expect(await isEmpty(gateway)).toBe(true)
  })

  test('${filename} everywhere, joined metadata, and headers that are about the form', async () => {
    const gateway = await start()
    await allowEverybody(gateway, 's3:PutObject')
    const fields: FormPart[] = [
      { name: 'KEY', value: 'a/${filename}/${filename}' },
      { name: 'x-amz-meta-tag', value: 'Ninja' },
      { name: 'x-amz-meta-tag', value: '${filename}é' },
      { name: 'file', value: 'x', filename: 'dir/n' },
      { name: 'key', value: 'after the file' },
      { name: 'nothing', value: 'of this counts' },
    ]
    const body = encodeForm(fields)
    const headers = {
      'cache-control': 'no-cache',
      'x-amz-te': 'x',
      'x-amz-request-payer': 'requester',
    }
    const answer = await postBody(gateway.target.endpoint, 'bucket', body, headers)
    expect(answer.status).toBe(204)
    const { headers: stored } = await sendRaw(gateway.target, {
      method: 'HEAD',
      path: '/bucket/a/n/n',
    })
    expect(stored['x-amz-meta-tag']).toBe(
      `=?UTF-8?B?${Buffer.from('Ninja,né').toString('base64')}?=`,
    )
    expect([stored['content-type'], stored['cache-control']]).toEqual([
      'binary/octet-stream',
      undefined,
    ])
  })

  test.each(AMBIGUOUS)('%s is refused', async (_, fields, expected) => {
    const gateway = await start()
    await allowEverybody(gateway, 's3:PutObject')
    expect(shown(await send(gateway, [...fields, { name: 'file', value: 'x' }]))).toBe(expected)
    expect(await isEmpty(gateway)).toBe(true)
  })

  test('two files are refused, and nothing is stored', async () => {
    const gateway = await start()
    await allowEverybody(gateway, 's3:PutObject')
    for (const value of ['x', Buffer.alloc(200_000)]) {
      const file = { name: 'file', value, filename: 'a' }
      const answer = await send(gateway, [{ name: 'key', value: 'k' }, file, file])
      expect(shown(answer)).toBe('400 IncorrectNumberOfFilesInPostRequest')
    }
    expect(await isEmpty(gateway)).toBe(true)
  })
})

test('versions, checksums and CORS are in the answer', async () => {
  const gateway = await start()
  const { target } = gateway
  const set = async (mark: string, body: string): Promise<void> => {
    const headers = { 'content-md5': createHash('md5').update(body).digest('base64') }
    const put = {
      method: 'PUT',
      path: '/bucket',
      query: [[mark, '']] as const,
      headers,
      body: [Buffer.from(body)],
    }
    expect((await sendRaw(target, put)).status).toBe(200)
  }
  await set(
    'versioning',
    '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
  )
  await set(
    'cors',
    '<CORSConfiguration><CORSRule><AllowedOrigin>http://a</AllowedOrigin><AllowedMethod>POST</AllowedMethod><ExposeHeader>ETag</ExposeHeader></CORSRule></CORSConfiguration>',
  )
  const origin = { origin: 'http://a' }
  const made = await post(gateway, { fields: { key: 'k', success_action_status: '201' } }, origin)
  expect(made.status).toBe(201)
  expect(made.headers['x-amz-version-id']).toMatch(/^[0-9a-f]{32}$/)
  expect(made.headers['x-amz-checksum-crc64nvme']).toBeDefined()
  expect(made.headers['access-control-expose-headers']).toBe('ETag')
  const refused = await post(gateway, { expiration: '2020-01-01T00:00:00Z' }, origin)
  expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([
    403,
    'http://a',
  ])
  const malformed = await postBody(target.endpoint, 'bucket', Buffer.from('x'), origin)
  expect([malformed.status, malformed.headers['access-control-allow-origin']]).toEqual([
    400,
    'http://a',
  ])
})

test('a body that is no form gets 412 without a signature or with the right, and 403 otherwise', async () => {
  const gateway = await start()
  const { endpoint } = gateway.target
  const plain = { 'content-type': 'text/plain' }
  const message = { method: 'POST', path: '/bucket', headers: plain, body: [Buffer.from('x')] }
  const answers = [
    await sendRaw(gateway.target, message),
    await postBody(endpoint, 'bucket', Buffer.from('x'), plain),
    await postBody(endpoint, 'missing', Buffer.from('x'), plain),
  ]
  for (const answer of answers) {
    expect(shown(answer)).toBe('412 PreconditionFailed')
    expect(answer.text).toContain(
      '<Condition>Bucket POST must be of the enclosure-type multipart/form-data</Condition>',
    )
  }
  const stranger = await start({ credentials: [OTHER_CALLER] })
  await allow(stranger, {
    Effect: 'Deny',
    Action: 's3:PutObject',
    Resource: 'arn:aws:s3:::bucket/*',
  })
  expect(shown(await sendRaw(stranger.target, message))).toBe('403 AccessDenied')
})
