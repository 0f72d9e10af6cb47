import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDataDirectory } from '../process/data-directory.ts'
import { ChainLine, layoutBytes } from '../layout/layout-file.ts'
import { encodeToken } from '../layout/token-codec.ts'
import { clusterId, nodeId, storageId } from '../../protocol/ids.ts'
import { NO_HASH, type LayoutEntry } from '../../protocol/layout/entry.ts'
import { checkOrigin, checkReplace, loadConfig } from './settings.ts'

let directory: string
let data: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-settings-'))
  data = join(directory, 'data')
})
afterEach(() => rmSync(directory, { recursive: true }))

function format(
  origin: 'found' | 'join',
  clusterSecret?: string,
  layout = true,
  served = true,
): void {
  const birth = {
    origin,
    privateKey: new Uint8Array(68),
    storageIdBytes: new Uint8Array(12),
  }
  const made = openDataDirectory(data, () => birth)
  const addresses = served ? { s3: '127.0.0.1:7000', admin: '127.0.0.1:7001' } : {}
  made.remember({ addresses, zone: 'rack-1', capacityBytes: 2 ** 40 })
  if (clusterSecret !== undefined) made.remember({ clusterSecret })
  if (layout) writeFileSync(join(data, 'layout.json'), '')
  made.close()
}

function writeLayout(cluster: string): void {
  const entry: LayoutEntry = {
    epoch: 1,
    previousHash: NO_HASH,
    state: 'STABLE',
    cause: 'founded',
    genesis: {
      clusterId: clusterId(cluster),
      partitionBits: 6,
      replication: 3,
      rootAccount: { accountId: '1', accessKeyId: 'A', sealedSecret: 's' },
      createdMs: 1,
    },
    members: [
      {
        nodeId: nodeId('NodeNodeNode'),
        storageId: storageId('00'.repeat(12)),
        zone: 'z',
        capacityBytes: 1,
        addresses: [],
      },
    ],
  }
  const ballot = { counter: 1, nodeId: nodeId('NodeNodeNode') }
  const line = ChainLine.of({ entry, certificate: { ballot, signatures: [] } })
  writeFileSync(join(data, 'layout.json'), layoutBytes([line]))
}

describe('the configuration of a start', () => {
  it('holds what the directory remembers, unless a new value is given', () => {
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

  it('finds the directory by file and environment as well', () => {
    format('found')
    const config = join(directory, 'shoal.yaml')
    writeFileSync(config, `data: ${data}\n`)
    expect(loadConfig({ config }, {}).zone).toBe('rack-1')
    expect(loadConfig({}, { SHOAL_DATA: data }).zone).toBe('rack-1')
  })
})

describe('the purpose of a directory does not change (L1)', () => {
  const token = 'x'.repeat(40)
  const check = (join?: string): void =>
    checkOrigin(loadConfig({ data, ...(join === undefined ? {} : { join }) }, {}))

  it('a founder can not join', () => {
    check(token)
    format('found', 'AAAA')
    check()
    expect(() => check(token)).toThrow(/has a cluster of its own/)
  })

  it('a founder that has served can not found another cluster over its data', () => {
    format('found', 'AAAA', false)
    expect(() => check()).toThrow(/layout.json is missing/)
  })

  it('a joiner that was never admitted can not found a cluster', () => {
    format('join', undefined, true, false)
    expect(() => check()).toThrow(/never did: give --join-file FILE/)
    check(token)
  })

  it('a joiner that was stopped while it joined joins again', () => {
    format('join', 'AAAA', false, false)
    expect(() => check()).toThrow(/never did: give --join-file FILE/)
    check(token)
  })

  it('a joiner that was stopped while it learned goes on without a token', () => {
    format('join', undefined, false, false)
    writeLayout('ab'.repeat(16))
    check()
    check(token)
    const joinFile = join(directory, 'gone')
    checkOrigin(loadConfig({ data, joinFile, cluster: 'ab'.repeat(16) }, {}))
    checkReplace(loadConfig({ data, joinFile }, {}), 'vm-node-1')
  })

  it('an admitted joiner needs no token any more', () => {
    format('join', 'AAAA')
    check()
    check(token)
  })
})

describe('a node in the place of a lost one', () => {
  const check = (replace: string, join?: string): void =>
    checkReplace(loadConfig({ data, ...(join === undefined ? {} : { join }) }, {}), replace)

  it('needs a token and the name or the end of the id of the lost one', () => {
    check('vm-node-1', 'x'.repeat(40))
    expect(() => check('vm-node-1')).toThrow(/^--replace: .* give --join-file FILE as well/)
    expect(() => check('a b', 'x'.repeat(40))).toThrow(/^--replace: give the lost node's name/)
  })

  it('ignores --replace once it is a member', () => {
    format('join', 'AAAA')
    check('vm-node-1')
  })
})

describe('a token in a file', () => {
  const token = 'x'.repeat(40)
  const file = (): string => join(directory, 'token')
  const load = (env: Record<string, string> = {}, more: Record<string, string> = {}) =>
    loadConfig({ data, joinFile: file(), ...more }, env)

  it('is read without its line end', () => {
    writeFileSync(file(), `${token}\n`)
    expect(load().join).toBe(token)
    expect(loadConfig({ data }, { SHOAL_JOIN_FILE: file() }).join).toBe(token)
    rmSync(file())
  })

  it('is not needed once the node is a member', () => {
    format('join', 'AAAA')
    expect(load().join).toBeUndefined()
  })

  it('is not shown when it is wrong', () => {
    expect(() => load()).toThrow(/--join-file: .*token does not exist$/)
    writeFileSync(file(), 'hunter2 hunter2 hunter2')
    expect(() => load()).toThrow(/token holds no join token: make one with `shoal token`$/)
    writeFileSync(file(), token)
    expect(() => load({ SHOAL_JOIN: token })).toThrow(/there is a join token already/)
    expect(() => load({}, { join: token })).toThrow(/there is a join token already/)
    rmSync(file())
  })
})

describe('a start with --cluster (D1)', () => {
  const own = 'ab'.repeat(16)
  const other = 'cd'.repeat(16)
  const check = (cluster: string, join?: string): void =>
    checkOrigin(loadConfig({ data, cluster, ...(join === undefined ? {} : { join }) }, {}))

  function tokenOf(cluster: string): string {
    return encodeToken({
      clusterId: clusterId(cluster),
      id: '00'.repeat(8),
      epoch: 2,
      expiresMs: 1,
      secret: '00'.repeat(32),
      addresses: ['/ip4/127.0.0.1/tcp/1/p2p/12D3KooWGRUfbQ3kUxCzp1gBp9ZzVfUHYvUf1tWQZ4sRHP4V6yKJ'],
    })
  }

  function member(cluster: string): void {
    format('found', 'AAAA')
    writeLayout(cluster)
  }

  it('accepts a directory of this cluster', () => {
    member(own)
    check(own)
  })

  it('refuses a directory of another cluster', () => {
    member(other)
    expect(() => check(own)).toThrow(`belongs to cluster ${other}, not to ${own}`)
  })

  it('refuses an empty directory, and founds nothing', () => {
    expect(() => check(own)).toThrow(/holds no node of cluster .* mount its volume/)
    mkdirSync(data)
    expect(() => check(own)).toThrow(/holds no node of cluster/)
  })

  it('lets an empty directory join only with a token of this cluster', () => {
    check(own, tokenOf(own))
    expect(() => check(own, tokenOf(other))).toThrow(`the token is of cluster ${other}`)
    expect(() => check(own, 'x'.repeat(40))).toThrow(/token/)
  })
})
