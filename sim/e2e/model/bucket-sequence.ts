/** A life of a bucket with its settings, each step with the answer that must come. */

import { xmlTexts, type BenchRequest } from '../../../bench/harness/s3.ts'
import { md5 } from './objects-model.ts'
import type { SmallRandom } from '../../../protocol/iam/testing/cases.ts'
import { unlike, type ModelStep } from './step.ts'

const POLICY = (bucket: string): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Deny',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${bucket}/secret/*`,
      },
    ],
  })

const CORS =
  '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>'

type Sent = Pick<ModelStep, 'name' | 'request'>

/** In the order in which they are sent. Where two orders are drawn, both are right. */
export function bucketLife(random: SmallRandom, bucket: string): ModelStep[] {
  const settings = [policySteps(bucket), versioningSteps(bucket), corsSteps(bucket)]
  const first = random.below(settings.length)
  const second = random.chance(0.5) ? (settings[(first + 1) % settings.length] ?? []) : []
  const drawn = [...(settings[first] ?? []), ...second]
  const isVersioned = drawn.some(({ name }) => name === 'PutBucketVersioning')
  const request = { bucket, key: 'a/b', method: 'GET' as const }
  return [
    { ...on(bucket, 'HeadBucket', 'HEAD'), status: 404 },
    { name: 'GetObject', request, status: 404, code: 'NoSuchBucket' },
    { ...on(bucket, 'CreateBucket', 'PUT'), status: 200 },
    { ...on(bucket, 'HeadBucket', 'HEAD'), status: 200 },
    ...drawn,
    // A bucket with versions would keep the deleted object.
    ...(isVersioned ? [] : objectSteps(bucket)),
    { ...on(bucket, 'DeleteBucket', 'DELETE'), status: 204 },
    { ...on(bucket, 'HeadBucket', 'HEAD'), status: 404 },
    { ...on(bucket, 'DeleteBucket', 'DELETE'), status: 404, code: 'NoSuchBucket' },
  ]
}

function on(bucket: string, name: string, method: BenchRequest['method'], mark = ''): Sent {
  return { name, request: { method, bucket, query: mark === '' ? {} : { [mark]: '' } } }
}

function put(bucket: string, name: string, mark: string, text: string): Sent {
  const body = Buffer.from(text)
  const headers = { 'content-md5': Buffer.from(md5(body), 'hex').toString('base64') }
  return { name, request: { method: 'PUT', bucket, query: { [mark]: '' }, body, headers } }
}

function shows(what: string, element: string): Pick<ModelStep, 'status' | 'check'> {
  return {
    status: 200,
    check: (reply) => unlike(xmlTexts(reply.body.toString('utf8'), element), [what], element),
  }
}

function policySteps(bucket: string): ModelStep[] {
  const read = on(bucket, 'GetBucketPolicy', 'GET', 'policy')
  const text = POLICY(bucket)
  return [
    { ...read, status: 404, code: 'NoSuchBucketPolicy' },
    { ...put(bucket, 'PutBucketPolicy', 'policy', text), status: 204 },
    { ...read, status: 200, body: Buffer.from(text) },
    { ...on(bucket, 'DeleteBucketPolicy', 'DELETE', 'policy'), status: 204 },
    { ...read, status: 404, code: 'NoSuchBucketPolicy' },
  ]
}

function versioningSteps(bucket: string): ModelStep[] {
  const read = on(bucket, 'GetBucketVersioning', 'GET', 'versioning')
  const written = (status: string): ModelStep => {
    const text = `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`
    return { ...put(bucket, 'PutBucketVersioning', 'versioning', text), status: 200 }
  }
  return [
    { ...read, status: 200 },
    written('Enabled'),
    { ...read, ...shows('Enabled', 'Status') },
    written('Suspended'),
    { ...read, ...shows('Suspended', 'Status') },
  ]
}

function corsSteps(bucket: string): ModelStep[] {
  const read = on(bucket, 'GetBucketCors', 'GET', 'cors')
  return [
    { ...read, status: 404, code: 'NoSuchCORSConfiguration' },
    { ...put(bucket, 'PutBucketCors', 'cors', CORS), status: 200 },
    { ...read, ...shows('GET', 'AllowedMethod') },
    { ...on(bucket, 'DeleteBucketCors', 'DELETE', 'cors'), status: 204 },
    { ...read, status: 404, code: 'NoSuchCORSConfiguration' },
  ]
}

/** A bucket that is not empty stays. */
function objectSteps(bucket: string): ModelStep[] {
  const object = { bucket, key: 'a/b' }
  const body = Buffer.from('x')
  return [
    { name: 'PutObject', request: { ...object, method: 'PUT', body }, status: 200 },
    { ...on(bucket, 'DeleteBucket', 'DELETE'), status: 409, code: 'BucketNotEmpty' },
    { name: 'GetObject', request: { ...object, method: 'GET' }, status: 200, body },
    { name: 'DeleteObject', request: { ...object, method: 'DELETE' }, status: 204 },
  ]
}
