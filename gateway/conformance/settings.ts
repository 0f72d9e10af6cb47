/** Settings of a bucket: policy, public access block. Lifecycle: lifecycle.ts. */

import assert from 'node:assert/strict'
import {
  DeleteBucketPolicyCommand,
  DeletePublicAccessBlockCommand,
  GetBucketPolicyCommand,
  GetBucketPolicyStatusCommand,
  GetPublicAccessBlockCommand,
  PutBucketPolicyCommand,
  PutPublicAccessBlockCommand,
} from '@aws-sdk/client-s3'
import {
  fails,
  expectRefused,
  type ConformanceCase,
  type RawResponse,
  type ConformanceWorld,
} from './world.ts'

function statement(bucket: string, more: object = {}): object {
  return {
    Effect: 'Allow',
    Principal: { AWS: 'arn:aws:iam::123456789012:root' },
    Action: 's3:GetObject',
    Resource: `arn:aws:s3:::${bucket}/*`,
    ...more,
  }
}

function policyOf(...statements: object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements })
}

export function putSetting(
  world: ConformanceWorld,
  name: string,
  text: string | Buffer,
): Promise<RawResponse> {
  const body = [Buffer.from(text)]
  return world.raw({ method: 'PUT', path: `/${world.bucket}`, query: [[name, '']], body })
}

/** A public policy: everyone may read. */
function everybody(bucket: string): string {
  return policyOf(statement(bucket, { Principal: '*' }))
}

export const SETTING_CASES: readonly ConformanceCase[] = [
  {
    name: 'a bucket policy is stored unchanged until it is removed',
    async run({ s3, bucket: Bucket }) {
      const Policy = ` ${policyOf(statement(Bucket, { Condition: { StringLike: { 'aws:username': 'ü*' } } }))}\n`
      await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
      const found = await s3.send(new GetBucketPolicyCommand({ Bucket }))
      assert.equal(found.Policy, Policy)
      const status = await s3.send(new GetBucketPolicyStatusCommand({ Bucket }))
      assert.equal(status.PolicyStatus?.IsPublic, false)
      const open = everybody(Bucket)
      await s3.send(
        new PutBucketPolicyCommand({
          Bucket,
          Policy: open,
          ConfirmRemoveSelfBucketAccess: true,
        }),
      )
      const changed = await s3.send(new GetBucketPolicyStatusCommand({ Bucket }))
      assert.equal(changed.PolicyStatus?.IsPublic, true)
      await s3.send(new DeleteBucketPolicyCommand({ Bucket }))
      await s3.send(new DeleteBucketPolicyCommand({ Bucket }))
      for (const gone of [
        new GetBucketPolicyCommand({ Bucket }),
        new GetBucketPolicyStatusCommand({ Bucket }),
      ]) {
        await fails(s3.send(gone as GetBucketPolicyCommand), 404, 'NoSuchBucketPolicy')
      }
    },
  },
  {
    name: 'invalid policies are refused with the place of the error, and change nothing',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const Policy = policyOf(statement(Bucket))
      await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
      const one = (more: object): string => policyOf(statement(Bucket, more))
      const bad = [
        '{',
        'null',
        '[]',
        '{}',
        `${Policy} x`,
        '[['.repeat(5000),
        '{"a":'.repeat(5000),
        Policy.replace('2012-10-17', '2020-01-01'),
        Policy.replace('"Effect"', '"__proto__":{"x":1},"Effect"'),
        Policy.replace('"Effect":"Allow"', '"Effect":"Allow","Effect":"Deny"'),
        policyOf(),
        one({ Effect: 'Maybe' }),
        one({ Principal: undefined }),
        one({ Principal: 'ann' }),
        one({ Action: 's3:NoSuchThing' }),
        one({ Action: 'iam:CreateUser' }),
        one({ Action: [] }),
        one({ Resource: 'arn:aws:s3:::another-bucket/*' }),
        one({ Resource: '*' }),
        one({ Resource: `arn:aws:s3:::${Bucket}` }),
        one({ Odd: true }),
        one({ Condition: { OddOperator: { 'aws:username': 'x' } } }),
        one({ Condition: { StringEquals: { 'aws:odd': 'x' } } }),
        one({ Sid: 'x'.repeat(20_480) }),
      ]
      for (const text of bad) {
        expectRefused(await putSetting(world, 'policy', text), 400, 'MalformedPolicy')
      }
      expectRefused(
        await putSetting(world, 'policy', Buffer.from([0x7b, 0xff])),
        400,
        'MalformedPolicy',
      )
      expectRefused(await putSetting(world, 'policy', ''), 400, 'MissingRequestBodyError')
      const placed = await putSetting(world, 'policy', one({ Action: 's3:NoSuchThing' }))
      assert(placed.text.includes('Statement[0].Action'), placed.text)
      const odd = await world.raw({
        method: 'PUT',
        path: `/${Bucket}`,
        query: [['policy', '']],
        headers: { 'x-amz-confirm-remove-self-bucket-access': 'odd' },
        body: [Buffer.from(Policy)],
      })
      expectRefused(odd, 400, 'InvalidArgument')
      const found = await s3.send(new GetBucketPolicyCommand({ Bucket }))
      assert.equal(found.Policy, Policy)
    },
  },
  {
    name: 'the public access block refuses public policies',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const off = {
        BlockPublicAcls: false,
        IgnorePublicAcls: false,
        BlockPublicPolicy: false,
        RestrictPublicBuckets: false,
      }
      const block = (more: object) =>
        new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: more })
      await s3.send(block({ BlockPublicPolicy: true, IgnorePublicAcls: true }))
      const found = await s3.send(new GetPublicAccessBlockCommand({ Bucket }))
      assert.deepEqual(found.PublicAccessBlockConfiguration, {
        ...off,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
      })
      const open = new PutBucketPolicyCommand({ Bucket, Policy: everybody(Bucket) })
      await fails(s3.send(open), 403, 'AccessDenied')
      await fails(s3.send(new GetBucketPolicyCommand({ Bucket })), 404, 'NoSuchBucketPolicy')
      const closed = policyOf(statement(Bucket))
      await s3.send(new PutBucketPolicyCommand({ Bucket, Policy: closed }))
      await s3.send(block(off))
      await s3.send(open)
      await s3.send(new DeletePublicAccessBlockCommand({ Bucket }))
      await fails(
        s3.send(new GetPublicAccessBlockCommand({ Bucket })),
        404,
        'NoSuchPublicAccessBlockConfiguration',
      )
      const root = 'PublicAccessBlockConfiguration'
      for (const inner of ['<BlockPublicAcls>odd</BlockPublicAcls>', '<Odd>true</Odd>']) {
        const text = `<${root}>${inner}</${root}>`
        expectRefused(await putSetting(world, 'publicAccessBlock', text), 400, 'MalformedXML')
      }
      await s3.send(new DeleteBucketPolicyCommand({ Bucket }))
    },
  },
]
