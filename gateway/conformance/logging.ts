/** Access logs of buckets: their setting. What is written: bucket-logs.test.ts. */

import assert from 'node:assert/strict'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  GetBucketLoggingCommand,
  PutBucketLoggingCommand,
  type LoggingEnabled,
} from '@aws-sdk/client-s3'
import { putSetting } from './settings.ts'
import { expectRefused, fails, type ConformanceCase } from './world.ts'

const enabled = (content: string): string =>
  `<BucketLoggingStatus><LoggingEnabled>${content}</LoggingEnabled></BucketLoggingStatus>`
const GRANT =
  '<TargetGrants><Grant><Grantee><ID>x</ID></Grantee><Permission>READ</Permission></Grant></TargetGrants>'

export const LOGGING_CASES: readonly ConformanceCase[] = [
  {
    name: 'the setting of an access log is stored until it is turned off',
    async run({ s3, bucket: Bucket }) {
      const get = async (): Promise<LoggingEnabled | undefined> =>
        (await s3.send(new GetBucketLoggingCommand({ Bucket }))).LoggingEnabled
      const put = (LoggingEnabled?: LoggingEnabled) =>
        s3.send(
          new PutBucketLoggingCommand({
            Bucket,
            BucketLoggingStatus: LoggingEnabled === undefined ? {} : { LoggingEnabled },
          }),
        )
      assert.equal(await get(), undefined)
      const TargetBucket = `${Bucket}-logs`
      await s3.send(new CreateBucketCommand({ Bucket: TargetBucket }))
      const PartitionedPrefix = { PartitionDateSource: 'DeliveryTime' } as const
      const settings: readonly LoggingEnabled[] = [
        { TargetBucket, TargetPrefix: 'a&b/' },
        { TargetBucket, TargetPrefix: '', TargetObjectKeyFormat: { PartitionedPrefix } },
        { TargetBucket: Bucket, TargetPrefix: 'own/', TargetObjectKeyFormat: { SimplePrefix: {} } },
      ]
      for (const setting of settings) {
        await put(setting)
        const { TargetPrefix = '', ...found } = (await get()) ?? {}
        assert.deepEqual({ TargetPrefix, ...found }, setting)
      }
      await put()
      assert.equal(await get(), undefined)
      await s3.send(new DeleteBucketCommand({ Bucket: TargetBucket }))
      await fails(put({ TargetBucket, TargetPrefix: '' }), 400, 'InvalidTargetBucketForLogging')
    },
  },
  {
    name: 'settings of an access log that are not valid are refused',
    async run(world) {
      const { bucket } = world
      const target = `<TargetBucket>${bucket}</TargetBucket>`
      const prefix = '<TargetPrefix/>'
      const format = (text: string): string =>
        `${target}${prefix}<TargetObjectKeyFormat>${text}</TargetObjectKeyFormat>`
      const source = (text: string): string =>
        `<PartitionedPrefix><PartitionDateSource>${text}</PartitionDateSource></PartitionedPrefix>`
      for (const [content, status, code] of [
        [target, 400, 'MalformedXML'],
        [prefix, 400, 'MalformedXML'],
        [`${target}${prefix}<Odd/>`, 400, 'MalformedXML'],
        [format(''), 400, 'MalformedXML'],
        [format('<SimplePrefix/><SimplePrefix/>'), 400, 'MalformedXML'],
        [format(source('Never')), 400, 'MalformedXML'],
        [`${target}<TargetPrefix>${'x'.repeat(801)}</TargetPrefix>`, 400, 'InvalidArgument'],
        [
          `<TargetBucket>${bucket}-none</TargetBucket>${prefix}`,
          400,
          'InvalidTargetBucketForLogging',
        ],
        [`<TargetBucket>Not a name</TargetBucket>${prefix}`, 400, 'InvalidTargetBucketForLogging'],
        [target + prefix + GRANT, 400, 'InvalidArgument'],
      ] as const) {
        expectRefused(await putSetting(world, 'logging', enabled(content)), status, code)
      }
      expectRefused(await putSetting(world, 'logging', '<LoggingEnabled/>'), 400, 'MalformedXML')
    },
  },
]
