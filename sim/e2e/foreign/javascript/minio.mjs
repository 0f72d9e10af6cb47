/** minio for JavaScript. */

import { Readable } from 'node:stream'
import * as Minio from 'minio'
import { bytesOf, endpoint, equal, gather, oddKey, postForm, step } from './steps.mjs'

const bucket = 'minio-js-bucket'
const small = bytesOf(1, 5_000)

function client(turn) {
  const { hostname, port, protocol } = new URL(endpoint(turn))
  return new Minio.Client({
    endPoint: hostname,
    port: Number(port),
    useSSL: protocol === 'https:',
    accessKey: process.env.AWS_ACCESS_KEY_ID,
    secretKey: process.env.AWS_SECRET_ACCESS_KEY,
  })
}

export async function minioSuite() {
  await step('minio-js: PUT, GET, stat, range', async () => {
    await client(0).makeBucket(bucket, 'us-east-1')
    await client(0).putObject(bucket, oddKey, small, small.length, { a: '1' })
    equal(Buffer.compare(await gather(await client(1).getObject(bucket, oddKey)), small), 0, 'GET')
    const stat = await client(2).statObject(bucket, oddKey)
    equal([stat.size, stat.metaData.a], [5_000, '1'], 'stat')
    const part = await gather(await client(0).getPartialObject(bucket, oddKey, 10, 10))
    equal(Buffer.compare(part, small.subarray(10, 20)), 0, 'range')
  })
  await step('minio-js: a stream in parts', async () => {
    const large = bytesOf(2, 66 << 20)
    await client(0).putObject(bucket, 'large', Readable.from([large]))
    const got = await gather(await client(1).getObject(bucket, 'large'))
    equal(Buffer.compare(got, large), 0, 'bytes')
  })
  await step('minio-js: links', async () => {
    const reply = await fetch(await client(0).presignedGetObject(bucket, oddKey, 60))
    equal(reply.status, 200, 'GET')
    const url = await client(1).presignedPutObject(bucket, 'by link', 60)
    equal((await fetch(url, { method: 'PUT', body: 'linked' })).status, 200, 'PUT')
  })
  await step('minio-js: a form', async () => {
    const policy = client(0).newPostPolicy()
    policy.setBucket(bucket)
    policy.setKey('posted')
    policy.setContentLengthRange(1, 100)
    policy.setExpires(new Date(Date.now() + 60_000))
    const { postURL, formData } = await client(0).presignedPostPolicy(policy)
    equal((await postForm(postURL, formData, 'by form')).status, 204, 'POST')
    equal((await gather(await client(1).getObject(bucket, 'posted'))).toString(), 'by form', 'GET')
    const other = await postForm(postURL, { ...formData, key: 'elsewhere' }, 'by form')
    equal(other.status, 403, 'another key')
    await client(2).removeObject(bucket, 'posted')
  })
  await step('minio-js: list, copy, delete many', async () => {
    await client(0).copyObject(bucket, 'copy', `/${bucket}/${oddKey}`)
    const names = []
    for await (const entry of client(1).listObjectsV2(bucket, '', true)) names.push(entry.name)
    equal(names, [oddKey, 'by link', 'copy', 'large'], 'keys')
    await client(2).removeObjects(bucket, names)
    await client(0).removeBucket(bucket)
  })
}
