/** What a bucket's quota refuses over HTTP. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { MemoryBackend } from './memory/memory-backend.ts'
import { send, type Sent } from './testing/callers.ts'
import { startGateway, type TestGateway } from './testing/gateway.ts'
import { EXAMPLE_CREDENTIAL } from './testing/requests.ts'

const memory = new MemoryBackend({ credentials: [EXAMPLE_CREDENTIAL], nowMs: Date.now })
let gateway: TestGateway
beforeAll(async () => {
  gateway = await startGateway({ credentials: [EXAMPLE_CREDENTIAL], backend: () => memory })
})
afterAll(() => gateway.close())

async function ask(message: Sent): Promise<string> {
  const { status, code } = await send(gateway.target, EXAMPLE_CREDENTIAL, message)
  return code === undefined ? String(status) : `${status} ${code}`
}

test('writes beyond the quota get 403 QuotaExceeded, and deletes make room', async () => {
  const put = (key: string, text: string): Promise<string> =>
    ask({ method: 'PUT', path: `/bucket/${key}`, body: [Buffer.from(text)] })
  expect(await ask({ method: 'PUT', path: '/bucket' })).toBe('200')
  const { ownerAccount } = await memory.headBucket(
    { operation: 'Test', signal: new AbortController().signal, rounds: 0 },
    'bucket',
  )
  await memory.changeBucket(
    { operation: 'Test', signal: new AbortController().signal, rounds: 0 },
    { bucket: 'bucket', ownerAccount, change: { quota: { bytes: 10, objects: 2 } } },
  )
  expect(await put('a', '123456')).toBe('200')
  expect(await put('b', '123456')).toBe('403 QuotaExceeded')
  const headers = { 'x-amz-copy-source': 'bucket/a' }
  expect(await ask({ method: 'PUT', path: '/bucket/b', headers })).toBe('403 QuotaExceeded')
  expect(await put('b', '1')).toBe('200')
  expect(await put('c', '1')).toBe('403 QuotaExceeded')
  expect(await ask({ method: 'DELETE', path: '/bucket/a' })).toBe('204')
  expect(await put('c', '123456')).toBe('200')
})
