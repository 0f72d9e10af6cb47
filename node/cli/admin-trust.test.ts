/** Which admin ports that speak TLS a command believes. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AUTHORITY, SIGNED } from '../../gateway/testing/signed-certificate.ts'
import { ONE, TWO } from '../../gateway/testing/test-certificates.ts'
import type { TlsCertificate } from '../../gateway/http/certificates.ts'
import { writeAdminCertificates } from '../process/certificate-files.ts'
import { openDataDirectory, type DataDirectory } from '../process/data-directory.ts'
import { adminClient } from './admin-client.ts'

let parent: string
let directory: DataDirectory
let server: Server
/** What the server received: nothing but whole requests. */
let requests: number

beforeEach(async () => {
  parent = mkdtempSync(join(tmpdir(), 'shoal-trust-'))
  directory = openDataDirectory(join(parent, 'data'), () => ({
    origin: 'found',
    privateKey: new Uint8Array(68),
    storageIdBytes: new Uint8Array(12),
  }))
  requests = 0
  server = createServer((_request, response) => {
    requests++
    response.end('{"epoch":7}')
  })
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  directory.writeAdminCredential(directory.adminCredential(new Uint8Array(32).fill(1)))
  directory.remember({ addresses: { admin: address() } })
})
afterEach(async () => {
  directory.close()
  await new Promise((resolve) => server.close(resolve))
  rmSync(parent, { recursive: true })
})

const address = (): string => `127.0.0.1:${(server.address() as AddressInfo).port}`

function serve({ chain, key }: TlsCertificate): void {
  server.setSecureContext({ cert: chain, key })
}

function fileWith(text: string): string {
  const path = join(parent, 'trusted.pem')
  writeFileSync(path, text)
  return path
}

it('one with the certificates of the data directory, also after they were replaced', async () => {
  for (const each of [ONE, TWO, SIGNED]) {
    serve(each)
    writeAdminCertificates(directory.path, [each])
    expect(await adminClient({ data: directory.path }).layout()).toEqual({ epoch: 7 })
  }
  writeAdminCertificates(directory.path, [ONE, TWO])
  serve(TWO)
  expect(await adminClient({ data: directory.path }).layout()).toEqual({ epoch: 7 })
})

it('no other one: nothing is sent to it', async () => {
  writeAdminCertificates(directory.path, [ONE])
  const client = adminClient({ data: directory.path })
  for (const each of [TWO, SIGNED]) {
    serve(each)
    await expect(client.layout()).rejects.toThrow(/its certificate is not known .*--admin-ca FILE/)
  }
  expect(requests).toBe(0)
})

it('with --admin-ca one that it holds, or one that it has signed for this name', async () => {
  const port = address().replace('127.0.0.1', '')
  serve(SIGNED)
  const adminCa = fileWith(AUTHORITY)
  const at = (host: string): Promise<unknown> =>
    adminClient({ admin: `https://${host}${port}`, adminCa }).layout()
  expect(await at('127.0.0.1')).toEqual({ epoch: 7 })
  expect(await at('localhost')).toEqual({ epoch: 7 })
  // This is a name of the same machine which the certificate lacks.
  await expect(at('127.0.0.2')).rejects.toThrow(/ALTNAME/)
  serve(TWO)
  await expect(at('127.0.0.1')).rejects.toThrow(/is not known/)
  fileWith(TWO.chain)
  // It has no such name, but it is the one.
  expect(await at('localhost')).toEqual({ epoch: 7 })
  fileWith(ONE.chain)
  await expect(at('127.0.0.1')).rejects.toThrow(/is not known/)
  expect(requests).toBe(3)
})

it('with --admin alone, what Node trusts', async () => {
  serve(ONE)
  writeAdminCertificates(directory.path, [ONE])
  const client = adminClient({ admin: `https://${address()}` })
  await expect(client.layout()).rejects.toThrow(/is not known/)
  expect(requests).toBe(0)
})

it('a file without certificates, and plain HTTP to a port with TLS, are named', async () => {
  serve(ONE)
  const admin = `https://${address()}`
  for (const text of ['', 'x', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
    const client = adminClient({ admin, adminCa: fileWith(text) })
    await expect(client.layout()).rejects.toThrow(/holds no certificate in PEM/)
  }
  await expect(adminClient({ admin, adminCa: '/no/such' }).layout()).rejects.toThrow(/ENOENT/)
  await expect(adminClient({ admin: address() }).layout()).rejects.toThrow(
    /give its address as https:/,
  )
})
