import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { GatewayMetrics } from '../../gateway/admin/metrics.ts'
import type { Backend } from '../../gateway/port/backend.ts'
import { createGateway, type Gateway } from '../../gateway/server.ts'
import { SystemClock } from '../env/system.ts'
import { FIRST_ACCOUNT, FIRST_KEY, IamWorld } from '../iam/testing/world.ts'
import { addAccountCommand } from './account.ts'
import type { Terminal } from './terminal.ts'

let world: IamWorld
let gateway: Gateway
let url: string
let directory: string
const ROOT = { AWS_ACCESS_KEY_ID: FIRST_KEY, AWS_SECRET_ACCESS_KEY: 'founder-secret' }

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-account-'))
  world = new IamWorld()
  const clock = new SystemClock()
  const { resolver, service } = world.identities
  const backend: Partial<Backend> = { credential: (id) => resolver.credential(id) }
  gateway = createGateway({
    backend: backend as Backend,
    iam: service,
    region: 'us-east-1',
    hostSuffixes: [],
    clock: {
      nowMs: () => world.nowMs,
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, run) => clock.after(delayMs, run),
    },
    randomBytes: (count) => new Uint8Array(count).fill(1),
    metrics: new GatewayMetrics(),
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  })
  url = (await gateway.listen({ host: '127.0.0.1', port: 0 })).url
})
afterEach(async () => {
  await gateway.close({ drainMs: 0 })
  rmSync(directory, { recursive: true })
})

/** Returns the lines of standard output. Throws what the command writes to standard error. */
async function run(environment: Record<string, string>, ...args: string[]): Promise<string[]> {
  const out: string[] = []
  const terminal: Terminal = {
    out: (line) => void out.push(line),
    error() {},
    draw() {},
    isTty: false,
    columns: 100,
  }
  const clock = {
    nowMs: () => world.nowMs,
    monotonicMs: () => world.nowMs,
    after: () => () => {},
  }
  const program = new Command('shoal').exitOverride()
  addAccountCommand(program, terminal, clock, environment)
  await program.parseAsync(['account', ...args, '--s3', url], { from: 'user' })
  return out
}

describe('shoal account', () => {
  it('creates, lists, limits and deletes accounts', async () => {
    const [first, second] = await run(ROOT, 'create', 'Team Blue', '--buckets', '5')
    const [, id] = /^account (\d{12}) Team Blue$/.exec(first ?? '') ?? []
    expect(id).toBeDefined()
    const key = /accessKeyId=(\S+) secretAccessKey=(\S{40})$/.exec(second ?? '')
    expect((await world.credential(key?.[1] ?? ''))?.secretAccessKey).toBe(key?.[2])
    expect(await run(ROOT, 'limit', id as string, '7')).toEqual([
      `account ${id} may have 7 buckets`,
    ])
    const [list] = await run(ROOT, 'list', '--json')
    expect(JSON.parse(list as string)).toEqual(
      [
        { id: FIRST_ACCOUNT, name: '', created: '', buckets: 0, bucketsMax: 100 },
        {
          id,
          name: 'Team Blue',
          created: '2026-11-22T00:00:00Z',
          buckets: 0,
          bucketsMax: 7,
        },
      ].sort((a, b) => ((a.id as string) < (b.id as string) ? -1 : 1)),
    )
    expect(await run(ROOT, 'limit', id as string, 'default')).toEqual([
      `account ${id} may have 100 buckets`,
    ])
    expect(await run(ROOT, 'delete', id as string)).toEqual([`account ${id} is deleted`])
    await expect(run(ROOT, 'delete', id as string)).rejects.toThrow(/^NoSuchEntity: /)
    expect(await run(ROOT, 'list')).toHaveLength(2)
  })

  it('signs with the founder’s credentials when the environment has none', async () => {
    const kept = { accessKeyId: FIRST_KEY, secretAccessKey: 'founder-secret' }
    writeFileSync(join(directory, 'credentials.json'), JSON.stringify(kept))
    expect(await run({}, 'list', '--data', directory)).toHaveLength(2)
    await expect(run({}, 'list', '--data', join(directory, 'none'))).rejects.toThrow(
      /^no credentials: set AWS_ACCESS_KEY_ID/,
    )
    const wrong = { ...ROOT, AWS_SECRET_ACCESS_KEY: 'x' }
    await expect(run(wrong, 'list', '--data', directory)).rejects.toThrow(/^SignatureDoesNotMatch/)
  })

  it('says what is wrong in one line', async () => {
    await expect(run(ROOT, 'limit', '123', '5')).rejects.toThrow(/^ValidationError: .*accountId/)
    await expect(run(ROOT, 'limit', FIRST_ACCOUNT, '-1')).rejects.toThrow()
    await expect(run(ROOT, 'limit', FIRST_ACCOUNT, 'many')).rejects.toThrow(
      /not a number of buckets/,
    )
    await expect(run(ROOT, 'delete', FIRST_ACCOUNT)).rejects.toThrow(/^DeleteConflict/)
    await gateway.close({ drainMs: 0 })
    await expect(run(ROOT, 'list')).rejects.toThrow(/no node answers at .* is it running/)
  })
})
