/** No request makes the gateway connect to an address that the request names (F32). */

import { createServer, type AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { sendRaw, type RawResponse } from './conformance/world.ts'
import { OPERATIONS } from './routes/operations.ts'
import { gatewayForEachTest } from './testing/http-world.ts'
import { prepareSample } from './testing/documented-requests.ts'

const start = gatewayForEachTest()

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

/** A server on loopback that counts who connects to it. */
async function bait(): Promise<{ url: string; connections: () => number }> {
  let count = 0
  const server = createServer((socket) => {
    count++
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => server.close())
  const { port } = server.address() as AddressInfo
  return { url: `http://localhost:${port}/hook`, connections: () => count }
}

/** Settings of AWS that have addresses in them. */
function documentsWith(url: string): readonly (readonly [string, string])[] {
  return [
    ['notification', `<TopicConfiguration><Topic>${url}</Topic></TopicConfiguration>`],
    ['replication', `<ReplicationConfiguration><Role>${url}</Role></ReplicationConfiguration>`],
    ['website', `<WebsiteConfiguration><HostName>${url}</HostName></WebsiteConfiguration>`],
    ['logging', `<BucketLoggingStatus><TargetBucket>${url}</TargetBucket></BucketLoggingStatus>`],
    ['cors', `<CORSConfiguration><AllowedOrigin>${url}</AllowedOrigin></CORSConfiguration>`],
    ['policy', JSON.stringify({ Version: '2012-10-17', Id: url, Statement: [] })],
  ]
}

test('addresses in headers of any operation are not connected to', async () => {
  const { target } = await start()
  const { url, connections } = await bait()
  const headers = {
    'x-amz-website-redirect-location': url,
    'x-amz-meta-callback': url,
    'x-forwarded-host': new URL(url).host,
    referer: url,
  }
  let answers = 0
  for (const operation of OPERATIONS) {
    if (operation.run === undefined) continue
    const sample = await prepareSample(target, operation)
    await sendRaw(target, { ...sample, headers: { ...sample.headers, ...headers } })
    answers++
  }
  expect(answers).toBeGreaterThan(30)
  expect(connections()).toBe(0)
})

test('addresses in documents, and as the source of a copy, are not connected to', async () => {
  const { target } = await start()
  const { url, connections } = await bait()
  for (const [setting, text] of documentsWith(url)) {
    const body = [Buffer.from(text)]
    const query: [string, string][] = [[setting, '']]
    const answer = await sendRaw(target, { method: 'PUT', path: '/bucket', query, body })
    expect(answer.status, setting).toBeGreaterThanOrEqual(400)
  }
  const refused: RawResponse[] = []
  for (const source of [url, `//${new URL(url).host}/hook`]) {
    const headers = { 'x-amz-copy-source': source }
    refused.push(await sendRaw(target, { method: 'PUT', path: '/bucket/copy', headers }))
  }
  expect(refused.every(({ status }) => status >= 400)).toBe(true)
  expect(connections()).toBe(0)
})
