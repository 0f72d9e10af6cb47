/** Who may do what, over HTTP, by examples. Every operation: rights.test.ts. */

import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Credential } from '../port/identity.ts'
import { CALLERS_ACCOUNT, OTHER_ACCOUNT } from '../testing/callers.ts'
import { BUCKET_OBJECTS, CALLERS, may, permissionWorld } from '../testing/permission-world.ts'

const { as, get, setPolicy } = permissionWorld()
const { root, powerful, reader, blind, writer, copier, lister, local, stranger } = CALLERS

describe('rights by action and resource', () => {
  test('reading and listing need their own rights', async () => {
    expect(await get(reader, '/bucket/open/a')).toBe(200)
    expect((await as(reader, 'HEAD', '/bucket/open/a')).status).toBe(200)
    expect(await get(reader, '/bucket')).toBe(200)
    expect(await get(reader, '/bucket/closed/a')).toBe(403)
    expect((await as(reader, 'PUT', '/bucket/open/a')).status).toBe(403)
    expect(await get(reader, '/')).toBe(403)
  })

  test('a copy needs a right for its source and one for its target', async () => {
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
})

describe('conditions on a copy and its parameters', () => {
  test('a condition on the source of a copy applies to every way to write the source', async () => {
    await setPolicy({
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:PutObject',
      Resource: BUCKET_OBJECTS,
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
    // A query parameter belongs to the target, not to the source.
    expect(await copy('bucket/open/a', [['x-id', 'CopyObject']])).toBe(403)
    expect(await copy('bucket/closed/a')).toBe(200)
    await as(root, 'DELETE', '/bucket/open/copied')
  })

  test('a parameter or header that the operation ignores satisfies no condition', async () => {
    await setPolicy({
      Effect: 'Allow',
      Principal: '*',
      Action: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
      Resource: BUCKET_OBJECTS,
      Condition: { StringLike: { 's3:prefix': 'open/*' } },
    })
    const query: [string, string][] = [['prefix', 'open/']]
    expect((await as(stranger, 'GET', '/bucket/closed/a', { query })).status).toBe(403)
    expect((await as(stranger, 'PUT', '/bucket/closed/a', { query })).status).toBe(403)
    expect((await as(stranger, 'DELETE', '/bucket/closed/a', { query })).status).toBe(403)
  })
})

describe('requests about several objects, and conditions', () => {
  test('copied parts need rights for source and target', async () => {
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

  test('DeleteObjects checks each key', async () => {
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

  test('conditions on the prefix of a listing', async () => {
    const list = async (prefix: string): Promise<number> =>
      (await as(lister, 'GET', '/bucket', { query: [['prefix', prefix]] })).status
    expect(await list('open/')).toBe(200)
    expect(await list('closed/')).toBe(403)
    expect(await get(lister, '/bucket')).toBe(403)
  })

  test('conditions see the address of the connection (F33)', async () => {
    const headers = {
      'x-forwarded-for': '10.1.2.3',
      forwarded: 'for=10.1.2.3',
      'x-real-ip': '10.1.2.3',
    }
    expect((await as(local, 'GET', '/bucket/open/a', { headers })).status).toBe(403)
    await setPolicy({
      ...may('s3:GetObject', BUCKET_OBJECTS, { Principal: '*' }),
      Condition: { IpAddress: { 'aws:SourceIp': ['127.0.0.1', '::1'] } },
    })
    expect(await get(undefined, '/bucket/open/a')).toBe(200)
  })
})

describe('missing objects and buckets', () => {
  test('a missing object is 403 for callers who may not list', async () => {
    expect(await get(blind, '/bucket/none')).toBe(403)
    expect((await as(blind, 'HEAD', '/bucket/none')).status).toBe(403)
    expect((await as(blind, 'GET', '/bucket/none', { query: [['tagging', '']] })).status).toBe(403)
    expect(await get(reader, '/bucket/open/none')).toBe(404)
    expect((await as(reader, 'HEAD', '/bucket/open/none')).status).toBe(404)
  })

  test('so is the missing source of a copy', async () => {
    const headers = { 'x-amz-copy-source': '/bucket/open/none' }
    expect((await as(copier, 'PUT', '/bucket/open/b', { headers })).status).toBe(403)
    expect((await as(powerful, 'PUT', '/bucket/open/b', { headers })).status).toBe(404)
  })

  test('only callers who could use the bucket are told that it does not exist', async () => {
    expect((await as(powerful, 'GET', '/no-bucket/k')).code).toBe('NoSuchBucket')
    expect((await as(reader, 'GET', '/no-bucket/k')).code).toBe('AccessDenied')
    expect((await as(undefined, 'GET', '/no-bucket/k')).code).toBe('AccessDenied')
  })

  test('x-amz-expected-bucket-owner must be the owner', async () => {
    const expecting = async (owner: string): Promise<string | undefined> => {
      const headers = { 'x-amz-expected-bucket-owner': owner }
      return (await as(root, 'GET', '/bucket/open/a', { headers })).code
    }
    expect(await expecting(CALLERS_ACCOUNT)).toBeUndefined()
    expect(await expecting(OTHER_ACCOUNT)).toBe('AccessDenied')
  })

  test('a wrong owner and a missing bucket look the same to who may not delete, also in a list', async () => {
    const headers = { 'x-amz-expected-bucket-owner': OTHER_ACCOUNT }
    const query = [['delete', '']] as [string, string][]
    for (const path of ['/bucket', '/no-bucket']) {
      expect((await as(reader, 'POST', path, { headers, query })).code).toBe('AccessDenied')
    }
    const shown = await as(powerful, 'POST', '/no-bucket', { headers, query })
    expect(shown.code).toBe('NoSuchBucket')
  })
})
