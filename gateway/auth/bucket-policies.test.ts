/** What bucket policies allow and deny, over HTTP. */

import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { CALLERS_ACCOUNT, document, OTHER_ACCOUNT } from '../testing/callers.ts'
import { BUCKET_OBJECTS, CALLERS, may, permissionWorld } from '../testing/permission-world.ts'

const { as, get, setPolicy } = permissionWorld()
const { root, nobody, powerful, reader, stranger, poorStranger, strangeRoot, role } = CALLERS

describe('bucket policies', () => {
  test('let in only the principals that they name', async () => {
    await setPolicy(
      may('s3:GetObject', BUCKET_OBJECTS, { Principal: { AWS: nobody.identity.principalArn } }),
      may('s3:ListBucket', 'arn:aws:s3:::bucket', { Principal: { AWS: role.identity.roleArn } }),
    )
    expect(await get(nobody, '/bucket/closed/a')).toBe(200)
    expect(await get(nobody, '/bucket')).toBe(403)
    expect(await get(reader, '/bucket/closed/a')).toBe(403)
    expect(await get(undefined, '/bucket/closed/a')).toBe(403)
  })

  test('must name users and roles that exist', async () => {
    for (const name of ['user/nothing', 'role/nothing']) {
      const Principal = { AWS: `arn:aws:iam::${CALLERS_ACCOUNT}:${name}` }
      const body = [Buffer.from(document(may('s3:GetObject', BUCKET_OBJECTS, { Principal })))]
      const answer = await as(root, 'PUT', '/bucket', { query: [['policy', '']], body })
      expect(answer.status).toBe(400)
      expect(answer.text).toContain('<Code>MalformedPolicy</Code>')
      expect(answer.text).toContain('<Message>Invalid principal in policy</Message>')
    }
  })

  test('across accounts, both sides must allow', async () => {
    expect(await get(stranger, '/bucket/open/a')).toBe(403)
    expect(await get(strangeRoot, '/bucket/open/a')).toBe(403)
    await setPolicy(may('s3:GetObject', BUCKET_OBJECTS, { Principal: { AWS: OTHER_ACCOUNT } }))
    expect(await get(stranger, '/bucket/open/a')).toBe(200)
    expect(await get(strangeRoot, '/bucket/open/a')).toBe(200)
    expect(await get(poorStranger, '/bucket/open/a')).toBe(403)
    expect((await as(stranger, 'PUT', '/bucket/open/a')).status).toBe(403)
  })

  test('can allow requests without a signature', async () => {
    await setPolicy(may('s3:GetObject', 'arn:aws:s3:::bucket/open/*', { Principal: '*' }))
    const answer = await as(undefined, 'GET', '/bucket/open/a')
    expect([answer.status, answer.text]).toEqual([200, 'open/a'])
    expect(await get(undefined, '/bucket/closed/a')).toBe(403)
    expect(await get(undefined, '/bucket')).toBe(403)
    expect(await get(undefined, '/')).toBe(403)
    expect((await as(undefined, 'PUT', '/new-bucket')).status).toBe(403)
    expect((await as(undefined, 'PUT', '/bucket/open/b')).status).toBe(403)
  })

  test('can allow writing without a signature', async () => {
    await setPolicy(
      may(['s3:PutObject', 's3:GetObject'], BUCKET_OBJECTS, { Principal: { AWS: '*' } }),
    )
    expect(
      (await as(undefined, 'PUT', '/bucket/open/c', { body: [Buffer.from('c')] })).status,
    ).toBe(200)
    expect((await as(undefined, 'GET', '/bucket/open/c')).text).toBe('c')
  })
})

describe('bucket policies that restrict', () => {
  test('public ones apply only within their account when public access is restricted', async () => {
    await setPolicy(may('s3:GetObject', BUCKET_OBJECTS, { Principal: '*' }))
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

  test('that lock everyone out can be removed by the root', async () => {
    await setPolicy({
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:*',
      Resource: ['arn:aws:s3:::bucket', BUCKET_OBJECTS],
    })
    expect(await get(powerful, '/bucket/open/a')).toBe(403)
    expect(await get(root, '/bucket/open/a')).toBe(403)
    expect((await as(powerful, 'DELETE', '/bucket', { query: [['policy', '']] })).status).toBe(403)
    expect((await as(root, 'DELETE', '/bucket', { query: [['policy', '']] })).status).toBe(204)
    expect(await get(root, '/bucket/open/a')).toBe(200)
  })

  test('NotPrincipal means everyone else', async () => {
    await setPolicy({
      Effect: 'Deny',
      NotPrincipal: {
        AWS: [powerful.identity.principalArn, `arn:aws:iam::${CALLERS_ACCOUNT}:root`],
      },
      Action: 's3:*',
      Resource: BUCKET_OBJECTS,
    })
    expect(await get(powerful, '/bucket/open/a')).toBe(200)
    expect(await get(root, '/bucket/open/a')).toBe(200)
    expect(await get(reader, '/bucket/open/a')).toBe(403)
  })

  test('can depend on the version', async () => {
    const query = [['versionId', 'null']] as const
    await setPolicy(
      may(['s3:GetObjectVersion', 's3:GetObject'], BUCKET_OBJECTS, {
        Principal: { AWS: nobody.identity.principalArn },
        Condition: { StringEquals: { 's3:VersionId': 'null' } },
      }),
    )
    expect((await as(nobody, 'GET', '/bucket/open/a', { query })).status).toBe(200)
    expect(await get(nobody, '/bucket/open/a')).toBe(403)
    expect((await as(reader, 'GET', '/bucket/open/a', { query })).status).toBe(403)
  })
})
