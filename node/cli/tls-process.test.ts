/** `shoal start --tls-cert … --tls-key …` as a process. */

import { once } from 'node:events'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { TlsCertificate } from '../../gateway/http/certificates.ts'
import { ONE, TWO } from '../../gateway/testing/test-certificates.ts'
import { adminClient, adminUrl } from './admin-client.ts'
import { s3Url } from './query-client.ts'

const MAIN = join(import.meta.dirname, '..', 'main.ts')

let parent: string
let child: ChildProcess | undefined

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'shoal-tls-'))
})
afterEach(async () => {
  if (child !== undefined && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  rmSync(parent, { recursive: true, force: true })
})

function write({ chain, key }: TlsCertificate): void {
  writeFileSync(join(parent, 'cert.pem'), chain)
  writeFileSync(join(parent, 'key.pem'), key)
}

/** Starts a node and resolves with the S3 URL, or with what it wrote to standard error before it ended. */
async function start(
  threads: number,
): Promise<{ url?: string; errors: string; log: () => string }> {
  const args = ['--data', join(parent, 'data'), '--s3', '127.0.0.1:0', '--admin', '127.0.0.1:0']
  const [cert, key] = [join(parent, 'cert.pem'), join(parent, 'key.pem')]
  const s3 = ['--tls-cert', cert, '--tls-key', key]
  const tls = [...s3, '--admin-tls-cert', cert, '--admin-tls-key', key]
  const more = ['--listen', '/ip4/127.0.0.1/tcp/0', '--gateway-threads', String(threads)]
  child = spawn(process.execPath, [MAIN, 'start', ...args, ...tls, ...more], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let errors = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text))
  let out = ''
  const ended = once(child, 'close')
  const url = await new Promise<string | undefined>((resolve) => {
    child?.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const found = /^ready s3=(\S+) /m.exec((out += text))
      if (found !== null) resolve(found[1])
    })
    void ended.then(() => resolve(undefined))
  })
  return { ...(url !== undefined && { url }), errors, log: () => errors }
}

/** Whose certificate a new connection gets, and the first line of the answer to a request on it. */
async function ask(url: string): Promise<{ name: string; line: string }> {
  const socket = connect({
    port: Number(new URL(url).port),
    host: '127.0.0.1',
    ca: [ONE.chain, TWO.chain],
    checkServerIdentity: () => undefined,
  })
  await once(socket, 'secureConnect')
  const name = String(socket.getPeerCertificate().subject.CN)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return { name, line: bytes.toString('latin1').split('\r\n')[0] ?? '' }
}

it.each([0, 2])('serves TLS, and takes new files at SIGHUP; threads: %i', async (threads) => {
  write(ONE)
  const { url = '', log } = await start(threads)
  expect(url).toMatch(/^https:/)
  expect(await ask(url)).toEqual({ name: 'one.example', line: 'HTTP/1.1 403 Forbidden' })
  const admin = adminClient({ data: join(parent, 'data') })
  expect((await admin.status()).layoutState).toBe('STABLE')
  write(TWO)
  child?.kill('SIGHUP')
  while (!log().includes('the admin port has new certificates'))
    await new Promise((next) => setTimeout(next, 20))
  for (let tries = 0; (await ask(url)).name !== 'two.example'; tries++)
    expect(tries).toBeLessThan(500)
  expect(adminUrl({ data: join(parent, 'data') }).protocol).toBe('https:')
  expect((await admin.status()).layoutState).toBe('STABLE')
  // A node whose port speaks TLS is found only by a name that its certificate has.
  expect(() => s3Url({ data: join(parent, 'data') })).toThrow('speaks TLS: give --s3 https://')
  expect(s3Url({ s3: 'https://one.example:9000' }).href).toBe('https://one.example:9000/')
  child?.kill('SIGTERM')
  const [code] = (await once(child!, 'exit')) as [number]
  expect(code).toBe(0)
})

it('refuses to start with files that cannot be used, before it writes anything', async () => {
  write({ chain: ONE.chain, key: TWO.key })
  const wrong = await start(0)
  expect(wrong.url).toBeUndefined()
  expect(wrong.log()).toContain(
    'shoal: tlsCert: certificate 1: the key is not that of the certificate',
  )
  rmSync(join(parent, 'cert.pem'))
  const missing = await start(0)
  expect(missing.log()).toContain(`shoal: tlsCert: ${join(parent, 'cert.pem')} does not exist`)
  expect(() => s3Url({ data: join(parent, 'data') })).toThrow('is not the data directory of a node')
})
