/** Headers as clients and proxies send them, through the whole gateway. */

import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sendRaw } from './conformance/world.ts'
import { startGateway, type TestGateway } from './testing/gateway.ts'
import { signHeader, type Unsigned } from './testing/signer.ts'
import { openSocket } from './testing/socket.ts'

let server: TestGateway

beforeAll(async () => {
  server = await startGateway()
  await sendRaw(server.target, { method: 'PUT', path: '/bucket' })
  for (const key of ['key', 'a b', 'a+b']) {
    await sendRaw(server.target, {
      method: 'PUT',
      path: `/bucket/${key}`,
      body: [Buffer.from(key)],
    })
  }
})
afterAll(() => server.close())

/** Signs `message` and sends its head, with `lines` as separate lines of the header `name`. */
async function sendLines(
  message: Unsigned,
  name: string,
  lines: readonly string[],
): Promise<string> {
  const timestamp = `${new Date().toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
  const { target } = server
  const headers = {
    host: new URL(target.endpoint).host,
    ...message.headers,
    [name]: lines.join(','),
  }
  const signed = signHeader({ ...message, headers }, { ...target, timestamp })
  const socket = await openSocket(target.endpoint)
  let head = `${signed.message.method} ${signed.message.url} HTTP/1.1\r\n`
  for (const [header, value] of Object.entries(signed.message.headers)) {
    for (const line of header === name ? lines : [value]) head += `${header}: ${line}\r\n`
  }
  socket.send(`${head}Connection: close\r\n\r\n`)
  const answer = await socket.closed()
  socket.socket.destroy()
  return answer
}

const attributes = { path: '/bucket/key', query: [['attributes', '']] } as const

test('a list may be sent as several lines, as the SDKs for Go and Java do', async () => {
  const lines = ['ETag', 'ObjectSize', 'StorageClass']
  const answer = await sendLines(attributes, 'x-amz-object-attributes', lines)
  expect(answer).toMatch(/^HTTP\/1\.1 200 /)
  for (const name of lines) expect(answer).toContain(`<${name}>`)
  const holey = await sendLines(attributes, 'x-amz-object-attributes', [
    '',
    'ETag,, ObjectSize',
    '',
  ])
  expect(holey).toContain('<ObjectSize>')
  expect(await sendLines(attributes, 'x-amz-object-attributes', ['', ','])).toMatch(/ 400 /)
})

test.each([
  ['/bucket/key', 'if-none-match', ['"x"', '"3c6e0b8a9c15224a8228b9a98ca1531d"'], 304],
  ['/bucket/key', 'if-match', ['"x"', '"3c6e0b8a9c15224a8228b9a98ca1531d"'], 200],
  ['/bucket/key', 'x-amz-cf-id', ['a', 'b'], 200],
  ['/bucket', 'x-amz-optional-object-attributes', ['RestoreStatus', '', 'RestoreStatus,'], 200],
  ['/bucket', 'x-amz-optional-object-attributes', ['RestoreStatus', 'Other'], 400],
  // The header has one value: two readers could use different ones.
  ['/bucket/key', 'x-amz-expected-bucket-owner', ['123456789012', '123456789012'], 400],
  ['/bucket/key', 'range', ['bytes=0-0', 'bytes=1-1'], 400],
])('%s, %s on two lines: %j', async (path, name, lines, status) => {
  expect(await sendLines({ path }, name, lines)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
})

test.each(['', '200-ok', '100-continue, x'])('Expect: %j delays nothing', async (expectation) => {
  const answer = await sendLines({ path: '/bucket/key' }, 'expect', [expectation])
  expect(answer).toMatch(/^HTTP\/1\.1 200 /)
})

test('headers that the AWS SDK for Java v2 sends with every GetObject are accepted', async () => {
  const headers = {
    'x-amz-te': 'append-md5',
    'x-amz-checksum-crc32': 'AAAAAA==',
    'x-amz-checksum-mode': 'ENABLED',
  }
  const answer = await sendRaw(server.target, { path: '/bucket/key', headers })
  expect([answer.status, answer.text]).toEqual([200, 'key'])
})

test.each([
  ['/bucket/a+b', 'a b'],
  ['/bucket/a%2Bb', 'a+b'],
  ['bucket/a%20b', 'a b'],
])('a copy of %s reads %j', async (source, text) => {
  const headers = { 'x-amz-copy-source': source }
  const copied = await sendRaw(server.target, { method: 'PUT', path: '/bucket/to', headers })
  expect(copied.status).toBe(200)
  expect((await sendRaw(server.target, { path: '/bucket/to' })).text).toBe(text)
})

test('an empty copy source is refused and not taken for an upload', async () => {
  const headers = { 'x-amz-copy-source': '' }
  const refused = await sendRaw(server.target, { method: 'PUT', path: '/bucket/key', headers })
  expect([refused.status, refused.code]).toEqual([400, 'InvalidArgument'])
  expect((await sendRaw(server.target, { path: '/bucket/key' })).text).toBe('key')
})

test('an empty session token, tagging and redirect count as not sent', async () => {
  const headers = {
    'x-amz-security-token': '',
    'x-amz-tagging': '',
    'x-amz-website-redirect-location': '',
    'content-disposition': '',
  }
  const body = [Buffer.from('text')]
  const put = await sendRaw(server.target, { method: 'PUT', path: '/bucket/velero', headers, body })
  expect([put.status, put.text]).toEqual([200, ''])
  const got = await sendRaw(server.target, { path: '/bucket/velero' })
  expect(got.text).toBe('text')
  expect(got.headers).not.toHaveProperty('content-disposition')
})

test('as in AWS, an empty version id is ignored in DeleteObjects and refused in the query', async () => {
  const xml = '<Delete><Object><Key>velero</Key><VersionId></VersionId></Object></Delete>'
  const headers = { 'content-md5': createHash('md5').update(xml).digest('base64') }
  const query = [['delete', '']] as const
  const body = [Buffer.from(xml)]
  const done = await sendRaw(server.target, {
    method: 'POST',
    path: '/bucket',
    query,
    headers,
    body,
  })
  expect([done.status, done.text]).toEqual([200, expect.stringContaining('<Deleted>')])
  const path = '/bucket/key'
  const refused = await sendRaw(server.target, { path, query: [['versionId', '']] })
  expect([refused.status, refused.code]).toEqual([400, 'InvalidArgument'])
})
