/** Owners and access control lists of objects: whom they let in, and who may change them, over HTTP. */

import { beforeEach, describe, expect, test } from 'vitest'
import type { RawResponse } from './conformance/world.ts'
import type { Credential } from './port/identity.ts'
import { CALLERS_ACCOUNT, OTHER_ACCOUNT, type Sent } from './testing/callers.ts'
import { CALLERS, may, permissionWorld } from './testing/permission-world.ts'

const world = permissionWorld()
const { root, nobody, powerful, stranger, poorStranger, strangeRoot } = CALLERS
const { as, get } = world

const ALL_USERS = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
const AUTHENTICATED = 'uri="http://acs.amazonaws.com/groups/global/AuthenticatedUsers"'
const OTHER = `id="${OTHER_ACCOUNT}"`
const SELF = `id="${CALLERS_ACCOUNT}"`
const ACL: Partial<Sent> = { query: [['acl', '']] }
const KEY = '/bucket/listed'

const other = `${OTHER_ACCOUNT} FULL_CONTROL`

type Headers = Record<string, string>

async function set(mark: string, text: string): Promise<void> {
  const answer = await as(root, 'PUT', '/bucket', {
    query: [[mark, '']],
    body: [Buffer.from(text)],
  })
  expect(answer.text).toBe('')
}

function setOwnership(value: string): Promise<void> {
  const rule = `<Rule><ObjectOwnership>${value}</ObjectOwnership></Rule>`
  return set('ownershipControls', `<OwnershipControls>${rule}</OwnershipControls>`)
}

function block(name: string): Promise<void> {
  const text = `<PublicAccessBlockConfiguration><${name}>true</${name}></PublicAccessBlockConfiguration>`
  return set('publicAccessBlock', text)
}

function put(who: Credential | undefined, headers: Headers = {}, path = KEY): Promise<RawResponse> {
  return as(who, 'PUT', path, { headers, body: [Buffer.from('listed')] })
}

function setAcl(
  who: Credential | undefined,
  headers: Headers,
  path = KEY,
  query: [string, string][] = [],
): Promise<RawResponse> {
  return as(who, 'PUT', path, { query: [['acl', ''], ...query], headers })
}

async function grant(headers: Headers): Promise<void> {
  expect((await setAcl(root, headers)).text).toBe('')
}

/** The owner and the grants of a list, as `ID PERMISSION` or `group PERMISSION`. */
async function shown(who: Credential, path = KEY): Promise<[owner: string, grants: string[]]> {
  const { text } = await as(who, 'GET', path, ACL)
  const owner = /<Owner><ID>([^<]*)</.exec(text)?.[1] ?? text
  const list = text.slice(text.indexOf('<AccessControlList>'))
  const grants = [
    ...list.matchAll(/<(?:ID|URI)>(?:[^<]*\/)?([^</]*)<(?:(?!<Grant>).)*?<Permission>(\w+)</g),
  ].map(([, name, permission]) => `${name} ${permission}`)
  return [owner, grants]
}

/** Which of the permissions on an object a caller has, tried by one operation each. */
async function permissionsOf(who: Credential | undefined): Promise<string[]> {
  const answers = {
    READ: await as(who, 'GET', KEY),
    READ_ACP: await as(who, 'GET', KEY, ACL),
    // Without a list: the right is checked first.
    WRITE_ACP: await as(who, 'PUT', KEY, ACL),
  }
  return Object.entries(answers)
    .filter(([, { status }]) => status !== 403)
    .map(([name]) => name)
}

/** Lets the other account write, and its root keep what it wrote. */
async function letOthersWrite(): Promise<void> {
  const headers = { 'x-amz-grant-write': OTHER, 'x-amz-grant-full-control': SELF }
  expect((await as(root, 'PUT', '/bucket', { ...ACL, headers })).status).toBe(200)
}

beforeEach(async () => {
  await as(root, 'PUT', '/bucket', { ...ACL, headers: { 'x-amz-acl': 'private' } })
  await setOwnership('ObjectWriter')
  expect((await put(root)).status).toBe(200)
})

describe('grants on an object', () => {
  const cases: readonly [header: string, allows: string[]][] = [
    ['x-amz-grant-read', ['READ']],
    ['x-amz-grant-write', []],
    ['x-amz-grant-read-acp', ['READ_ACP']],
    ['x-amz-grant-write-acp', ['WRITE_ACP']],
    ['x-amz-grant-full-control', ['READ', 'READ_ACP', 'WRITE_ACP']],
  ]
  test.each(cases)('%s allows what AWS says, to everybody', async (header, allows) => {
    await grant({ [header]: ALL_USERS })
    expect(await permissionsOf(undefined)).toEqual(allows)
    expect(await permissionsOf(nobody)).toEqual(allows)
    expect(await permissionsOf(stranger)).toEqual(allows)
    // A user of another account also needs its own account's word.
    expect(await permissionsOf(poorStranger)).toEqual([])
  })

  test.each(cases)(
    '%s allows it to another account, and to all accounts',
    async (header, allows) => {
      for (const grantee of [OTHER, AUTHENTICATED]) {
        await grant({ [header]: grantee })
        expect(await permissionsOf(stranger)).toEqual(allows)
        expect(await permissionsOf(strangeRoot)).toEqual(allows)
        for (const who of [undefined, nobody, poorStranger]) {
          expect(await permissionsOf(who)).toEqual([])
        }
      }
    },
  )

  test('allow nothing else: no delete, no tags, no attributes, no other object', async () => {
    await grant({ 'x-amz-grant-full-control': `${ALL_USERS}, ${OTHER}` })
    for (const who of [undefined, stranger]) {
      expect((await as(who, 'DELETE', KEY)).status).toBe(403)
      expect((await put(who)).status).toBe(403)
      expect((await as(who, 'GET', KEY, { query: [['tagging', '']] })).status).toBe(403)
      const headers = { 'x-amz-object-attributes': 'ETag' }
      const attributes = await as(who, 'GET', KEY, { query: [['attributes', '']], headers })
      expect(attributes.status).toBe(403)
      expect(await get(who, '/bucket/open/a')).toBe(403)
      expect(await get(who, '/bucket/missing')).toBe(403)
      expect(await get(who, '/bucket')).toBe(403)
    }
  })

  test('a Deny of a policy counts more', async () => {
    await grant({ 'x-amz-grant-read': `${ALL_USERS}, ${OTHER}` })
    await world.setPolicy(
      may('s3:GetObject', 'arn:aws:s3:::bucket/listed', { Effect: 'Deny', Principal: '*' }),
    )
    for (const who of [undefined, nobody, stranger, root]) expect(await get(who, KEY)).toBe(403)
  })
})

describe('lists of objects', () => {
  test('come with the canned lists', async () => {
    const self = `${CALLERS_ACCOUNT} FULL_CONTROL`
    const canned: Record<string, string[]> = {
      private: [self],
      'public-read': [self, 'AllUsers READ'],
      'public-read-write': [self, 'AllUsers READ', 'AllUsers WRITE'],
      'authenticated-read': [self, 'AuthenticatedUsers READ'],
      'bucket-owner-read': [self],
      'bucket-owner-full-control': [self],
    }
    for (const [name, grants] of Object.entries(canned)) {
      await grant({ 'x-amz-acl': name })
      expect(await shown(root)).toEqual([CALLERS_ACCOUNT, grants])
      expect((await put(root, { 'x-amz-acl': name })).status).toBe(200)
      expect(await shown(root)).toEqual([CALLERS_ACCOUNT, grants])
    }
    const refused = await put(root, { 'x-amz-acl': 'log-delivery-write' })
    expect([refused.status, refused.code]).toEqual([400, 'InvalidArgument'])
  })

  test('count only where the ownership of the bucket allows lists, and come back', async () => {
    await grant({ 'x-amz-acl': 'public-read' })
    expect(await get(undefined, KEY)).toBe(200)
    await setOwnership('BucketOwnerEnforced')
    expect(await get(undefined, KEY)).toBe(403)
    expect(await shown(root)).toEqual([CALLERS_ACCOUNT, [`${CALLERS_ACCOUNT} FULL_CONTROL`]])
    const refused = await setAcl(root, { 'x-amz-acl': 'private' })
    expect([refused.status, refused.code]).toEqual([400, 'AccessControlListNotSupported'])
    await setOwnership('BucketOwnerPreferred')
    expect(await get(undefined, KEY)).toBe(200)
  })

  test('are limited by the public access block', async () => {
    await grant({ 'x-amz-acl': 'public-read' })
    await block('IgnorePublicAcls')
    expect(await get(undefined, KEY)).toBe(403)
    await block('BlockPublicAcls')
    expect(await get(undefined, KEY)).toBe(200)
    for (const headers of [{ 'x-amz-acl': 'public-read' }, { 'x-amz-grant-read': AUTHENTICATED }]) {
      for (const answer of [await put(root, headers), await setAcl(root, headers)]) {
        expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
      }
    }
    expect((await put(root, { 'x-amz-grant-read': OTHER })).status).toBe(200)
  })
})

describe('a writer of another account', () => {
  test('owns what it writes with ObjectWriter, whatever policies of the bucket allow', async () => {
    await letOthersWrite()
    expect((await put(stranger)).status).toBe(200)
    expect(await shown(stranger)).toEqual([OTHER_ACCOUNT, [other]])
    await world.setPolicy(may('s3:GetObject*', 'arn:aws:s3:::bucket/*', { Principal: '*' }))
    for (const who of [root, powerful, nobody, undefined]) {
      expect(await permissionsOf(who)).toEqual([])
      expect((await as(who, 'HEAD', KEY)).status).toBe(403)
    }
    expect(await get(stranger, KEY)).toBe(200)
    expect(await get(strangeRoot, KEY)).toBe(200)
    expect(await get(poorStranger, KEY)).toBe(403)
    // A copy reads its source as anybody else.
    const headers = { 'x-amz-copy-source': KEY }
    expect((await as(root, 'PUT', '/bucket/copy', { headers })).status).toBe(403)
    // As in AWS, the bucket's account may always deny and delete.
    await world.setPolicy(
      may('s3:GetObject', 'arn:aws:s3:::bucket/*', { Effect: 'Deny', Principal: '*' }),
    )
    expect(await get(stranger, KEY)).toBe(403)
    expect((await as(powerful, 'DELETE', KEY)).status).toBe(204)
  })

  test('can give the account of the bucket full control', async () => {
    await letOthersWrite()
    const headers = { 'x-amz-acl': 'bucket-owner-full-control' }
    expect((await put(stranger, headers)).status).toBe(200)
    expect(await shown(root)).toEqual([OTHER_ACCOUNT, [other, `${CALLERS_ACCOUNT} FULL_CONTROL`]])
    expect(await get(powerful, KEY)).toBe(200)
    expect((await put(stranger, { 'x-amz-acl': 'bucket-owner-read' })).status).toBe(200)
    expect(await permissionsOf(powerful)).toEqual(['READ'])
  })

  test('leaves the object to the bucket with BucketOwnerPreferred and that list alone', async () => {
    await letOthersWrite()
    await setOwnership('BucketOwnerPreferred')
    const headers = { 'x-amz-acl': 'bucket-owner-full-control' }
    expect((await put(stranger, headers)).status).toBe(200)
    expect(await shown(root)).toEqual([CALLERS_ACCOUNT, [`${CALLERS_ACCOUNT} FULL_CONTROL`]])
    expect(await get(stranger, KEY)).toBe(403)
    expect((await put(stranger)).status).toBe(200)
    expect(await get(root, KEY)).toBe(403)
    expect(await get(stranger, KEY)).toBe(200)
  })
})

describe('what a writer of another account makes', () => {
  test('owns its copies, parts and forms of them too, and lists of sources are not copied', async () => {
    await letOthersWrite()
    expect((await put(root, { 'x-amz-acl': 'public-read' })).status).toBe(200)
    const copy = '/bucket/copy'
    const source = { 'x-amz-copy-source': KEY }
    expect((await as(stranger, 'PUT', copy, { headers: source })).status).toBe(200)
    expect(await shown(stranger, copy)).toEqual([OTHER_ACCOUNT, [other]])
    expect(await get(undefined, copy)).toBe(403)
    const listed = { ...source, 'x-amz-acl': 'public-read' }
    expect((await as(stranger, 'PUT', copy, { headers: listed })).status).toBe(200)
    expect(await get(undefined, copy)).toBe(200)
    const created = await as(stranger, 'POST', '/bucket/upload', {
      query: [['uploads', '']],
      headers: { 'x-amz-acl': 'bucket-owner-read' },
    })
    const uploadId = /<UploadId>([^<]+)</.exec(created.text)?.[1] ?? ''
    const part = await as(stranger, 'PUT', '/bucket/upload', {
      query: [
        ['partNumber', '1'],
        ['uploadId', uploadId],
      ],
      body: [Buffer.from('part')],
    })
    const etag = part.headers['etag'] as string
    const text = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`
    const completed = await as(stranger, 'POST', '/bucket/upload', {
      query: [['uploadId', uploadId]],
      body: [Buffer.from(text)],
    })
    expect(completed.status).toBe(200)
    expect(await shown(stranger, '/bucket/upload')).toEqual([
      OTHER_ACCOUNT,
      [other, `${CALLERS_ACCOUNT} READ`],
    ])
    expect(await get(root, '/bucket/upload')).toBe(200)
    for (const path of [copy, '/bucket/upload']) await as(root, 'DELETE', path)
  })

  test('without a signature leaves objects that all who do not sign have', async () => {
    await as(root, 'PUT', '/bucket', { ...ACL, headers: { 'x-amz-grant-write': ALL_USERS } })
    expect((await put(undefined)).status).toBe(200)
    expect(await get(undefined, KEY)).toBe(200)
    expect(await get(root, KEY)).toBe(403)
    expect((await put(undefined, { 'x-amz-acl': 'bucket-owner-full-control' })).status).toBe(200)
    expect(await get(root, KEY)).toBe(200)
  })
})

describe('who may change the list of an object', () => {
  test('a new object has a public list only with the right to put lists', async () => {
    const path = '/bucket/open/new'
    for (const headers of [{ 'x-amz-acl': 'public-read' }, { 'x-amz-grant-read': OTHER }]) {
      const refused = await put(CALLERS.writer, headers, path)
      expect([refused.status, refused.code]).toEqual([403, 'AccessDenied'])
    }
    expect((await put(CALLERS.writer, { 'x-amz-acl': 'private' }, path)).status).toBe(200)
    expect((await put(powerful, { 'x-amz-acl': 'public-read' }, path)).status).toBe(200)
    expect(await get(undefined, path)).toBe(200)
    await as(root, 'DELETE', path)
  })

  test('nobody grants what they do not have', async () => {
    await world.setPolicy(
      may(['s3:PutObjectAcl', 's3:GetObjectAcl'], 'arn:aws:s3:::bucket/*', {
        Principal: { AWS: nobody.identity.principalArn },
      }),
    )
    for (const headers of [{ 'x-amz-acl': 'public-read' }, { 'x-amz-grant-full-control': OTHER }]) {
      const refused = await setAcl(nobody, headers)
      expect([refused.status, refused.code]).toEqual([403, 'AccessDenied'])
      expect(refused.text).toContain('rights that the caller does not have')
    }
    expect((await setAcl(nobody, { 'x-amz-grant-read-acp': OTHER })).status).toBe(200)
    expect((await setAcl(nobody, { 'x-amz-acl': 'private' })).status).toBe(200)
    // A grantee of WRITE_ACP, too.
    await grant({ 'x-amz-grant-write-acp': OTHER })
    expect((await setAcl(strangeRoot, { 'x-amz-grant-read': OTHER })).status).toBe(403)
    expect(await get(strangeRoot, KEY)).toBe(403)
    expect((await setAcl(strangeRoot, { 'x-amz-grant-write-acp': OTHER })).status).toBe(200)
  })

  test('nobody makes lists count again whose grants they do not have', async () => {
    await grant({ 'x-amz-acl': 'public-read' })
    await setOwnership('BucketOwnerEnforced')
    const allowed = ['s3:PutBucketOwnershipControls', 's3:PutBucketPublicAccessBlock']
    await world.setPolicy(
      may(allowed, 'arn:aws:s3:::bucket', { Principal: { AWS: nobody.identity.principalArn } }),
    )
    const text = `<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>`
    const query: [string, string][] = [['ownershipControls', '']]
    const refused = await as(nobody, 'PUT', '/bucket', { query, body: [Buffer.from(text)] })
    expect([refused.status, refused.code]).toEqual([403, 'AccessDenied'])
    const gone = await as(nobody, 'DELETE', '/bucket', { query })
    expect([gone.status, gone.code]).toEqual([403, 'AccessDenied'])
    await setOwnership('ObjectWriter')
    await block('IgnorePublicAcls')
    const opened = await as(nobody, 'DELETE', '/bucket', { query: [['publicAccessBlock', '']] })
    expect([opened.status, opened.code]).toEqual([403, 'AccessDenied'])
  })
})

describe('a list that is put', () => {
  test('it is written in one way, for the owner that there is', async () => {
    const { text } = await as(root, 'GET', KEY, ACL)
    const send = async (headers: Headers, body = ''): Promise<string> => {
      const answer = await as(root, 'PUT', KEY, { ...ACL, headers, body: [Buffer.from(body)] })
      return `${answer.status} ${answer.code}`
    }
    expect(await send({})).toBe('400 MissingSecurityHeader')
    expect(await send({ 'x-amz-acl': 'private' }, text)).toBe('400 UnexpectedContent')
    const both = { 'x-amz-acl': 'private', 'x-amz-grant-read': OTHER }
    expect(await send(both)).toBe('400 InvalidRequest')
    expect((await put(root, both)).code).toBe('InvalidRequest')
    expect(await send({ 'x-amz-grant-read': 'id=000000000000' })).toBe('400 InvalidArgument')
    expect(await send({}, text.replace(/<Owner><ID>\d+/, `<Owner><ID>${OTHER_ACCOUNT}`))).toBe(
      '403 AccessDenied',
    )
    const many = `<Grant><Grantee><ID>${OTHER_ACCOUNT}</ID></Grantee><Permission>READ</Permission></Grant>`
    const with101 = text.replace(/<Grant>.*<\/Grant>/, many.repeat(101))
    expect(await send({}, with101)).toBe('400 MalformedACLError')
    expect(await send({}, with101.replace(many, ''))).toBe('200 undefined')
    expect(await get(strangeRoot, KEY)).toBe(200)
    expect((await setAcl(root, { 'x-amz-acl': 'private' }, '/bucket/missing')).status).toBe(404)
  })

  test('each change leaves a line of the audit log', async () => {
    world.gateway.audit.length = 0
    await setAcl(root, { 'x-amz-acl': 'public-read' })
    await setAcl(stranger, { 'x-amz-acl': 'private' })
    expect(world.gateway.audit.map((line) => [line['action'], line['outcome']])).toEqual([
      ['s3:PutObjectAcl', 'done'],
      ['s3:PutObjectAcl', 'AccessDenied'],
    ])
  })
})

test('versions have lists of their own', async () => {
  await set(
    'versioning',
    '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
  )
  const old = (await put(root)).headers['x-amz-version-id'] as string
  await put(root)
  const query: [string, string][] = [['versionId', old]]
  expect((await setAcl(root, { 'x-amz-acl': 'public-read' }, KEY, query)).status).toBe(200)
  expect((await as(undefined, 'GET', KEY, { query })).status).toBe(200)
  expect(await get(undefined, KEY)).toBe(403)
  const marker = (await as(root, 'DELETE', KEY)).headers['x-amz-version-id'] as string
  const answer = await setAcl(root, { 'x-amz-acl': 'private' }, KEY, [['versionId', marker]])
  expect([answer.status, answer.code]).toEqual([405, 'MethodNotAllowed'])
  await as(root, 'DELETE', KEY, { query: [['versionId', marker]] })
})
