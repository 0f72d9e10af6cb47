import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { clusterId } from '../../protocol/ids.ts'
import { resolveConfig, type Config, type RawConfig } from '../process/config.ts'
import { SystemClock } from '../env/system.ts'
import { checkFirstStart, emptyRefused, isStartRefusal } from './first-start.ts'
import { MembershipError } from '../layout/errors.ts'
import { encodeToken } from '../layout/token-codec.ts'

let parent: string
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'shoal-first-'))
})
afterEach(() => rmSync(parent, { recursive: true, force: true }))

const clock = new SystemClock()

function config(flags: RawConfig): Config {
  const free = { s3: '127.0.0.1:0', admin: '127.0.0.1:0', listen: '/ip4/127.0.0.1/tcp/0' }
  return resolveConfig({ flags: { ...free, data: join(parent, 'data'), ...flags } })
}

function token(expiresMs: number): string {
  return encodeToken({
    clusterId: clusterId('ab'.repeat(16)),
    id: '00'.repeat(8),
    epoch: 2,
    expiresMs,
    secret: 'cd'.repeat(32),
    addresses: ['/ip4/127.0.0.1/tcp/1/p2p/12D3KooWSh72xXX4uLFjwGeCq2R3YQoMRQaKrvDDXQ3ybMBfvyGx'],
  })
}

describe('before a first start writes anything', () => {
  it('accepts free addresses and a valid token', async () => {
    await checkFirstStart(config({ join: token(clock.nowMs() + 60_000) }), clock)
    expect(existsSync(join(parent, 'data'))).toBe(false)
  })

  it.each(['s3', 'admin', 'listen'])('finds that %s is in use', async (field) => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const value = field === 'listen' ? `/ip4/127.0.0.1/tcp/${port}` : `127.0.0.1:${port}`
    const check = checkFirstStart(config({ [field]: value }), clock)
    await expect(check).rejects.toMatchObject({ code: 'EADDRINUSE', port })
    await new Promise((resolve) => server.close(resolve))
  })

  it('refuses a token that is damaged or too old', async () => {
    const garbled = `${token(clock.nowMs() + 60_000).slice(0, -9)}AAAAAAAAA`
    const check = (join: string): Promise<void> => checkFirstStart(config({ join }), clock)
    await expect(check(garbled)).rejects.toThrow(/not a join token, or a part of it is missing/)
    await expect(check(token(clock.nowMs() - 1))).rejects.toThrow(/has expired/)
  })
})

it('only an answer of the cluster is a refusal, not a time-out', () => {
  expect(isStartRefusal(new MembershipError('holds-data', ''))).toBe(true)
  expect(isStartRefusal(new MembershipError('no-answer', ''))).toBe(false)
  expect(isStartRefusal(new Error('x'))).toBe(false)
})

it('a refusal is reported even when the directory can not be emptied', () => {
  const refusal = new MembershipError('used-token', 'the token was used')
  expect(emptyRefused({ path: '/data', discard: () => {} }, refusal)).toBe(refusal)
  const discard = (): never => {
    throw new Error('EACCES: permission denied')
  }
  const told = emptyRefused({ path: '/data', discard }, refusal)
  expect(told.code).toBe('used-token')
  expect(told.message).toBe(
    'the token was used; /data could not be emptied again: EACCES: permission denied',
  )
})
