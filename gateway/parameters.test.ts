/** Checks docs/s3-parameters.md: sends every name that AWS documents for an operation to a gateway. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sendUnsigned, sendRaw, type RawResponse } from './conformance/world.ts'
import { documentedNames, type DocumentedName } from './routes/documented-names.ts'
import type { Operation } from './s3/operation.ts'
import { OPERATIONS } from './routes/operations.ts'
import { algorithmNamed, prepareSample, sampleOf } from './testing/documented-requests.ts'
import type { RequestSample } from './testing/encryption-samples.ts'
import { startGateway, type TestGateway } from './testing/gateway.ts'
import { presign, type Unsigned } from './testing/signer.ts'

let server: TestGateway

beforeEach(async () => {
  server = await startGateway()
})
afterEach(() => server.close())

function withSample(message: Unsigned, sample: RequestSample): Unsigned {
  return {
    ...message,
    query: [...(message.query ?? []), ...Object.entries(sample.query ?? {})],
    headers: { ...headersFor(message, sample), ...sample.headers },
  }
}

function headersFor({ headers = {} }: Unsigned, { without }: RequestSample): Unsigned['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name !== without))
}

/** Sends the x-amz-* headers of the sample in the query of a presigned request. */
function sendPresigned(message: Unsigned, sample: RequestSample): Promise<RawResponse> {
  const { target } = server
  const timestamp = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
  const body = Buffer.concat(message.body ?? [])
  const headers = { host: new URL(target.endpoint).host, ...headersFor(message, sample) }
  const query = [...(message.query ?? []), ...Object.entries(sample.headers ?? {})]
  const signed = presign({ ...message, headers, query }, { ...target, timestamp })
  const length =
    message.body === undefined && message.method !== 'PUT' && message.method !== 'POST'
      ? {}
      : { 'content-length': String(body.length) }
  const { url, method = 'GET' } = signed.message
  return sendUnsigned(target.endpoint, { method, url, headers: { ...headers, ...length } }, body)
}

/** For example `NotImplemented Header x-amz-tagging`. Only the status for HEAD, whose answers have no body. */
function refusalOf(operation: Operation, answer: RawResponse): string {
  if (operation.method === 'HEAD') return String(answer.status)
  const found = /<(Header|Parameter|ArgumentName)>([^<]*)</.exec(answer.text)
  return `${answer.code} ${found?.[1]} ${found?.[2]}`
}

/** What the list says about this name, in the form of `refusalOf`. */
function refusalFor(operation: Operation, { place, name, fate }: DocumentedName): string {
  const shown = name.replace('*', 'note')
  if (fate === 'refused') {
    if (operation.method === 'HEAD') return '501'
    return `NotImplemented ${place === 'header' ? 'Header' : 'Parameter'} ${shown}`
  }
  return operation.method === 'HEAD' ? '400' : `InvalidArgument ArgumentName ${shown}`
}

async function tryName(operation: Operation, each: DocumentedName, status: number): Promise<void> {
  const { place, name, fate } = each
  const checksum = operation.name === 'CompleteMultipartUpload' ? algorithmNamed(name) : undefined
  const senders = [
    (message: Unsigned, sample: RequestSample) =>
      sendRaw(server.target, withSample(message, sample)),
    ...(place === 'header' && name.startsWith('x-amz-') ? [sendPresigned] : []),
  ]
  for (const send of senders) {
    const message = await prepareSample(server.target, operation, checksum)
    const sample = sampleOf(operation, message, place, name)
    if (sample === undefined) return expect(fate).toBe('accepted')
    const answer = await send(message, sample)
    const label = `${operation.name} ${place} ${name} ${JSON.stringify(sample)}: ${answer.text}`
    if (fate === 'accepted' || fate === 'ignored') {
      expect(answer.status, label).toBe(sample.status ?? status)
    } else {
      expect(refusalOf(operation, answer), label).toBe(refusalFor(operation, each))
    }
  }
}

const UNKNOWN: readonly RequestSample[] = [
  { query: { v: '2' } },
  { query: { utm_source: 'x', 'x-anything': 'y z', ACL: '', Versions: '1' } },
  { query: { metadata: 'true', 'x-id': 'AnyName', '': 'nameless' } },
  { headers: { 'x-amz-te': 'append-md5', 'x-amz-unheard-of': '1', 'x-amz-cf-id': 'abc==' } },
  {
    headers: {
      'x-forwarded-for': '192.0.2.1',
      'if-schedule-tag-match': 'x',
      'x-amzn-trace-id': 'y',
    },
  },
]

describe('each name that AWS documents is treated as the list says', () => {
  for (const operation of OPERATIONS) {
    // The fields of a form are headers of PutObject (upload-form.test.ts).
    if (operation.run === undefined || operation.name === 'PostObject') continue
    test(operation.name, async () => {
      const plain = await sendRaw(server.target, await prepareSample(server.target, operation))
      expect([200, 204, 404], plain.text).toContain(plain.status)
      for (const each of documentedNames(operation)) await tryName(operation, each, plain.status)
      for (const sample of UNKNOWN) {
        const message = await prepareSample(server.target, operation)
        const answer = await sendRaw(server.target, withSample(message, sample))
        expect(answer.status, `${JSON.stringify(sample)}: ${answer.text}`).toBe(plain.status)
      }
    })
  }
})
