/** What access control lists of buckets allow, to whom, and who may change them, over HTTP. */

import { beforeEach, describe, expect, test } from 'vitest'
import type { RawResponse } from './conformance/world.ts'
import type { Credential } from './port/identity.ts'
import { OTHER_ACCOUNT } from './testing/callers.ts'
import { CALLERS, may, permissionWorld } from './testing/permission-world.ts'

const world = permissionWorld()
const { root, nobody, powerful, stranger, poorStranger, strangeRoot } = CALLERS

const ALL_USERS = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
const AUTHENTICATED = 'uri="http://acs.amazonaws.com/groups/global/AuthenticatedUsers"'
const LOGS = 'uri=http://acs.amazonaws.com/groups/s3/LogDelivery'
const OTHER = `id="${OTHER_ACCOUNT}"`

type Headers = Record<string, string>

function setOwnership(value: string): Promise<RawResponse> {
  const text = `<OwnershipControls><Rule><ObjectOwnership>${value}</ObjectOwnership></Rule></OwnershipControls>`
  const query: [string, string][] = [['ownershipControls', '']]
  return world.as(root, 'PUT', '/bucket', { query, body: [Buffer.from(text)] })
}

function setAcl(who: Credential | undefined, headers: Headers): Promise<RawResponse> {
  return world.as(who, 'PUT', '/bucket', { query: [['acl', '']], headers })
}

async function grant(headers: Headers): Promise<void> {
  expect((await setAcl(root, headers)).text).toBe('')
}

beforeEach(async () => {
  expect((await setOwnership('ObjectWriter')).status).toBe(200)
  await grant({ 'x-amz-acl': 'private' })
})

/** Which of AWS's four permissions on a bucket a caller has, tried by one operation each. */
async function permissionsOf(who: Credential | undefined): Promise<string[]> {
  const acl: [string, string][] = [['acl', '']]
  const answers = {
    READ: await world.as(who, 'GET', '/bucket'),
    WRITE: await world.as(who, 'PUT', '/bucket/by-list', { body: [Buffer.from('x')] }),
    READ_ACP: await world.as(who, 'GET', '/bucket', { query: acl }),
    // Without a list: the right is checked first.
    WRITE_ACP: await world.as(who, 'PUT', '/bucket', { query: acl }),
  }
  return Object.entries(answers)
    .filter(([, { status }]) => status !== 403)
    .map(([name]) => name)
}

describe('grants on a bucket', () => {
  const cases: readonly [header: string, allows: string[]][] = [
    ['x-amz-grant-read', ['READ']],
    ['x-amz-grant-write', ['WRITE']],
    ['x-amz-grant-read-acp', ['READ_ACP']],
    ['x-amz-grant-write-acp', ['WRITE_ACP']],
    ['x-amz-grant-full-control', ['READ', 'WRITE', 'READ_ACP', 'WRITE_ACP']],
  ]
  test.each(cases)('%s allows what AWS says, to everybody', async (header, allows) => {
    await grant({ [header]: ALL_USERS })
    expect(await permissionsOf(undefined)).toEqual(allows)
    expect(await permissionsOf(nobody)).toEqual(allows)
    expect(await permissionsOf(stranger)).toEqual(allows)
    // A user of another account also needs its own account's word.
    expect(await permissionsOf(poorStranger)).toEqual([])
  })

  test.each(cases)('%s allows it to another account', async (header, allows) => {
    await grant({ [header]: OTHER })
    expect(await permissionsOf(stranger)).toEqual(allows)
    expect(await permissionsOf(strangeRoot)).toEqual(allows)
    for (const who of [undefined, nobody, poorStranger]) {
      expect(await permissionsOf(who)).toEqual([])
    }
  })

  test.each(cases)('%s allows it to everybody with an account', async (header, allows) => {
    await grant({ [header]: AUTHENTICATED })
    expect(await permissionsOf(stranger)).toEqual(allows)
    for (const who of [undefined, nobody, poorStranger]) {
      expect(await permissionsOf(who)).toEqual([])
    }
  })

  test('to the service of logs let no caller in', async () => {
    await grant({ 'x-amz-grant-full-control': LOGS })
    for (const who of [undefined, nobody, stranger]) expect(await permissionsOf(who)).toEqual([])
  })

  test('on a bucket say nothing about its objects, deletes and settings', async () => {
    await grant({ 'x-amz-grant-full-control': `${ALL_USERS}, ${OTHER}` })
    for (const who of [undefined, stranger]) {
      expect(await world.get(who, '/bucket/open/a')).toBe(403)
      expect((await world.as(who, 'DELETE', '/bucket/open/a')).status).toBe(403)
      expect((await world.as(who, 'DELETE', '/bucket')).status).toBe(403)
      const policy = await world.as(who, 'GET', '/bucket', { query: [['policy', '']] })
      expect(policy.status).toBe(403)
    }
  })

  test('a Deny of a policy counts more, of the bucket and of the caller', async () => {
    await grant({ 'x-amz-grant-full-control': ALL_USERS })
    const resource = ['arn:aws:s3:::bucket', 'arn:aws:s3:::bucket/*']
    await world.setPolicy(may('s3:List*', resource, { Effect: 'Deny', Principal: '*' }))
    expect(await permissionsOf(undefined)).toEqual(['WRITE', 'READ_ACP', 'WRITE_ACP'])
    expect(await permissionsOf(stranger)).toEqual(['WRITE', 'READ_ACP', 'WRITE_ACP'])
  })

  test('count only where the ownership of the bucket allows lists', async () => {
    await grant({
      'x-amz-grant-read': ALL_USERS,
      'x-amz-grant-full-control': 'id=123456789012',
    })
    expect(await permissionsOf(undefined)).toEqual(['READ'])
    const refused = await setOwnership('BucketOwnerEnforced')
    expect([refused.status, refused.code]).toEqual([400, 'InvalidBucketAclWithObjectOwnership'])
    await setOwnership('BucketOwnerPreferred')
    expect(await permissionsOf(undefined)).toEqual(['READ'])
  })
})

describe('who may change the list of a bucket', () => {
  test('a caller with the right may give only what it has', async () => {
    await world.setPolicy(
      may(['s3:PutBucketAcl', 's3:ListBucket'], 'arn:aws:s3:::bucket', {
        Principal: { AWS: nobody.identity.principalArn },
      }),
    )
    const tooMuch = await setAcl(nobody, { 'x-amz-grant-write': OTHER })
    expect([tooMuch.status, tooMuch.code]).toEqual([403, 'AccessDenied'])
    expect(tooMuch.text).toContain('rights that the caller does not have')
    await grant({ 'x-amz-acl': 'private' })
    expect((await setAcl(powerful, { 'x-amz-grant-write': OTHER })).status).toBe(200)
    // It may take away what others have.
    expect((await setAcl(nobody, { 'x-amz-acl': 'private' })).status).toBe(200)
  })

  test('another account with WRITE_ACP cannot give itself more', async () => {
    await grant({ 'x-amz-grant-write-acp': OTHER, 'x-amz-grant-read': OTHER })
    const more = await setAcl(strangeRoot, { 'x-amz-grant-full-control': OTHER })
    expect([more.status, more.code]).toEqual([403, 'AccessDenied'])
    const same = { 'x-amz-grant-read': OTHER, 'x-amz-grant-write-acp': OTHER }
    expect((await setAcl(strangeRoot, same)).status).toBe(200)
  })

  test('each change leaves a line of the audit log, also when it was refused', async () => {
    world.gateway.audit.length = 0
    await setAcl(root, { 'x-amz-acl': 'public-read' })
    await setAcl(undefined, { 'x-amz-acl': 'private' })
    const lines = world.gateway.audit.map((line) => [line['action'], line['outcome']])
    expect(lines).toEqual([
      ['s3:PutBucketAcl', 'done'],
      ['s3:PutBucketAcl', 'AccessDenied'],
    ])
  })

  test('a new bucket has the list that its creator may give', async () => {
    const create = (who: Credential, name: string, headers: Headers): Promise<RawResponse> =>
      world.as(who, 'PUT', `/${name}`, { headers })
    const open = { 'x-amz-object-ownership': 'ObjectWriter', 'x-amz-acl': 'public-read' }
    expect((await create(root, 'open-one', open)).status).toBe(200)
    expect(await world.get(undefined, '/open-one')).toBe(200)
    const refused = await create(CALLERS.creator, 'open-two', open)
    expect([refused.status, refused.code]).toEqual([403, 'AccessDenied'])
    expect(await world.get(root, '/open-two')).toBe(404)
  })
})
