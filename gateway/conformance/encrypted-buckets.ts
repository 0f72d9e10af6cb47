/** Encryption of uploads and their parts, and what buckets and policies say about encryption. */

import assert from 'node:assert/strict'
import {
  DeleteBucketEncryptionCommand,
  DeleteBucketPolicyCommand,
  GetBucketEncryptionCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketEncryptionCommand,
  PutBucketPolicyCommand,
  UploadPartCopyCommand,
  type ServerSideEncryptionRule,
} from '@aws-sdk/client-s3'
import {
  clientKey,
  clientKeyInput,
  sampleBytes,
  sendTo,
  putWith,
  readAround,
  readBytes,
  expectBytes,
  SSE,
  SSE_C,
  CLIENT_KEY,
  OTHER_KEY,
  md5Text,
  type SentHeaders,
} from './encryption-world.ts'
import {
  expectRefused,
  fails,
  type ConformanceCase,
  type ConformanceWorld,
  type RawResponse,
} from './world.ts'

/** How often a node is asked until its copy of the bucket's record, at most a second old, is the new one (T7). */
const ATTEMPTS_MAX = 10_000
const PART_BYTES = 5 * 1024 * 1024

async function configure(world: ConformanceWorld, rule: ServerSideEncryptionRule): Promise<void> {
  const ServerSideEncryptionConfiguration = { Rules: [rule] }
  const Bucket = world.bucket
  await world.s3.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration }))
}

async function until(
  ask: () => Promise<RawResponse>,
  isDone: (answer: RawResponse) => boolean,
): Promise<RawResponse> {
  for (let attempt = 1; ; attempt++) {
    const answer = await ask()
    if (isDone(answer) || attempt === ATTEMPTS_MAX) return answer
  }
}

async function create(world: ConformanceWorld, key: string, headers: SentHeaders) {
  const answer = await sendTo(world, 'POST', key, headers, undefined, [['uploads', '']])
  assert.equal(answer.status, 200, answer.text)
  return { answer, uploadId: /<UploadId>([^<]*)</.exec(answer.text)?.[1] ?? '' }
}

function part(
  world: ConformanceWorld,
  key: string,
  uploadId: string,
  number: number,
  headers: SentHeaders,
  body: Uint8Array,
): Promise<RawResponse> {
  const query = [
    ['partNumber', String(number)],
    ['uploadId', uploadId],
  ] as const
  return sendTo(world, 'PUT', key, headers, body, query)
}

function complete(
  world: ConformanceWorld,
  key: string,
  uploadId: string,
  etags: readonly (string | undefined)[],
): Promise<RawResponse> {
  const parts = etags.map(
    (etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
  )
  const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
  return sendTo(world, 'POST', key, {}, body, [['uploadId', uploadId]])
}

const UPLOAD_CASES: readonly ConformanceCase[] = [
  {
    name: 'the parts of an upload are encrypted as the upload was created',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const Key = 'k'
      const { answer, uploadId } = await create(world, Key, { [SSE]: 'AES256' })
      assert.equal(answer.headers[SSE], 'AES256')
      const bodies = [sampleBytes(PART_BYTES + 11), sampleBytes(PART_BYTES), Buffer.from('last')]
      expectRefused(
        await part(world, Key, uploadId, 1, clientKey(CLIENT_KEY), bodies[2]!),
        400,
        'InvalidRequest',
      )
      const first = await part(world, Key, uploadId, 1, {}, bodies[0]!)
      assert.equal(first.headers[SSE], 'AES256', first.text)
      assert.equal(first.headers['etag'], `"${md5Text(bodies[0]!, 'hex')}"`)
      await putWith(world, 'src', { [SSE]: 'AES256' }, bodies[1]!)
      const copied = await s3.send(
        new UploadPartCopyCommand({
          Bucket,
          Key,
          UploadId: uploadId,
          PartNumber: 2,
          CopySource: `${Bucket}/src`,
        }),
      )
      assert.equal(copied.ServerSideEncryption, 'AES256')
      const last = await part(world, Key, uploadId, 3, {}, bodies[2]!)
      const etags = [first.headers['etag'], copied.CopyPartResult?.ETag, last.headers['etag']]
      const done = await complete(world, Key, uploadId, etags)
      assert.equal(done.status, 200, done.text)
      assert.equal(done.headers[SSE], 'AES256')
      const whole = Buffer.concat(bodies)
      await readAround(world, Key, whole)
      for (const [at, wanted] of bodies.entries()) {
        expectBytes(await readBytes(world, Key, { PartNumber: at + 1 }), wanted, `part ${at + 1}`)
      }
      const across = `bytes=${PART_BYTES}-${PART_BYTES + 20}`
      expectBytes(
        await readBytes(world, Key, { Range: across }),
        whole.subarray(PART_BYTES, PART_BYTES + 21),
        across,
      )
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key, PartNumber: 1 }))
      assert.deepEqual(
        [head.ContentLength, head.PartsCount, head.ServerSideEncryption],
        [PART_BYTES + 11, 3, 'AES256'],
      )
    },
  },
  {
    name: 'the parts of an upload with the key of a client need that key',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const Key = 'k'
      const { answer, uploadId } = await create(world, Key, clientKey(CLIENT_KEY))
      assert.equal(answer.headers[`${SSE_C}key-md5`], md5Text(CLIENT_KEY, 'base64'))
      const body = sampleBytes(100_000)
      expectRefused(await part(world, Key, uploadId, 1, {}, body), 400, 'InvalidRequest')
      expectRefused(
        await part(world, Key, uploadId, 1, clientKey(OTHER_KEY), body),
        400,
        'InvalidRequest',
      )
      const sent = await part(world, Key, uploadId, 1, clientKey(CLIENT_KEY), body)
      assert.equal(sent.headers[`${SSE_C}algorithm`], 'AES256', sent.text)
      assert.notEqual(sent.headers['etag'], `"${md5Text(body, 'hex')}"`)
      const done = await complete(world, Key, uploadId, [sent.headers['etag']])
      assert.equal(done.status, 200, done.text)
      assert.equal(done.headers[`${SSE_C}algorithm`], undefined)
      await readAround(world, Key, body, clientKeyInput(CLIENT_KEY))
      const attributes = { Bucket, Key, ObjectAttributes: ['ObjectParts' as const] }
      const { ObjectParts } = await s3.send(
        new GetObjectAttributesCommand({ ...attributes, ...clientKeyInput(CLIENT_KEY) }),
      )
      assert.equal(ObjectParts?.TotalPartsCount, 1)
      await fails(s3.send(new GetObjectCommand({ Bucket, Key })), 400, 'InvalidRequest')
    },
  },
  {
    name: 'an upload of nothing is encrypted too',
    async run(world) {
      for (const [key, headers] of [
        ['s3', { [SSE]: 'AES256' }],
        ['c', clientKey(CLIENT_KEY)],
      ] as const) {
        const { uploadId } = await create(world, key, headers)
        const ofPart = key === 'c' ? clientKey(CLIENT_KEY) : {}
        const sent = await part(world, key, uploadId, 1, ofPart, Buffer.alloc(0))
        const done = await complete(world, key, uploadId, [sent.headers['etag']])
        assert.equal(done.status, 200, done.text)
        const got = await readBytes(world, key, key === 'c' ? clientKeyInput(CLIENT_KEY) : {})
        assert.equal(got.length, 0)
      }
    },
  },
]

const BUCKET_CASES: readonly ConformanceCase[] = [
  {
    name: 'a bucket encrypts what does not say how, until its configuration is removed',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const get = new GetBucketEncryptionCommand({ Bucket })
      await fails(s3.send(get), 404, 'ServerSideEncryptionConfigurationNotFoundError')
      const byDefault = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' as const } }
      await configure(world, { ...byDefault, BucketKeyEnabled: true })
      const { ServerSideEncryptionConfiguration } = await s3.send(get)
      assert.deepEqual(ServerSideEncryptionConfiguration, {
        Rules: [{ ...byDefault, BucketKeyEnabled: true }],
      })
      const body = sampleBytes(2_000)
      const ask = (): Promise<RawResponse> => sendTo(world, 'PUT', 'k', {}, body)
      const made = await until(ask, ({ headers }) => headers[SSE] !== undefined)
      assert.equal(made.headers[SSE], 'AES256')
      assert.equal(made.headers[`${SSE}-bucket-key-enabled`], undefined)
      expectBytes(await readBytes(world, 'k'), body, 'k')
      const copied = await sendTo(world, 'PUT', 'copy', { 'x-amz-copy-source': `/${Bucket}/k` })
      assert.equal(copied.headers[SSE], 'AES256')
      assert.equal((await create(world, 'u', {})).answer.headers[SSE], 'AES256')
      // The request takes precedence.
      await putWith(world, 'c', clientKey(CLIENT_KEY), body)
      expectBytes(await readBytes(world, 'c', clientKeyInput(CLIENT_KEY)), body, 'c')
      for (let time = 1; time <= 2; time++)
        await s3.send(new DeleteBucketEncryptionCommand({ Bucket }))
      await fails(s3.send(get), 404, 'ServerSideEncryptionConfigurationNotFoundError')
      const plain = await until(ask, ({ headers }) => headers[SSE] === undefined)
      assert.equal(plain.headers[SSE], undefined)
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'copy' }))
      assert.equal(head.ServerSideEncryption, 'AES256')
    },
  },
  {
    name: 'a configuration of encryption that does not fit is refused',
    async run(world) {
      const root = 'ServerSideEncryptionConfiguration'
      const method = (text: string): string =>
        `<Rule><ApplyServerSideEncryptionByDefault>${text}</ApplyServerSideEncryptionByDefault></Rule>`
      const aes = '<SSEAlgorithm>AES256</SSEAlgorithm>'
      const cases: readonly [string, number, string][] = [
        [`<${root}/>`, 400, 'MalformedXML'],
        [`<Other>${method(aes)}</Other>`, 400, 'MalformedXML'],
        [`<${root}>${method(aes)}${method(aes)}</${root}>`, 400, 'MalformedXML'],
        [`<${root}>${method('')}</${root}>`, 400, 'MalformedXML'],
        [`<${root}>${method('<SSEAlgorithm>ROT13</SSEAlgorithm>')}</${root}>`, 400, 'MalformedXML'],
        [`<${root}>${method(`${aes}${aes}`)}</${root}>`, 400, 'MalformedXML'],
        [`<${root}><Rule><Other/></Rule></${root}>`, 400, 'MalformedXML'],
        [
          `<${root}><Rule><BucketKeyEnabled>yes</BucketKeyEnabled></Rule></${root}>`,
          400,
          'MalformedXML',
        ],
        [
          `<${root}>${method(`<KMSMasterKeyID>x</KMSMasterKeyID>${aes}`)}</${root}>`,
          400,
          'InvalidArgument',
        ],
        [
          `<${root}>${method('<SSEAlgorithm>aws:kms:dsse</SSEAlgorithm>')}</${root}>`,
          501,
          'NotImplemented',
        ],
      ]
      for (const [xml, status, code] of cases) {
        const body = Buffer.from(xml)
        const headers = { 'content-md5': md5Text(body, 'base64') }
        const query = [['encryption', '']] as const
        const path = `/${world.bucket}`
        const answer = await world.raw({ method: 'PUT', path, query, headers, body: [body] })
        expectRefused(answer, status, code)
      }
      const get = new GetBucketEncryptionCommand({ Bucket: world.bucket })
      await fails(world.s3.send(get), 404, 'ServerSideEncryptionConfigurationNotFoundError')
    },
  },
  {
    name: 'a bucket may block the keys of clients',
    async run(world) {
      await putWith(world, 'before', clientKey(CLIENT_KEY), Buffer.from('x'))
      await configure(world, { BlockedEncryptionTypes: { EncryptionType: ['SSE-C'] } })
      const ask = (): Promise<RawResponse> =>
        sendTo(world, 'PUT', 'k', clientKey(CLIENT_KEY), Buffer.from('x'))
      const answer = await until(ask, ({ status }) => status === 403)
      expectRefused(answer, 403, 'AccessDenied')
      assert.match(answer.text, /this bucket has blocked upload requests/)
      assert.equal(String(await readBytes(world, 'before', clientKeyInput(CLIENT_KEY))), 'x')
      await configure(world, { BlockedEncryptionTypes: { EncryptionType: ['NONE'] } })
      assert.equal((await until(ask, ({ status }) => status === 200)).status, 200)
    },
  },
  {
    name: 'a policy may refuse what is not encrypted, also for uploads',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const Condition = { StringNotEquals: { [`s3:${SSE}`]: 'AES256' } }
      const Resource = `arn:aws:s3:::${Bucket}/*`
      const Statement = [
        { Effect: 'Deny', Principal: '*', Action: 's3:PutObject', Resource, Condition },
      ]
      const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
      await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
      const plain = (): Promise<RawResponse> => sendTo(world, 'PUT', 'k', {}, Buffer.from('x'))
      expectRefused(await until(plain, ({ status }) => status === 403), 403, 'AccessDenied')
      await putWith(world, 'k', { [SSE]: 'AES256' }, Buffer.from('x'))
      const { uploadId } = await create(world, 'u', { [SSE]: 'AES256' })
      const sent = await part(world, 'u', uploadId, 1, {}, Buffer.from('part'))
      assert.equal(sent.status, 200, sent.text)
      const done = await complete(world, 'u', uploadId, [sent.headers['etag']])
      assert.equal(done.status, 200, done.text)
      expectRefused(await part(world, 'u', 'none', 1, {}, Buffer.from('x')), 403, 'AccessDenied')
      expectRefused(
        await sendTo(world, 'POST', 'v', {}, undefined, [['uploads', '']]),
        403,
        'AccessDenied',
      )
      await s3.send(new DeleteBucketPolicyCommand({ Bucket }))
    },
  },
]

export const ENCRYPTED_BUCKET_CASES: readonly ConformanceCase[] = [...UPLOAD_CASES, ...BUCKET_CASES]
