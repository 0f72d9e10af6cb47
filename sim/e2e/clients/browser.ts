/**
 * A page in Chromium that uploads from another origin, by presigned PUT and by forms (POST), and reads back. The bucket's
 * CORS rules are set by aws-cli.
 */

import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { runCommand, untilTrue } from '../../../bench/harness/process.ts'
import { signedFields } from '../../../gateway/testing/forms.ts'
import { Chromium, type Tab } from '../browser/chromium.ts'
import { servePage, type PageServer, type ReadReport, type UploadReport } from '../browser/page.ts'
import { seededBytes } from '../files.ts'
import { equal } from '../suite.ts'
import type { Context, Suite } from '../suite.ts'
import { awsEnvironment } from './aws-cli.ts'
import { failureOf, getBytes, sdkClient } from './sdk/common.ts'

const bucket = 'browser-bucket'
const SIZE_BYTES = 6 << 20

interface World {
  readonly context: Context
  readonly tab: Tab
  readonly page: PageServer
}

async function runSuite(context: Context): Promise<void> {
  await context.makeBucket(bucket)
  const page = await servePage()
  try {
    const chromium = await Chromium.start(context.scratch, context.endpoint(0).startsWith('https:'))
    try {
      const world = { context, page, tab: chromium.tab }
      await chromium.tab.open(page.origin)
      await refusedStep(world)
      await allowStep(world)
      await putSteps(world)
      await partsStep(world)
      await formSteps(world)
      await strangeOriginStep(world)
    } finally {
      await chromium.close()
    }
  } finally {
    page.close()
  }
}

async function refusedStep({ context, tab }: World): Promise<void> {
  await context.step('without CORS rules a page can neither upload nor read', async () => {
    const refused = await tab.call<UploadReport>(
      'put',
      await putLink(context, 'refused'),
      {},
      1_000,
    )
    equal([refused.status, refused.text], [0, ''], 'what the page sees')
    equal((await failureOf(headOf(context, 'refused'))).status, 404, 'nothing is stored')
    equal(await canRead(tab, await getLink(context, 'refused')), false, 'reading')
  })
}

async function allowStep({ context, page }: World): Promise<void> {
  await context.step('aws s3api put-bucket-cors', async () => {
    const rule = {
      AllowedOrigins: [page.origin],
      AllowedMethods: ['GET', 'PUT', 'POST', 'HEAD'],
      AllowedHeaders: ['*'],
      ExposeHeaders: ['ETag', 'Location', 'Content-Range', 'x-amz-meta-color', 'x-amz-request-id'],
      MaxAgeSeconds: 60,
    }
    const file = join(context.scratch, 'cors.json')
    writeFileSync(file, JSON.stringify({ CORSRules: [rule] }))
    const set = ['put-bucket-cors', '--bucket', bucket, '--cors-configuration', `file://${file}`]
    const endpoint = ['--endpoint-url', context.endpoint(0)]
    await runCommand('aws', [...endpoint, 's3api', ...set], { env: awsEnvironment(context) })
    // Each gateway decides by a record that may be a second old.
    for (const each of context.endpoints) await untilAllowed(each, page.origin)
  })
}

async function untilAllowed(endpoint: string, origin: string): Promise<void> {
  const headers = { origin, 'access-control-request-method': 'PUT' }
  const probe = async (): Promise<true | undefined> =>
    (await fetch(`${endpoint}/${bucket}/k`, { method: 'OPTIONS', headers })).ok || undefined
  await untilTrue('the rules at each gateway', probe, 10_000)
}

async function putSteps({ context, tab }: World): Promise<void> {
  await context.step('a presigned PUT with progress, then read back', async () => {
    const headers = { 'content-type': 'text/x-browser', 'x-amz-meta-color': 'green' }
    const link = await putLink(context, 'by put', headers)
    const sent = await tab.call<UploadReport>('put', link, headers, SIZE_BYTES)
    equal([sent.status, sent.text], [200, ''], 'the answer')
    checkProgress(sent, SIZE_BYTES)
    await checkStored(context, 'by put', sent)
    const read = await tab.call<ReadReport>('read', await getLink(context, 'by put'))
    equal([read.status, read.sizeBytes, read.digest], [200, SIZE_BYTES, sent.digest], 'read back')
    const { etag, 'x-amz-meta-color': color, 'content-type': type } = read.headers
    equal([etag, color, type], [sent.headers['etag'], 'green', 'text/x-browser'], 'headers')
    equal(read.headers['last-modified'] !== undefined, true, 'a header that pages may always read')
    equal(read.headers['accept-ranges'], undefined, 'a header that the rule does not expose')
  })

  await context.step('the page can read why a link is refused', async () => {
    const link = await putLink(context, 'by put')
    const refused = await tab.call<UploadReport>('put', `${link}0`, {}, SIZE_BYTES)
    equal(refused.status, 403, 'the status')
    equal(refused.text.includes('<Code>SignatureDoesNotMatch</Code>'), true, refused.text)
    equal(refused.headers['x-amz-request-id'] !== undefined, true, 'the request id')
  })
}

async function partsStep({ context, tab }: World): Promise<void> {
  await context.step('parts by presigned links, then a range read back', async () => {
    const at = { Bucket: bucket, Key: 'by parts' }
    const client = sdkClient(context, 0, { requestChecksumCalculation: 'WHEN_REQUIRED' })
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(at))
    const links = [1, 2].map((PartNumber) =>
      getSignedUrl(client, new UploadPartCommand({ ...at, UploadId, PartNumber })),
    )
    const etags = await tab.call<string[]>('parts', await Promise.all(links), 2 * SIZE_BYTES)
    const Parts = etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }))
    const complete = { ...at, UploadId, MultipartUpload: { Parts } }
    await client.send(new CompleteMultipartUploadCommand(complete))
    const stored = await getBytes(sdkClient(context, 1), bucket, at.Key)
    equal(stored.length, 2 * SIZE_BYTES, 'size')
    const link = await getLink(context, at.Key)
    const read = await tab.call<ReadReport>('read', link, 'bytes=6291400-6291999')
    const range = `bytes 6291400-6291999/${stored.length}`
    equal([read.status, read.headers['content-range']], [206, range], 'the range')
    equal(read.digest, sha256(stored.subarray(6_291_400, 6_292_000)), 'its bytes')
  })
}

async function formSteps({ context, page, tab }: World): Promise<void> {
  await context.step('a form (POST) with progress, then read back', async () => {
    const fields = fieldsFor(context, {
      key: 'forms/${filename}',
      'Content-Type': 'image/x-browser',
      'x-amz-meta-color': 'blue é',
      success_action_status: '201',
    })
    const sent = await tab.call<UploadReport>('post', urlOf(context), fields, SIZE_BYTES)
    equal(sent.status, 201, sent.text)
    equal(sent.text.includes('<Key>forms/photo é.bin</Key>'), true, sent.text)
    equal(sent.headers['location']?.endsWith('/forms%2Fphoto%20%C3%A9.bin'), true, 'Location')
    checkProgress(sent, SIZE_BYTES)
    const key = 'forms/photo é.bin'
    await checkStored(context, key, sent)
    const read = await tab.call<ReadReport>('read', await getLink(context, key))
    equal([read.status, read.sizeBytes, read.digest], [200, SIZE_BYTES, sent.digest], 'read back')
    equal(read.headers['content-type'], 'image/x-browser', 'the type')
  })

  await context.step('the page can read why a form is refused', async () => {
    const limits = [['content-length-range', 1, 500_000]]
    const fields = fieldsFor(context, { key: 'too large' }, limits)
    const refused = await tab.call<UploadReport>('post', urlOf(context), fields, 400_000)
    equal(refused.status, 204, refused.text)
    const large = await tab.call<UploadReport>('post', urlOf(context), fields, SIZE_BYTES)
    equal(large.status, 400, 'the status')
    equal(large.text.includes('<Code>EntityTooLarge</Code>'), true, large.text)
    const late = fieldsFor(context, { key: 'late' }, [], '2020-01-01T00:00:00Z')
    const expired = await tab.call<UploadReport>('post', urlOf(context), late, 1_000)
    equal([expired.status, expired.text.includes('Policy expired.')], [403, true], expired.text)
  })

  await context.step('a form of plain HTML with a chosen file, and its redirect', async () => {
    const file = join(context.scratch, 'chosen file.txt')
    const body = seededBytes(5, 200_000)
    writeFileSync(file, body)
    const success_action_redirect = `${page.origin}/done?from=form`
    const fields = fieldsFor(context, { key: 'plain/${filename}', success_action_redirect })
    await tab.call('fill', urlOf(context), fields)
    await tab.chooseFiles('#file', [file])
    await tab.untilLoaded(() => tab.evaluate('document.getElementById("form").submit()'))
    const etag = `%22${createHash('md5').update(body).digest('hex')}%22`
    const query = `from=form&bucket=${bucket}&key=plain%2Fchosen+file.txt&etag=${etag}`
    equal(await tab.evaluate('location.href'), `${page.origin}/done?${query}`, 'the page')
    const stored = await getBytes(sdkClient(context, 1), bucket, 'plain/chosen file.txt')
    equal(Buffer.compare(stored, body), 0, 'bytes')
  })
}

async function strangeOriginStep({ context, page, tab }: World): Promise<void> {
  await context.step('a page of an origin that no rule allows is refused', async () => {
    await tab.open(page.otherOrigin)
    const refused = await tab.call<UploadReport>(
      'put',
      await putLink(context, 'refused'),
      {},
      1_000,
    )
    equal(refused.status, 0, 'PUT')
    const form = fieldsFor(context, { key: 'refused' })
    equal((await tab.call<UploadReport>('post', urlOf(context), form, 1_000)).status, 0, 'POST')
    equal((await failureOf(headOf(context, 'refused'))).status, 404, 'nothing is stored')
    equal(await canRead(tab, await getLink(context, 'by put')), false, 'reading')
  })
}

/** The browser reports bytes sent, ever more, up to all of them: a form is larger than its file. */
function checkProgress({ progress }: UploadReport, sizeBytes: number): void {
  const last = progress.at(-1)
  equal(last !== undefined && last[0] === last[1] && last[0] >= sizeBytes, true, 'progress')
  const sent = progress.map(([loaded]) => loaded)
  equal(
    sent.toSorted((a, b) => a - b),
    sent,
    'progress goes forward',
  )
}

/** Another gateway has what the page sent. */
async function checkStored(context: Context, key: string, sent: UploadReport): Promise<void> {
  const stored = await getBytes(sdkClient(context, 2), bucket, key)
  equal(sha256(stored), sent.digest, 'the stored bytes')
  const etag = `"${createHash('md5').update(stored).digest('hex')}"`
  equal(sent.headers['etag'], etag, 'the ETag that the page sees')
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function urlOf(context: Context): string {
  return `${context.nextEndpoint()}/${bucket}`
}

function fieldsFor(
  context: Context,
  fields: Readonly<Record<string, string>>,
  conditions: readonly unknown[] = [],
  expiration?: string,
): Record<string, string> {
  const form = { bucket, fields, conditions, ...(expiration !== undefined && { expiration }) }
  return signedFields({ region: 'us-east-1', ...context.credentials }, form)
}

/** `headers`: those that the signature covers. */
function putLink(
  context: Context,
  Key: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const client = sdkClient(context, 0, { requestChecksumCalculation: 'WHEN_REQUIRED' })
  const color = headers['x-amz-meta-color']
  const command = new PutObjectCommand({
    Bucket: bucket,
    Key,
    ContentType: headers['content-type'],
    ...(color !== undefined && { Metadata: { color } }),
  })
  return getSignedUrl(client, command, {
    signableHeaders: new Set(['content-type']),
    unhoistableHeaders: new Set(Object.keys(headers)),
  })
}

function getLink(context: Context, Key: string): Promise<string> {
  return getSignedUrl(sdkClient(context, 1), new GetObjectCommand({ Bucket: bucket, Key }))
}

function headOf(context: Context, Key: string): Promise<unknown> {
  return sdkClient(context, 0).send(new HeadObjectCommand({ Bucket: bucket, Key }))
}

/** Whether the browser lets the page see the answer, whatever it is. */
async function canRead(tab: Tab, url: string): Promise<boolean> {
  return tab.evaluate<boolean>(`read(${JSON.stringify(url)}).then(() => true, () => false)`)
}

export const browser: Suite = {
  name: 'browser',
  toolchain: ['chromium', 'aws'],
  run: runSuite,
}
