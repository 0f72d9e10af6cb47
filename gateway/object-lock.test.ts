/** Rights to locks over HTTP: in headers, in documents, by conditions, to pass over governance mode, and to see a lock. */

import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Credential } from './port/identity.ts'
import type { RawResponse } from './conformance/world.ts'
import { send, user, type Sent } from './testing/callers.ts'
import { startGateway, type TestGateway } from './testing/gateway.ts'
import { BUCKET_OBJECTS, may } from './testing/permission-world.ts'
import { EXAMPLE_CREDENTIAL } from './testing/requests.ts'

const root = EXAMPLE_CREDENTIAL
const DAY_MS = 24 * 3_600_000
const PUTS = ['s3:PutObject', 's3:GetObject', 's3:GetObjectVersion', 's3:DeleteObjectVersion']
const BOTH = ['s3:PutObjectRetention', 's3:PutObjectLegalHold']
const when = (operator: string, name: string, value: string): object => ({
  Condition: { [operator]: { [`s3:object-lock-${name}`]: value } },
})

const CALLERS = {
  plain: user('plain', [may(PUTS, BUCKET_OBJECTS)]),
  retainer: user('retainer', [may([...PUTS, 's3:PutObjectRetention'], BUCKET_OBJECTS)]),
  holder: user('holder', [may([...PUTS, 's3:PutObjectLegalHold'], BUCKET_OBJECTS)]),
  passer: user('passer', [may([...PUTS, ...BOTH, 's3:BypassGovernanceRetention'], BUCKET_OBJECTS)]),
  seer: user('seer', [may([...PUTS, 's3:GetObjectRetention'], BUCKET_OBJECTS)]),
  governor: user('governor', [
    may(PUTS, BUCKET_OBJECTS),
    may(BOTH, BUCKET_OBJECTS, when('StringEquals', 'mode', 'GOVERNANCE')),
  ]),
  brief: user('brief', [
    may([...PUTS, ...BOTH], BUCKET_OBJECTS),
    {
      ...may([...PUTS, ...BOTH], BUCKET_OBJECTS),
      Effect: 'Deny',
      ...when('NumericGreaterThan', 'remaining-retention-days', '10'),
    },
  ]),
  onlyOn: user('onlyon', [
    may(PUTS, BUCKET_OBJECTS),
    may(BOTH, BUCKET_OBJECTS, when('StringEquals', 'legal-hold', 'ON')),
  ]),
  until: user('until', [
    may(
      [...PUTS, ...BOTH],
      BUCKET_OBJECTS,
      when('DateLessThan', 'retain-until-date', '2090-01-01T00:00:00Z'),
    ),
  ]),
  creator: user('creator', [may('s3:CreateBucket', '*')]),
  versioner: user('versioner', [may(['s3:CreateBucket', 's3:PutBucketVersioning'], '*')]),
  locker: user('locker', [
    may(['s3:CreateBucket', 's3:PutBucketVersioning', 's3:PutBucketObjectLockConfiguration'], '*'),
  ]),
}

let gateway: TestGateway

beforeAll(async () => {
  gateway = await startGateway({ credentials: [root, ...Object.values(CALLERS)] })
  const headers = { 'x-amz-bucket-object-lock-enabled': 'TRUE' }
  expect(await status(as(root, 'PUT', '/bucket', { headers }))).toBe(200)
})
afterAll(() => gateway.close())

function as(
  who: Credential,
  method: string,
  path: string,
  more: Partial<Sent> = {},
): Promise<RawResponse> {
  return send(gateway.target, who, { method, path, ...more })
}

const status = (answer: Promise<RawResponse>): Promise<number> => answer.then((each) => each.status)
const md5 = (text: string): string => createHash('md5').update(text).digest('base64')
const after = (days: number): string => new Date(Date.now() + days * DAY_MS).toISOString()

function put(who: Credential, lock: Readonly<Record<string, string>> = {}): Promise<RawResponse> {
  const headers: Record<string, string> = { 'content-md5': md5('x') }
  for (const name in lock) headers[`x-amz-object-lock-${name}`] = lock[name] ?? ''
  return as(who, 'PUT', '/bucket/key', { headers, body: [Buffer.from('x')] })
}

const retained = (days: number, mode = 'GOVERNANCE') => ({
  mode,
  'retain-until-date': after(days),
})

function change(
  who: Credential,
  name: string,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<number> {
  return status(
    as(who, 'PUT', '/bucket/key', {
      query: [[name, '']],
      headers: { 'content-md5': md5(text), ...headers },
      body: [Buffer.from(text)],
    }),
  )
}

function retain(who: Credential, days: number, mode = 'GOVERNANCE', headers = {}): Promise<number> {
  const text = `<Retention><Mode>${mode}</Mode><RetainUntilDate>${after(days)}</RetainUntilDate></Retention>`
  return change(who, 'retention', text, headers)
}

const hold = (who: Credential, on: string): Promise<number> =>
  change(who, 'legal-hold', `<LegalHold><Status>${on}</Status></LegalHold>`)

const { plain, retainer, holder, passer, seer, governor, brief, onlyOn, until } = CALLERS
const BYPASS = { 'x-amz-bypass-governance-retention': 'true' }

test('a lock in headers needs the right to each part of it', async () => {
  const of = async (lock: Readonly<Record<string, string>>): Promise<number[]> => {
    const found: number[] = []
    for (const who of [plain, retainer, holder, passer]) found.push(await status(put(who, lock)))
    return found
  }
  expect(await of(retained(1))).toEqual([403, 200, 403, 200])
  expect(await of({ 'legal-hold': 'ON' })).toEqual([403, 403, 200, 200])
  expect(await of({ 'legal-hold': 'OFF' })).toEqual([403, 403, 200, 200])
  expect(await of({ ...retained(1), 'legal-hold': 'ON' })).toEqual([403, 403, 403, 200])
  expect(await of({})).toEqual([200, 200, 200, 200])
})

test('governance mode is passed over only with the right to it', async () => {
  const { headers } = await put(root, retained(5))
  const query = [['versionId', headers['x-amz-version-id'] ?? '']] as const
  const remove = (who: Credential, more: Readonly<Record<string, string>>): Promise<number> =>
    status(as(who, 'DELETE', '/bucket/key', { query, headers: more }))
  expect(await retain(retainer, 2)).toBe(403)
  expect(await retain(retainer, 2, 'GOVERNANCE', BYPASS)).toBe(403)
  expect(await retain(passer, 2)).toBe(403)
  expect(await retain(passer, 2, 'GOVERNANCE', BYPASS)).toBe(200)
  expect(await remove(retainer, {})).toBe(403)
  expect(await remove(retainer, BYPASS)).toBe(403)
  expect(await remove(passer, {})).toBe(403)
  const text = `<Delete><Object><Key>key</Key><VersionId>${query[0][1]}</VersionId></Object></Delete>`
  const list = async (who: Credential, more: object): Promise<string> => {
    const sent = { headers: { 'content-md5': md5(text), ...more }, body: [Buffer.from(text)] }
    return (await as(who, 'POST', '/bucket', { query: [['delete', '']], ...sent })).text
  }
  expect(await list(retainer, BYPASS)).toContain('AccessDenied')
  expect(await list(passer, {})).toContain('AccessDenied')
  expect(await list(passer, BYPASS)).not.toContain('<Error>')
})

test('a lock is shown only to those who may see it', async () => {
  await put(root, { ...retained(1), 'legal-hold': 'ON' })
  const shown = async (who: Credential): Promise<(string | undefined)[]> => {
    const { headers } = await as(who, 'HEAD', '/bucket/key')
    return ['mode', 'legal-hold'].map((name) => headers[`x-amz-object-lock-${name}`])
  }
  expect(await shown(root)).toEqual(['GOVERNANCE', 'ON'])
  expect(await shown(seer)).toEqual(['GOVERNANCE', undefined])
  expect(await shown(plain)).toEqual([undefined, undefined])
  const get = (who: Credential, name: string): Promise<number> =>
    status(as(who, 'GET', '/bucket/key', { query: [[name, '']] }))
  expect([await get(seer, 'retention'), await get(plain, 'retention')]).toEqual([200, 403])
  expect([await get(seer, 'legal-hold'), await get(root, 'legal-hold')]).toEqual([403, 200])
})

test('conditions see the lock that headers and documents ask for', async () => {
  expect(await status(put(governor, retained(1)))).toBe(200)
  expect(await status(put(governor, retained(1, 'COMPLIANCE')))).toBe(403)
  expect(await retain(governor, 2)).toBe(200)
  expect(await retain(governor, 2, 'COMPLIANCE')).toBe(403)
  // What a header says means nothing where a document counts.
  const faked = { 'x-amz-object-lock-mode': 'GOVERNANCE' }
  expect(await retain(governor, 2, 'COMPLIANCE', faked)).toBe(403)
  expect(await status(put(brief, retained(10)))).toBe(200)
  expect(await status(put(brief, retained(11)))).toBe(403)
  expect(await retain(brief, 11)).toBe(403)
  expect(await status(put(onlyOn, { 'legal-hold': 'ON' }))).toBe(200)
  expect(await status(put(onlyOn, { 'legal-hold': 'OFF' }))).toBe(403)
  expect([await hold(onlyOn, 'OFF'), await hold(onlyOn, 'ON')]).toEqual([403, 200])
  expect(await status(put(until, retained(1)))).toBe(200)
  expect(
    await status(put(until, { mode: 'GOVERNANCE', 'retain-until-date': '2090-06-01T00:00:00Z' })),
  ).toBe(403)
  expect(await status(put(until))).toBe(403)
})

test('a new bucket with object lock needs the rights to it and to versioning', async () => {
  const create = (who: Credential, name: string, value: string): Promise<number> =>
    status(as(who, 'PUT', `/${name}`, { headers: { 'x-amz-bucket-object-lock-enabled': value } }))
  expect(await create(CALLERS.creator, 'first', 'true')).toBe(403)
  expect(await create(CALLERS.versioner, 'first', 'true')).toBe(403)
  expect(await create(CALLERS.creator, 'first', 'false')).toBe(200)
  expect(await create(CALLERS.locker, 'second', 'true')).toBe(200)
  // A bucket without object lock is not taken for one with it.
  expect(await create(CALLERS.locker, 'first', 'true')).toBe(409)
})
