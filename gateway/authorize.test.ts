/** Every route by a caller without the right, made from the table of operations (row 30). */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credential } from './backend.ts'
import { sendRaw, type RawResponse } from './conformance/world.ts'
import type { Operation } from './operation.ts'
import { OPERATIONS } from './operations.ts'
import { startGateway, type TestGateway } from './testing/gateway.ts'
import { EXAMPLE_CREDENTIAL } from './testing/requests.ts'

function user(name: string, ...statements: object[]): Credential {
  return {
    accessKeyId: `AKIA${name.toUpperCase()}`,
    secretAccessKey: `secret of ${name}`,
    identity: {
      accountId: EXAMPLE_CREDENTIAL.identity.accountId,
      principalArn: `arn:aws:iam::123456789012:user/${name}`,
      userName: name,
      isRoot: false,
      policies: [JSON.stringify({ Version: '2012-10-17', Statement: statements })],
    },
  }
}

const ALL = { Effect: 'Allow', Action: '*', Resource: '*' }
const nobody = user('nobody', { Effect: 'Allow', Action: 's3:Nothing', Resource: '*' })
const powerful = user('powerful', ALL)
const broken: Credential = {
  ...user('broken'),
  identity: { ...user('broken').identity, policies: [JSON.stringify(ALL), '{'] },
}
const reader = user('reader', {
  Effect: 'Allow',
  Action: ['s3:GetObject', 's3:ListBucket'],
  Resource: ['arn:aws:s3:::bucket', 'arn:aws:s3:::bucket/open/*'],
})
const writer = user('writer', {
  Effect: 'Allow',
  Action: ['s3:PutObject', 's3:DeleteObject'],
  Resource: 'arn:aws:s3:::bucket/open/*',
})
const lister = user('lister', {
  Effect: 'Allow',
  Action: 's3:ListBucket',
  Resource: 'arn:aws:s3:::bucket',
  Condition: { StringLike: { 's3:prefix': 'open/*' } },
})

let server: TestGateway

beforeAll(async () => {
  const users = [nobody, powerful, broken, reader, writer, lister]
  server = await startGateway({ credentials: [EXAMPLE_CREDENTIAL, ...users] })
  await as(EXAMPLE_CREDENTIAL, 'PUT', '/bucket')
  for (const key of ['open/a', 'closed/a']) {
    await as(EXAMPLE_CREDENTIAL, 'PUT', `/bucket/${key}`, { body: [Buffer.from(key)] })
  }
})

afterAll(() => server.close())

function as(
  credential: Credential,
  method: string,
  path: string,
  more: Partial<Parameters<typeof sendRaw>[1]> = {},
): Promise<RawResponse> {
  return sendRaw({ ...server.target, ...credential }, { method, path, ...more })
}

/** A request that is this operation. */
function requestOf(operation: Operation): [string, string, object] {
  const path = { service: '/', bucket: '/bucket', object: '/bucket/closed/a' }[operation.level]
  const query = operation.marks.map((mark) => {
    const [name = '', value = ''] = mark.split('=')
    return [name, name === 'partNumber' ? '1' : value] as const
  })
  const source = operation.markHeader === undefined ? {} : { 'x-amz-copy-source': '/bucket/open/a' }
  return [operation.method, path, { query, headers: source }]
}

describe('without the right', () => {
  for (const operation of OPERATIONS) {
    if (operation.authorizedBy === 'handler') continue
    test(`${operation.name}: 403`, async () => {
      const [method, path, more] = requestOf(operation)
      for (const credential of [nobody, broken]) {
        const answer = await as(credential, method, path, more)
        expect(answer.status).toBe(403)
        if (method !== 'HEAD') {
          expect(answer.code).toBe('AccessDenied')
          expect(answer.text).toContain(operation.action)
        }
      }
    })
  }

  test('a user who may do everything may', async () => {
    expect((await as(powerful, 'GET', '/bucket/closed/a')).text).toBe('closed/a')
  })
})

describe('by action and resource', () => {
  test('reading', async () => {
    expect((await as(reader, 'GET', '/bucket/open/a')).status).toBe(200)
    expect((await as(reader, 'HEAD', '/bucket/open/a')).status).toBe(200)
    expect((await as(reader, 'GET', '/bucket')).status).toBe(200)
    expect((await as(reader, 'GET', '/bucket/closed/a')).status).toBe(403)
    expect((await as(reader, 'PUT', '/bucket/open/a')).status).toBe(403)
    expect((await as(reader, 'GET', '/')).status).toBe(403)
  })

  test('source and target of a copy each by its own action', async () => {
    const copy = (credential: Credential, source: string, target: string): Promise<RawResponse> =>
      as(credential, 'PUT', `/bucket/${target}`, {
        headers: { 'x-amz-copy-source': `/bucket/${source}` },
      })
    expect((await copy(writer, 'open/a', 'open/b')).code).toBe('AccessDenied')
    expect((await copy(reader, 'open/a', 'open/b')).code).toBe('AccessDenied')
    const both = user('both', ...[reader, writer].flatMap(statementsOf))
    const other = await startGateway({ credentials: [EXAMPLE_CREDENTIAL, both] })
    const send = (who: Credential, path: string, headers: Record<string, string> = {}) =>
      sendRaw({ ...other.target, ...who }, { method: 'PUT', path, headers })
    await send(EXAMPLE_CREDENTIAL, '/bucket')
    await send(EXAMPLE_CREDENTIAL, '/bucket/open/a')
    await send(EXAMPLE_CREDENTIAL, '/bucket/closed/a')
    const from = (source: string): Record<string, string> => ({ 'x-amz-copy-source': source })
    expect((await send(both, '/bucket/open/b', from('bucket/open/a'))).status).toBe(200)
    expect((await send(both, '/bucket/open/b', from('bucket/closed/a'))).status).toBe(403)
    expect((await send(both, '/bucket/closed/b', from('bucket/open/a'))).status).toBe(403)
    await other.close()
  })

  test('DeleteObjects: each key by itself', async () => {
    const xml =
      '<Delete><Object><Key>open/zz</Key></Object><Object><Key>closed/a</Key></Object></Delete>'
    const { createHash } = await import('node:crypto')
    const answer = await as(writer, 'POST', '/bucket', {
      query: [['delete', '']],
      headers: { 'content-md5': createHash('md5').update(xml).digest('base64') },
      body: [Buffer.from(xml)],
    })
    expect(answer.status).toBe(200)
    expect(answer.text).toContain('<Deleted><Key>open/zz</Key></Deleted>')
    expect(answer.text).toContain('<Error><Key>closed/a</Key><Code>AccessDenied</Code>')
    expect((await as(EXAMPLE_CREDENTIAL, 'GET', '/bucket/closed/a')).status).toBe(200)
  })

  test('conditions on the request', async () => {
    const list = (prefix: string): Promise<RawResponse> =>
      as(lister, 'GET', '/bucket', { query: [['prefix', prefix]] })
    expect((await list('open/')).status).toBe(200)
    expect((await list('closed/')).status).toBe(403)
    expect((await as(lister, 'GET', '/bucket')).status).toBe(403)
  })
})

function statementsOf(credential: Credential): object[] {
  const [text = '{}'] = credential.identity.policies
  return (JSON.parse(text) as { Statement: object[] }).Statement
}
