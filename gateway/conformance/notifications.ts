/** Notifications of buckets: what can be configured. Events themselves are in sim/scenarios/notifications.test.ts. */

import assert from 'node:assert/strict'
import {
  GetBucketNotificationConfigurationCommand,
  PutBucketNotificationConfigurationCommand,
  type NotificationConfiguration,
} from '@aws-sdk/client-s3'
import { expectRefused, fails, type ConformanceCase } from './world.ts'

const UNKNOWN = 'arn:shoal:sqs::no-such-webhook:webhook'

const queue = (QueueArn: string, event: string): NotificationConfiguration => ({
  QueueConfigurations: [{ QueueArn, Events: [event as 's3:ObjectCreated:*'] }],
})

export const NOTIFICATION_CASES: readonly ConformanceCase[] = [
  {
    name: 'a bucket has no notifications, and an empty configuration removes them',
    async run({ s3, bucket: Bucket }) {
      const get = new GetBucketNotificationConfigurationCommand({ Bucket })
      assert.equal((await s3.send(get)).QueueConfigurations, undefined)
      const put = { Bucket, NotificationConfiguration: {} }
      await s3.send(new PutBucketNotificationConfigurationCommand(put))
      assert.equal((await s3.send(get)).QueueConfigurations, undefined)
      const missing = { ...put, Bucket: `${Bucket}-none` }
      await fails(
        s3.send(new PutBucketNotificationConfigurationCommand(missing)),
        404,
        'NoSuchBucket',
      )
    },
  },
  {
    name: 'notifications to what is no webhook, and of what is no event, are refused and change nothing',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const put = (NotificationConfiguration: NotificationConfiguration, skip = false) =>
        s3.send(
          new PutBucketNotificationConfigurationCommand({
            Bucket,
            NotificationConfiguration,
            SkipDestinationValidation: skip,
          }),
        )
      for (const arn of [
        UNKNOWN,
        'arn:aws:sqs:us-east-1:123456789012:queue',
        'http://localhost/',
      ]) {
        const refused = await fails(put(queue(arn, 's3:ObjectCreated:*')), 400, 'InvalidArgument')
        assert.equal(refused.message, 'Unable to validate the following destination configurations')
        await fails(put(queue(arn, 's3:ObjectCreated:Put'), true), 400, 'InvalidArgument')
      }
      await fails(put(queue(UNKNOWN, 's3:ObjectCreated:Made')), 400, 'InvalidArgument')
      await fails(put(queue(UNKNOWN, 's3:Replication:*')), 501, 'NotImplemented')
      await fails(put({ EventBridgeConfiguration: {} }), 501, 'NotImplemented')
      const body = [Buffer.from('<NotificationConfiguration><Other/></NotificationConfiguration>')]
      const query: [string, string][] = [['notification', '']]
      expectRefused(
        await world.raw({ method: 'PUT', path: `/${Bucket}`, query, body }),
        400,
        'MalformedXML',
      )
      const get = new GetBucketNotificationConfigurationCommand({ Bucket })
      assert.equal((await s3.send(get)).QueueConfigurations, undefined)
    },
  },
]
