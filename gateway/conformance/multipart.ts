/** Multipart uploads and copies. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
  type CompletedPart,
  type CompleteMultipartUploadCommandOutput,
  type CopyObjectCommandOutput,
} from '@aws-sdk/client-s3'
import { fetchObject, storeObject } from './objects.ts'
import { fails, expectRefused, type ConformanceCase, type ConformanceWorld } from './world.ts'

const PART_BYTES = 5 * 1024 * 1024

async function create(world: ConformanceWorld, Key: string, more: object = {}): Promise<string> {
  const { UploadId } = await world.s3.send(
    new CreateMultipartUploadCommand({ Bucket: world.bucket, Key, ...more }),
  )
  assert(UploadId)
  return UploadId
}

async function part(
  world: ConformanceWorld,
  Key: string,
  UploadId: string,
  PartNumber: number,
  Body: Uint8Array | string,
  more: object = {},
): Promise<CompletedPart> {
  const done = await world.s3.send(
    new UploadPartCommand({ Bucket: world.bucket, Key, UploadId, PartNumber, Body, ...more }),
  )
  const { ETag, ChecksumCRC32, ChecksumSHA256, ChecksumCRC64NVME } = done
  return {
    PartNumber,
    ...(ETag === undefined ? {} : { ETag }),
    ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }),
    ...(ChecksumSHA256 === undefined ? {} : { ChecksumSHA256 }),
    ...(ChecksumCRC64NVME === undefined ? {} : { ChecksumCRC64NVME }),
  }
}

function complete(
  world: ConformanceWorld,
  Key: string,
  UploadId: string,
  Parts: CompletedPart[],
  more: object = {},
): Promise<CompleteMultipartUploadCommandOutput> {
  return world.s3.send(
    new CompleteMultipartUploadCommand({
      Bucket: world.bucket,
      Key,
      UploadId,
      MultipartUpload: { Parts },
      ...more,
    }),
  )
}

function etagOfParts(bodies: readonly Uint8Array[]): string {
  const sums = bodies.map((body) => createHash('md5').update(body).digest())
  return `"${createHash('md5').update(Buffer.concat(sums)).digest('hex')}-${bodies.length}"`
}

export const MULTIPART_CASES: readonly ConformanceCase[] = [
  {
    name: 'an upload is created and completed, and its parts can be read',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const Key = 'big/one'
      const bodies = [
        Buffer.alloc(PART_BYTES, 'a'),
        Buffer.alloc(PART_BYTES, 'b'),
        Buffer.from('c'),
      ]
      const id = await create(world, Key, { ContentType: 'x/y', Metadata: { m: '1' } })
      const parts: CompletedPart[] = []
      for (const [index, body] of bodies.entries()) {
        parts.push(await part(world, Key, id, index + 1, body))
      }
      parts[1] = await part(world, Key, id, 2, bodies[1] ?? '')
      await fails(s3.send(new HeadObjectCommand({ Bucket, Key })), 404, undefined)
      const done = await complete(world, Key, id, parts)
      assert.equal(done.ETag, etagOfParts(bodies))
      const again = await complete(world, Key, id, parts)
      assert.equal(again.ETag, done.ETag)
      const found = await s3.send(new GetObjectCommand({ Bucket, Key }))
      assert.equal(found.ContentType, 'x/y')
      assert.deepEqual(found.Metadata, { m: '1' })
      const whole = Buffer.from((await found.Body?.transformToByteArray()) ?? [])
      assert(whole.equals(Buffer.concat(bodies)))
      const second = await s3.send(new HeadObjectCommand({ Bucket, Key, PartNumber: 2 }))
      assert.equal(second.PartsCount, 3)
      assert.equal(second.ContentLength, PART_BYTES)
      assert.equal(await fetchObject(world, Key, { PartNumber: 3 }), 'c')
      const range = `bytes=${PART_BYTES - 1}-${PART_BYTES}`
      assert.equal(await fetchObject(world, Key, { Range: range }), 'ab')
      await fails(
        s3.send(new GetObjectCommand({ Bucket, Key, PartNumber: 4 })),
        416,
        'InvalidPartNumber',
      )
    },
  },
  {
    name: 'completion refuses a wrong order, wrong parts, small parts and unknown uploads',
    async run(world) {
      const Key = 'bad'
      const id = await create(world, Key)
      const first = await part(world, Key, id, 1, 'small')
      const second = await part(world, Key, id, 2, 'small too')
      await fails(complete(world, Key, id, [second, first]), 400, 'InvalidPartOrder')
      await fails(complete(world, Key, id, [first, first]), 400, 'InvalidPartOrder')
      await fails(
        complete(world, Key, id, [{ ...first, ETag: second.ETag ?? '' }]),
        400,
        'InvalidPart',
      )
      await fails(complete(world, Key, id, [{ PartNumber: 9, ETag: '"x"' }]), 400, 'InvalidPart')
      await fails(complete(world, Key, id, [first, second]), 400, 'EntityTooSmall')
      await fails(complete(world, Key, 'no-such-upload', [first]), 404, 'NoSuchUpload')
      await fails(complete(world, Key, id, [first], { MpuObjectSize: 99 }), 400, 'InvalidRequest')
      await complete(world, Key, id, [first], { MpuObjectSize: 5 })
      assert.equal(await fetchObject(world, Key), 'small')
    },
  },
  {
    name: 'completion with a condition',
    async run(world) {
      const Key = 'cond'
      await storeObject(world, Key, 'there')
      const id = await create(world, Key)
      const parts = [await part(world, Key, id, 1, 'new')]
      await fails(complete(world, Key, id, parts, { IfNoneMatch: '*' }), 412, 'PreconditionFailed')
      assert.equal(await fetchObject(world, Key), 'there')
      await complete(world, Key, id, parts, {
        IfMatch: `"${createHash('md5').update('there').digest('hex')}"`,
      })
      assert.equal(await fetchObject(world, Key), 'new')
    },
  },
  {
    name: 'composite and full-object checksums',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const bodies = [Buffer.alloc(PART_BYTES, 'q'), Buffer.from('tail')]
      const composite = await create(world, 'sha', { ChecksumAlgorithm: 'SHA256' })
      const parts: CompletedPart[] = []
      for (const [index, body] of bodies.entries()) {
        const more = { ChecksumAlgorithm: 'SHA256' }
        parts.push(await part(world, 'sha', composite, index + 1, body, more))
      }
      const done = await complete(world, 'sha', composite, parts)
      const sums = bodies.map((body) => createHash('sha256').update(body).digest())
      const expected = createHash('sha256').update(Buffer.concat(sums)).digest('base64')
      assert.equal(done.ChecksumSHA256, `${expected}-2`)

      const whole = await create(world, 'crc', {
        ChecksumAlgorithm: 'CRC64NVME',
        ChecksumType: 'FULL_OBJECT',
      })
      const crcParts: CompletedPart[] = []
      for (const [index, body] of bodies.entries()) {
        const more = { ChecksumAlgorithm: 'CRC64NVME' }
        crcParts.push(await part(world, 'crc', whole, index + 1, body, more))
      }
      const crc = await complete(world, 'crc', whole, crcParts)
      const single = await s3.send(
        new PutObjectCommand({
          Bucket,
          Key: 'single',
          Body: Buffer.concat(bodies),
          ChecksumAlgorithm: 'CRC64NVME',
        }),
      )
      assert.equal(crc.ChecksumCRC64NVME, single.ChecksumCRC64NVME)
      await fails(
        s3.send(
          new CreateMultipartUploadCommand({
            Bucket,
            Key: 'x',
            ChecksumAlgorithm: 'SHA1',
            ChecksumType: 'FULL_OBJECT',
          }),
        ),
        400,
        'InvalidRequest',
      )
    },
  },
  {
    name: 'ListParts and ListMultipartUploads in pages; abort',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const id = await create(world, 'p/1')
      for (const number of [1, 3, 7]) await part(world, 'p/1', id, number, `part ${number}`)
      const numbers: (number | undefined)[] = []
      let PartNumberMarker: string | undefined
      for (let page = 0; page < 5; page++) {
        const found = await s3.send(
          new ListPartsCommand({ Bucket, Key: 'p/1', UploadId: id, MaxParts: 2, PartNumberMarker }),
        )
        numbers.push(...(found.Parts ?? []).map((each) => each.PartNumber))
        if (found.IsTruncated !== true) break
        PartNumberMarker = found.NextPartNumberMarker
      }
      assert.deepEqual(numbers, [1, 3, 7])

      const others = [
        await create(world, 'p/1'),
        await create(world, 'q'),
        await create(world, 'p/2'),
      ]
      const seen: string[] = []
      let markers: { KeyMarker?: string; UploadIdMarker?: string } = {}
      for (let page = 0; page < 10; page++) {
        const found = await s3.send(
          new ListMultipartUploadsCommand({ Bucket, MaxUploads: 1, ...markers }),
        )
        seen.push(...(found.Uploads ?? []).map((each) => `${each.Key} ${each.UploadId}`))
        if (found.IsTruncated !== true) break
        markers = {
          ...(found.NextKeyMarker ? { KeyMarker: found.NextKeyMarker } : {}),
          ...(found.NextUploadIdMarker ? { UploadIdMarker: found.NextUploadIdMarker } : {}),
        }
      }
      const wanted = [`p/1 ${id}`, `p/1 ${others[0]}`, `p/2 ${others[2]}`, `q ${others[1]}`]
      assert.deepEqual([...seen].sort(), wanted.sort())
      const folded = await s3.send(new ListMultipartUploadsCommand({ Bucket, Delimiter: '/' }))
      assert.deepEqual(
        folded.CommonPrefixes?.map((each) => each.Prefix),
        ['p/'],
      )
      assert.deepEqual(
        folded.Uploads?.map((each) => each.Key),
        ['q'],
      )

      const where = { Bucket, Key: 'p/1', UploadId: id }
      await s3.send(new AbortMultipartUploadCommand(where))
      await fails(s3.send(new ListPartsCommand(where)), 404, 'NoSuchUpload')
      // Aborting again: S3 itself answers 204 for a while, then 404.
      await s3.send(new AbortMultipartUploadCommand(where)).catch((error: unknown) => error)
      const unknown = new AbortMultipartUploadCommand({ ...where, UploadId: 'no-such-upload' })
      await fails(s3.send(unknown), 404, 'NoSuchUpload')
      await fails(part(world, 'p/1', id, 1, 'x'), 404, 'NoSuchUpload')
    },
  },
  {
    name: 'bad completion documents and part numbers (F28)',
    async run(world) {
      const id = await create(world, 'doc')
      const path = `/${world.bucket}/doc`
      const send = (xml: string): ReturnType<ConformanceWorld['raw']> =>
        world.raw({ method: 'POST', path, query: [['uploadId', id]], body: [Buffer.from(xml)] })
      const part = '<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>'
      expectRefused(await send('<nonsense'), 400, 'MalformedXML')
      expectRefused(await send(`<Other>${part}</Other>`), 400, 'MalformedXML')
      expectRefused(await send('<CompleteMultipartUpload/>'), 400, 'MalformedXML')
      const root = 'CompleteMultipartUpload'
      expectRefused(await send(`<${root}>${part.repeat(10_001)}</${root}>`), 400, 'MalformedXML')
      expectRefused(await send(`<!DOCTYPE a><${root}>${part}</${root}>`), 400, 'MalformedXML')
      for (const number of ['0', '10001', 'x', '-1']) {
        const query = [
          ['partNumber', number],
          ['uploadId', id],
        ] as const
        const answer = await world.raw({ method: 'PUT', path, query, body: [Buffer.from('x')] })
        expectRefused(answer, 400, 'InvalidArgument')
      }
    },
  },
  {
    name: 'CopyObject: metadata directives, conditions, itself',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const source = `/${Bucket}/${encodeURIComponent('src é+')}`
      const { ETag } = await s3.send(
        new PutObjectCommand({
          Bucket,
          Key: 'src é+',
          Body: 'copied',
          ContentType: 'a/b',
          Metadata: { keep: 'me' },
        }),
      )
      const copy = (more: object): Promise<CopyObjectCommandOutput> =>
        s3.send(new CopyObjectCommand({ Bucket, Key: 'dst', CopySource: source, ...more }))
      assert.equal((await copy({})).CopyObjectResult?.ETag, ETag)
      const kept = await s3.send(new HeadObjectCommand({ Bucket, Key: 'dst' }))
      assert.deepEqual([kept.ContentType, kept.Metadata], ['a/b', { keep: 'me' }])
      await copy({ MetadataDirective: 'REPLACE', ContentType: 'c/d', Metadata: { new: '1' } })
      const replaced = await s3.send(new HeadObjectCommand({ Bucket, Key: 'dst' }))
      assert.deepEqual([replaced.ContentType, replaced.Metadata], ['c/d', { new: '1' }])
      assert.equal(await fetchObject(world, 'dst'), 'copied')
      await fails(copy({ CopySourceIfMatch: '"x"' }), 412, 'PreconditionFailed')
      await fails(copy({ CopySourceIfNoneMatch: ETag }), 412, 'PreconditionFailed')
      await fails(copy({ IfNoneMatch: '*' }), 412, 'PreconditionFailed')
      await copy({ CopySourceIfMatch: ETag })
      await fails(copy({ CopySource: `${Bucket}/none` }), 404, 'NoSuchKey')
      await fails(copy({ CopySource: `${Bucket}-none/x` }), 404, 'NoSuchBucket')
      await fails(copy({ Key: 'src é+' }), 400, 'InvalidRequest')
      await copy({ Key: 'src é+', MetadataDirective: 'REPLACE', Metadata: { changed: '1' } })
      const itself = await s3.send(new HeadObjectCommand({ Bucket, Key: 'src é+' }))
      assert.deepEqual(itself.Metadata, { changed: '1' })
      const nonsense = await world.raw({
        method: 'PUT',
        path: `/${Bucket}/dst`,
        headers: { 'x-amz-copy-source': 'nonsense' },
      })
      expectRefused(nonsense, 400, 'InvalidArgument')
    },
  },
  {
    name: 'UploadPartCopy of a whole object and of ranges',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const body = Buffer.alloc(PART_BYTES + 10, 'source ')
      await storeObject(world, 'src', body)
      const UploadId = await create(world, 'joined')
      const copy = (PartNumber: number, CopySourceRange: string): Promise<CompletedPart> =>
        s3
          .send(
            new UploadPartCopyCommand({
              Bucket,
              Key: 'joined',
              UploadId,
              PartNumber,
              CopySource: `${Bucket}/src`,
              CopySourceRange,
            }),
          )
          .then((done) => ({ PartNumber, ETag: done.CopyPartResult?.ETag ?? '' }))
      const parts = [
        await copy(1, `bytes=0-${PART_BYTES - 1}`),
        await copy(2, `bytes=${PART_BYTES}-${PART_BYTES + 9}`),
      ]
      await fails(copy(3, `bytes=0-${PART_BYTES + 10}`), 400, 'InvalidArgument')
      await complete(world, 'joined', UploadId, parts)
      const found = await s3.send(new GetObjectCommand({ Bucket, Key: 'joined' }))
      assert(Buffer.from((await found.Body?.transformToByteArray()) ?? []).equals(body))
    },
  },
]
