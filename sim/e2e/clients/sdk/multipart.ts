/** Multipart: by lib-storage, by hand over several gateways, resumed, copied, aborted. */

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandOutput,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { createHash } from 'node:crypto'
import { seededBytes } from '../../files.ts'
import { equal, sameBytes } from '../../suite.ts'
import type { Context } from '../../suite.ts'
import { failureOf, getBytes } from './common.ts'
import type { NextClient } from './common.ts'

const Bucket = 'sdk-multipart'
const partBytes = 5 << 20

interface Part {
  readonly PartNumber: number
  readonly ETag: string
}

/** Multipart requests, each through the next client. */
class MultipartRequests {
  readonly #next: NextClient

  constructor(next: NextClient) {
    this.#next = next
  }

  /** The upload's id. */
  async begin(Key: string): Promise<string> {
    const command = new CreateMultipartUploadCommand({ Bucket, Key })
    return (await this.#next().send(command)).UploadId ?? ''
  }

  async upload(Key: string, UploadId: string, PartNumber: number, Body: Uint8Array): Promise<Part> {
    const command = new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body })
    return { PartNumber, ETag: (await this.#next().send(command)).ETag ?? '' }
  }

  complete(
    Key: string,
    UploadId: string,
    Parts: Part[],
    more: object = {},
  ): Promise<CompleteMultipartUploadCommandOutput> {
    const MultipartUpload = { Parts }
    return this.#next().send(
      new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload, ...more }),
    )
  }
}

const body = seededBytes(16, 3 * partBytes + 1_000)
const piece = (number: number): Buffer =>
  body.subarray((number - 1) * partBytes, number * partBytes)

export async function multipartSteps(context: Context, next: NextClient): Promise<void> {
  await next().send(new CreateBucketCommand({ Bucket }))
  await context.step('lib-storage, 33 MiB, 4 parts at a time', async () => {
    const Body = seededBytes(33, (33 << 20) + 17)
    const params = { Bucket, Key: 'lib-storage', Body }
    await new Upload({ client: next(), params, queueSize: 4, partSize: partBytes }).done()
    sameBytes(await getBytes(next(), Bucket, 'lib-storage'), Body, 'bytes')
  })

  await context.step('by hand, out of order, each part through another gateway', () => byHand(next))
  const requests = new MultipartRequests(next)

  await context.step('refuses small parts, wrong order, wrong ETags, unknown uploads', async () => {
    const Key = 'refused'
    const id = await requests.begin(Key)
    const one = await requests.upload(Key, id, 1, Buffer.alloc(100))
    const two = await requests.upload(Key, id, 2, Buffer.alloc(100))
    const status = async (parts: Part[], upload = id): Promise<string> =>
      (await failureOf(requests.complete(Key, upload, parts))).name
    equal(await status([one, two]), 'EntityTooSmall', 'small')
    equal(await status([two, one]), 'InvalidPartOrder', 'order')
    equal(
      await status([{ ...one, ETag: '"00000000000000000000000000000000"' }]),
      'InvalidPart',
      'tag',
    )
    equal(await status([one], 'no-such-upload'), 'NoSuchUpload', 'upload')
    await next().send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: id }))
    equal(
      (await failureOf(requests.upload(Key, id, 3, Buffer.alloc(1)))).name,
      'NoSuchUpload',
      'aborted',
    )
    const left = await next().send(new ListMultipartUploadsCommand({ Bucket }))
    equal(left.Uploads ?? [], [], 'uploads left')
  })

  await context.step('multipart copy', async () => {
    const Key = 'copy'
    const id = await requests.begin(Key)
    const parts: Part[] = []
    const ranges = [`0-${partBytes - 1}`, `${partBytes}-${body.length - 1}`]
    for (const [index, range] of ranges.entries()) {
      const command = new UploadPartCopyCommand({
        Bucket,
        Key,
        UploadId: id,
        PartNumber: index + 1,
        CopySource: `${Bucket}/${encodeURIComponent('by hand')}`,
        CopySourceRange: `bytes=${range}`,
      })
      const { CopyPartResult } = await next().send(command)
      parts.push({ PartNumber: index + 1, ETag: CopyPartResult?.ETag ?? '' })
    }
    await requests.complete(Key, id, parts)
    sameBytes(await getBytes(next(), Bucket, Key), body, 'bytes')
  })

  await context.step('completion with If-None-Match: *', async () => {
    const Key = 'conditional'
    const [first, second] = [await requests.begin(Key), await requests.begin(Key)]
    const one = await requests.upload(Key, first, 1, Buffer.from('one'))
    const two = await requests.upload(Key, second, 1, Buffer.from('two'))
    await requests.complete(Key, first, [one], { IfNoneMatch: '*' })
    const refused = await failureOf(requests.complete(Key, second, [two], { IfNoneMatch: '*' }))
    equal(refused.status, 412, 'the second')
    sameBytes(await getBytes(next(), Bucket, Key), Buffer.from('one'), 'bytes')
  })
}

async function byHand(next: NextClient): Promise<void> {
  const requests = new MultipartRequests(next)
  const Key = 'by hand'
  const id = await requests.begin(Key)
  const parts: Part[] = []
  for (const number of [3, 1, 4, 2])
    parts.push(await requests.upload(Key, id, number, piece(number)))
  parts.sort((a, b) => a.PartNumber - b.PartNumber)
  const listed = await next().send(new ListPartsCommand({ Bucket, Key, UploadId: id }))
  equal(
    (listed.Parts ?? []).map((part) => part.PartNumber),
    [1, 2, 3, 4],
    'ListParts',
  )
  const uploads = await next().send(new ListMultipartUploadsCommand({ Bucket }))
  equal(
    (uploads.Uploads ?? []).map((one) => one.UploadId),
    [id],
    'ListMultipartUploads',
  )
  const missing = next().send(new HeadObjectCommand({ Bucket, Key }))
  equal((await failureOf(missing)).status, 404, 'before completion')
  const { ETag } = await requests.complete(Key, id, parts)
  const md5s = parts.map((part) => Buffer.from(part.ETag.replaceAll('"', ''), 'hex'))
  const wanted = createHash('md5').update(Buffer.concat(md5s)).digest('hex')
  equal(ETag, `"${wanted}-4"`, 'ETag')
  sameBytes(await getBytes(next(), Bucket, Key), body, 'bytes')
  const second = await requests.complete(Key, id, parts)
  equal(second.ETag, ETag, 'completed twice')
  const range = { Bucket, Key, Range: `bytes=${partBytes - 10}-${partBytes + 9}` }
  const across = await next().send(new GetObjectCommand(range))
  const bytes = (await across.Body?.transformToByteArray()) ?? new Uint8Array(0)
  sameBytes(bytes, body.subarray(partBytes - 10, partBytes + 10), 'a range over two parts')
  const part = await next().send(new GetObjectCommand({ Bucket, Key, PartNumber: 4 }))
  equal([part.ContentLength, part.PartsCount], [1_000, 4], 'partNumber')
}
