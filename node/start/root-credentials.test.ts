import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Logger } from '../env/ports.ts'
import { SystemRandom } from '../env/system.ts'
import { resolveConfig, type Config } from '../process/config.ts'
import { openDataDirectory, type DataDirectory } from '../process/data-directory.ts'
import type { NodeRecord } from '../process/node-record.ts'
import { accountIdOf, rootCredentialsOf } from './root-credentials.ts'

let parent: string
let warnings: string[]
let opened: DataDirectory | undefined

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'shoal-root-'))
  warnings = []
})
afterEach(() => {
  opened?.close()
  rmSync(parent, { recursive: true, force: true })
})

const random = new SystemRandom()
const logger: Logger = {
  debug() {},
  info() {},
  warn: (_fields: unknown, line: string) => void warnings.push(line),
  error() {},
}

function open(origin: NodeRecord['origin'] = 'found'): DataDirectory {
  opened = openDataDirectory(join(parent, 'data'), () => ({
    origin,
    privateKey: new Uint8Array(68),
    storageIdBytes: new Uint8Array(12),
  }))
  return opened
}

function config(env: Record<string, string> = {}): Config {
  return resolveConfig({ flags: { data: join(parent, 'data') }, env })
}

const GIVEN = { SHOAL_ROOT_ACCESS_KEY: 'ROOT_ACCESS', SHOAL_ROOT_SECRET_KEY: 'root-secret-key' }

/** Makes the directory that of a member. */
function makeMember(directory: DataDirectory): void {
  directory.remember({ clusterSecret: 'AAAA' })
  writeFileSync(join(directory.path, 'layout.json'), '')
}

describe('the root credentials of a founder', () => {
  it('are drawn at its first start and kept', () => {
    const directory = open()
    const drawn = rootCredentialsOf(directory, config(), random, logger)
    expect(drawn).toEqual({
      accessKeyId: expect.stringMatching(/^SHOA[A-Z2-7]{16}$/) as string,
      secretAccessKey: expect.stringMatching(/^[A-Za-z0-9_-]{40}$/) as string,
    })
    expect(directory.credentials()).toEqual(drawn)
    expect(rootCredentialsOf(directory, config(GIVEN), random, logger)).toEqual(drawn)
  })

  it('are those that the user gives', () => {
    const directory = open()
    const given = { accessKeyId: 'ROOT_ACCESS', secretAccessKey: 'root-secret-key' }
    expect(rootCredentialsOf(directory, config(GIVEN), random, logger)).toEqual(given)
    expect(directory.credentials()).toEqual(given)
  })

  it('are not drawn again when the cluster exists and the file is gone', () => {
    const directory = open()
    makeMember(directory)
    expect(rootCredentialsOf(directory, config(), random, logger)).toBeUndefined()
    expect(directory.credentials()).toBeUndefined()
  })

  it('may be damaged once the cluster exists, but not before', () => {
    const directory = open()
    rootCredentialsOf(directory, config(GIVEN), random, logger)
    const file = join(directory.path, 'credentials.json')
    writeFileSync(file, readFileSync(file, 'utf8').replace('ROOT', 'root'))
    expect(() => rootCredentialsOf(directory, config(), random, logger)).toThrow(/is damaged/)
    makeMember(directory)
    expect(rootCredentialsOf(directory, config(), random, logger)).toBeUndefined()
    expect(warnings).toEqual(['credentials.json is damaged: the cluster does not need it'])
  })
})

it('a node that was made to join has no root credentials', () => {
  expect(rootCredentialsOf(open('join'), config(GIVEN), random, logger)).toBeUndefined()
})

it('the id of the first account has twelve digits and comes from the storage id', () => {
  expect(accountIdOf('0'.repeat(24))).toBe('0'.repeat(12))
  expect(accountIdOf('ffffffffffff'.padEnd(24, '0'))).toBe('474976710655')
})
