/** Forms of browsers that upload a file (POST), with policies. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  DeletePublicAccessBlockCommand,
  GetObjectCommand,
  HeadObjectCommand,
  NoSuchKey,
  PutBucketOwnershipControlsCommand,
} from '@aws-sdk/client-s3'
import { encodeForm, partsOf, postBody, postForm, type SignedForm } from '../testing/forms.ts'
import {
  CLIENT_KEY,
  clientKey,
  clientKeyInput,
  PIECE_SIZES,
  readAround,
  sampleBytes,
  SSE,
} from './encryption-world.ts'
import {
  expectRefused,
  sendUnsigned,
  type ConformanceCase,
  type ConformanceWorld,
} from './world.ts'

function etagOf(file: string | Uint8Array): string {
  return `"${createHash('md5').update(file).digest('hex')}"`
}

async function stored({ s3, bucket: Bucket }: ConformanceWorld, Key: string): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }))
  return Buffer.from((await Body?.transformToByteArray()) ?? [])
}

async function isMissing(world: ConformanceWorld, key: string): Promise<void> {
  await assert.rejects(stored(world, key), NoSuchKey)
}

type Upload = Omit<SignedForm, 'bucket'> & { file: string | Uint8Array; filename?: string }

function post(world: ConformanceWorld, form: Upload): ReturnType<typeof postForm> {
  return postForm(world.target, { bucket: world.bucket, ...form })
}

export const FORM_CASES: readonly ConformanceCase[] = [
  {
    name: 'a form stores its file with the headers in its fields',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const answer = await post(world, {
        fields: {
          key: 'dir/${filename}',
          acl: 'private',
          'Content-Type': 'image/jpeg',
          'Cache-Control': 'max-age=60',
          'x-amz-meta-Color': 'green',
          tagging:
            '<Tagging><TagSet><Tag><Key>a b</Key><Value>1+2</Value></Tag></TagSet></Tagging>',
          'x-ignore-this': 'no condition',
        },
        file: 'the photo',
        filename: 'C:\\photos\\my photo.jpg',
      })
      assert.equal(answer.status, 204, answer.text)
      assert.equal(answer.text, '')
      assert.equal(answer.headers['etag'], etagOf('the photo'))
      const url = `${world.target.endpoint}/${Bucket}/dir%2Fmy%20photo.jpg`
      assert.equal(answer.headers['location'], url)
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'dir/my photo.jpg' }))
      assert.equal(head.ContentType, 'image/jpeg')
      assert.equal(head.CacheControl, 'max-age=60')
      assert.deepEqual(head.Metadata, { color: 'green' })
      assert.equal(head.TagCount, 1)
      assert.equal((await stored(world, 'dir/my photo.jpg')).toString(), 'the photo')
    },
  },
  {
    name: 'a large file of a form is stored exactly, and an empty one too',
    async run(world) {
      const file = Buffer.alloc(3_000_001, 'a line of the file\r\n------shoal7MA4YWxkTrZu0g\r\n')
      for (const [key, bytes] of [
        ['large', file],
        ['empty', Buffer.alloc(0)],
      ] as const) {
        const answer = await post(world, { fields: { key }, file: bytes })
        assert.equal(answer.status, 204, answer.text)
        assert.equal(answer.headers['etag'], etagOf(bytes))
        assert.ok((await stored(world, key)).equals(bytes))
      }
    },
  },
  {
    name: 'a form encrypts its file: by a key of the cluster, or by its own',
    async run(world) {
      for (const size of PIECE_SIZES) {
        const file = sampleBytes(size)
        const key = `size-${size}`
        const sent = await post(world, { fields: { key, [SSE]: 'AES256' }, file })
        assert.deepEqual([sent.status, sent.headers[SSE]], [204, 'AES256'], sent.text)
        assert.equal(sent.headers['etag'], etagOf(file))
        await readAround(world, key, file)
        const own = clientKey(CLIENT_KEY)
        const kept = await post(world, { fields: { key: 'own', ...own }, file })
        assert.equal(kept.status, 204, kept.text)
        expectRefused(await world.raw({ path: `/${world.bucket}/own` }), 400, 'InvalidRequest')
        await readAround(world, 'own', file, clientKeyInput(CLIENT_KEY))
      }
    },
  },
  {
    name: 'a form gives its object an ACL and holds it, where the bucket allows that',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const open = { fields: { key: 'open', acl: 'public-read' }, file: 'x' }
      expectRefused(await post(world, open), 400, 'AccessControlListNotSupported')
      const Rules = [{ ObjectOwnership: 'ObjectWriter' as const }]
      await s3.send(new PutBucketOwnershipControlsCommand({ Bucket, OwnershipControls: { Rules } }))
      await s3.send(new DeletePublicAccessBlockCommand({ Bucket }))
      assert.equal((await post(world, open)).status, 204)
      const url = `/${Bucket}/open`
      assert.equal((await sendUnsigned(world.target.endpoint, { url })).status, 200)
      const held = { fields: { key: 'held', 'x-amz-object-lock-legal-hold': 'ON' }, file: 'x' }
      expectRefused(await post(world, held), 400, 'InvalidRequest')
      await isMissing(world, 'held')
    },
  },
  {
    name: 'a form is answered as its success_action fields say',
    async run(world) {
      const etag = etagOf('x')
      const quoted = encodeURIComponent(etag)
      const made = await post(world, {
        fields: { key: 'a/b c', success_action_status: '201' },
        file: 'x',
      })
      assert.equal(made.status, 201)
      assert.equal(made.headers['content-type'], 'application/xml')
      const url = `${world.target.endpoint}/${world.bucket}/a%2Fb%20c`
      const document = `<PostResponse><Location>${url}</Location><Bucket>${world.bucket}</Bucket><Key>a/b c</Key><ETag>${etag.replaceAll('"', '&quot;')}</ETag></PostResponse>`
      assert.equal(made.text, `<?xml version="1.0" encoding="UTF-8"?>\n${document}`)
      for (const [status, expected] of [
        ['200', 200],
        ['204', 204],
        ['404', 204],
      ] as const) {
        const answer = await post(world, {
          fields: { key: 'k', success_action_status: status },
          file: 'x',
        })
        assert.equal(answer.status, expected)
        assert.equal(answer.text, '')
      }
      const query = `bucket=${world.bucket}&key=a%2Fb+c&etag=${quoted}`
      for (const [name, value, location] of [
        [
          'success_action_redirect',
          'http://localhost/done?a=b#c',
          `http://localhost/done?a=b&${query}#c`,
        ],
        ['redirect', 'https://localhost/old', `https://localhost/old?${query}`],
      ] as const) {
        const answer = await post(world, { fields: { key: 'a/b c', [name]: value }, file: 'x' })
        assert.equal(answer.status, 303)
        assert.equal(answer.headers['location'], location)
      }
      const relative = { key: 'k', success_action_redirect: '/relative' }
      assert.equal((await post(world, { fields: relative, file: 'x' })).status, 204)
    },
  },
  {
    name: 'a form that violates its policy stores nothing',
    async run(world) {
      const fields = { key: 'refused' }
      const refused = async (
        form: Partial<Upload>,
        status: number,
        code: string,
      ): Promise<void> => {
        const answer = await post(world, { fields, file: 'four', ...form })
        expectRefused(answer, status, code)
      }
      await refused({ conditions: [['eq', '$key', 'other']] }, 403, 'AccessDenied')
      await refused({ conditions: [['starts-with', '$acl', '']] }, 403, 'AccessDenied')
      await refused({ uncovered: ['key'] }, 403, 'AccessDenied')
      await refused({ expiration: '2020-01-01T00:00:00Z' }, 403, 'AccessDenied')
      await refused({ expiration: 'tomorrow' }, 400, 'InvalidPolicyDocument')
      await refused({ conditions: [['content-length-range', 5, 9]] }, 400, 'EntityTooSmall')
      await refused({ conditions: [['content-length-range', 0, 3]] }, 400, 'EntityTooLarge')
      const large = Buffer.alloc(300_000)
      await refused(
        { file: large, conditions: [['content-length-range', 0, 299_999]] },
        400,
        'EntityTooLarge',
      )
      await refused(
        { file: large, conditions: [['content-length-range', 300_001, 400_000]] },
        400,
        'EntityTooSmall',
      )
      await refused({ fields: { ...fields, 'x-amz-checksum-crc32': 'AAAAAA==' } }, 400, 'BadDigest')
      await isMissing(world, 'refused')
      const exact = { conditions: [['content-length-range', '4', 4]] }
      assert.equal((await post(world, { fields, file: 'four', ...exact })).status, 204)
    },
  },
  {
    name: 'a form without a signature, without its end or without a file stores nothing',
    async run(world) {
      const { bucket, target } = world
      const send = (body: Uint8Array): ReturnType<typeof postBody> =>
        postBody(target.endpoint, bucket, body)
      const whole = encodeForm(partsOf({ key: 'refused' }, 'x'))
      expectRefused(await send(whole), 403, 'AccessDenied')
      expectRefused(await send(whole.subarray(0, -8)), 403, 'AccessDenied')
      expectRefused(
        await send(encodeForm([{ name: 'key', value: 'refused' }])),
        400,
        'InvalidArgument',
      )
      expectRefused(await send(encodeForm(partsOf({}, 'x'))), 400, 'InvalidArgument')
      await isMissing(world, 'refused')
    },
  },
]
