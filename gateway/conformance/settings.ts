/** Settings of a bucket: policy, public access block, lifecycle. */

import assert from 'node:assert/strict'
import {
  DeleteBucketLifecycleCommand,
  DeleteBucketPolicyCommand,
  DeletePublicAccessBlockCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketPolicyCommand,
  GetBucketPolicyStatusCommand,
  GetPublicAccessBlockCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutPublicAccessBlockCommand,
} from '@aws-sdk/client-s3'
import { setVersioning } from './versions.ts'
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

function putSetting(
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
    name: 'lifecycle rules that are refused change nothing',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const abort =
        '<AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload>'
      const good = `<Filter/><Status>Enabled</Status>${abort}`
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
      const expiration = '<Expiration><Days>1</Days></Expiration>'
      const older = `<Prefix>a</Prefix><Status>Enabled</Status>${abort}`
      const filter = (inner: string): string =>
        good.replace('<Filter/>', `<Filter>${inner}</Filter>`)
      const days = (text: string): string => good.replace('>3<', `>${text}<`)
      const bad: readonly [rules: string[], status: number, code: string][] = [
        [[good + expiration], 501, 'NotImplemented'],
        [[`<Filter/><Status>Enabled</Status>${expiration}`], 501, 'NotImplemented'],
        [[filter('<Tag><Key>a</Key><Value>b</Value></Tag>')], 501, 'NotImplemented'],
        [[filter('<And><Prefix>a</Prefix></And>')], 501, 'NotImplemented'],
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
      for (const [rules, status, code] of bad) expectRefused(await put(...rules), status, code)
      assert.deepEqual((await s3.send(get)).Rules, Rules)
      assert.equal((await put(older, good)).status, 200)
      assert.deepEqual(
        (await s3.send(get)).Rules?.map((rule) => rule.Filter?.Prefix),
        ['a', ''],
      )
    },
  },
]
