import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDataDirectory } from '../data-directory.ts'
import { checkOrigin, loadConfig } from './settings.ts'

let directory: string
let data: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-settings-'))
  data = join(directory, 'data')
})
afterEach(() => rmSync(directory, { recursive: true }))

function format(origin: 'found' | 'join', clusterSecret?: string, layout = true): void {
  const birth = {
    origin,
    privateKey: new Uint8Array(68),
    storageIdBytes: new Uint8Array(12),
  }
  const made = openDataDirectory(data, () => birth)
  const addresses = { s3: '127.0.0.1:7000', admin: '127.0.0.1:7001' }
  made.remember({ addresses, zone: 'rack-1', capacityBytes: 2 ** 40 })
  if (clusterSecret !== undefined) made.remember({ clusterSecret })
  if (layout) writeFileSync(join(data, 'layout.json'), '')
  made.close()
}

describe('the configuration of a start', () => {
  it('holds what the directory remembers, unless it is said anew', () => {
    format('found')
    expect(loadConfig({ data }, {})).toMatchObject({
      s3: { host: '127.0.0.1', port: 7000 },
      admin: { host: '127.0.0.1', port: 7001 },
      listen: '/ip4/127.0.0.1/tcp/9002',
      zone: 'rack-1',
      capacity: 2 ** 40,
    })
    expect(loadConfig({ data, zone: 'rack-2' }, { SHOAL_S3: '127.0.0.1:1' })).toMatchObject({
      s3: { port: 1 },
      zone: 'rack-2',
    })
  })

  it('finds the directory by file and environment too', () => {
    format('found')
    const config = join(directory, 'shoal.yaml')
    writeFileSync(config, `data: ${data}\n`)
    expect(loadConfig({ config }, {}).zone).toBe('rack-1')
    expect(loadConfig({}, { SHOAL_DATA: data }).zone).toBe('rack-1')
  })
})

describe('a directory keeps to what it was made for (L1)', () => {
  const token = 'x'.repeat(40)
  const check = (join?: string): void =>
    checkOrigin(loadConfig({ data, ...(join === undefined ? {} : { join }) }, {}))

  it('a founder does not join', () => {
    check(token)
    format('found', 'AAAA')
    check()
    expect(() => check(token)).toThrow(/has a cluster of its own/)
  })

  it('a founder that has served founds no other cluster over its data', () => {
    format('found', 'AAAA', false)
    expect(() => check()).toThrow(/layout.json is missing/)
  })

  it('a joiner that was never admitted does not found', () => {
    format('join')
    expect(() => check()).toThrow(/never did: give --join TOKEN/)
    check(token)
  })

  it('a joiner that was stopped in the act joins again', () => {
    format('join', 'AAAA', false)
    expect(() => check()).toThrow(/never did: give --join TOKEN/)
    check(token)
  })

  it('a joiner that was admitted needs no token any more', () => {
    format('join', 'AAAA')
    check()
    check(token)
  })
})
