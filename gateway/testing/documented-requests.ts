/**
 * A successful request for each implemented operation, and for each name that AWS documents a value with which it still
 * succeeds. parameters.test.ts checks docs/s3-parameters.md with these.
 */

import { createHash } from 'node:crypto'
import type { ChecksumAlgorithm } from '../port/body.ts'
import { CHECKSUM_ALGORITHMS, checksumHeader, createChecksum } from '../body/checksum.ts'
import { sendRaw, type ConformanceTarget, type RawResponse } from '../conformance/world.ts'
import type { Operation } from '../s3/operation.ts'
import { encryptionSample, type RequestSample } from './encryption-samples.ts'
import { EXAMPLE_CREDENTIAL } from './requests.ts'
import type { Unsigned } from './signer.ts'

export const TEXT = Buffer.from('what is stored')
const ETAG = `"${createHash('md5').update(TEXT).digest('hex')}"`
const PAST = 'Thu, 01 Jan 2015 00:00:00 GMT'
const FUTURE = 'Fri, 01 Jan 2100 00:00:00 GMT'
const ACCOUNT = EXAMPLE_CREDENTIAL.identity.accountId

const POLICY = (bucket: string): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` },
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${bucket}/*`,
      },
    ],
  })

const TAGGING = '<Tagging><TagSet><Tag><Key>team</Key><Value>a</Value></Tag></TagSet></Tagging>'

const LOCK_SETTING =
  '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>'

/** Operations whose body needs a digest. */
const DIGESTED: ReadonlySet<string> = new Set([
  'DeleteObjects',
  'PutBucketCors',
  'PutBucketEncryption',
  'PutBucketTagging',
  'PutObjectLegalHold',
  'PutObjectLockConfiguration',
  'PutObjectRetention',
  'PutObjectTagging',
])

/** What must be there before it can be read: the operation that puts it, and its parameter. */
const SETTINGS: Readonly<Record<string, readonly [put: string, mark: string]>> = {
  GetBucketCors: ['PutBucketCors', 'cors'],
  GetBucketEncryption: ['PutBucketEncryption', 'encryption'],
  GetBucketTagging: ['PutBucketTagging', 'tagging'],
  GetBucketWebsite: ['PutBucketWebsite', 'website'],
  GetObjectLegalHold: ['PutObjectLegalHold', 'legal-hold'],
  GetObjectRetention: ['PutObjectRetention', 'retention'],
}

const BODIES: Readonly<Record<string, (bucket: string, partChecksum: string) => string>> = {
  PutObject: () => TEXT.toString(),
  UploadPart: () => TEXT.toString(),
  DeleteObjects: () => '<Delete><Object><Key>key</Key></Object></Delete>',
  PutBucketVersioning: () =>
    '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>',
  PutBucketPolicy: POLICY,
  PutPublicAccessBlock: () =>
    '<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>',
  PutBucketLifecycleConfiguration: () =>
    '<LifecycleConfiguration><Rule><Filter/><Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>',
  PutBucketNotificationConfiguration: () => '<NotificationConfiguration/>',
  PutBucketCors: () =>
    '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>',
  PutBucketEncryption: () =>
    '<ServerSideEncryptionConfiguration><Rule/></ServerSideEncryptionConfiguration>',
  PutBucketTagging: () => TAGGING,
  PutBucketLogging: () => '<BucketLoggingStatus/>',
  PutBucketWebsite: () =>
    '<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument></WebsiteConfiguration>',
  PutBucketOwnershipControls: () =>
    '<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>',
  PutObjectTagging: () => TAGGING,
  PutObjectLegalHold: () => '<LegalHold><Status>ON</Status></LegalHold>',
  PutObjectLockConfiguration: () => LOCK_SETTING,
  PutObjectRetention: () =>
    '<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2100-01-01T00:00:00Z</RetainUntilDate></Retention>',
  CompleteMultipartUpload: (_, partChecksum) =>
    `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${ETAG}</ETag>${partChecksum}</Part></CompleteMultipartUpload>`,
}

/** Headers without which the request would be another operation, or none. */
const NEEDED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  GetObjectAttributes: { 'x-amz-object-attributes': 'ETag' },
  PutBucketAcl: { 'x-amz-acl': 'private' },
  PutObjectAcl: { 'x-amz-acl': 'private' },
}
/** The header that names the object which the operation reads, where it is no mark. */
const SOURCE_HEADERS: Readonly<Record<string, string>> = { RenameObject: 'x-amz-rename-source' }

/** Operations with headers of access control lists, which buckets do not allow by default. */
const LISTED: ReadonlySet<string> = new Set([
  'PutBucketAcl',
  'PutObjectAcl',
  'PutObject',
  'CopyObject',
  'CreateMultipartUpload',
  'PostObject',
])

let count = 0

/**
 * A new bucket, with an object and an upload if the operation needs them, and the request of the operation. `checksum` is
 * the algorithm of an upload that is to be completed.
 */
export async function prepareSample(
  target: ConformanceTarget,
  operation: Operation,
  checksum?: ChecksumAlgorithm,
): Promise<Unsigned> {
  const { name, level, method } = operation
  const bucket = `documented-${(count += 1)}`
  const path = { service: '/', bucket: `/${bucket}`, object: `/${bucket}/key` }[level]
  let uploadId = ''
  if (name !== 'CreateBucket') {
    const headers: Record<string, string> = LISTED.has(name)
      ? { 'x-amz-object-ownership': 'ObjectWriter' }
      : {}
    await send(target, { method: 'PUT', path: `/${bucket}`, headers })
  }
  if (level === 'object' || name === 'DeleteObjects') {
    for (const key of ['key', 'source']) {
      await send(target, { method: 'PUT', path: `/${bucket}/${key}`, body: [TEXT] })
    }
  }
  if (isAboutLocks(operation)) await enableLocks(target, `/${bucket}`)
  const setting = SETTINGS[name]
  if (setting !== undefined) await putSetting(target, path, ...setting)
  if (operation.marks.includes('uploadId')) {
    uploadId = await startUpload(target, path, name, checksum)
  }
  const query = operation.marks.map((mark): [string, string] => {
    const [parameter = '', value = ''] = mark.split('=')
    return [parameter, { uploadId, partNumber: '1' }[parameter] ?? value]
  })
  const headers: Record<string, string> = { ...NEEDED[name] }
  const sourceHeader = operation.markHeader ?? SOURCE_HEADERS[name]
  if (sourceHeader !== undefined) headers[sourceHeader] = `/${bucket}/source`
  const partChecksum =
    checksum === undefined
      ? ''
      : `<Checksum${checksum}>${sumOf(checksum, TEXT).toString('base64')}</Checksum${checksum}>`
  const body = BODIES[name]?.(bucket, partChecksum)
  if (DIGESTED.has(name)) headers['content-md5'] = md5(body ?? '')
  return {
    method,
    path,
    query,
    headers,
    ...(body === undefined ? {} : { body: [Buffer.from(body)] }),
  }
}

/** In its bucket, null versions may be locked. */
function isAboutLocks({ name, headers }: Operation): boolean {
  return (
    headers.has('x-amz-object-lock-mode') ||
    headers.has('x-amz-bypass-governance-retention') ||
    /Object(Retention|LegalHold|LockConfiguration)$/.test(name)
  )
}

async function enableLocks(target: ConformanceTarget, path: string): Promise<void> {
  const body = [
    Buffer.from('<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'),
  ]
  await send(target, { method: 'PUT', path, query: [['versioning', '']], body })
  await putSetting(target, path, 'PutObjectLockConfiguration', 'object-lock')
}

async function putSetting(
  target: ConformanceTarget,
  path: string,
  name: string,
  mark: string,
): Promise<void> {
  const body = BODIES[name]?.('', '') ?? ''
  await send(target, {
    method: 'PUT',
    path,
    query: [[mark, '']],
    headers: { 'content-md5': md5(body) },
    body: [Buffer.from(body)],
  })
}

/** The algorithm that a header of a completion belongs to. */
export function algorithmNamed(header: string): ChecksumAlgorithm | undefined {
  if (header === 'x-amz-sdk-checksum-algorithm') return 'CRC32'
  return CHECKSUM_ALGORITHMS.find((each) => checksumHeader(each) === header)
}

function isFullObject(algorithm: ChecksumAlgorithm): boolean {
  return algorithm.startsWith('CRC')
}

async function startUpload(
  target: ConformanceTarget,
  path: string,
  name: string,
  algorithm: ChecksumAlgorithm | undefined,
): Promise<string> {
  const headers: Record<string, string> =
    algorithm === undefined
      ? {}
      : {
          'x-amz-checksum-algorithm': algorithm,
          'x-amz-checksum-type': isFullObject(algorithm) ? 'FULL_OBJECT' : 'COMPOSITE',
        }
  const started = await send(target, { method: 'POST', path, query: [['uploads', '']], headers })
  const uploadId = /<UploadId>([^<]+)</.exec(started.text)?.[1] ?? ''
  if (name === 'CompleteMultipartUpload') {
    const query: [string, string][] = [
      ['partNumber', '1'],
      ['uploadId', uploadId],
    ]
    const sums = algorithm === undefined ? {} : checksumOf(algorithm, TEXT)
    await send(target, { method: 'PUT', path, query, headers: sums, body: [TEXT] })
  }
  return uploadId
}

async function send(target: ConformanceTarget, message: Unsigned): Promise<RawResponse> {
  const answer = await sendRaw(target, message)
  if (answer.status >= 300) throw new Error(`${message.path}: ${answer.status} ${answer.text}`)
  return answer
}

function md5(text: string | Uint8Array): string {
  return createHash('md5').update(text).digest('base64')
}

function sumOf(algorithm: ChecksumAlgorithm, body: Uint8Array): Buffer {
  const hasher = createChecksum(algorithm)
  hasher.update(body)
  return Buffer.from(hasher.digest())
}

function checksumOf(algorithm: ChecksumAlgorithm, body: Uint8Array): Record<string, string> {
  return { [checksumHeader(algorithm)]: sumOf(algorithm, body).toString('base64') }
}

/** The headers with which a completion declares the checksum of an object of one part. */
function checksumOfObject(algorithm: ChecksumAlgorithm): Record<string, string> {
  return checksumOf(algorithm, isFullObject(algorithm) ? TEXT : sumOf(algorithm, TEXT))
}

/** Values for accepted names. Others get `1`. */
const SAMPLES: Readonly<Record<string, string>> = {
  'bucket-region': 'us-east-1',
  'continuation-token': '1',
  'encoding-type': 'url',
  'fetch-owner': 'true',
  'list-type': '2',
  'response-expires': FUTURE,
  versionId: 'null',
  'version-id-marker': 'null',
  'cache-control': 'no-cache',
  'content-type': 'text/plain',
  expires: FUTURE,
  'if-modified-since': PAST,
  'if-range': ETAG,
  'if-unmodified-since': FUTURE,
  'x-amz-acl': 'private',
  'x-amz-bucket-namespace': 'global',
  'x-amz-bucket-object-lock-enabled': 'true',
  'x-amz-bypass-governance-retention': 'true',
  'x-amz-checksum-algorithm': 'CRC32',
  'x-amz-checksum-mode': 'ENABLED',
  'x-amz-checksum-type': 'FULL_OBJECT',
  'x-amz-confirm-remove-self-bucket-access': 'true',
  'x-amz-copy-source-if-match': ETAG,
  'x-amz-copy-source-if-modified-since': PAST,
  'x-amz-copy-source-if-none-match': '"other"',
  'x-amz-copy-source-if-unmodified-since': FUTURE,
  'x-amz-copy-source-range': 'bytes=0-3',
  'x-amz-expected-bucket-owner': ACCOUNT,
  'x-amz-if-match-size': String(TEXT.length),
  'x-amz-metadata-directive': 'REPLACE',
  'x-amz-mp-object-size': String(TEXT.length),
  'x-amz-object-ownership': 'BucketOwnerEnforced',
  'x-amz-optional-object-attributes': 'RestoreStatus',
  'x-amz-rename-source-if-match': ETAG,
  'x-amz-rename-source-if-modified-since': PAST,
  'x-amz-rename-source-if-none-match': '"other"',
  'x-amz-rename-source-if-unmodified-since': FUTURE,
  'x-amz-request-payer': 'requester',
  'x-amz-source-expected-bucket-owner': ACCOUNT,
  'x-amz-storage-class': 'STANDARD_IA',
  'x-amz-tagging': 'team=a',
  'x-amz-tagging-directive': 'COPY',
  'x-amz-website-redirect-location': '/other',
  'x-amz-transition-default-minimum-object-size': 'all_storage_classes_128K',
}

/** Undefined when the request already has the name. */
export function sampleOf(
  operation: Operation,
  message: Unsigned,
  place: 'query' | 'header',
  name: string,
): RequestSample | undefined {
  const body = Buffer.concat(message.body ?? [])
  if (place === 'query') {
    if (message.query?.some(([given]) => given === name) === true) return undefined
    if (name === 'continuation-token') return { query: { [name]: 'MWE' } }
    if (name === 'version-id-marker') return { query: { 'key-marker': 'a', [name]: 'null' } }
    const status = name === 'partNumber' ? 206 : undefined
    return { query: { [name]: SAMPLES[name] ?? '1' }, ...(status === undefined ? {} : { status }) }
  }
  const header = name.replace('*', 'note')
  if (message.headers?.[header] !== undefined || header === 'content-length') return undefined
  const algorithm = algorithmNamed(header)
  if (algorithm !== undefined) {
    const isOfObject = operation.name === 'CompleteMultipartUpload'
    const sums = isOfObject ? checksumOfObject(algorithm) : checksumOf(algorithm, body)
    const isName = header === 'x-amz-sdk-checksum-algorithm'
    return { headers: isName ? { [header]: algorithm, ...sums } : sums }
  }
  const ofEncryption = encryptionSample(operation, header)
  if (ofEncryption !== undefined) return ofEncryption
  if (header.startsWith('x-amz-grant-')) {
    return { headers: { [header]: `id=${ACCOUNT}` }, without: 'x-amz-acl' }
  }
  switch (header) {
    case 'content-md5':
      return { headers: { [header]: md5(body) } }
    case 'x-amz-checksum-type':
      return operation.name === 'CreateMultipartUpload'
        ? { headers: { [header]: 'FULL_OBJECT', 'x-amz-checksum-algorithm': 'CRC32' } }
        : { headers: { [header]: 'FULL_OBJECT' } }
    case 'if-match':
      return { headers: { [header]: ETAG } }
    case 'if-none-match':
      // The object exists, so the refusal shows that the condition was evaluated.
      return operation.method === 'GET' || operation.method === 'HEAD'
        ? { headers: { [header]: ETAG }, status: 304 }
        : { headers: { [header]: '*' }, status: 412 }
    case 'range':
      return { headers: { [header]: 'bytes=0-3' }, status: 206 }
    case 'x-amz-object-lock-mode':
    case 'x-amz-object-lock-retain-until-date':
      return {
        headers: {
          'x-amz-object-lock-mode': 'GOVERNANCE',
          'x-amz-object-lock-retain-until-date': '2100-01-01T00:00:00Z',
          ...(operation.name === 'PutObject' && checksumOf('CRC32', body)),
        },
      }
    case 'x-amz-object-lock-legal-hold':
      return {
        headers: {
          [header]: 'ON',
          ...(operation.name === 'PutObject' && checksumOf('CRC32', body)),
        },
      }
    case 'x-amz-if-match-last-modified-time':
      return { headers: { [header]: PAST }, status: 412 }
    default:
      return { headers: { [header]: SAMPLES[header] ?? '1' } }
  }
}
