/** The lifecycle of a bucket: what is stored, what is refused, and what answers say of it. */

import assert from 'node:assert/strict'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteBucketLifecycleCommand,
  GetBucketLifecycleConfigurationCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { putSetting } from './settings.ts'
import { setVersioning } from './versions.ts'
import { expectRefused, fails, type ConformanceCase, type ConformanceWorld } from './world.ts'

/** The forms of rules, and of what is wrong with them. */
const abort =
  '<AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload>'
const good = `<Filter/><Status>Enabled</Status>${abort}`
const doing = (action: string): string => `<Filter/><Status>Enabled</Status>${action}`
const expiring = (inner: string): string => doing(`<Expiration>${inner}</Expiration>`)
const noncurrent = (inner: string): string =>
  doing(`<NoncurrentVersionExpiration>${inner}</NoncurrentVersionExpiration>`)
const tagged = '<Tag><Key>a</Key><Value>b</Value></Tag>'
const larger = '<ObjectSizeGreaterThan>5</ObjectSizeGreaterThan>'
const smaller = '<ObjectSizeLessThan>5</ObjectSizeLessThan>'
const markers = '<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>'
const in3 = '<NoncurrentDays>3</NoncurrentDays>'
const older = `<Prefix>a</Prefix><Status>Enabled</Status>${abort}`
const filter = (inner: string): string => good.replace('<Filter/>', `<Filter>${inner}</Filter>`)
const days = (text: string): string => good.replace('>3<', `>${text}<`)

const REFUSED: readonly (readonly [rules: string[], status: number, code: string])[] = [
  [[doing('<Transition><Days>1</Days></Transition>')], 501, 'NotImplemented'],
  [[doing('<NoncurrentVersionTransition/>')], 501, 'NotImplemented'],
  [[filter(tagged)], 400, 'InvalidRequest'],
  [[filter(larger)], 400, 'InvalidRequest'],
  [[expiring(markers).replace('<Filter/>', `<Filter>${tagged}</Filter>`)], 400, 'InvalidRequest'],
  [[filter(`${larger}<Prefix>a</Prefix>`)], 400, 'MalformedXML'],
  [[filter(`<And>${larger}${smaller}</And>`)], 400, 'InvalidRequest'],
  [[filter(`<And>${tagged}${tagged}</And>`)], 400, 'InvalidRequest'],
  [[filter('<Tag><Key/><Value>b</Value></Tag>')], 400, 'InvalidTag'],
  [[expiring('')], 400, 'MalformedXML'],
  [[expiring('<Days>0</Days>')], 400, 'InvalidArgument'],
  [[expiring(`<Days>1</Days>${markers}`)], 400, 'MalformedXML'],
  [[expiring('<Date>2030-01-01T00:00:01Z</Date>')], 400, 'InvalidArgument'],
  [[expiring('<Date>soon</Date>')], 400, 'MalformedXML'],
  [[noncurrent('')], 400, 'MalformedXML'],
  [[noncurrent('<NewerNoncurrentVersions>3</NewerNoncurrentVersions>')], 400, 'MalformedXML'],
  [[noncurrent('<NoncurrentDays>0</NoncurrentDays>')], 400, 'InvalidArgument'],
  [
    [noncurrent(`${in3}<NewerNoncurrentVersions>101</NewerNoncurrentVersions>`)],
    400,
    'InvalidArgument',
  ],
  [[good + '<Odd/>'], 400, 'MalformedXML'],
  [[filter('<Odd/>')], 400, 'MalformedXML'],
  [[`${older}<Filter/>`], 400, 'MalformedXML'],
  [[`<Status>Enabled</Status>${abort}`], 400, 'MalformedXML'],
  [[good.replace('Enabled', 'On')], 400, 'MalformedXML'],
  [[days('0')], 400, 'InvalidArgument'],
  [[days('-1')], 400, 'InvalidArgument'],
  [[days('1.5')], 400, 'InvalidArgument'],
  [[days('99999999999')], 400, 'InvalidArgument'],
  [['<Filter/><Status>Enabled</Status>'], 400, 'InvalidRequest'],
  [[`<ID>a</ID>${good}`, `<ID>a</ID>${good}`], 400, 'InvalidArgument'],
  [[`<ID>${'a'.repeat(256)}</ID>${good}`], 400, 'InvalidArgument'],
  [[filter(`<Prefix>${'a'.repeat(1025)}</Prefix>`)], 400, 'InvalidRequest'],
  [Array.from({ length: 1001 }, () => good), 400, 'InvalidRequest'],
  [[], 400, 'MalformedXML'],
]

export const LIFECYCLE_CASES: readonly ConformanceCase[] = [
  {
    name: 'lifecycle rules that abort uploads',
    async run({ s3, bucket: Bucket }) {
      const rules = [
        { ID: 'all', Filter: { Prefix: '' }, Status: 'Enabled' as const },
        { ID: 'some', Filter: { Prefix: 'a/ü&<' }, Status: 'Disabled' as const },
      ].map((rule, at) => ({
        ...rule,
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: at + 1 },
      }))
      const put = (Rules: typeof rules) =>
        new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } })
      await s3.send(put(rules))
      const get = new GetBucketLifecycleConfigurationCommand({ Bucket })
      const found = await s3.send(get)
      assert.deepEqual(found.Rules, rules)
      assert.equal(found.TransitionDefaultMinimumObjectSize, 'all_storage_classes_128K')
      await s3.send(put(rules.slice(1)))
      assert.deepEqual((await s3.send(get)).Rules, rules.slice(1))
      // Changing one setting leaves the others unchanged.
      await setVersioning({ s3, bucket: Bucket } as ConformanceWorld, 'Enabled')
      assert.deepEqual((await s3.send(get)).Rules, rules.slice(1))
      await s3.send(new DeleteBucketLifecycleCommand({ Bucket }))
      await fails(s3.send(get), 404, 'NoSuchLifecycleConfiguration')
    },
  },
  {
    name: 'lifecycle rules that let objects expire, and the headers that say when',
    async run({ s3, bucket: Bucket }) {
      const Status = 'Enabled' as const
      const Tags = [{ Key: 'k', Value: 'v' }]
      const rules = [
        { ID: 'logs & co', Filter: { Prefix: 'logs/' }, Status, Expiration: { Days: 30 } },
        { ID: 'soon', Filter: { Prefix: 'logs/' }, Status, Expiration: { Days: 3 } },
        {
          ID: 'both',
          Filter: { And: { Prefix: 'a/', Tags, ObjectSizeGreaterThan: 1, ObjectSizeLessThan: 9 } },
          Status,
          NoncurrentVersionExpiration: { NoncurrentDays: 2, NewerNoncurrentVersions: 5 },
        },
        {
          ID: 'markers',
          Filter: { Prefix: '' },
          Status,
          Expiration: { ExpiredObjectDeleteMarker: true },
          AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 },
        },
        {
          ID: 'dated',
          Filter: { ObjectSizeGreaterThan: 100 },
          Status,
          Expiration: { Date: new Date('2999-01-01T00:00:00Z') },
        },
      ]
      await s3.send(
        new PutBucketLifecycleConfigurationCommand({
          Bucket,
          LifecycleConfiguration: { Rules: rules },
        }),
      )
      const found = await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))
      assert.deepEqual(found.Rules, rules)
      const midnight = (from: Date, days: number): string =>
        new Date((Math.floor(from.getTime() / 86_400_000) + days + 1) * 86_400_000).toUTCString()
      const named = { Bucket, Key: 'logs/a' }
      const put = await s3.send(new PutObjectCommand({ ...named, Body: 'x' }))
      const head = await s3.send(new HeadObjectCommand(named))
      const expected = `expiry-date="${midnight(head.LastModified!, 3)}", rule-id="soon"`
      const copy = { Bucket, Key: 'logs/b', CopySource: `${Bucket}/logs/a` }
      const copied = await s3.send(new CopyObjectCommand(copy))
      const got = await s3.send(new GetObjectCommand(named))
      await got.Body?.transformToString()
      for (const { Expiration } of [put, head, copied, got]) assert.equal(Expiration, expected)
      const large = { Bucket, Key: 'large', Body: 'x'.repeat(101) }
      const dated = await s3.send(new PutObjectCommand(large))
      assert.equal(dated.Expiration, 'expiry-date="Tue, 01 Jan 2999 00:00:00 GMT", rule-id="dated"')
      const none = await s3.send(new PutObjectCommand({ Bucket, Key: 'small', Body: 'x' }))
      assert.equal(none.Expiration, undefined)
    },
  },
  {
    name: 'multipart uploads say when lifecycle rules abort them and let their objects expire',
    async run({ s3, bucket: Bucket }) {
      const Rules = [
        {
          ID: 'both',
          Filter: { Prefix: 'logs/' },
          Status: 'Enabled' as const,
          Expiration: { Days: 3 },
          AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 },
        },
      ]
      await s3.send(
        new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }),
      )
      const upload = { Bucket, Key: 'logs/u' }
      const { UploadId, AbortDate, AbortRuleId } = await s3.send(
        new CreateMultipartUploadCommand(upload),
      )
      assert.equal(AbortRuleId, 'both')
      const parts = await s3.send(new ListPartsCommand({ ...upload, UploadId }))
      assert.deepEqual([parts.AbortDate, parts.AbortRuleId], [AbortDate, 'both'])
      const part = { ...upload, UploadId, PartNumber: 1, Body: 'x' }
      const { ETag } = await s3.send(new UploadPartCommand(part))
      const completed = await s3.send(
        new CompleteMultipartUploadCommand({
          ...upload,
          UploadId,
          MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
        }),
      )
      assert.match(completed.Expiration ?? '', /rule-id="both"$/)
    },
  },
  {
    name: 'lifecycle rules that are refused change nothing',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const put = (...rules: string[]) =>
        putSetting(
          world,
          'lifecycle',
          `<LifecycleConfiguration>${rules.map((rule) => `<Rule>${rule}</Rule>`).join('')}</LifecycleConfiguration>`,
        )
      assert.equal((await put(good)).status, 200)
      const get = new GetBucketLifecycleConfigurationCommand({ Bucket })
      const { Rules } = await s3.send(get)
      assert(Rules?.[0]?.ID)
      for (const [rules, status, code] of REFUSED) expectRefused(await put(...rules), status, code)
      assert.deepEqual((await s3.send(get)).Rules, Rules)
      assert.equal((await put(older, good)).status, 200)
      assert.deepEqual(
        (await s3.send(get)).Rules?.map((rule) => rule.Filter?.Prefix),
        ['a', ''],
      )
    },
  },
]
