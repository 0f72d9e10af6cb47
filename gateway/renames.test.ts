/** The rights that RenameObject needs on both keys, over HTTP. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Credential } from './port/identity.ts'
import { send, user } from './testing/callers.ts'
import { startGateway, type TestGateway } from './testing/gateway.ts'
import { may } from './testing/permission-world.ts'
import { EXAMPLE_CREDENTIAL } from './testing/requests.ts'

const BUCKET = 'arn:aws:s3:::bucket'
const SOURCE = ['s3:GetObject', 's3:DeleteObject']
const target = may('s3:PutObject', `${BUCKET}/new`)
const source = may(SOURCE, `${BUCKET}/old`)
const CALLERS = {
  all: user('all', [target, source]),
  lister: user('lister', [target, source, may('s3:ListBucket', BUCKET)]),
  noTarget: user('notarget', [source, may('s3:PutObject', `${BUCKET}/old`)]),
  noGet: user('noget', [target, may('s3:DeleteObject', `${BUCKET}/old`)]),
  noDelete: user('nodelete', [target, may('s3:GetObject', `${BUCKET}/old`)]),
  tagged: user('tagged', [
    target,
    may('s3:DeleteObject', `${BUCKET}/old`),
    may('s3:GetObject', `${BUCKET}/old`, {
      Condition: { StringEquals: { 's3:ExistingObjectTag/a': 'open' } },
    }),
  ]),
  creator: user('creator', [
    source,
    may('s3:PutObject', `${BUCKET}/new`, {
      Condition: { Bool: { 's3:ObjectCreationOperation': 'true' } },
    }),
  ]),
}

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startGateway({ credentials: [EXAMPLE_CREDENTIAL, ...Object.values(CALLERS)] })
})
afterAll(() => gateway.close())

async function store(tags = ''): Promise<void> {
  const headers: Record<string, string> = tags === '' ? {} : { 'x-amz-tagging': tags }
  await send(gateway.target, EXAMPLE_CREDENTIAL, { method: 'PUT', path: '/bucket' })
  const put = { method: 'PUT', path: '/bucket/old', headers, body: [Buffer.from('x')] } as const
  expect((await send(gateway.target, EXAMPLE_CREDENTIAL, put)).status).toBe(200)
}

async function rename(caller: Credential, from = 'old'): Promise<string> {
  const { status, code } = await send(gateway.target, caller, {
    method: 'PUT',
    path: '/bucket/new',
    query: [['renameObject', '']],
    headers: { 'x-amz-rename-source': `bucket/${from}` },
  })
  return code === undefined ? String(status) : `${status} ${code}`
}

test('a rename needs the rights to put the new key, and to get and delete the old one', async () => {
  await store()
  for (const caller of [CALLERS.noTarget, CALLERS.noGet, CALLERS.noDelete, CALLERS.tagged]) {
    expect(await rename(caller)).toBe('403 AccessDenied')
  }
  expect(await rename(CALLERS.all)).toBe('200')
  await store('a=open')
  expect(await rename(CALLERS.tagged)).toBe('200')
  await store()
  expect(await rename(CALLERS.creator)).toBe('200')
})

test('only who may list the bucket is told that the source is not there', async () => {
  await send(gateway.target, EXAMPLE_CREDENTIAL, { method: 'DELETE', path: '/bucket/old' })
  expect(await rename(CALLERS.all)).toBe('403 AccessDenied')
  expect(await rename(CALLERS.lister)).toBe('404 NoSuchKey')
  expect(await rename(CALLERS.lister, 'other')).toBe('403 AccessDenied')
})
