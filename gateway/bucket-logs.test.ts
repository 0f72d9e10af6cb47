/** Access logs of buckets: lines in AWS's format, batches, what is stored where, what is lost. */

import { createHash, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { StoreError } from '../protocol/errors.ts'
import { BucketLogs } from './bucket-logs.ts'
import { sendRaw, sendUnsigned, type RawResponse } from './conformance/world.ts'
import { Exchange } from './http/exchange.ts'
import type { Backend } from './port/backend.ts'
import type { BucketAccess } from './port/buckets.ts'
import { OTHER_ACCOUNT, rootOf, send, user } from './testing/callers.ts'
import { systemClock, type TestGateway, type TestGatewayOptions } from './testing/gateway.ts'
import { alteredBackend, gatewayForEachTest, waitFor } from './testing/http-world.ts'
import { ManualClock } from './testing/manual-clock.ts'
import { timestampNow } from './testing/overload-world.ts'
import { EXAMPLE_CREDENTIAL, fakeRequest } from './testing/requests.ts'
import { presign } from './testing/signer.ts'
import { openSite } from './testing/website-world.ts'

const start = gatewayForEachTest()
const ACCOUNT = EXAMPLE_CREDENTIAL.identity.accountId
const MINUTE = 60_000
/** The fields of a line: texts in quotes or brackets, and words. */
const FIELD = /"([^"]*)"|\[[^\]]*\]|[^ ]+/g

/** Advanced by the test, but the gateway's turns go on by themselves. */
class IntervalClock extends ManualClock {
  override after(delayMs: number, run: () => void): () => void {
    return delayMs < 100 ? systemClock.after(delayMs, run) : super.after(delayMs, run)
  }
}

interface World {
  readonly gateway: TestGateway
  readonly clock: ManualClock
  /** The keys in the target bucket. */
  readonly keys: () => Promise<string[]>
  readonly read: (key: string) => Promise<string>
  /** Advances the clock until there is another object in the target, and returns its lines. */
  readonly delivered: (afterMs?: number) => Promise<string[]>
}

function setLogging({ target }: TestGateway, more = '', to = 'logs'): Promise<RawResponse> {
  const text = `<BucketLoggingStatus><LoggingEnabled><TargetBucket>${to}</TargetBucket><TargetPrefix>p/</TargetPrefix>${more}</LoggingEnabled></BucketLoggingStatus>`
  const query: [string, string][] = [['logging', '']]
  return sendRaw(target, { method: 'PUT', path: '/bucket', query, body: [Buffer.from(text)] })
}

/** A request is over, possibly after the client got its answer. */
async function over({ metrics }: TestGateway): Promise<void> {
  await waitFor(() => (metrics.inFlight === 0 ? true : undefined))
}

async function logging(more = '', options: TestGatewayOptions = {}): Promise<World> {
  const clock = new IntervalClock()
  const gateway = await start({ clock, ...options })
  const { target } = gateway
  await sendRaw(target, { method: 'PUT', path: '/logs' })
  expect((await setLogging(gateway, more)).status).toBe(200)
  const keys = async (): Promise<string[]> =>
    [...(await sendRaw(target, { path: '/logs' })).text.matchAll(/<Key>([^<]*)</g)].map(
      ([, key = '']) => key,
    )
  const read = async (key: string): Promise<string> =>
    (await sendRaw(target, { path: `/logs/${key}` })).text
  return {
    gateway,
    clock,
    keys,
    read,
    async delivered(afterMs = MINUTE) {
      const before = await keys()
      await over(gateway)
      clock.advance(afterMs)
      for (;;) {
        const added = (await keys()).filter((key) => !before.includes(key))
        if (added[0] !== undefined) return (await read(added[0])).trimEnd().split('\n')
      }
    },
  }
}

function fieldsOf(line = ''): string[] {
  return line.match(FIELD) ?? []
}

test("a line has AWS's fields in AWS's order", async () => {
  const { gateway, delivered } = await logging()
  const headers = { referer: 'http://a/"b"', 'user-agent': 'agent "one"\u0080' }
  const body = [Buffer.from('hello')]
  const put = await sendRaw(gateway.target, { method: 'PUT', path: '/bucket/a b', body, headers })
  await sendRaw(gateway.target, { path: '/bucket/none', query: [['versionId', 'null']] })
  const [first, second] = await delivered()
  const { host } = new URL(gateway.target.endpoint)
  const fields = fieldsOf(first)
  expect(fields[2]).toMatch(/^\[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\]$/)
  expect(fields[13]).toMatch(/^\d+$/)
  expect(fields).toEqual([
    ACCOUNT,
    'bucket',
    fields[2],
    '127.0.0.1',
    ACCOUNT,
    put.headers['x-amz-request-id'],
    'REST.PUT.OBJECT',
    'a%20b',
    '"PUT /bucket/a%20b HTTP/1.1"',
    '200',
    '-',
    '-',
    '5',
    fields[13],
    '-',
    '"http://a/%22b%22"',
    '"agent %22one%22?"',
    '-',
    put.headers['x-amz-id-2'],
    'SigV4',
    '-',
    'AuthHeader',
    host,
    '-',
    '-',
    '-',
    'us-east-1',
  ])
  const missing = fieldsOf(second)
  expect([missing[6], missing[9], missing[10], missing[17]]).toEqual([
    'REST.GET.OBJECT',
    '404',
    'NoSuchVersion',
    'null',
  ])
})

test('a line holds no secret, and tells how a request was signed', async () => {
  const { gateway, delivered } = await logging()
  const { endpoint } = gateway.target
  const { message } = presign(
    { method: 'GET', path: '/bucket/k', headers: { host: new URL(endpoint).host } },
    { ...gateway.target, timestamp: timestampNow() },
  )
  await sendUnsigned(endpoint, message)
  const signature = /X-Amz-Signature=([0-9a-f]+)/.exec(message.url)?.[1] ?? ''
  await sendUnsigned(endpoint, { url: '/bucket/k?x=1&X%2DAmz-Security-Token=abc' })
  const [signed = '', anonymous = ''] = await delivered()
  expect(signed).not.toContain(signature)
  expect(signed).toContain('X-Amz-Signature=REDACTED')
  expect([fieldsOf(signed)[19], fieldsOf(signed)[21]]).toEqual(['SigV4', 'QueryString'])
  expect(anonymous).toContain('"GET /bucket/k?x=1&X%2DAmz-Security-Token=REDACTED HTTP/1.1" 403')
  expect([fieldsOf(anonymous)[4], fieldsOf(anonymous)[19]]).toEqual(['-', '-'])
})

test('a line names the operation as AWS does', async () => {
  const { gateway, delivered } = await logging()
  const { target } = gateway
  await sendRaw(target, { method: 'PUT', path: '/bucket/k' })
  const from = { 'x-amz-copy-source': '/bucket/k' }
  await sendRaw(target, { method: 'PUT', path: '/bucket/copy', headers: from })
  for (const [method, path, name] of [
    ['HEAD', '/bucket/k', undefined],
    ['DELETE', '/bucket/k', undefined],
    ['GET', '/bucket', undefined],
    ['GET', '/bucket', 'policy'],
    ['GET', '/bucket', 'logging'],
    ['GET', '/bucket', 'tagging'],
    ['GET', '/bucket/k', 'tagging'],
    ['GET', '/bucket', 'versions'],
    ['POST', '/bucket/k', 'uploads'],
  ] as const) {
    await sendRaw(target, { method, path, query: name === undefined ? [] : [[name, '']] })
  }
  const site = await openSite(gateway)
  await site.visit('/k', { method: 'HEAD' })
  const names = (await delivered()).map((line) => fieldsOf(line)[6])
  expect(names).toEqual([
    'REST.PUT.OBJECT',
    'REST.COPY.OBJECT',
    'REST.HEAD.OBJECT',
    'REST.DELETE.OBJECT',
    'REST.GET.BUCKET',
    'REST.GET.BUCKETPOLICY',
    'REST.GET.LOGGING_STATUS',
    'REST.GET.TAGGING',
    'REST.GET.OBJECT_TAGGING',
    'REST.GET.BUCKETVERSIONS',
    'REST.POST.UPLOADS',
    'REST.PUT.WEBSITE',
    'REST.PUT.BUCKETPOLICY',
    'WEBSITE.HEAD.OBJECT',
  ])
})

const today = (): string => new Date().toISOString().slice(0, 10)
const partitioned = (source: string): string =>
  `<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>${source}</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat>`

test.each([
  ['', () => `^p/${today()}-\\d\\d-\\d\\d-\\d\\d-[0-9A-F]{16}$`],
  [
    partitioned('EventTime'),
    () =>
      `^p/${ACCOUNT}/us-east-1/bucket/${today().replaceAll('-', '/')}/${today()}-00-00-00-[0-9A-F]{16}$`,
  ],
  [
    partitioned('DeliveryTime'),
    () =>
      `^p/${ACCOUNT}/us-east-1/bucket/${today().replaceAll('-', '/')}/${today()}-\\d\\d-\\d\\d-\\d\\d-[0-9A-F]{16}$`,
  ],
])('an object is named by the format %s', async (format, pattern) => {
  const { gateway, delivered, keys } = await logging(format)
  await sendRaw(gateway.target, { path: '/bucket' })
  expect(await delivered()).toHaveLength(1)
  const [key = ''] = await keys()
  expect(key).toMatch(new RegExp(pattern()))
  const { headers } = await sendRaw(gateway.target, { method: 'HEAD', path: `/logs/${key}` })
  expect(headers['content-type']).toBe('text/plain')
})

test('an object has the lines of an interval, and the stop stores the rest', async () => {
  const { gateway, keys, clock, delivered } = await logging()
  for (let i = 0; i < 3; i++) await sendRaw(gateway.target, { path: '/bucket' })
  await over(gateway)
  clock.advance(MINUTE - 1)
  expect(await keys()).toEqual([])
  expect(await delivered(1)).toHaveLength(3)
  await sendRaw(gateway.target, { path: '/bucket' })
  let stored: string | undefined
  const { backend } = gateway
  const put = backend.putObject.bind(backend)
  backend.putObject = (context, request) => {
    stored = request.bucket
    return put(context, request)
  }
  await gateway.gateway.close({ drainMs: 1_000 })
  expect(stored).toBe('logs')
})

test('an object is encrypted as its bucket wants', async () => {
  const { gateway, delivered, keys } = await logging()
  const { target } = gateway
  const body = Buffer.from(
    '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>',
  )
  const headers = { 'content-md5': createHash('md5').update(body).digest('base64') }
  const query: [string, string][] = [['encryption', '']]
  const set = await sendRaw(target, {
    method: 'PUT',
    path: '/logs',
    query,
    headers,
    body: [body],
  })
  expect(set.status).toBe(200)
  await sendRaw(target, { path: '/bucket' })
  expect(await delivered()).toHaveLength(1)
  const [key] = await keys()
  const stored = await sendRaw(target, { method: 'HEAD', path: `/logs/${key}` })
  expect(stored.headers['x-amz-server-side-encryption']).toBe('AES256')
})

test('an object makes no line of its own where a bucket logs into itself', async () => {
  const { gateway, delivered } = await logging()
  const { target } = gateway
  expect((await setLogging(gateway, '', 'bucket')).status).toBe(200)
  await sendRaw(target, { path: '/bucket' })
  // The line of the change itself still goes to the bucket of before.
  await delivered()
  const list = async (): Promise<string> => (await sendRaw(target, { path: '/bucket' })).text
  while (!(await list()).includes('<Key>p/')) await new Promise((next) => setImmediate(next))
  const found = [...(await list()).matchAll(/<Key>(p\/[^<]*)</g)].map(([, key = '']) => key)
  expect(found).toHaveLength(1)
  const lines = (await sendRaw(target, { path: `/bucket/${found[0]}` })).text
  expect(lines).not.toContain('REST.PUT.OBJECT')
})

test('what the target does not take is lost and told, and a Deny for everyone holds', async () => {
  const { gateway, clock } = await logging()
  const policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Deny', Principal: '*', Action: 's3:PutObject', Resource: 'arn:aws:s3:::logs/*' },
    ],
  })
  const query: [string, string][] = [['policy', '']]
  await sendRaw(gateway.target, {
    method: 'PUT',
    path: '/logs',
    query,
    body: [Buffer.from(policy)],
  })
  await sendRaw(gateway.target, { path: '/bucket' })
  await over(gateway)
  clock.advance(MINUTE)
  expect(await waitFor(() => gateway.warnings[0])).toMatchObject({
    bucket: 'bucket',
    targetBucket: 'logs',
    lines: 1,
  })
})

test('what the target does not take is tried again while the store is not there', async () => {
  let failures = 0
  const { gateway, clock, delivered } = await logging('', {
    backend: (memory) =>
      alteredBackend(memory, {
        putObject: (context, request) => {
          if (request.bucket === 'logs' && ++failures === 1) {
            return Promise.reject(new StoreError('Unavailable'))
          }
          return memory.putObject(context, request)
        },
      }),
  })
  await sendRaw(gateway.target, { path: '/bucket' })
  await over(gateway)
  clock.advance(MINUTE)
  await waitFor(() => (failures === 1 ? true : undefined))
  await new Promise((next) => setImmediate(next))
  expect(await delivered()).toHaveLength(1)
  expect(gateway.warnings).toEqual([])
})

test('lines in memory are bounded, and objects are stored when there is 1 MiB', () => {
  const puts: number[] = []
  const clock = new ManualClock()
  const warnings: unknown[] = []
  const access: BucketAccess = {
    info: { name: 'bucket', ownerAccount: ACCOUNT, createdMs: 0, region: 'r' },
    settings: { logging: { targetBucket: 'logs', targetPrefix: '' } },
  }
  const backend: Partial<Backend> = {
    bucketAccess: () => {
      puts.push(logs.heldBytes)
      return new Promise(() => {})
    },
  }
  const gate = {
    backend,
    hostId: 'h',
    region: 'r',
    randomBytes: (size: number) => randomBytes(size),
  }
  const ignore = (): void => {}
  const logger = {
    debug: ignore,
    info: ignore,
    error: ignore,
    warn: (...all: unknown[]) => warnings.push(all),
  }
  const logs = new BucketLogs({ gate: gate as never, clock, logger, intervalMs: MINUTE })
  for (let i = 0; i < 2_500; i++) {
    const exchange = new Exchange(String(i), 0)
    exchange.parsed = fakeRequest({ url: `/bucket/${'x'.repeat(1_000)}?${'y'.repeat(4_000)}` })
    exchange.served(access)
    logs.finished(exchange, 200)
  }
  expect(logs.heldBytes).toBeLessThanOrEqual(8 * 1024 * 1024)
  expect(logs.heldBytes).toBeGreaterThan(7.9 * 1024 * 1024)
  expect(puts[0]).toBeGreaterThanOrEqual(1024 * 1024)
  expect(puts[0]).toBeLessThan(1024 * 1024 + 10_000)
  clock.advance(MINUTE)
  expect(JSON.stringify(warnings)).toContain('too many to hold')
})

test('the log is stored only where its owner may store, and in a bucket of the account', async () => {
  const poor = user('poor', [
    { Effect: 'Allow', Action: 's3:PutBucketLogging', Resource: '*' },
    { Effect: 'Allow', Action: 's3:PutObject', Resource: 'arn:aws:s3:::logs/p/*' },
  ])
  const foreign = rootOf(OTHER_ACCOUNT)
  const gateway = await start({ credentials: [EXAMPLE_CREDENTIAL, poor, foreign] })
  const { target } = gateway
  for (const path of ['/logs', '/others']) await sendRaw(target, { method: 'PUT', path })
  await send(target, foreign, { method: 'PUT', path: '/foreign' })
  const set = async (to: string, prefix: string): Promise<string> => {
    const text = `<BucketLoggingStatus><LoggingEnabled><TargetBucket>${to}</TargetBucket><TargetPrefix>${prefix}</TargetPrefix></LoggingEnabled></BucketLoggingStatus>`
    const body = [Buffer.from(text)]
    const sent = { method: 'PUT', path: '/bucket', query: [['logging', '']] as const, body }
    const { status, code } = await send(target, poor, sent)
    return `${status} ${code}`
  }
  expect(await set('logs', 'p/x')).toBe('200 undefined')
  expect(await set('logs', 'q/')).toBe('403 AccessDenied')
  expect(await set('others', 'p/x')).toBe('403 AccessDenied')
  expect(await set('foreign', 'p/x')).toBe('400 InvalidTargetBucketForLogging')
})
