/** Which credential a command sends, and to which node. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDataDirectory, type DataDirectory } from '../process/data-directory.ts'
import { UsageError } from '../tools/usage-error.ts'
import { adminClient } from './admin-client.ts'

let parent: string
let directory: DataDirectory
let server: Server
/** Bearer credentials that the server received, '' for none. */
let sent: string[]
/** The credential that the server accepts, and the path that it names. */
let taken: string
let named: string

beforeEach(async () => {
  parent = mkdtempSync(join(tmpdir(), 'shoal-credential-'))
  directory = openDataDirectory(join(parent, 'data'), () => ({
    origin: 'found',
    privateKey: new Uint8Array(68),
    storageIdBytes: new Uint8Array(12),
  }))
  sent = []
  server = createServer((request, response) => {
    const given = (request.headers.authorization ?? '').replace('Bearer ', '')
    sent.push(given)
    response.statusCode = given === taken ? 200 : given === '' ? 401 : 403
    const body = given === taken ? { epoch: 7 } : { error: 'who are you?', credential: named }
    response.end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const credential = directory.adminCredential(new Uint8Array(32).fill(1))
  directory.writeAdminCredential(credential)
  directory.remember({ addresses: { admin: address() } })
  taken = credential.secret
  named = credential.path
})
afterEach(async () => {
  directory.close()
  await new Promise((resolve) => server.close(resolve))
  rmSync(parent, { recursive: true })
})

const address = (): string => `127.0.0.1:${(server.address() as AddressInfo).port}`

describe('the credential of a command', () => {
  it('is that of --data, at the first request', async () => {
    expect(await adminClient({ data: directory.path }).layout()).toEqual({ epoch: 7 })
    expect(sent).toEqual([taken])
  })

  it('is read again after the node was started again', async () => {
    const client = adminClient({ data: directory.path })
    await client.layout()
    const next = directory.adminCredential(new Uint8Array(32).fill(2))
    taken = next.secret
    directory.writeAdminCredential(next)
    expect(await client.layout()).toEqual({ epoch: 7 })
    expect(sent).toEqual(['01'.repeat(32), taken])
  })

  it('with --admin alone is that of the directory which names this address', async () => {
    const client = adminClient({ admin: address() })
    expect(await client.layout()).toEqual({ epoch: 7 })
    expect(await client.layout()).toEqual({ epoch: 7 })
    expect(sent).toEqual(['', taken, taken])
  })

  it('is not sent to another process that asks for it', async () => {
    directory.remember({ addresses: { admin: '127.0.0.1:1' } })
    await expect(adminClient({ admin: address() }).layout()).rejects.toThrow(/who are you/)
    directory.remember({ addresses: { admin: address() } })
    writeFileSync(join(directory.path, 'other'), taken)
    for (const path of ['node.json', 'other', '../admin-credential', '']) {
      named = join(directory.path, path)
      await expect(adminClient({ admin: address() }).layout()).rejects.toThrow(UsageError)
    }
    expect(sent).toEqual(['', '', '', '', ''])
  })

  it('is that of --credential, if given', async () => {
    const path = join(parent, 'copied')
    writeFileSync(path, `${taken}\n`)
    expect(await adminClient({ admin: address(), credential: path }).layout()).toEqual({ epoch: 7 })
    expect(sent).toEqual([taken])
    writeFileSync(path, 'a password')
    const wrong = adminClient({ admin: address(), credential: path }).layout()
    await expect(wrong).rejects.toThrow(/holds no admin credential/)
    await expect(
      adminClient({ admin: address(), credential: '/no/such' }).layout(),
    ).rejects.toThrow(/ENOENT/)
  })

  it('is refused when a node did not write the file', async () => {
    writeFileSync(named, 'Bearer me\r\nX-Header: y')
    await expect(adminClient({ data: directory.path }).layout()).rejects.toThrow(
      /holds no admin credential: start the node again/,
    )
    expect(sent).toEqual([])
  })
})
