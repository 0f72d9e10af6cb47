/** Objects: bytes, metadata, ranges, checksums, copies, presigned addresses, deletion. */

import {
  ChecksumAlgorithm,
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { seededBytes } from '../../files.ts'
import { equal, sameBytes } from '../../suite.ts'
import type { Context } from '../../suite.ts'
import { failureOf, getBytes, sdkClient } from './common.ts'
import type { NextClient } from './common.ts'

const Bucket = 'sdk-objects'
const sizes = [0, 1, 4_096, 65_535, 65_536, 65_537, 1 << 20, (1 << 20) + 1, 5_000_000]
export const oddKeys = [
  'a b',
  ' leading and trailing ',
  'ünïcødé/日本語/🐟',
  'e\u0301 and \u00e9',
  'equals=sign&and',
  'plus+sign',
  'double//slash',
  '/leading',
  'trailing/',
  'dots/../.',
  'percent%2Fescaped',
  '<xml>&"quotes\'',
  'back\\slash',
  'question?mark#hash',
  'k'.repeat(1_024),
]

export async function objectSteps(context: Context, next: NextClient): Promise<void> {
  await next().send(new CreateBucketCommand({ Bucket }))
  await bodySteps(context, next)
  await checksumSteps(context, next)
  await headerSteps(context, next)
  await copySteps(context, next)
  await deletionSteps(context, next)
}

async function bodySteps(context: Context, next: NextClient): Promise<void> {
  for (const sizeBytes of sizes) {
    await context.step(`put, head, get and overwrite ${sizeBytes} bytes`, async () => {
      const Key = `size-${sizeBytes}`
      const first = seededBytes(sizeBytes + 1, sizeBytes)
      const { ETag } = await next().send(new PutObjectCommand({ Bucket, Key, Body: first }))
      equal(ETag, `"${createHash('md5').update(first).digest('hex')}"`, 'ETag')
      sameBytes(await getBytes(next(), Bucket, Key), first, Key)
      const head = await next().send(new HeadObjectCommand({ Bucket, Key }))
      equal([head.ContentLength, head.ETag], [sizeBytes, ETag], 'head')
      const second = seededBytes(sizeBytes + 2, sizeBytes + 1)
      await next().send(new PutObjectCommand({ Bucket, Key, Body: second }))
      sameBytes(await getBytes(next(), Bucket, Key), second, `${Key} again`)
    })
  }

  await context.step('put of a stream (aws-chunked with a trailer)', async () => {
    const body = seededBytes(99, 3_000_000)
    const Body = Readable.from([body.subarray(0, 1_000), body.subarray(1_000)])
    const input = { Bucket, Key: 'stream', Body, ContentLength: body.length }
    await next().send(new PutObjectCommand(input))
    sameBytes(await getBytes(next(), Bucket, 'stream'), body, 'stream')
  })
}

async function checksumSteps(context: Context, next: NextClient): Promise<void> {
  for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const) {
    await context.step(`checksum ${algorithm}`, async () => {
      const Key = `checksum-${algorithm}`
      const body = seededBytes(5, 100_000)
      const ChecksumAlgorithm_ = ChecksumAlgorithm[algorithm]
      const put = await next().send(
        new PutObjectCommand({ Bucket, Key, Body: body, ChecksumAlgorithm: ChecksumAlgorithm_ }),
      )
      const get = await next().send(new GetObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }))
      sameBytes((await get.Body?.transformToByteArray()) ?? new Uint8Array(0), body, Key)
      const name = `Checksum${algorithm}` as const
      if (get[name] === undefined) throw new Error(`no ${name} in the answer`)
      equal(get[name], put[name], name)
      const wrong = {
        [name]: Buffer.alloc(Buffer.from(get[name], 'base64').length).toString('base64'),
      }
      const refused = await failureOf(
        next().send(new PutObjectCommand({ Bucket, Key: 'wrong', Body: body, ...wrong })),
      )
      equal(refused, { status: 400, name: 'BadDigest' }, 'a wrong checksum')
    })
  }
}

async function headerSteps(context: Context, next: NextClient): Promise<void> {
  await context.step('metadata and headers come back', async () => {
    const Key = 'metadata'
    const given = {
      ContentType: 'text/x-odd; charset=utf-8',
      CacheControl: 'max-age=60',
      ContentDisposition: 'attachment; filename="a b.txt"',
      ContentEncoding: 'identity-ish',
      ContentLanguage: 'de-AT',
      Metadata: { one: '1', 'with-dash': 'a value, with commas' },
    }
    await next().send(new PutObjectCommand({ Bucket, Key, Body: 'x', ...given }))
    const head = await next().send(new HeadObjectCommand({ Bucket, Key }))
    for (const name of Object.keys(given) as (keyof typeof given)[]) {
      equal(head[name], given[name], name)
    }
  })

  await context.step('ranges', async () => {
    const body = seededBytes(77, 2_500_000)
    await next().send(new PutObjectCommand({ Bucket, Key: 'ranges', Body: body }))
    const cases: [string, number, number][] = [
      ['bytes=0-0', 0, 1],
      ['bytes=1048570-1048590', 1_048_570, 1_048_591],
      ['bytes=2499999-', 2_499_999, 2_500_000],
      ['bytes=-100', 2_499_900, 2_500_000],
      ['bytes=100-9999999', 100, 2_500_000],
    ]
    for (const [Range, from, to] of cases) {
      const get = await next().send(new GetObjectCommand({ Bucket, Key: 'ranges', Range }))
      equal(get.ContentRange, `bytes ${from}-${to - 1}/2500000`, Range)
      const bytes = (await get.Body?.transformToByteArray()) ?? new Uint8Array(0)
      sameBytes(bytes, body.subarray(from, to), Range)
    }
    const past = next().send(
      new GetObjectCommand({ Bucket, Key: 'ranges', Range: 'bytes=2500000-' }),
    )
    equal(await failureOf(past), { status: 416, name: 'InvalidRange' }, 'past the end')
  })

  await context.step('odd keys', async () => {
    for (const [index, Key] of oddKeys.entries()) {
      await next().send(new PutObjectCommand({ Bucket, Key, Body: `${index}` }))
    }
    for (const [index, Key] of oddKeys.entries()) {
      const bytes = await getBytes(next(), Bucket, Key)
      sameBytes(bytes, Buffer.from(`${index}`), JSON.stringify(Key))
    }
    const long = new PutObjectCommand({ Bucket, Key: 'k'.repeat(1_025), Body: 'x' })
    equal((await failureOf(next().send(long))).status, 400, 'a key of 1,025 bytes')
  })
}

async function copySteps(context: Context, next: NextClient): Promise<void> {
  await context.step('copy, with metadata kept and replaced', async () => {
    const CopySource = `/${Bucket}/metadata`
    await next().send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource }))
    const kept = await next().send(new HeadObjectCommand({ Bucket, Key: 'copy' }))
    equal(kept.Metadata?.['one'], '1', 'kept metadata')
    await next().send(
      new CopyObjectCommand({
        Bucket,
        Key: 'copy',
        CopySource,
        MetadataDirective: 'REPLACE',
        Metadata: { two: '2' },
      }),
    )
    const replaced = await next().send(new HeadObjectCommand({ Bucket, Key: 'copy' }))
    equal(replaced.Metadata, { two: '2' }, 'replaced metadata')
    const large = { Bucket, Key: 'copy-large', CopySource: `${Bucket}/size-5000000` }
    await next().send(new CopyObjectCommand(large))
    const original = await getBytes(next(), Bucket, 'size-5000000')
    sameBytes(await getBytes(next(), Bucket, 'copy-large'), original, 'copy of a large object')
  })

  await context.step('presigned PUT and GET', async () => {
    const body = seededBytes(8, 70_000)
    // By default the SDK signs the checksum of the empty body that it was given into the address.
    const signer = sdkClient(context, 0, { requestChecksumCalculation: 'WHEN_REQUIRED' })
    const put = new PutObjectCommand({ Bucket, Key: 'pre signed' })
    const reply = await fetch(await getSignedUrl(signer, put), { method: 'PUT', body })
    equal(reply.status, 200, 'PUT')
    const get = new GetObjectCommand({ Bucket, Key: 'pre signed', ResponseContentType: 'a/b' })
    const url = await getSignedUrl(signer, get, { expiresIn: 60 })
    const got = await fetch(url)
    equal([got.status, got.headers.get('content-type')], [200, 'a/b'], 'GET')
    sameBytes(await got.bytes(), body, 'presigned')
    const tampered = await fetch(url.replace('pre%20signed', 'metadata'))
    equal(tampered.status, 403, 'a tampered address')
    signer.destroy()
  })
}

async function deletionSteps(context: Context, next: NextClient): Promise<void> {
  await context.step('DeleteObject, DeleteObjects', async () => {
    await next().send(new DeleteObjectCommand({ Bucket, Key: 'stream' }))
    const gone = await failureOf(next().send(new GetObjectCommand({ Bucket, Key: 'stream' })))
    equal(gone, { status: 404, name: 'NoSuchKey' }, 'deleted')
    await next().send(new DeleteObjectCommand({ Bucket, Key: 'never there' }))
    const Objects = [...oddKeys, 'never there'].map((Key) => ({ Key }))
    const reply = await next().send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
    equal(reply.Errors ?? [], [], 'errors')
    equal(reply.Deleted?.length, Objects.length, 'deleted')
    for (const Key of oddKeys) {
      const missing = await failureOf(next().send(new GetObjectCommand({ Bucket, Key })))
      equal(missing.status, 404, JSON.stringify(Key))
    }
  })
}
