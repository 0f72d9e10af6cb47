/** Signature Version 2 through the whole gateway. */

import { afterEach, expect, test } from 'vitest'

import type { SigV2 } from '../auth.ts'
import { sendUnsigned, sendRaw, type RawResponse } from '../../conformance/world.ts'
import { document } from '../../testing/callers.ts'
import { startGateway, type TestGateway } from '../../testing/gateway.ts'
import type { SignedMessage } from '../../testing/signer.ts'
import { presignV2, signHeaderV2 } from '../../testing/signer-v2.ts'

let server: TestGateway | undefined

afterEach(async () => {
  await server?.close()
  server = undefined
})

async function start(sigv2?: SigV2): Promise<TestGateway> {
  server = await startGateway(sigv2 === undefined ? {} : { sigv2 })
  await sendRaw(server.target, { method: 'PUT', path: '/bucket' })
  const body = [Buffer.from('hello')]
  await sendRaw(server.target, { method: 'PUT', path: '/bucket/key', body })
  return server
}

const FAR = { expires: '4102444800' }

/** The host of a link is not signed, so the link works wherever the server listens. */
function open(
  { target }: TestGateway,
  { method = 'GET', url, headers }: SignedMessage,
  body?: string,
): Promise<RawResponse> {
  const length: Record<string, string> =
    body === undefined ? {} : { 'content-length': String(body.length) }
  return sendUnsigned(
    target.endpoint,
    { method, url, headers: { ...headers, ...length } },
    body === undefined ? undefined : Buffer.from(body),
  )
}

test('a link can read, write and list, and set headers of the answer', async () => {
  const at = await start()
  const query = [['response-content-type', 'text/x']] as const
  const read = presignV2(
    { path: '/bucket/key', query },
    { ...FAR, parameters: ['response-content-type'] },
  )
  const answer = await open(at, read)
  expect([answer.status, answer.text, answer.headers['content-type']]).toEqual([
    200,
    'hello',
    'text/x',
  ])
  const headers = { 'content-type': 'text/y', 'x-amz-meta-a': 'b' }
  const signed = presignV2({ method: 'PUT', path: '/bucket/new', headers }, FAR)
  const url = `${signed.url}&content-type=text%2Fy&x-amz-meta-a=b`
  expect((await open(at, { ...signed, url, headers: {} }, 'new')).status).toBe(200)
  const head = await sendRaw(at.target, { method: 'HEAD', path: '/bucket/new' })
  expect(head.headers).toMatchObject({ 'content-type': 'text/y', 'x-amz-meta-a': 'b' })
  const list = presignV2({ path: '/bucket', query: [['list-type', '2']] }, FAR)
  expect((await open(at, list)).text).toContain('<Key>new</Key>')
})

test('a link works only for its operation', async () => {
  const at = await start()
  const list = presignV2({ path: '/bucket' }, FAR)
  for (const more of ['policy', 'versions', 'publicAccessBlock', 'uploads', 'location']) {
    const answer = await open(at, { ...list, url: `${list.url}&${more}` })
    expect([more, answer.code]).toEqual([more, 'SignatureDoesNotMatch'])
  }
})

test.each([
  [undefined, 200, 400, ['sigv2-query']],
  ['presigned', 200, 400, ['sigv2-query']],
  ['on', 200, 200, ['sigv2-query', 'sigv2-header']],
  ['off', 400, 400, []],
] as const)('sigv2: %s', async (sigv2, query, header, shown) => {
  const at = await start(sigv2)
  expect((await open(at, presignV2({ path: '/bucket/key' }, FAR))).status).toBe(query)
  const date = new Date().toUTCString()
  const signed = signHeaderV2({ path: '/bucket/key', headers: { date } })
  expect((await open(at, signed)).status).toBe(header)
  const capabilities = await sendRaw(at.target, { path: '/', query: [['capabilities', '']] })
  const { authentication } = JSON.parse(capabilities.text) as { authentication: string[] }
  expect(authentication.filter((each) => each.startsWith('sigv2'))).toEqual(shown)
})

test('a policy can refuse version 2', async () => {
  const at = await start()
  const link = presignV2({ path: '/bucket/key' }, FAR)
  expect((await open(at, link)).status).toBe(200)
  const policy = document({
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:GetObject',
    Resource: 'arn:aws:s3:::bucket/*',
    Condition: { StringEquals: { 's3:signatureversion': 'AWS' } },
  })
  const query = [['policy', '']] as const
  const body = [Buffer.from(policy)]
  const set = await sendRaw(at.target, { method: 'PUT', path: '/bucket', query, body })
  expect(set.status).toBe(204)
  expect((await open(at, link)).code).toBe('AccessDenied')
  expect((await sendRaw(at.target, { path: '/bucket/key' })).status).toBe(200)
})
