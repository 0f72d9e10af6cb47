import { createServer, type Server } from 'node:http'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDataDirectory } from '../process/data-directory.ts'
import { runCommandLine } from './program.ts'
import type { Terminal } from './terminal.ts'

interface Run {
  readonly code: number
  readonly out: readonly string[]
  readonly errors: readonly string[]
}

async function run(...args: string[]): Promise<Run> {
  const out: string[] = []
  const errors: string[] = []
  const terminal: Terminal = {
    out: (line) => void out.push(line),
    error: (line) => void errors.push(line),
    draw() {},
    isTty: false,
    columns: 100,
  }
  const code = await runCommandLine(args, 'unused', terminal)
  return { code, out, errors }
}

let directory: string
let server: Server
let asked: string[]
let answer: { status: number; text: string }

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-cli-'))
  asked = []
  answer = { status: 200, text: '{}' }
  server = createServer((request, response) => {
    asked.push(`${request.method ?? ''} ${request.url ?? ''}`)
    response.statusCode = answer.status
    response.end(answer.text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve))
  rmSync(directory, { recursive: true })
})

const admin = (): string => `127.0.0.1:${(server.address() as AddressInfo).port}`

describe('wrong use gives one line and exit code 2', () => {
  it.each([
    [['bogus'], "shoal: unknown command 'bogus': see shoal --help"],
    [['start', '--bogus'], "shoal: unknown option '--bogus': see --help"],
    [['start', '--s3', 'x'], /^shoal: --s3: 'x' is not HOST:PORT/],
    [['start', '--config', '/no/such.toml'], /does not exist$/],
    [['locate'], /missing required argument 'url'/],
    [['cluster', '--nodes', 'x'], /not a whole number/],
    [['token', '--ttl', '5'], /not a duration/],
    [['status', '--data', '/no/such'], /is not the data directory of a node/],
    [['status', '--admin', 'ftp://x'], /is not a URL/],
    [['layout', 'drain'], /missing required argument 'node'/],
    [['layout', 'drain', 'n', '--bogus'], /unknown option '--bogus': see --help$/],
    [['layout', 'bogus'], /unknown command 'bogus': see --help$/],
    [['layout', 'replace', 'old'], /missing required argument 'new'/],
    [['layout', 'set', 'n'], /layout set: give --zone, --capacity or --name$/],
    [['layout', 'set', 'n', '--capacity', '5'], /not a size/],
    [['layout', 'replication', 'x'], /not a whole number/],
    [['layout', 'plan', 'add'], /layout plan add: give --capacity SIZE$/],
    [['layout', 'add'], /a node is added by starting it .*shoal start --join-file FILE$/],
    [['start', '--name', 'a b'], /^shoal: --name: 'a b' has 1 to 64 letters/],
    [['index', 'rebuild', '--data', '/no/such'], /is not the data directory of a node$/],
    [['scrub', '--data', '/no/such'], /is not the data directory of a node/],
    [['log', 'inspect', '/no/such'], 'shoal: /no/such: no such file'],
  ])('%j', async (args, expected) => {
    const { code, out, errors } = await run(...args)
    expect({ code, out }).toEqual({ code: 2, out: [] })
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatch(expected)
    expect(errors[0]).not.toContain('\n')
  })
})

describe('a command asks a node', () => {
  it('at --admin', async () => {
    answer = { status: 200, text: '{"token":"T"}' }
    expect(await run('token', '--admin', admin(), '--ttl', '30m')).toMatchObject({ out: ['T'] })
    expect(await run('token', '--admin', `http://${admin()}`, '--json')).toMatchObject({
      out: ['{"token":"T"}'],
    })
    await run('token', '--admin', admin(), '--expires', '2h', '--uses', '3')
    expect(asked).toEqual([
      'POST /token?ttlMs=1800000',
      'POST /token',
      'POST /token?ttlMs=7200000&uses=3',
    ])
  })

  it('for the list of join tokens, and to revoke one', async () => {
    const expiresMs = Date.UTC(2026, 10, 22)
    answer.text = JSON.stringify([
      { id: '0123456789abcdef', expiresMs, uses: 2, nodes: ['12D3KooWx'], names: ['vm-b'] },
    ])
    const { out } = await run('token', 'list', '--admin', admin())
    expect(out[1]).toMatch(/^0123456789abcdef {2}2026-11-22T00:00:00.000Z {2}1 of 2 {2}vm-b$/)
    expect(await run('token', 'list', '--admin', admin(), '--json')).toMatchObject({
      out: [answer.text],
    })
    answer.text = '[]'
    expect(await run('token', 'list', '--admin', admin())).toMatchObject({
      out: ['no join tokens'],
    })
    answer.text = '{"id":"0123456789abcdef"}'
    expect(await run('token', 'revoke', '0123456789abcdef', '--admin', admin())).toMatchObject({
      out: ['join token 0123456789abcdef is revoked'],
    })
    expect(asked.slice(-2)).toEqual(['GET /token', 'DELETE /token?id=0123456789abcdef'])
  })

  it('at the address that its data directory remembers', async () => {
    const birth = {
      origin: 'found' as const,
      privateKey: new Uint8Array(68),
      storageIdBytes: new Uint8Array(12),
    }
    const data = openDataDirectory(join(directory, 'data'), () => birth)
    const show = ['layout', 'show', '--json', '--data', data.path]
    expect(await run(...show)).toMatchObject({ code: 2 })
    data.remember({ addresses: { admin: admin() } })
    answer = { status: 200, text: '{"epoch":3}' }
    expect(await run(...show)).toMatchObject({ out: ['{"epoch":3}'] })
    data.remember({ addresses: { admin: admin().replace('127.0.0.1', '0.0.0.0') } })
    expect(await run('layout', 'show', '--data', data.path, '--json')).toMatchObject({
      code: 0,
      out: ['{"epoch":3}'],
    })
    data.close()
  })

  it('for keys with any characters', async () => {
    answer = {
      status: 200,
      text: '{"bucket":"b","key":"k","byLayout":[],"agree":false,"byWalk":{"replicas":[]}}',
    }
    expect(await run('locate', 's3://b/a b&c/é', '--admin', admin(), '--json')).toMatchObject({
      code: 1,
    })
    expect(asked).toEqual(['GET /locate?bucket=b&key=a+b%26c%2F%C3%A9'])
  })
})

describe('a node that gives a bad answer', () => {
  it.each([
    [{ status: 503, text: '{"error":"no quorum"}' }, /no quorum$/],
    [{ status: 500, text: '{}' }, /500$/],
    [{ status: 200, text: '<html>' }, /is it the admin port\?$/],
  ])('%j is reported', async (given, expected) => {
    answer = given
    const { code, errors } = await run('status', '--admin', admin())
    expect(code).toBeGreaterThan(0)
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatch(expected)
  })

  it('is reported when it is gone', async () => {
    const { code, errors } = await run('status', '--admin', '127.0.0.1:1')
    expect(code).toBe(1)
    expect(errors[0]).toMatch(/^shoal: no node answers at 127.0.0.1:1 \(ECONNREFUSED\)/)
  })
})

it('refuses to run a cluster in a directory that holds something else', async () => {
  writeFileSync(join(directory, 'thesis.tex'), '')
  const { code, errors } = await run('cluster', '--data', directory)
  expect(code).toBe(2)
  expect(errors[0]).toMatch(/holds "thesis.tex", so it is not the directory of a cluster/)
})
