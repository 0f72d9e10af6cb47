/** Forms by the AWS SDK for JavaScript v3, which keeps them in a package of their own. */

import { DeleteObjectCommand, GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { CreateBucketCommand, DeleteBucketCommand } from '@aws-sdk/client-s3'
import { createPresignedPost } from '@aws-sdk/s3-presigned-post'
import { bytesOf, endpoint, equal, postForm, step } from './steps.mjs'

const Bucket = 'js-v3-forms-bucket'
const small = bytesOf(1, 5_000)

const client = (turn) =>
  new S3Client({ endpoint: endpoint(turn), region: 'us-east-1', forcePathStyle: true, maxAttempts: 1 })

export async function formSuite() {
  await step('aws-sdk v3: a form with a name of the browser, conditions and fields', async () => {
    await client(0).send(new CreateBucketCommand({ Bucket }))
    const { url, fields } = await createPresignedPost(client(0), {
      Bucket,
      Key: 'form/${filename}',
      Fields: { 'Content-Type': 'text/x-form', 'x-amz-meta-a': '1', success_action_status: '201' },
      Conditions: [
        ['content-length-range', 1, 5_000],
        ['starts-with', '$Content-Type', 'text/'],
        { 'x-amz-meta-a': '1' },
      ],
      Expires: 60,
    })
    const reply = await postForm(url, fields, small)
    equal(reply.status, 201, 'POST')
    equal(/<Key>form\/a b\.txt<\/Key>/.test(await reply.text()), true, 'answer')
    const got = await client(1).send(new GetObjectCommand({ Bucket, Key: 'form/a b.txt' }))
    equal(Buffer.compare(Buffer.from(await got.Body.transformToByteArray()), small), 0, 'bytes')
    equal([got.ContentType, got.Metadata], ['text/x-form', { a: '1' }], 'headers')
    equal((await postForm(url, fields, Buffer.alloc(5_001))).status, 400, 'a larger file')
    const other = { ...fields, 'x-amz-meta-a': '2' }
    equal((await postForm(url, other, small)).status, 403, 'another value')
    await client(2).send(new DeleteObjectCommand({ Bucket, Key: 'form/a b.txt' }))
  })
  await step('aws-sdk v3: a form of one key', async () => {
    const { url, fields } = await createPresignedPost(client(1), { Bucket, Key: 'one key' })
    equal((await postForm(url, fields, small)).status, 204, 'POST')
    equal((await postForm(url, { ...fields, key: 'another' }, small)).status, 403, 'another key')
    await client(2).send(new DeleteObjectCommand({ Bucket, Key: 'one key' }))
    await client(0).send(new DeleteBucketCommand({ Bucket }))
  })
}
