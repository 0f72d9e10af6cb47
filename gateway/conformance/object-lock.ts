/** Object lock: of buckets, retention, legal hold, what they keep from happening, and what passes over them. */

import assert from 'node:assert/strict'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectLegalHoldCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  UploadPartCommand,
  type DefaultRetention,
  type ObjectLockRetention,
  type ObjectLockRetentionMode,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3'
import { locked, md5OfText, sendDocument } from './locked-bucket.ts'
import { setVersioning } from './versions.ts'
import {
  expectRefused,
  fails,
  NO_VERSION,
  type ConformanceCase,
  type ConformanceWorld,
} from './world.ts'

const DAY_MS = 24 * 3_600_000
const later = (ms: number): Date => new Date(Date.now() + ms)

async function putVersion(
  { s3, bucket: Bucket }: ConformanceWorld,
  more: Partial<PutObjectCommandInput> = {},
): Promise<string> {
  const { VersionId } = await s3.send(
    new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...more }),
  )
  assert(VersionId)
  return VersionId
}

function retain(
  { s3, bucket: Bucket }: ConformanceWorld,
  VersionId: string | undefined,
  Mode: ObjectLockRetentionMode | undefined,
  forMs = DAY_MS,
  more: object = {},
) {
  const Retention = Mode === undefined ? {} : { Mode, RetainUntilDate: later(forMs) }
  return s3.send(new PutObjectRetentionCommand({ Bucket, Key: 'k', VersionId, Retention, ...more }))
}

async function retentionOf(
  { s3, bucket: Bucket }: ConformanceWorld,
  VersionId?: string,
): Promise<ObjectLockRetention | undefined> {
  const answer = await s3.send(new GetObjectRetentionCommand({ Bucket, Key: 'k', VersionId }))
  return answer.Retention
}

function hold({ s3, bucket: Bucket }: ConformanceWorld, VersionId: string, Status: 'ON' | 'OFF') {
  const LegalHold = { Status }
  return s3.send(new PutObjectLegalHoldCommand({ Bucket, Key: 'k', VersionId, LegalHold }))
}

async function holdOf({ s3, bucket: Bucket }: ConformanceWorld, VersionId: string) {
  const answer = await s3.send(new GetObjectLegalHoldCommand({ Bucket, Key: 'k', VersionId }))
  return answer.LegalHold?.Status
}

function remove({ s3, bucket: Bucket }: ConformanceWorld, VersionId: string, bypass?: boolean) {
  const BypassGovernanceRetention = bypass
  return s3.send(
    new DeleteObjectCommand({ Bucket, Key: 'k', VersionId, BypassGovernanceRetention }),
  )
}

function setDefault(
  { s3, bucket: Bucket }: ConformanceWorld,
  retention: DefaultRetention | undefined,
) {
  const Rule = retention && { DefaultRetention: retention }
  const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled' as const, Rule }
  return s3.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }))
}

const bypassed = { BypassGovernanceRetention: true }

export const OBJECT_LOCK_CASES: readonly ConformanceCase[] = [
  {
    name: 'a bucket gets object lock for good, and only with versioning',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const get = () => s3.send(new GetObjectLockConfigurationCommand({ Bucket }))
      await fails(get(), 404, 'ObjectLockConfigurationNotFoundError')
      await fails(setDefault(world, undefined), 409, 'InvalidBucketState')
      await setVersioning(world, 'Suspended')
      await fails(setDefault(world, undefined), 409, 'InvalidBucketState')
      await setVersioning(world, 'Enabled')
      await setDefault(world, undefined)
      assert.deepEqual((await get()).ObjectLockConfiguration, { ObjectLockEnabled: 'Enabled' })
      await fails(setVersioning(world, 'Suspended'), 409, 'InvalidBucketState')
      await setVersioning(world, 'Enabled')
      for (const DefaultRetention of [
        { Mode: 'GOVERNANCE', Days: 36_500 },
        { Mode: 'COMPLIANCE', Years: 100 },
      ] as const) {
        await setDefault(world, DefaultRetention)
        assert.deepEqual((await get()).ObjectLockConfiguration?.Rule, { DefaultRetention })
      }
      await setDefault(world, undefined)
      assert.equal((await get()).ObjectLockConfiguration?.Rule, undefined)
    },
  },
  locked('a bucket that begins with object lock has versioning', async (world) => {
    const { s3, bucket: Bucket } = world
    const found = await s3.send(new GetObjectLockConfigurationCommand({ Bucket }))
    assert.deepEqual(found.ObjectLockConfiguration, { ObjectLockEnabled: 'Enabled' })
    const versioning = await s3.send(new GetBucketVersioningCommand({ Bucket }))
    assert.equal(versioning.Status, 'Enabled')
    await fails(setVersioning(world, 'Suspended'), 409, 'InvalidBucketState')
  }),
  locked('documents of object lock are parsed strictly', async (world) => {
    const setting = (content: string) =>
      sendDocument(
        world,
        '',
        'object-lock',
        `<ObjectLockConfiguration>${content}</ObjectLockConfiguration>`,
      )
    const on = '<ObjectLockEnabled>Enabled</ObjectLockEnabled>'
    const rule = (content: string) =>
      setting(`${on}<Rule><DefaultRetention>${content}</DefaultRetention></Rule>`)
    const mode = '<Mode>GOVERNANCE</Mode>'
    for (const answer of [
      setting(''),
      setting('<ObjectLockEnabled>Disabled</ObjectLockEnabled>'),
      setting(`${on}<Rule/>`),
      setting(`${on}<Other/>`),
      rule(mode),
      rule('<Days>1</Days>'),
      rule(`${mode}<Days>1</Days><Years>1</Years>`),
      rule(`${mode}<Days>x</Days>`),
      rule('<Mode>governance</Mode><Days>1</Days>'),
      sendDocument(world, '', 'object-lock', '<Other/>'),
    ]) {
      expectRefused(await answer, 400, 'MalformedXML')
    }
    for (const period of [
      '<Days>0</Days>',
      '<Years>-1</Years>',
      '<Days>36501</Days>',
      '<Years>101</Years>',
    ]) {
      expectRefused(await rule(mode + period), 400, 'InvalidArgument')
    }
    const id = await putVersion(world)
    const date = later(DAY_MS).toISOString()
    const retention = (content: string) =>
      sendDocument(world, 'k', 'retention', `<Retention>${content}</Retention>`)
    for (const content of [
      mode,
      `<RetainUntilDate>${date}</RetainUntilDate>`,
      `${mode}<RetainUntilDate>tomorrow</RetainUntilDate>`,
      `<Mode>abc</Mode><RetainUntilDate>${date}</RetainUntilDate>`,
      `${mode}<RetainUntilDate>${date}</RetainUntilDate><Other/>`,
    ]) {
      expectRefused(await retention(content), 400, 'MalformedXML')
    }
    expectRefused(
      await retention(`${mode}<RetainUntilDate>2020-01-01T00:00:00Z</RetainUntilDate>`),
      400,
      'InvalidArgument',
    )
    for (const content of ['', '<Status>on</Status>', '<Status>ON</Status><Status>ON</Status>']) {
      const text = `<LegalHold>${content}</LegalHold>`
      expectRefused(await sendDocument(world, 'k', 'legal-hold', text), 400, 'MalformedXML')
    }
    for (const name of ['retention', 'legal-hold']) {
      expectRefused(await sendDocument(world, 'k', name, ''), 400, 'MissingRequestBodyError')
      const text =
        name === 'retention' ? '<Retention/>' : '<LegalHold><Status>ON</Status></LegalHold>'
      // As in AWS, a digest is required.
      const undigested = { method: 'PUT', path: `/${world.bucket}/k`, body: [Buffer.from(text)] }
      expectRefused(await world.raw({ ...undigested, query: [[name, '']] }), 400, 'InvalidRequest')
    }
    await fails(retentionOf(world, id), 404, 'NoSuchObjectLockConfiguration')
    await fails(holdOf(world, id), 404, 'NoSuchObjectLockConfiguration')
  }),
  {
    name: 'without object lock of the bucket nothing is locked',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await setVersioning(world, 'Enabled')
      const id = await putVersion(world)
      for (const sent of [
        () => retain(world, id, 'GOVERNANCE'),
        () => retentionOf(world, id),
        () => hold(world, id, 'ON'),
        () => holdOf(world, id),
        () => putVersion(world, { ObjectLockLegalHoldStatus: 'ON' }),
        () =>
          s3.send(
            new CreateMultipartUploadCommand({
              Bucket,
              Key: 'k',
              ObjectLockLegalHoldStatus: 'OFF',
            }),
          ),
      ]) {
        await fails(sent(), 400, 'InvalidRequest')
      }
      await fails(remove(world, id, true), 400, 'InvalidArgument')
      await remove(world, id)
    },
  },
  locked('governance mode is passed over only by those who ask for it', async (world) => {
    const { s3, bucket: Bucket } = world
    const id = await putVersion(world)
    await retain(world, id, 'GOVERNANCE', DAY_MS)
    assert.equal((await retentionOf(world, id))?.Mode, 'GOVERNANCE')
    await fails(remove(world, id), 403, 'AccessDenied')
    await fails(remove(world, id, false), 403, 'AccessDenied')
    await fails(retain(world, id, 'GOVERNANCE', DAY_MS / 2), 403, 'AccessDenied')
    await fails(retain(world, id, 'COMPLIANCE', 2 * DAY_MS), 403, 'AccessDenied')
    await fails(retain(world, id, undefined), 403, 'AccessDenied')
    await retain(world, id, 'GOVERNANCE', 2 * DAY_MS)
    await retain(world, id, 'GOVERNANCE', DAY_MS, bypassed)
    await retain(world, undefined, undefined, 0, bypassed)
    await fails(retentionOf(world, id), 404, 'NoSuchObjectLockConfiguration')
    await retain(world, id, 'GOVERNANCE')
    const Delete = { Objects: [{ Key: 'k', VersionId: id }, { Key: 'other' }] }
    const refused = await s3.send(new DeleteObjectsCommand({ Bucket, Delete }))
    assert.deepEqual(
      refused.Errors?.map(({ Code, VersionId }) => [Code, VersionId]),
      [['AccessDenied', id]],
    )
    assert.equal(refused.Deleted?.[0]?.Key, 'other')
    const done = await s3.send(new DeleteObjectsCommand({ Bucket, Delete, ...bypassed }))
    assert.equal(done.Errors, undefined)
    await fails(retentionOf(world, id), 404, 'NoSuchVersion')
  }),
  locked('compliance mode is passed over by nobody, until it ends', async (world) => {
    const id = await putVersion(world)
    await retain(world, id, 'COMPLIANCE', 4_000)
    await fails(retain(world, id, 'COMPLIANCE', 500, bypassed), 403, 'AccessDenied')
    await fails(retain(world, id, 'GOVERNANCE', DAY_MS, bypassed), 403, 'AccessDenied')
    await fails(retain(world, id, undefined, 0, bypassed), 403, 'AccessDenied')
    await fails(remove(world, id, true), 403, 'AccessDenied')
    const short = await putVersion(world, {
      ObjectLockMode: 'COMPLIANCE',
      ObjectLockRetainUntilDate: later(1_500),
    })
    // Ended, it is still shown, and may be changed or removed.
    for (;;) {
      const removed = await remove(world, short).catch((error: Error) => error.name)
      if (removed !== 'AccessDenied') break
    }
    await fails(retentionOf(world, short), 404, 'NoSuchVersion')
    assert.equal((await retentionOf(world, id))?.Mode, 'COMPLIANCE')
  }),
  locked('a legal hold ends only when it is lifted', async (world) => {
    const id = await putVersion(world, { ObjectLockLegalHoldStatus: 'ON' })
    assert.equal(await holdOf(world, id), 'ON')
    await fails(remove(world, id, true), 403, 'AccessDenied')
    await retain(world, id, 'GOVERNANCE')
    await retain(world, id, undefined, 0, bypassed)
    assert.equal(await holdOf(world, id), 'ON')
    await hold(world, id, 'OFF')
    assert.equal(await holdOf(world, id), 'OFF')
    await hold(world, id, 'ON')
    await hold(world, id, 'OFF')
    await remove(world, id)
  }),
  locked('what is written beside a locked version leaves it as it is', async (world) => {
    const { s3, bucket: Bucket } = world
    const id = await putVersion(world, { Body: 'kept', ObjectLockLegalHoldStatus: 'ON' })
    for (let i = 0; i < 20; i++) await putVersion(world)
    const { VersionId: marker = '' } = await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
    await fails(retain(world, marker, 'GOVERNANCE'), 405, 'MethodNotAllowed')
    await fails(hold(world, marker, 'ON'), 405, 'MethodNotAllowed')
    await fails(retentionOf(world), 404, 'NoSuchKey')
    await fails(retain(world, NO_VERSION, 'GOVERNANCE'), 404, 'NoSuchVersion')
    // A copy has no lock of its own.
    const CopySource = `${Bucket}/k?versionId=${id}`
    const copy = await s3.send(new CopyObjectCommand({ Bucket, Key: 'k', CopySource }))
    await fails(holdOf(world, copy.VersionId ?? ''), 404, 'NoSuchObjectLockConfiguration')
    const found = await s3.send(new GetObjectCommand({ Bucket, Key: 'k', VersionId: id }))
    assert.equal(await found.Body?.transformToString(), 'kept')
    assert.equal(found.ObjectLockLegalHoldStatus, 'ON')
    await fails(remove(world, id), 403, 'AccessDenied')
  }),
  locked('headers lock what is put, copied and uploaded', async (world) => {
    const { s3, bucket: Bucket } = world
    const until = later(DAY_MS)
    const lock = {
      ObjectLockMode: 'GOVERNANCE',
      ObjectLockRetainUntilDate: until,
      ObjectLockLegalHoldStatus: 'OFF',
    } as const
    const expectLocked = async (Key: string): Promise<void> => {
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key }))
      assert.deepEqual(
        [head.ObjectLockMode, head.ObjectLockRetainUntilDate, head.ObjectLockLegalHoldStatus],
        ['GOVERNANCE', until, 'OFF'],
      )
    }
    until.setMilliseconds(0)
    await putVersion(world, lock)
    await expectLocked('k')
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'c', CopySource: `${Bucket}/k`, ...lock }))
    await expectLocked('c')
    const Key = 'u'
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ...lock }))
    const part = { Bucket, Key, UploadId, PartNumber: 1 }
    const query = [
      ['partNumber', '1'],
      ['uploadId', UploadId ?? ''],
    ] as const
    const undigested = { method: 'PUT', path: `/${Bucket}/u`, query, body: [Buffer.from('x')] }
    expectRefused(await world.raw(undigested), 400, 'InvalidRequest')
    const { ETag } = await s3.send(new UploadPartCommand({ ...part, Body: 'x' }))
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
    await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload }))
    await expectLocked('u')
  }),
  locked('headers of object lock are parsed strictly, and want a digest', async (world) => {
    const date = later(DAY_MS).toISOString()
    const put = (headers: Record<string, string>) =>
      world.raw({ method: 'PUT', path: `/${world.bucket}/k`, headers, body: [Buffer.from('x')] })
    const [mode, until, hold] = ['mode', 'retain-until-date', 'legal-hold'].map(
      (name) => `x-amz-object-lock-${name}`,
    ) as [string, string, string]
    for (const headers of [
      { [mode]: 'GOVERNANCE' },
      { [until]: date },
      { [mode]: 'governance', [until]: date },
      { [mode]: 'GOVERNANCE', [until]: 'tomorrow' },
      { [mode]: 'GOVERNANCE', [until]: '2030-02-30T00:00:00Z' },
      { [mode]: 'GOVERNANCE', [until]: later(-1_000).toISOString() },
      { [hold]: 'on' },
    ]) {
      expectRefused(await put(headers), 400, 'InvalidArgument')
    }
    expectRefused(await put({ [hold]: 'ON' }), 400, 'InvalidRequest')
    const md5 = { 'content-md5': 'nd0TQZeTTfg8nF86cwI4vA==' }
    expectRefused(await put({ [hold]: 'ON', ...md5 }), 400, 'BadDigest')
    assert.equal((await put({ [hold]: 'ON', 'content-md5': md5OfText('x') })).status, 200)
    // The default retention of the bucket counts too.
    assert.equal((await put({})).status, 200)
    await setDefault(world, { Mode: 'GOVERNANCE', Days: 1 })
    expectRefused(await put({}), 400, 'InvalidRequest')
  }),
  locked('the default retention is given to what is written after it', async (world) => {
    const { s3, bucket: Bucket } = world
    const before = await putVersion(world)
    await setDefault(world, { Mode: 'GOVERNANCE', Days: 2 })
    const id = await putVersion(world, { ObjectLockLegalHoldStatus: 'ON' })
    await fails(retentionOf(world, before), 404, 'NoSuchObjectLockConfiguration')
    const { Mode, RetainUntilDate } = (await retentionOf(world, id)) ?? {}
    assert.equal(Mode, 'GOVERNANCE')
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'k', VersionId: id }))
    const lengthMs = Number(RetainUntilDate) - Number(head.LastModified)
    assert(Math.abs(lengthMs - 2 * DAY_MS) < 60_000, `${lengthMs} ms`)
    assert.equal(head.ObjectLockLegalHoldStatus, 'ON')
    const shorter = await putVersion(world, {
      ObjectLockMode: 'COMPLIANCE',
      ObjectLockRetainUntilDate: later(1_000),
    })
    assert.equal((await retentionOf(world, shorter))?.Mode, 'COMPLIANCE')
    // Years have 365 days.
    await setDefault(world, { Mode: 'GOVERNANCE', Years: 1 })
    const CopySource = `${Bucket}/k?versionId=${before}`
    const copy = await s3.send(new CopyObjectCommand({ Bucket, Key: 'k', CopySource }))
    const copied = await retentionOf(world, copy.VersionId)
    const yearMs = Number(copied?.RetainUntilDate) - Date.now()
    assert(Math.abs(yearMs - 365 * DAY_MS) < 60_000, `${yearMs} ms`)
    const marker = await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: marker.VersionId }))
    await setDefault(world, undefined)
  }),
]
