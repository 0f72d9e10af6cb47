/** The AWS SDK for JavaScript v2, with signature versions 4 and 2. */

import { Readable } from 'node:stream'
import AWS from 'aws-sdk'
import { bytesOf, endpoint, equal, oddKey, postForm, step } from './steps.mjs'

const Bucket = 'js-v2-bucket'
const small = bytesOf(1, 5_000)

const client = (turn, signatureVersion = 'v4') =>
  new AWS.S3({
    endpoint: endpoint(turn),
    region: 'us-east-1',
    s3ForcePathStyle: true,
    signatureVersion,
    maxRetries: 0,
  })

const codeOf = (promise) =>
  promise.then(
    () => 'none',
    (error) => error.code,
  )

export async function awsSuite() {
  await step('aws-sdk v2: PUT, GET, range, an odd key', async () => {
    await client(0).createBucket({ Bucket }).promise()
    const put = { Bucket, Key: oddKey, Body: small, Metadata: { a: '1' } }
    await client(0).putObject(put).promise()
    const got = await client(1).getObject({ Bucket, Key: oddKey }).promise()
    equal(Buffer.compare(got.Body, small), 0, 'bytes')
    equal(got.Metadata, { a: '1' }, 'metadata')
    const range = { Bucket, Key: oddKey, Range: 'bytes=10-19' }
    const part = await client(2).getObject(range).promise()
    equal(Buffer.compare(part.Body, small.subarray(10, 20)), 0, 'range')
  })
  await step('aws-sdk v2: a stream in parts', async () => {
    const large = bytesOf(2, 12 << 20)
    const options = { partSize: 5 << 20, queueSize: 2 }
    const Body = Readable.from([large.subarray(0, 7 << 20), large.subarray(7 << 20)])
    await client(0).upload({ Bucket, Key: 'large', Body }, options).promise()
    const got = await client(1).getObject({ Bucket, Key: 'large' }).promise()
    equal(Buffer.compare(got.Body, large), 0, 'bytes')
  })
  await step('aws-sdk v2: signature version 2 in the header', async () => {
    // The default setting of Shoal takes version 2 in links only, and says so.
    const got = await codeOf(client(0, 'v2').getObject({ Bucket, Key: oddKey }).promise())
    equal(['InvalidRequest', 'none'].includes(got), true, got)
  })
  for (const version of ['v4', 'v2']) {
    await step(`aws-sdk v2: links by signature version ${version.slice(1)}`, async () => {
      const params = { Bucket, Key: oddKey, Expires: 60, ResponseContentType: 'text/x-odd' }
      const reply = await fetch(client(1, version).getSignedUrl('getObject', params))
      equal([reply.status, reply.headers.get('content-type')], [200, 'text/x-odd'], 'GET')
      equal(Buffer.compare(Buffer.from(await reply.arrayBuffer()), small), 0, 'bytes')
      const url = client(0, version).getSignedUrl('putObject', { Bucket, Key: 'by link' })
      // Bytes, because a text brings a content type, which version 2 signs.
      const body = Buffer.from('linked')
      equal((await fetch(url, { method: 'PUT', body })).status, 200, 'PUT')
    })
  }
  await step('aws-sdk v2: a form', async () => {
    const Fields = { 'Content-Type': 'text/x-form' }
    const Conditions = [
      ['starts-with', '$key', 'form/'],
      ['content-length-range', 1, 5_000],
    ]
    const { url, fields } = client(0).createPresignedPost({ Bucket, Fields, Conditions })
    // It would make an exact condition of a key among the fields, and variables are replaced before conditions.
    fields.key = 'form/${filename}'
    equal((await postForm(url, fields, small)).status, 204, 'POST')
    const got = await client(1).getObject({ Bucket, Key: 'form/a b.txt' }).promise()
    equal(Buffer.compare(got.Body, small), 0, 'bytes')
    equal(got.ContentType, 'text/x-form', 'type')
    equal((await postForm(url, fields, Buffer.alloc(5_001))).status, 400, 'a larger file')
    await client(2).deleteObject({ Bucket, Key: 'form/a b.txt' }).promise()
  })
  await step('aws-sdk v2: copy, list, delete many', async () => {
    const CopySource = encodeURIComponent(`${Bucket}/${oddKey}`)
    await client(0).copyObject({ Bucket, Key: 'copy + of odd', CopySource }).promise()
    const listed = await client(1).listObjectsV2({ Bucket }).promise()
    const keys = listed.Contents.map((entry) => entry.Key)
    equal(keys, [oddKey, 'by link', 'copy + of odd', 'large'], 'keys')
    const Objects = listed.Contents.map(({ Key }) => ({ Key }))
    await client(2).deleteObjects({ Bucket, Delete: { Objects } }).promise()
    equal(await codeOf(client(0).headObject({ Bucket, Key: 'large' }).promise()), 'NotFound', 'gone')
    await client(0).deleteBucket({ Bucket }).promise()
  })
}
