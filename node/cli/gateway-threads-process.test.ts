/** `shoal start --gateway-threads 2` as a process. An answer says by its x-amz-id-2 which thread has served it. */

import { once } from 'node:events'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  sendRaw,
  type ConformanceTarget,
  type RawResponse,
} from '../../gateway/conformance/world.ts'
import { signHeader } from '../../gateway/testing/signer.ts'
import { childNamed, elementText, QueryClient } from './query-client.ts'

const MAIN = join(import.meta.dirname, '..', 'main.ts')
const PART_BYTES = 5 * 2 ** 20

let parent: string
let children: ChildProcess[]

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'shoal-threads-'))
  children = []
})
afterEach(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  rmSync(parent, { recursive: true, force: true })
})

interface Run {
  readonly child: ChildProcess
  /** Exit code and the lines that the command itself has written to standard error. */
  readonly ended: Promise<readonly [code: number | null, lines: readonly string[]]>
  readonly ready: Promise<ConformanceTarget & { readonly admin: string }>
  /** All of standard error so far. */
  errors(): string
}

/** `fault`: code that runs in each thread of the process before Shoal. */
function start(name: string, s3: string, fault = '', env: NodeJS.ProcessEnv = {}): Run {
  const data = join(parent, name)
  const preload = join(parent, `${name}.cjs`)
  writeFileSync(preload, fault)
  const args = ['--data', data, '--s3', s3, '--admin', '127.0.0.1:0', '--gateway-threads', '2']
  const child = spawn(
    process.execPath,
    ['--require', preload, MAIN, 'start', ...args, '--listen', '/ip4/127.0.0.1/tcp/0'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, SHOAL_ACCESS_LOG: join(parent, 'access'), ...env },
    },
  )
  children.push(child)
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  const lines = (): string[] => errors.split('\n').filter((line) => line.startsWith('shoal: '))
  const ended = once(child, 'close').then(
    ([code]) =>
      [code as number | null, lines().filter((line) => !/founded a NEW/.test(line))] as const,
  )
  const ready = new Promise<ConformanceTarget & { admin: string }>((resolve, reject) => {
    let out = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const found = /^ready s3=(\S+) admin=(\S+)/m.exec((out += text))
      if (found === null) return
      const keys = JSON.parse(readFileSync(join(data, 'credentials.json'), 'utf8')) as {
        accessKeyId: string
        secretAccessKey: string
      }
      resolve({ endpoint: found[1]!, region: 'us-east-1', admin: found[2]!, ...keys })
    })
    void ended.then(() => reject(new Error(`it ended: ${out}${errors}`)))
  })
  ready.catch(() => {})
  return { child, ended, ready, errors: () => errors }
}

/** Code that runs `fault` in the first gateway thread once the process gets a signal. */
const onSignal = (fault: string): string => `
  const { BroadcastChannel, isMainThread, threadId } = require('node:worker_threads')
  const channel = new BroadcastChannel('fault')
  channel.unref()
  if (isMainThread) process.on('SIGUSR2', () => channel.postMessage(''))
  else channel.onmessage = function faultOfTest() { if (threadId === 1) { ${fault} } }`

const threadOf = (answer: RawResponse | IncomingMessage): string =>
  String(answer.headers['x-amz-id-2'])

/** Sends it over new connections until both threads have answered. Returns all answers. */
async function throughBoth(
  target: ConformanceTarget,
  message: Parameters<typeof sendRaw>[1],
): Promise<RawResponse[]> {
  const answers: RawResponse[] = []
  const threads = new Set<string>()
  while (threads.size < 2 && answers.length < 200) {
    const answer = await sendRaw(target, message)
    answers.push(answer)
    threads.add(threadOf(answer))
  }
  expect(threads.size).toBe(2)
  return answers
}

/** A PUT whose body has not ended yet. */
async function beginPut(target: ConformanceTarget, path: string, size: number) {
  const { hostname, port, host } = new URL(target.endpoint)
  const timestamp = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
  const { message } = signHeader(
    {
      method: 'PUT',
      path,
      headers: { host, 'content-length': String(size), 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
    },
    { ...target, timestamp, unsigned: ['content-length'] },
  )
  const { url, headers } = message
  const sent = request({ hostname, port, method: 'PUT', path: url, headers, agent: false })
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>
  answered.catch(() => {})
  sent.write(Buffer.alloc(size / 2, 1))
  return { sent, answered }
}

/** How many requests the node says that it has answered with 200. */
async function countOf(operation: string, admin: string): Promise<number> {
  const text = await (await fetch(`${admin}/metrics`)).text()
  const line = new RegExp(
    `^shoal_s3_requests_total{operation="${operation}",code="200"} (\\d+)$`,
    'gm',
  )
  return [...text.matchAll(line)].reduce((sum, [, count]) => sum + Number(count), 0)
}

/** Uploads two parts over connections of their own, and checks the object through both threads. */
async function uploadInParts(target: ConformanceTarget): Promise<void> {
  const begun = await sendRaw(target, {
    method: 'POST',
    path: '/bucket/parts',
    query: [['uploads', '']],
  })
  const uploadId = /<UploadId>(.*)<\/UploadId>/.exec(begun.text)![1]!
  const parts = await Promise.all(
    [1, 2].map(async (number) => {
      const { headers } = await sendRaw(target, {
        method: 'PUT',
        path: '/bucket/parts',
        query: [
          ['partNumber', String(number)],
          ['uploadId', uploadId],
        ],
        body: [Buffer.alloc(PART_BYTES, number)],
      })
      return `<Part><PartNumber>${number}</PartNumber><ETag>${headers['etag']}</ETag></Part>`
    }),
  )
  const body = [Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)]
  const query: [string, string][] = [['uploadId', uploadId]]
  const completed = await sendRaw(target, { method: 'POST', path: '/bucket/parts', query, body })
  expect(completed.text).toMatch(/<ETag>.*-2.*<\/ETag>/)
  const headers = { range: `bytes=${PART_BYTES - 1}-${PART_BYTES}` }
  for (const { status, text } of await throughBoth(target, {
    method: 'GET',
    path: '/bucket/parts',
    headers,
  })) {
    expect([status, text]).toEqual([206, '\u0001\u0002'])
  }
}

it('a node with two gateway threads serves through both, refuses another process on its port, and ends uploads before it stops', async () => {
  const run = start('first', '127.0.0.1:0')
  const target = await run.ready
  await sendRaw(target, { method: 'PUT', path: '/bucket' })
  const body = [Buffer.alloc(200_000, 'x')]
  for (const { status } of await throughBoth(target, {
    method: 'PUT',
    path: '/bucket/key',
    body,
  })) {
    expect(status).toBe(200)
  }
  const got = await throughBoth(target, { method: 'GET', path: '/bucket/key' })
  for (const { text } of got) expect(text).toBe(String(body[0]))
  // A request is counted just after its answer was sent.
  await expect.poll(() => countOf('GetObject', target.admin)).toBe(got.length)
  for (const { text } of await throughBoth(target, { method: 'GET', path: '/bucket' })) {
    expect(text).toContain('<Key>key</Key>')
  }
  await uploadInParts(target)

  const { host } = new URL(target.endpoint)
  const [code, lines] = await start('second', host).ended
  expect([code, lines]).toEqual([
    1,
    [`shoal: address ${host} is already in use by another process`],
  ])

  // Through different connections, so as a rule through different threads.
  const uploads = await Promise.all(
    [1, 2, 3, 4].map((n) => beginPut(target, `/bucket/slow-${n}`, 2_000_000)),
  )
  await sendRaw(target, { method: 'GET', path: '/bucket' })
  run.child.kill('SIGTERM')
  // The port is closed now, in all threads.
  while (
    await sendRaw(target, { method: 'GET', path: '/' }).then(
      () => true,
      () => false,
    )
  );
  for (const { sent } of uploads) sent.end(Buffer.alloc(1_000_000, 2))
  const answers = await Promise.all(uploads.map(({ answered }) => answered))
  expect(answers.map(([{ statusCode }]) => statusCode)).toEqual([200, 200, 200, 200])
  expect(await run.ended).toEqual([0, []])
  const access = readFileSync(join(parent, 'access'), 'utf8').trimEnd().split('\n')
  const logged = access.map((line) => JSON.parse(line) as { id: string; key?: string })
  expect(new Set(logged.map(({ id }) => id.slice(0, 8))).size).toBe(2)
  expect(logged.filter(({ key }) => key?.startsWith('slow') === true)).toHaveLength(4)
})

it('a node with gateway threads ends with a clear line when a thread ends, or an assertion fails in it', async () => {
  const assertions = join(import.meta.dirname, '../../protocol/assert.ts')
  const cases: readonly (readonly [fault: string, code: number, line: RegExp])[] = [
    ['process.exit(0)', 1, /^shoal: gateway thread 1 has ended by itself, with exit code 0$/],
    ["throw new TypeError('oh')", 1, /^shoal: gateway thread 1 failed: TypeError: oh$/],
    [
      `try { require('${assertions}').assert(false, 'it rises') } catch {}`,
      70,
      /^shoal: assertion failed in .*faultOfTest .*: it rises\. This is a bug in Shoal; the node stops/,
    ],
  ]
  await Promise.all(
    cases.map(async ([fault, code, line], at) => {
      const run = start(`faulty-${at}`, '127.0.0.1:0', onSignal(fault))
      await run.ready
      run.child.kill('SIGUSR2')
      expect(await run.ended).toEqual([code, [expect.stringMatching(line)]])
    }),
  )
})

it('a node has one gateway thread where the system cannot share a port, and says so', async () => {
  const run = start(
    'unshared',
    '127.0.0.1:0',
    `const { Server } = require('node:net')
      const { listen } = Server.prototype
      Server.prototype.listen = function (options, ...rest) {
        if (options?.reusePort !== true) return listen.call(this, options, ...rest)
        setImmediate(() => this.emit('error', Object.assign(new Error('no'), { code: 'ENOTSUP' })))
        return this
      }`,
  )
  const target = await run.ready
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => sendRaw(target, { method: 'GET', path: '/' })),
  )
  expect(new Set(answers.map(threadOf)).size).toBe(1)
  expect(run.errors().match(/cannot share a port among threads/g)).toHaveLength(1)
  run.child.kill('SIGTERM')
  expect(await run.ended).toEqual([0, []])
})

it('a right that was given or taken away through one thread counts at once through both (T7)', async () => {
  const target = await start('first', '127.0.0.1:0').ready
  const root = new QueryClient(new URL(target.endpoint), target, { nowMs: () => Date.now() })
  await sendRaw(target, { method: 'PUT', path: '/bucket' })
  await sendRaw(target, { method: 'PUT', path: '/bucket/key', body: [Buffer.from('x')] })
  await root.run('CreateUser', { UserName: 'ann' })
  const made = childNamed(await root.run('CreateAccessKey', { UserName: 'ann' }), 'AccessKey')!
  const ann = {
    ...target,
    accessKeyId: elementText(made, 'AccessKeyId')!,
    secretAccessKey: elementText(made, 'SecretAccessKey')!,
  }
  const statement = { Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::bucket/*' }
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [statement] })
  const policy = { UserName: 'ann', PolicyName: 'p' }
  const get = async (wanted: number): Promise<void> => {
    const answers = await throughBoth(ann, { method: 'GET', path: '/bucket/key' })
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => wanted))
  }
  for (let time = 0; time < 5; time++) {
    await root.run('PutUserPolicy', { ...policy, PolicyDocument })
    await get(200)
    await root.run('DeleteUserPolicy', policy)
    await get(403)
  }
}, 60_000)

it('limits and shares of callers count over both threads, and a thread that hangs holds up no scrape of the metrics', async () => {
  const hang = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)'
  const run = start('first', '127.0.0.1:0', onSignal(hang), { SHOAL_ADDRESS_SHARE: '0.01' })
  const target = await run.ready
  // An address may have 163 of the 16,384 connections.
  const { hostname, port } = new URL(target.endpoint)
  const sockets: Socket[] = []
  let closed = 0
  for (let count = 0; count < 260; count++) {
    const socket = connect(Number(port), hostname).on('error', () => {})
    await once(socket, 'connect')
    sockets.push(socket.on('close', () => closed++))
  }
  await expect.poll(() => closed, { timeout: 10_000 }).toBe(260 - 163)
  for (const socket of sockets) socket.destroy()
  await expect.poll(() => throughBoth(target, { method: 'GET', path: '/' })).toBeDefined()

  const lists = await countOf('ListBuckets', target.admin)
  run.child.kill('SIGUSR2')
  // The signal arrives some time after it was sent.
  await expect
    .poll(() => countOf('ListBuckets', target.admin).then(() => run.errors()), { timeout: 20_000 })
    .toContain('a gateway thread does not answer')
  expect(await countOf('ListBuckets', target.admin)).toBeGreaterThanOrEqual(lists)
}, 60_000)
