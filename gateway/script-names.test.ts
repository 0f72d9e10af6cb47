/** Scripts in keys, metadata and content types come back as text, not as part of a document (F36). */

import { expect, test } from 'vitest'
import { sendRaw, type RawResponse } from './conformance/world.ts'
import { adminWorld } from './testing/admin-world.ts'
import { gatewayForEachTest } from './testing/http-world.ts'

const start = gatewayForEachTest()
const admin = adminWorld()

const SCRIPT = `<script>alert("1")</script>&'`
const PATH = '/bucket/<script>alert("1")</script>&\''

/** The document has the key, and no element that the key made. */
function mustBeEscaped(what: string, { text, headers }: RawResponse): void {
  expect(headers['content-type'], what).toMatch(/^application\/xml/)
  expect(text.includes('&lt;script'), `${what}: ${text}`).toBe(true)
  expect(text.includes('<script'), `${what}: ${text}`).toBe(false)
}

test('a key is escaped in each document that names it', async () => {
  const { target } = await start()
  const missing = await sendRaw(target, { path: PATH })
  expect(missing.code).toBe('NoSuchKey')
  mustBeEscaped('the error', missing)
  const body = [Buffer.from('x')]
  await sendRaw(target, { method: 'PUT', path: PATH, body })
  for (const name of ['', 'versions', 'list-type']) {
    const query: [string, string][] = name === '' ? [] : [[name, name === 'versions' ? '' : '2']]
    mustBeEscaped(`list ${name}`, await sendRaw(target, { path: '/bucket', query }))
  }
  const query: [string, string][] = [['prefix', SCRIPT]]
  mustBeEscaped('a list with the prefix', await sendRaw(target, { path: '/bucket', query }))
  const upload = { method: 'POST', path: PATH, query: [['uploads', '']] as [string, string][] }
  mustBeEscaped('the start of an upload', await sendRaw(target, upload))
  const uploads: [string, string][] = [['uploads', '']]
  mustBeEscaped('uploads', await sendRaw(target, { path: '/bucket', query: uploads }))
})

test('content type and metadata are headers of the object alone', async () => {
  const { target } = await start()
  const headers = { 'content-type': `text/${SCRIPT}`, 'x-amz-meta-note': SCRIPT }
  await sendRaw(target, { method: 'PUT', path: '/bucket/k', headers, body: [Buffer.from('x')] })
  const read = await sendRaw(target, { path: '/bucket/k' })
  expect(read.headers).toMatchObject(headers)
  const list = await sendRaw(target, { path: '/bucket' })
  expect(list.text).toContain('<Key>k</Key>')
  expect(list.text).not.toContain('alert')
})

test('the admin port answers with JSON or plain text, which a browser must not take for a page', async () => {
  const ask = await admin.start()
  for (const url of [`/locate?bucket=b&key=${encodeURIComponent(SCRIPT)}`, '/metrics', '/status']) {
    const { headers } = await ask('GET', url)
    expect(headers['content-type'], url).toMatch(/^(application\/json|text\/plain)/)
    expect(headers['x-content-type-options'], url).toBe('nosniff')
  }
})
