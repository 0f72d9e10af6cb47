/**
 * Rights that depend on the tags of objects and of requests, over HTTP: which tags count, when the object or the body is
 * read for a decision, and what is told of objects that are not there.
 */

import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Backend } from './port/backend.ts'
import type { Credential } from './port/identity.ts'
import type { RawResponse } from './conformance/world.ts'
import { taggingOf } from './conformance/bucket-tags.ts'
import { send, user, type Sent } from './testing/callers.ts'
import { startGateway, type TestGateway } from './testing/gateway.ts'
import { BUCKET_OBJECTS, may } from './testing/permission-world.ts'
import { EXAMPLE_CREDENTIAL } from './testing/requests.ts'

const root = EXAMPLE_CREDENTIAL
const BUCKET = 'arn:aws:s3:::bucket'
const tagged = (name: string, value: string, operator = 'StringEquals'): object => ({
  Condition: { [operator]: { [`s3:${name}`]: value } },
})
const open = tagged('ExistingObjectTag/Access', 'open')
const secret = { ...tagged('ExistingObjectTag/access', 'secret'), Effect: 'Deny' }
const READS = ['s3:GetObject', 's3:GetObjectVersion', 's3:GetObjectTagging']
const WRITES = ['s3:PutObject', 's3:PutObjectTagging', 's3:DeleteObjectTagging', 's3:DeleteObject']

const CALLERS = {
  plain: user('plain', [may(['s3:GetObject', 's3:PutObject'], BUCKET_OBJECTS)]),
  tagger: user('tagger', [may([...READS, ...WRITES], BUCKET_OBJECTS)]),
  onlyWriting: user('onlywriting', [
    may(['s3:GetObject', 's3:PutObject', 's3:PutObjectTagging'], BUCKET_OBJECTS),
  ]),
  onlyReading: user('onlyreading', [
    may(['s3:GetObject', 's3:PutObject', 's3:GetObjectTagging'], BUCKET_OBJECTS),
  ]),
  opened: user('opened', [may([...READS, ...WRITES], BUCKET_OBJECTS, open)]),
  opening: user('opening', [
    may([...READS, ...WRITES], BUCKET_OBJECTS, open),
    may('s3:ListBucket', BUCKET),
  ]),
  unsecret: user('unsecret', [
    may([...READS, ...WRITES], BUCKET_OBJECTS),
    may([...READS, ...WRITES], BUCKET_OBJECTS, secret),
  ]),
  painter: user('painter', [
    may(WRITES, BUCKET_OBJECTS, tagged('RequestObjectTag/colour', 'r*', 'StringLike')),
  ]),
  limited: user('limited', [
    may(WRITES, BUCKET_OBJECTS, {
      Condition: { 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['colour', 'size'] } },
    }),
  ]),
}
const { onlyWriting, onlyReading, plain, tagger, opened, opening, unsecret, painter, limited } =
  CALLERS

let gateway: TestGateway
/** Calls of the store that read or change objects. */
let calls: string[] = []
/** Runs after the next read of an object. */
let afterRead: (() => Promise<void>) | undefined

function watched(memory: Backend): Backend {
  const getObject: Backend['getObject'] = async (...all) => {
    calls.push('getObject')
    const reader = await memory.getObject(...all)
    const run = afterRead
    afterRead = undefined
    await run?.()
    return reader
  }
  return new Proxy(memory, {
    get: (target, name: keyof Backend) =>
      name === 'getObject' ? getObject : target[name].bind(target),
  })
}

function as(
  who: Credential,
  method: string,
  path: string,
  more: Partial<Sent> = {},
): Promise<RawResponse> {
  return send(gateway.target, who, { method, path, ...more })
}

const status = (answer: Promise<RawResponse>): Promise<number> => answer.then((each) => each.status)

function put(who: Credential, key: string, tags?: string, more: object = {}): Promise<RawResponse> {
  const headers: Record<string, string> = tags === undefined ? {} : { 'x-amz-tagging': tags }
  return as(who, 'PUT', `/bucket/${key}`, {
    headers: { ...headers, ...more },
    body: [Buffer.from('x')],
  })
}

function putTags(
  who: Credential,
  key: string,
  ...tags: readonly (readonly [string, string])[]
): Promise<RawResponse> {
  const text = taggingOf(...tags)
  const headers = { 'content-md5': createHash('md5').update(text).digest('base64') }
  const body = [Buffer.from(text)]
  return as(who, 'PUT', `/bucket/${key}`, { query: [['tagging', '']], headers, body })
}

const getTags = (who: Credential, key: string): Promise<RawResponse> =>
  as(who, 'GET', `/bucket/${key}`, { query: [['tagging', '']] })

beforeAll(async () => {
  gateway = await startGateway({ credentials: [root, ...Object.values(CALLERS)], backend: watched })
  await as(root, 'PUT', '/bucket')
})
beforeEach(async () => {
  await put(root, 'open', 'ACCESS=open&n=1')
  await put(root, 'secret', 'access=secret')
  await put(root, 'bare')
  calls = []
})
afterAll(() => gateway.close())

describe('tags of stored objects', () => {
  test('need the right to put them, in a header too', async () => {
    expect(await status(put(plain, 'new', 'a=b'))).toBe(403)
    expect(await status(as(root, 'GET', '/bucket/new'))).toBe(404)
    expect(await status(put(tagger, 'new', 'a=b'))).toBe(200)
    const upload = { query: [['uploads', '']] as const, headers: { 'x-amz-tagging': 'a=b' } }
    expect(await status(as(plain, 'POST', '/bucket/new', upload))).toBe(403)
    expect(await status(as(tagger, 'POST', '/bucket/new', upload))).toBe(200)
  })

  test('are counted only for callers who may read them', async () => {
    const count = async (who: Credential): Promise<unknown> => {
      const answer = await as(who, 'HEAD', '/bucket/open')
      expect(answer.status).toBe(200)
      return answer.headers['x-amz-tagging-count']
    }
    expect(await count(tagger)).toBe('2')
    expect(await count(plain)).toBe(undefined)
    expect(await count(opened)).toBe('2')
  })

  test('a copy needs rights on both sides', async () => {
    const copy = (who: Credential, source: string, more: object = {}): Promise<number> =>
      status(
        as(who, 'PUT', '/bucket/copy', {
          headers: { 'x-amz-copy-source': `/bucket/${source}`, ...more },
        }),
      )
    const replacing = { 'x-amz-tagging-directive': 'REPLACE', 'x-amz-tagging': 'a=b' }
    expect(await copy(plain, 'bare')).toBe(200)
    for (const who of [plain, onlyWriting, onlyReading]) {
      expect(await copy(who, 'open')).toBe(403)
    }
    expect(await copy(plain, 'open', { 'x-amz-tagging-directive': 'REPLACE' })).toBe(200)
    expect(await copy(plain, 'open', replacing)).toBe(403)
    expect(await copy(tagger, 'open')).toBe(200)
    expect(await copy(tagger, 'open', replacing)).toBe(200)
    expect(await copy(unsecret, 'open')).toBe(200)
    expect(await copy(unsecret, 'secret')).toBe(403)
  })
})

describe('conditions on the tags of an object', () => {
  test('are judged by the tags that it has, whatever the case of the key', async () => {
    for (const [key, expected] of [
      ['open', 200],
      ['secret', 403],
      ['bare', 403],
    ] as const) {
      expect([key, await status(as(opened, 'GET', `/bucket/${key}`))]).toEqual([key, expected])
      expect([key, await status(getTags(opened, key))]).toEqual([key, expected])
    }
    expect(await status(as(unsecret, 'GET', '/bucket/open'))).toBe(200)
    expect(await status(as(unsecret, 'GET', '/bucket/secret'))).toBe(403)
    expect(await status(putTags(opened, 'open', ['access', 'none']))).toBe(200)
    expect(await status(putTags(opened, 'open', ['access', 'open']))).toBe(403)
    expect(await status(putTags(unsecret, 'secret', ['access', 'none']))).toBe(403)
  })

  test('mean nothing for a write over the object, as in AWS', async () => {
    expect(await status(put(opened, 'open'))).toBe(403)
    expect(await status(put(unsecret, 'secret'))).toBe(200)
    expect(await status(as(opened, 'DELETE', '/bucket/open'))).toBe(403)
  })

  test('the object is read only when a condition asks for it, and once', async () => {
    const reads = async (answer: Promise<RawResponse>): Promise<number> => {
      calls = []
      await answer
      return calls.length
    }
    expect(await reads(as(plain, 'GET', '/bucket/open'))).toBe(1)
    expect(await reads(as(opened, 'GET', '/bucket/open'))).toBe(2)
    expect(await reads(as(opened, 'GET', '/bucket/secret'))).toBe(1)
    expect(await reads(putTags(tagger, 'open', ['a', 'b']))).toBe(0)
    expect(await reads(put(unsecret, 'bare', 'a=b'))).toBe(0)
  })
})

describe('a decision by the tags of an object', () => {
  test('does not tell denied callers whether an object is there', async () => {
    for (const key of ['secret', 'missing', 'bare']) {
      for (const answer of [
        await as(opened, 'GET', `/bucket/${key}`),
        await getTags(opened, key),
        await putTags(opened, key, ['a', 'b']),
        await as(opening, 'GET', `/bucket/${key}`),
      ]) {
        expect([key, answer.status, answer.code]).toEqual([key, 403, 'AccessDenied'])
      }
    }
    // Its right does not depend on what is there, so it is told what callers without conditions are told.
    for (const answer of [
      await as(unsecret, 'GET', '/bucket/missing'),
      await putTags(unsecret, 'missing', ['a', 'b']),
      await as(unsecret, 'DELETE', '/bucket/missing', { query: [['tagging', '']] }),
    ]) {
      expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
    }
    expect(await status(putTags(root, 'missing', ['a', 'b']))).toBe(404)
    expect(await status(as(opened, 'GET', '/no-bucket/key'))).toBe(403)
  })

  test('is made again when the object changes after it', async () => {
    const becomesSecret = (): Promise<void> =>
      put(root, 'open', 'access=secret').then(() => undefined)
    afterRead = becomesSecret
    expect(await status(as(opened, 'GET', '/bucket/open'))).toBe(403)
    await put(root, 'open', 'access=open')
    afterRead = becomesSecret
    expect(await status(getTags(opened, 'open'))).toBe(403)
    await put(root, 'open', 'access=open')
    afterRead = becomesSecret
    const answer = await putTags(opened, 'open', ['access', 'mine'])
    expect([answer.status, answer.code]).toEqual([409, 'OperationAborted'])
    expect((await getTags(root, 'open')).text).toContain('<Value>secret</Value>')
    await put(root, 'open', 'access=open')
    afterRead = becomesSecret
    const headers = { 'x-amz-copy-source': '/bucket/open' }
    expect(await status(as(unsecret, 'PUT', '/bucket/copy', { headers }))).toBe(403)
    await put(root, 'open', 'access=open')
    afterRead = () => put(root, 'open', 'access=open&more=1').then(() => undefined)
    expect(await status(as(opened, 'GET', '/bucket/open'))).toBe(200)
  })
})

describe('conditions on the tags of a request', () => {
  test('count those of the header and those of the body', async () => {
    expect(await status(put(painter, 'bare', 'colour=red'))).toBe(200)
    expect(await status(put(painter, 'bare', 'colour=blue'))).toBe(403)
    expect(await status(put(painter, 'bare'))).toBe(403)
    expect(await status(put(painter, 'bare', 'colour=red&colour=red'))).toBe(403)
    expect(await status(putTags(painter, 'bare', ['Colour', 'red'], ['n', '1']))).toBe(200)
    expect(await status(putTags(painter, 'bare', ['colour', 'blue']))).toBe(403)
    expect(await status(put(limited, 'bare', 'colour=red&size=1'))).toBe(200)
    expect(await status(put(limited, 'bare', 'colour=red&weight=1'))).toBe(403)
    expect(await status(putTags(limited, 'bare', ['size', '1']))).toBe(200)
    expect(await status(putTags(limited, 'bare', ['size', '1'], ['weight', '1']))).toBe(403)
  })

  test('a copy has those of the header only when they replace the tags', async () => {
    const copy = (more: object): Promise<number> =>
      status(
        as(root, 'PUT', '/bucket/copy', {
          headers: { 'x-amz-copy-source': '/bucket/bare', 'x-amz-tagging': 'colour=red', ...more },
        }),
      )
    const policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: {
        Effect: 'Deny',
        Principal: '*',
        Action: 's3:PutObject',
        Resource: BUCKET_OBJECTS,
        Condition: { Null: { 's3:RequestObjectTag/colour': 'true' } },
      },
    })
    const query = [['policy', '']] as const
    await as(root, 'PUT', '/bucket', { query, body: [Buffer.from(policy)] })
    expect(await copy({})).toBe(403)
    expect(await copy({ 'x-amz-tagging-directive': 'REPLACE' })).toBe(200)
    await as(root, 'DELETE', '/bucket', { query })
  })

  test('the body is read before the decision only when a condition asks for it', async () => {
    const broken = (who: Credential): Promise<RawResponse> =>
      as(who, 'PUT', '/bucket/bare', {
        query: [['tagging', '']],
        headers: { 'content-md5': createHash('md5').update('<').digest('base64') },
        body: [Buffer.from('<')],
      })
    expect((await broken(painter)).code).toBe('MalformedXML')
    expect((await broken(plain)).code).toBe('AccessDenied')
    expect((await broken(opened)).code).toBe('AccessDenied')
    expect((await broken(tagger)).code).toBe('MalformedXML')
  })
})
