/**
 * Every operation of the table that writes is tried against locked versions, by the root of their account, with the header
 * that passes over governance mode. All of them are still there afterwards, with their bytes and their locks.
 *
 * The requests are made from the table, so that an operation that is added later is tried too.
 */

import assert from 'node:assert/strict'
import { OPERATIONS } from '../routes/operations.ts'
import type { Operation } from '../s3/operation.ts'
import { nameOfMark } from '../s3/table/define.ts'
import { postForm } from '../testing/forms.ts'
import { md5OfText, sendDocument } from './locked-bucket.ts'
import type { ConformanceCase, ConformanceWorld, RawResponse } from './world.ts'

const KEY = 'locked'
const UNTIL = '2126-01-01T00:00:00.000Z'
const COMPLIANCE = `<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>${UNTIL}</RetainUntilDate></Retention>`
const VERSIONING = (status: string): string =>
  `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`
const LOCKING =
  '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>'

interface LockedVersion {
  readonly versionId: string
  readonly text: string
  /** By legal hold; otherwise by compliance mode. */
  readonly isHeld: boolean
}

/** What an attempt is made of. */
interface Scene {
  readonly world: ConformanceWorld
  readonly versions: readonly LockedVersion[]
  /** An open upload of the key, with one part. */
  readonly uploadId: string
  readonly etag: string
}

/**
 * The bodies with which operations do the most harm. Each that stores a body or reads a document needs one here; '' where the
 * operation has none.
 */
const BODIES: Readonly<Record<string, (scene: Scene) => string>> = {
  CreateBucket: () => '',
  DeleteObjects: ({ versions }) =>
    `<Delete>${versions
      .map(
        ({ versionId }) => `<Object><Key>${KEY}</Key><VersionId>${versionId}</VersionId></Object>`,
      )
      .join('')}</Delete>`,
  PutBucketAcl: () => '',
  PutBucketCors: () =>
    '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>DELETE</AllowedMethod></CORSRule></CORSConfiguration>',
  PutBucketEncryption: () =>
    '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>',
  PutBucketLifecycleConfiguration: () =>
    '<LifecycleConfiguration><Rule><Filter/><Status>Enabled</Status><Expiration><Date>2020-01-01T00:00:00Z</Date></Expiration></Rule></LifecycleConfiguration>',
  PutBucketLogging: ({ world }) =>
    `<BucketLoggingStatus><LoggingEnabled><TargetBucket>${world.bucket}</TargetBucket><TargetPrefix>${KEY}</TargetPrefix></LoggingEnabled></BucketLoggingStatus>`,
  PutBucketNotificationConfiguration: () => '<NotificationConfiguration/>',
  PutBucketOwnershipControls: () =>
    '<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>',
  PutBucketPolicy: ({ world }) =>
    `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:*","Resource":"arn:aws:s3:::${world.bucket}/*","Condition":{"StringEquals":{"aws:username":"x"}}}]}`,
  PutBucketTagging: () => '<Tagging><TagSet/></Tagging>',
  PutBucketVersioning: () => VERSIONING('Suspended'),
  PutBucketWebsite: () =>
    '<WebsiteConfiguration><RedirectAllRequestsTo><HostName>example.org</HostName></RedirectAllRequestsTo></WebsiteConfiguration>',
  PutObject: () => 'other bytes',
  CopyObject: () => '',
  RenameObject: () => '',
  PutObjectAcl: () => '',
  PutObjectLegalHold: () => '<LegalHold><Status>OFF</Status></LegalHold>',
  PutObjectLockConfiguration: () => LOCKING,
  PutObjectRetention: () => '<Retention/>',
  PutObjectTagging: () => '<Tagging><TagSet/></Tagging>',
  PutPublicAccessBlock: () => '<PublicAccessBlockConfiguration/>',
  CreateMultipartUpload: () => '',
  UploadPart: () => 'other bytes',
  UploadPartCopy: () => '',
  CompleteMultipartUpload: ({ etag }) =>
    `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`,
}

/** What some of them must be answered, so that the attempts are known to reach what they are made for. */
const EXPECTED: Readonly<Record<string, string>> = {
  CompleteMultipartUpload: '200',
  CopyObject: '200',
  CreateBucket: '200|409',
  DeleteBucket: '409',
  DeleteObject: '403',
  DeleteObjects: '200',
  PutBucketVersioning: '409',
  PostObject: '204',
  PutObject: '200',
  PutObjectLegalHold: '200',
  PutObjectRetention: '403',
  PutObjectTagging: '200',
  RenameObject: '409',
}

const WRITING = OPERATIONS.filter(
  ({ method, level }) => method !== 'GET' && method !== 'HEAD' && level !== 'service',
)

function send(
  scene: Scene,
  operation: Operation,
  version: LockedVersion | undefined,
): Promise<RawResponse> {
  const { name, method, level, marks, markHeader } = operation
  const { bucket, target } = scene.world
  if (name === 'PostObject')
    return postForm(target, { bucket, fields: { key: KEY }, file: 'other bytes' })
  const query = marks.map((mark): [string, string] => {
    const parameter = nameOfMark(mark)
    const values: Readonly<Record<string, string>> = { uploadId: scene.uploadId, partNumber: '1' }
    return [parameter, values[parameter] ?? mark.slice(parameter.length + 1)]
  })
  if (version !== undefined) query.push(['versionId', version.versionId])
  const needsBody = operation.run !== undefined && method !== 'DELETE'
  const made = BODIES[name]
  assert(made !== undefined || !needsBody, `lock-attempts.ts: BODIES has nothing for ${name}`)
  const body = made?.(scene) ?? ''
  const headers: Record<string, string> = {
    'content-md5': md5OfText(body),
    'x-amz-bypass-governance-retention': 'true',
  }
  if (markHeader !== undefined) headers[markHeader] = `/${bucket}/source`
  if (name === 'RenameObject') headers['x-amz-rename-source'] = `/${bucket}/source`
  if (name.endsWith('Acl')) headers['x-amz-acl'] = 'private'
  const path = level === 'object' ? `/${bucket}/${KEY}` : `/${bucket}`
  return scene.world.raw({ method, path, query, headers, body: [Buffer.from(body)] })
}

async function expectLocked({ world, versions }: Scene, operation: string): Promise<void> {
  for (const { versionId, text, isHeld } of versions) {
    const path = `/${world.bucket}/${KEY}`
    const found = await world.raw({ path, query: [['versionId', versionId]] })
    const { headers } = found
    const [name, value] = isHeld ? ['legal-hold', 'ON'] : ['retain-until-date', UNTIL]
    assert.equal(
      `${found.status} ${found.text} ${headers[`x-amz-object-lock-${name}`]}`,
      `200 ${text} ${value}`,
      `${operation} has changed the locked version ${versionId}`,
    )
  }
}

async function sent(answer: Promise<RawResponse>): Promise<RawResponse> {
  const given = await answer
  assert.equal(given.status, 200, given.text)
  return given
}

/** The null version and one with an id are in compliance mode, a third one has a legal hold, the current one no lock. */
async function lockThree(world: ConformanceWorld): Promise<LockedVersion[]> {
  const put = async (text: string): Promise<string> => {
    const path = `/${world.bucket}/${KEY}`
    const answer = await sent(world.raw({ method: 'PUT', path, body: [Buffer.from(text)] }))
    return answer.headers['x-amz-version-id'] ?? 'null'
  }
  const versions: LockedVersion[] = []
  for (const text of ['null version', 'retained', 'held']) {
    versions.push({ versionId: await put(text), text, isHeld: text === 'held' })
    if (text !== 'null version') continue
    await sent(sendDocument(world, '', 'versioning', VERSIONING('Enabled')))
    await sent(sendDocument(world, '', 'object-lock', LOCKING))
  }
  await put('current')
  for (const { versionId, isHeld } of versions) {
    const [name, text] = isHeld
      ? ['legal-hold', '<LegalHold><Status>ON</Status></LegalHold>']
      : ['retention', COMPLIANCE]
    await sent(sendDocument(world, KEY, name, text, [['versionId', versionId]]))
  }
  return versions
}

async function prepare(world: ConformanceWorld): Promise<Scene> {
  const path = `/${world.bucket}`
  await sent(world.raw({ method: 'PUT', path }))
  await sent(
    world.raw({ method: 'PUT', path: `${path}/source`, body: [Buffer.from('other bytes')] }),
  )
  const versions = await lockThree(world)
  const upload = { method: 'POST', path: `${path}/${KEY}`, query: [['uploads', '']] as const }
  const { text } = await sent(world.raw(upload))
  const uploadId = /<UploadId>([^<]+)</.exec(text)?.[1] ?? ''
  const query = [
    ['partNumber', '1'],
    ['uploadId', uploadId],
  ] as const
  const body = [Buffer.from('other bytes')]
  const part = await sent(world.raw({ method: 'PUT', path: `${path}/${KEY}`, query, body }))
  return { world, versions, uploadId, etag: part.headers['etag'] ?? '' }
}

export const LOCK_ATTEMPT_CASES: readonly ConformanceCase[] = [
  {
    name: 'no operation of the table removes or changes a locked version',
    async run(outer) {
      // Nobody can remove it for a hundred years, so a later run has another one.
      const world = { ...outer, bucket: `${outer.bucket}-${Date.now().toString(36)}` }
      const scene = await prepare(world)
      await expectLocked(scene, 'nothing')
      assert(WRITING.length > 40)
      for (const operation of WRITING) {
        const { name } = operation
        // To lift a hold is what this one is for.
        const named = scene.versions.filter(
          ({ isHeld }) => !isHeld || name !== 'PutObjectLegalHold',
        )
        const answers: RawResponse[] = []
        for (const version of [...named, undefined]) {
          answers.push(await send(scene, operation, version))
        }
        const [first] = answers
        const expected = EXPECTED[name]
        const wanted = operation.query.has('versionId') ? first : answers.at(-1)
        if (expected !== undefined) {
          assert(expected.split('|').includes(`${wanted?.status}`), `${name}: ${wanted?.text}`)
        }
        if (name === 'DeleteObjects') {
          assert.equal(wanted?.text.match(/<Code>AccessDenied</g)?.length, 3, wanted?.text)
        }
        await expectLocked(scene, name)
      }
      const versioning = await world.raw({ path: `/${world.bucket}`, query: [['versioning', '']] })
      assert.match(versioning.text, /<Status>Enabled</)
      const locking = await world.raw({ path: `/${world.bucket}`, query: [['object-lock', '']] })
      assert.match(locking.text, /<ObjectLockEnabled>Enabled</)
    },
  },
]
