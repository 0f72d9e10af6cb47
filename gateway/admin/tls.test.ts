/** The admin port with certificates. */

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { expect, test } from 'vitest'
import { ADMIN_SECRET, adminWorld } from '../testing/admin-world.ts'
import { sendUnsigned } from '../conformance/world.ts'
import { ONE, TWO } from '../testing/test-certificates.ts'

const world = adminWorld()

/** The status of an answer, and whose certificate the port has. */
async function get(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ status: number | undefined; name: unknown; text: string }> {
  const trust = { ca: [ONE.chain, TWO.chain], agent: false, headers }
  const asked = request(url, trust).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const name: unknown = (answer.socket as TLSSocket).getPeerCertificate().subject.CN
  const text = (await answer.setEncoding('utf8').toArray()).join('')
  return { status: answer.statusCode, name, text }
}

test('health, metrics and requests with the credential go over TLS', async () => {
  const { url } = await world.startTls([ONE])
  expect(url).toMatch(/^https:/)
  expect(await get(`${url}/health/live`)).toMatchObject({ status: 200, name: 'one.example' })
  expect((await get(`${url}/metrics`)).text).toContain('shoal_epoch 7')
  expect((await get(`${url}/status`)).status).toBe(401)
  const authorization = `Bearer ${ADMIN_SECRET}`
  expect((await get(`${url}/status`, { authorization })).status).toBe(200)
  // A page that rebinds its own name is refused as before.
  expect((await get(`${url}/status`, { authorization, host: 'one.example' })).status).toBe(403)
})

test('plain HTTP is cut off', async () => {
  const { url } = await world.startTls([ONE])
  const plain = url.replace('https:', 'http:')
  const sent = { method: 'GET', url: '/health/live', headers: {} }
  await expect(sendUnsigned(plain, sent, Buffer.of())).rejects.toThrow()
})

test('new connections get the certificates of a reload; wrong ones change nothing', async () => {
  const { url, admin } = await world.startTls([ONE])
  admin.replaceCertificates([TWO])
  expect((await get(`${url}/health/live`)).name).toBe('two.example')
  expect(() => admin.replaceCertificates([{ chain: ONE.chain, key: TWO.key }])).toThrow(
    'the key is not that of the certificate',
  )
  expect((await get(`${url}/health/live`)).name).toBe('two.example')
})
