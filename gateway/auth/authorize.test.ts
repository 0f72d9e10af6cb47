/** Who may do what, over HTTP: by examples. Every operation: rights.test.ts. */

import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Credential } from '../port/identity.ts'
import type { RawResponse } from '../conformance/world.ts'
import {
  CALLERS_ACCOUNT,
  ALL,
  document,
  OTHER_ACCOUNT,
  rootOf,
  send,
  sendForm,
  session,
  user,
  type Sent,
  type CallerStatement,
} from '../testing/callers.ts'
import { startGateway, type TestGateway } from '../testing/gateway.ts'
import { EXAMPLE_CREDENTIAL } from '../testing/requests.ts'
import { presign } from '../testing/signer.ts'

const root = EXAMPLE_CREDENTIAL
const may = (action: string | string[], resource: string | string[], more: object = {}) => ({
  Effect: 'Allow',
  Action: action,
  Resource: resource,
  ...more,
})

const nobody = user('nobody')
const powerful = user('powerful', [ALL])
const reader = user('reader', [
  may(['s3:GetObject', 's3:ListBucket'], ['arn:aws:s3:::bucket', 'arn:aws:s3:::bucket/open/*']),
])
const blind = user('blind', [may('s3:GetObject', 'arn:aws:s3:::bucket/*')])
const writer = user('writer', [
  may(['s3:PutObject', 's3:DeleteObject'], 'arn:aws:s3:::bucket/open/*'),
])
const copier = user('copier', [may(['s3:GetObject', 's3:PutObject'], 'arn:aws:s3:::bucket/open/*')])
const lister = user('lister', [
  may('s3:ListBucket', 'arn:aws:s3:::bucket', {
    Condition: { StringLike: { 's3:prefix': 'open/*' } },
  }),
])
const local = user('local', [
  may('s3:*', '*', { Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } }),
])
const stranger = user('stranger', [ALL], OTHER_ACCOUNT)
const poorStranger = user('poor', [], OTHER_ACCOUNT)
const strangeRoot = rootOf(OTHER_ACCOUNT)
const role = session('role', [ALL])
const limited = session('limited', [ALL], [may('s3:GetObject', 'arn:aws:s3:::bucket/open/*')])

let server: TestGateway

beforeAll(async () => {
  const users = [nobody, powerful, reader, blind, writer, copier, lister, local]
  server = await startGateway({
    credentials: [root, ...users, stranger, poorStranger, strangeRoot],
    sessions: new Map([
      ['role', role],
      ['limited', limited],
    ]),
    iam: {
      run: ({ action, parameters }) => Promise.resolve({ Action: action, ...parameters }),
      arnOf: (_, account, kind, name) => Promise.resolve(`arn:aws:iam::${account}:${kind}/${name}`),
    },
  })
  await as(root, 'PUT', '/bucket')
  for (const key of ['open/a', 'closed/a']) {
    await as(root, 'PUT', `/bucket/${key}`, { body: [Buffer.from(key)] })
  }
})

beforeEach(async () => {
  expect((await as(root, 'DELETE', '/bucket', { query: [['policy', '']] })).status).toBe(204)
  await as(root, 'DELETE', '/bucket', { query: [['publicAccessBlock', '']] })
  server.audit.length = 0
})

afterAll(() => server.close())

function as(
  who: Credential | undefined,
  method: string,
  path: string,
  more: Partial<Sent> = {},
): Promise<RawResponse> {
  return send(server.target, who, { method, path, ...more })
}

async function get(who: Credential | undefined, path: string): Promise<number> {
  return (await as(who, 'GET', path)).status
}

async function setPolicy(...statements: CallerStatement[]): Promise<void> {
  const body = [Buffer.from(document(...statements))]
  const answer = await as(root, 'PUT', '/bucket', { query: [['policy', '']], body })
  expect(answer.text).toBe('')
}

const OBJECTS = 'arn:aws:s3:::bucket/*'

describe('by action and resource', () => {
  test('reading', async () => {
    expect(await get(reader, '/bucket/open/a')).toBe(200)
    expect((await as(reader, 'HEAD', '/bucket/open/a')).status).toBe(200)
    expect(await get(reader, '/bucket')).toBe(200)
    expect(await get(reader, '/bucket/closed/a')).toBe(403)
    expect((await as(reader, 'PUT', '/bucket/open/a')).status).toBe(403)
    expect(await get(reader, '/')).toBe(403)
  })

  test('source and target of a copy each by its own action', async () => {
    const copy = async (who: Credential, source: string, target: string): Promise<number> => {
      const headers = { 'x-amz-copy-source': `/bucket/${source}` }
      return (await as(who, 'PUT', `/bucket/${target}`, { headers })).status
    }
    expect(await copy(writer, 'open/a', 'open/b')).toBe(403)
    expect(await copy(reader, 'open/a', 'open/b')).toBe(403)
    expect(await copy(copier, 'open/a', 'open/b')).toBe(200)
    expect(await copy(copier, 'closed/a', 'open/b')).toBe(403)
    expect(await copy(copier, 'open/a', 'closed/b')).toBe(403)
    expect(await get(root, '/bucket/closed/b')).toBe(404)
  })

  test('the condition on the source of a copy holds however the source is written', async () => {
    await setPolicy({
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:PutObject',
      Resource: OBJECTS,
      Condition: { StringLike: { 's3:x-amz-copy-source': 'bucket/open/a' } },
    })
    const copy = async (source: string, query: [string, string][] = []): Promise<number> => {
      const headers = { 'x-amz-copy-source': source }
      return (await as(root, 'PUT', '/bucket/open/copied', { headers, query })).status
    }
    for (const written of [
      'bucket/open/a',
      '/bucket/open/a',
      '%2Fbucket%2Fopen%2Fa',
      '/bucket/open%2F%61',
      'bucket/open/a?versionId=null',
      '/bucket/ope%6E/a?versionId=null',
    ]) {
      expect([written, await copy(written)]).toEqual([written, 403])
    }
    // A version named beside the target is none of the source's.
    expect(await copy('bucket/open/a', [['x-id', 'CopyObject']])).toBe(403)
    expect(await copy('bucket/closed/a')).toBe(200)
    await as(root, 'DELETE', '/bucket/open/copied')
  })

  test('a parameter or header that the operation passes over satisfies no condition', async () => {
    await setPolicy({
      Effect: 'Allow',
      Principal: '*',
      Action: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
      Resource: OBJECTS,
      Condition: { StringLike: { 's3:prefix': 'open/*' } },
    })
    const query: [string, string][] = [['prefix', 'open/']]
    expect((await as(stranger, 'GET', '/bucket/closed/a', { query })).status).toBe(403)
    expect((await as(stranger, 'PUT', '/bucket/closed/a', { query })).status).toBe(403)
    expect((await as(stranger, 'DELETE', '/bucket/closed/a', { query })).status).toBe(403)
  })

  test('parts copied: source and target', async () => {
    const created = await as(root, 'POST', '/bucket/open/parts', { query: [['uploads', '']] })
    const uploadId = /<UploadId>([^<]*)/.exec(created.text)?.[1] ?? ''
    const copy = async (who: Credential, source: string): Promise<number> => {
      const headers = { 'x-amz-copy-source': `/bucket/${source}` }
      const query = [
        ['partNumber', '1'],
        ['uploadId', uploadId],
      ] as const
      return (await as(who, 'PUT', '/bucket/open/parts', { headers, query })).status
    }
    expect(await copy(writer, 'open/a')).toBe(403)
    expect(await copy(copier, 'closed/a')).toBe(403)
    expect(await copy(copier, 'open/a')).toBe(200)
  })

  test('DeleteObjects: each key by itself', async () => {
    const xml =
      '<Delete><Object><Key>open/zz</Key></Object><Object><Key>closed/a</Key></Object></Delete>'
    const answer = await as(writer, 'POST', '/bucket', {
      query: [['delete', '']],
      headers: { 'content-md5': createHash('md5').update(xml).digest('base64') },
      body: [Buffer.from(xml)],
    })
    expect(answer.status).toBe(200)
    expect(answer.text).toContain('<Deleted><Key>open/zz</Key></Deleted>')
    expect(answer.text).toContain('<Error><Key>closed/a</Key><Code>AccessDenied</Code>')
    expect(await get(root, '/bucket/closed/a')).toBe(200)
  })

  test('conditions on the request', async () => {
    const list = async (prefix: string): Promise<number> =>
      (await as(lister, 'GET', '/bucket', { query: [['prefix', prefix]] })).status
    expect(await list('open/')).toBe(200)
    expect(await list('closed/')).toBe(403)
    expect(await get(lister, '/bucket')).toBe(403)
  })

  test('the address is that of the connection (F33)', async () => {
    const headers = {
      'x-forwarded-for': '10.1.2.3',
      forwarded: 'for=10.1.2.3',
      'x-real-ip': '10.1.2.3',
    }
    expect((await as(local, 'GET', '/bucket/open/a', { headers })).status).toBe(403)
    await setPolicy({
      ...may('s3:GetObject', OBJECTS, { Principal: '*' }),
      Condition: { IpAddress: { 'aws:SourceIp': ['127.0.0.1', '::1'] } },
    })
    expect(await get(undefined, '/bucket/open/a')).toBe(200)
  })
})

describe('bucket policies', () => {
  test('let in whom they name, and nobody else', async () => {
    await setPolicy(
      may('s3:GetObject', OBJECTS, { Principal: { AWS: nobody.identity.principalArn } }),
      may('s3:ListBucket', 'arn:aws:s3:::bucket', { Principal: { AWS: role.identity.roleArn } }),
    )
    expect(await get(nobody, '/bucket/closed/a')).toBe(200)
    expect(await get(nobody, '/bucket')).toBe(403)
    expect(await get(reader, '/bucket/closed/a')).toBe(403)
    expect(await get(undefined, '/bucket/closed/a')).toBe(403)
  })

  test('name users and roles that are there', async () => {
    for (const name of ['user/nothing', 'role/nothing']) {
      const Principal = { AWS: `arn:aws:iam::${CALLERS_ACCOUNT}:${name}` }
      const body = [Buffer.from(document(may('s3:GetObject', OBJECTS, { Principal })))]
      const answer = await as(root, 'PUT', '/bucket', { query: [['policy', '']], body })
      expect(answer.status).toBe(400)
      expect(answer.text).toContain('<Code>MalformedPolicy</Code>')
      expect(answer.text).toContain('<Message>Invalid principal in policy</Message>')
    }
  })

  test('across accounts: both must allow', async () => {
    expect(await get(stranger, '/bucket/open/a')).toBe(403)
    expect(await get(strangeRoot, '/bucket/open/a')).toBe(403)
    await setPolicy(may('s3:GetObject', OBJECTS, { Principal: { AWS: OTHER_ACCOUNT } }))
    expect(await get(stranger, '/bucket/open/a')).toBe(200)
    expect(await get(strangeRoot, '/bucket/open/a')).toBe(200)
    expect(await get(poorStranger, '/bucket/open/a')).toBe(403)
    expect((await as(stranger, 'PUT', '/bucket/open/a')).status).toBe(403)
  })

  test('without a signature, where everybody may', async () => {
    await setPolicy(may('s3:GetObject', 'arn:aws:s3:::bucket/open/*', { Principal: '*' }))
    const answer = await as(undefined, 'GET', '/bucket/open/a')
    expect([answer.status, answer.text]).toEqual([200, 'open/a'])
    expect(await get(undefined, '/bucket/closed/a')).toBe(403)
    expect(await get(undefined, '/bucket')).toBe(403)
    expect(await get(undefined, '/')).toBe(403)
    expect((await as(undefined, 'PUT', '/new-bucket')).status).toBe(403)
    expect((await as(undefined, 'PUT', '/bucket/open/b')).status).toBe(403)
  })

  test('and writing without one, when it is said so', async () => {
    await setPolicy(may(['s3:PutObject', 's3:GetObject'], OBJECTS, { Principal: { AWS: '*' } }))
    expect(
      (await as(undefined, 'PUT', '/bucket/open/c', { body: [Buffer.from('c')] })).status,
    ).toBe(200)
    expect((await as(undefined, 'GET', '/bucket/open/c')).text).toBe('c')
  })

  test('public ones count for their account alone when public access is restricted', async () => {
    await setPolicy(may('s3:GetObject', OBJECTS, { Principal: '*' }))
    expect(await get(undefined, '/bucket/open/a')).toBe(200)
    const block =
      '<PublicAccessBlockConfiguration><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>'
    const answer = await as(root, 'PUT', '/bucket', {
      query: [['publicAccessBlock', '']],
      headers: { 'content-md5': createHash('md5').update(block).digest('base64') },
      body: [Buffer.from(block)],
    })
    expect(answer.status).toBe(200)
    expect(await get(undefined, '/bucket/open/a')).toBe(403)
    expect(await get(stranger, '/bucket/open/a')).toBe(403)
    expect(await get(nobody, '/bucket/open/a')).toBe(200)
  })

  test('that lock everybody out, and the root that mends them', async () => {
    await setPolicy({
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:*',
      Resource: ['arn:aws:s3:::bucket', OBJECTS],
    })
    expect(await get(powerful, '/bucket/open/a')).toBe(403)
    expect(await get(root, '/bucket/open/a')).toBe(403)
    expect((await as(powerful, 'DELETE', '/bucket', { query: [['policy', '']] })).status).toBe(403)
    expect((await as(root, 'DELETE', '/bucket', { query: [['policy', '']] })).status).toBe(204)
    expect(await get(root, '/bucket/open/a')).toBe(200)
  })

  test('NotPrincipal: all but those', async () => {
    await setPolicy({
      Effect: 'Deny',
      NotPrincipal: {
        AWS: [powerful.identity.principalArn, `arn:aws:iam::${CALLERS_ACCOUNT}:root`],
      },
      Action: 's3:*',
      Resource: OBJECTS,
    })
    expect(await get(powerful, '/bucket/open/a')).toBe(200)
    expect(await get(root, '/bucket/open/a')).toBe(200)
    expect(await get(reader, '/bucket/open/a')).toBe(403)
  })

  test('by version, each version of many', async () => {
    const query = [['versionId', 'null']] as const
    await setPolicy(
      may(['s3:GetObjectVersion', 's3:GetObject'], OBJECTS, {
        Principal: { AWS: nobody.identity.principalArn },
        Condition: { StringEquals: { 's3:VersionId': 'null' } },
      }),
    )
    expect((await as(nobody, 'GET', '/bucket/open/a', { query })).status).toBe(200)
    expect(await get(nobody, '/bucket/open/a')).toBe(403)
    expect((await as(reader, 'GET', '/bucket/open/a', { query })).status).toBe(403)
  })
})

describe('what is not there', () => {
  test('a missing object is 403 to who may not list', async () => {
    expect(await get(blind, '/bucket/none')).toBe(403)
    expect((await as(blind, 'HEAD', '/bucket/none')).status).toBe(403)
    expect((await as(blind, 'GET', '/bucket/none', { query: [['tagging', '']] })).status).toBe(403)
    expect(await get(reader, '/bucket/open/none')).toBe(404)
    expect((await as(reader, 'HEAD', '/bucket/open/none')).status).toBe(404)
  })

  test('so is the source of a copy', async () => {
    const headers = { 'x-amz-copy-source': '/bucket/open/none' }
    expect((await as(copier, 'PUT', '/bucket/open/b', { headers })).status).toBe(403)
    expect((await as(powerful, 'PUT', '/bucket/open/b', { headers })).status).toBe(404)
  })

  test('a missing bucket shows to who could use it', async () => {
    expect((await as(powerful, 'GET', '/no-bucket/k')).code).toBe('NoSuchBucket')
    expect((await as(reader, 'GET', '/no-bucket/k')).code).toBe('AccessDenied')
    expect((await as(undefined, 'GET', '/no-bucket/k')).code).toBe('AccessDenied')
  })

  test('a bucket of another owner than expected', async () => {
    const expecting = async (owner: string): Promise<string | undefined> => {
      const headers = { 'x-amz-expected-bucket-owner': owner }
      return (await as(root, 'GET', '/bucket/open/a', { headers })).code
    }
    expect(await expecting(CALLERS_ACCOUNT)).toBeUndefined()
    expect(await expecting(OTHER_ACCOUNT)).toBe('AccessDenied')
  })
})

describe('an explanation', () => {
  test('of its own policies to who may simulate itself', async () => {
    const deny = { Sid: 'NotHere', Effect: 'Deny', Action: 's3:Put*', Resource: OBJECTS }
    const self = may('iam:SimulatePrincipalPolicy', `arn:aws:iam::${CALLERS_ACCOUNT}:user/knowing`)
    const knowing = user('knowing', [self, ALL, deny])
    const other = await startGateway({ credentials: [root, knowing, user('ignorant', [deny])] })
    await send(other.target, root, { method: 'PUT', path: '/bucket' })
    const put = (who: Credential) => send(other.target, who, { method: 'PUT', path: '/bucket/k' })
    const told = await put(knowing)
    expect(told.text).toContain('<DecidingPolicy>user/knowing/inline</DecidingPolicy>')
    expect(told.text).toContain('<DecidingStatement>Statement[2]</DecidingStatement>')
    expect(told.text).toContain('<DecidingSid>NotHere</DecidingSid>')
    expect(told.text).toContain('with an explicit deny in an identity-based policy')
    const untold = await put(user('ignorant', [deny]))
    expect(untold.text).toContain('<Message>Access Denied</Message>')
    expect(untold.text).not.toMatch(/Deciding|NotHere|Reason/)
    await other.close()
  })

  test('of a bucket policy to who may read it, of its account', async () => {
    await setPolicy({
      Sid: 'Sealed',
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:GetObject',
      Resource: OBJECTS,
    })
    for (const who of [root, powerful]) {
      const told = await as(who, 'GET', '/bucket/open/a')
      expect(told.text).toContain('<DecidingPolicy>bucket policy</DecidingPolicy>')
      expect(told.text).toContain('<DecidingSid>Sealed</DecidingSid>')
    }
    for (const who of [reader, stranger, strangeRoot, undefined]) {
      const untold = await as(who, 'GET', '/bucket/open/a')
      expect(untold.text).toContain('<Message>Access Denied</Message>')
      expect(untold.text).not.toMatch(/Deciding|Sealed|Reason/)
    }
  })

  test('not to another account, whatever it may', async () => {
    const them = { AWS: [OTHER_ACCOUNT] }
    const everything = ['arn:aws:s3:::bucket', OBJECTS]
    await setPolicy(may('s3:*', everything, { Principal: them }), {
      Sid: 'Sealed',
      Effect: 'Deny',
      Principal: them,
      Action: 's3:GetObject',
      Resource: OBJECTS,
    })
    expect(await get(stranger, '/bucket')).toBe(200)
    const untold = await as(stranger, 'GET', '/bucket/open/a')
    expect(untold.text).toContain('<Message>Access Denied</Message>')
    expect(untold.text).not.toMatch(/Deciding|Sealed|Reason/)
    // Nor does a bucket's policy leave its account.
    const query = [['policy', '']] as const
    for (const who of [stranger, strangeRoot]) {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        expect((await as(who, method, '/bucket', { query })).status).toBe(405)
      }
    }
  })

  test('of what is missing', async () => {
    const self = may('iam:SimulatePrincipalPolicy', '*')
    const asking = user('asking', [self])
    const other = await startGateway({ credentials: [root, asking] })
    await send(other.target, root, { method: 'PUT', path: '/bucket' })
    const told = await send(other.target, asking, { method: 'GET', path: '/bucket' })
    expect(told.text).toContain('because no identity-based policy allows the s3:ListBucket action')
    expect(told.text).toContain('<Reason>no-allow</Reason>')
    await other.close()
  })
})

describe('sessions', () => {
  const withToken = (token: string) => ({ headers: { 'x-amz-security-token': token } })

  test('in the header', async () => {
    expect((await as(role, 'GET', '/bucket/closed/a', withToken('role'))).status).toBe(200)
    expect((await as(role, 'GET', '/bucket/closed/a', withToken('forged'))).code).toBe(
      'InvalidToken',
    )
    expect((await as(role, 'GET', '/bucket/closed/a')).code).toBe('InvalidAccessKeyId')
    expect((await as(root, 'GET', '/bucket/closed/a', withToken('role'))).code).toBe(
      'InvalidAccessKeyId',
    )
  })

  test('in the query', async () => {
    const timestamp = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
    const { host } = new URL(server.target.endpoint)
    const { message } = presign(
      { path: '/bucket/open/a', query: [['X-Amz-Security-Token', 'role']], headers: { host } },
      { ...role, timestamp },
    )
    const answer = await as(undefined, 'GET', message.url, { headers: { host } })
    expect([answer.status, answer.text]).toEqual([200, 'open/a'])
    const without = message.url.replace(/X-Amz-Security-Token=role&/, '')
    expect((await as(undefined, 'GET', without, { headers: { host } })).code).toBe(
      'InvalidAccessKeyId',
    )
    const other = message.url.replace('Token=role', 'Token=limited')
    expect((await as(undefined, 'GET', other, { headers: { host } })).status).toBe(403)
  })

  test('do no more than their policies say', async () => {
    expect((await as(limited, 'GET', '/bucket/open/a', withToken('limited'))).status).toBe(200)
    expect((await as(limited, 'GET', '/bucket/closed/a', withToken('limited'))).status).toBe(403)
    await setPolicy(may('s3:GetObject', OBJECTS, { Principal: '*' }))
    expect((await as(limited, 'GET', '/bucket/closed/a', withToken('limited'))).status).toBe(403)
  })
})

describe('forms of IAM and STS', () => {
  const LIST = { Action: 'ListUsers', Version: '2010-05-08' }

  test('signed for their service, in the region or in us-east-1', async () => {
    const answer = await sendForm(server.target, powerful, LIST)
    expect(answer.text).toContain('<ListUsersResult><Action>ListUsers</Action></ListUsersResult>')
    expect((await sendForm(server.target, powerful, LIST, { region: 'us-east-1' })).status).toBe(
      200,
    )
    expect((await sendForm(server.target, powerful, LIST, { region: 'mars' })).status).toBe(400)
    expect((await sendForm(server.target, powerful, LIST, { service: 's3' })).status).toBe(400)
  })

  test('the signature covers the form', async () => {
    const answer = await sendForm(server.target, powerful, LIST, { tampered: 'Action=ListGroups' })
    expect([answer.status, answer.code]).toEqual([403, 'SignatureDoesNotMatch'])
  })

  test('by those with the right', async () => {
    expect((await sendForm(server.target, nobody, LIST)).code).toBe('AccessDenied')
    expect((await sendForm(server.target, undefined, LIST)).code).toBe('MissingAuthenticationToken')
    const unknown = { ...nobody, accessKeyId: 'AKIAUNKNOWN' }
    expect((await sendForm(server.target, unknown, LIST)).code).toBe('InvalidClientTokenId')
  })
})

describe('the audit log', () => {
  test('has a line for each change of a policy, also for a refused one, without what was written', async () => {
    const text = document(may('s3:GetObject', OBJECTS, { Sid: 'Secret', Principal: '*' }))
    const change = (who: Credential | undefined): Promise<RawResponse> =>
      as(who, 'PUT', '/bucket', { query: [['policy', '']], body: [Buffer.from(text)] })
    const done = await change(powerful)
    await change(nobody)
    await change(undefined)
    const policyOf = `arn:aws:s3:::bucket`
    const line = {
      audit: true,
      action: 's3:PutBucketPolicy',
      target: policyOf,
      accountId: CALLERS_ACCOUNT,
      sourceIp: expect.stringMatching(/127\.0\.0\.1|::1/) as string,
    }
    expect(server.audit).toMatchObject([
      {
        ...line,
        actor: powerful.identity.principalArn,
        outcome: 'done',
        requestId: done.headers['x-amz-request-id'],
      },
      { ...line, actor: nobody.identity.principalArn, outcome: 'AccessDenied' },
      { ...line, actor: '*', accountId: 'anonymous', outcome: 'AccessDenied' },
    ])
    expect(JSON.stringify(server.audit)).not.toContain('Secret')
  })

  test('and of an identity', async () => {
    const form = {
      Action: 'CreateUser',
      UserName: 'eve',
      'Tags.member.1.Key': 'Secret',
      'Tags.member.1.Value': 'x',
    }
    await sendForm(server.target, powerful, form)
    await sendForm(server.target, nobody, form)
    await sendForm(server.target, powerful, { Action: 'ListUsers' })
    const line = { action: 'iam:CreateUser', target: `arn:aws:iam::${CALLERS_ACCOUNT}:user/eve` }
    expect(server.audit).toMatchObject([
      { ...line, actor: powerful.identity.principalArn, outcome: 'done' },
      { ...line, actor: nobody.identity.principalArn, outcome: 'AccessDenied' },
    ])
    expect(JSON.stringify(server.audit)).not.toContain('Secret')
  })
})
