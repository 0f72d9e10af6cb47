import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { checkedFields, withChecksum } from '../tools/checked-json.ts'
import { readAdminCredential, readCredentials } from './credential-files.ts'
import { openDataDirectory, type Birth, type DataDirectory } from './data-directory.ts'
import { readNode } from './node-file.ts'
import { UsageError } from '../tools/usage-error.ts'

/** Files that this user may not remove. A mock, because root could remove them. */
const { unremovable } = vi.hoisted(() => ({ unremovable: new Set<unknown>() }))
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  const rmSync: typeof fs.rmSync = (path, options) => {
    if (unremovable.has(path))
      throw new Error(`EACCES: permission denied, unlink '${String(path)}'`)
    fs.rmSync(path, options)
  }
  return { ...fs, rmSync }
})

let parent: string
let path: string

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'shoal-directory-'))
  path = join(parent, 'data')
})
afterEach(() => {
  unremovable.clear()
  rmSync(parent, { recursive: true, force: true })
})

const birth = (): Birth => ({
  origin: 'found',
  privateKey: new Uint8Array(68).fill(7),
  storageIdBytes: new Uint8Array(12).fill(0xab),
})

function open(): DataDirectory {
  return openDataDirectory(path, birth)
}

function refusal(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError)
    expect((error as Error).message).not.toMatch(/\n/)
    return (error as Error).message
  }
  throw new Error('was taken')
}

function tree(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()
}

describe('a new directory', () => {
  it('gets the files that the documents name', () => {
    const directory = open()
    expect(directory.isNew).toBe(true)
    expect(directory.node).toMatchObject({
      version: 1,
      storageId: 'ab'.repeat(12),
      boot: 1,
      origin: 'found',
    })
    expect(directory.privateKey).toEqual(new Uint8Array(68).fill(7))
    expect(tree(path)).toEqual(['index', 'lock', 'log', 'node.json', 'node.json.copy', 'shoal.pid'])
    expect(readFileSync(join(path, 'shoal.pid'), 'utf8')).toBe(`${process.pid}\n`)
    expect(statSync(join(path, 'node.json')).mode & 0o777).toBe(0o600)
    directory.close()
    expect(tree(path)).toEqual(['index', 'log', 'node.json', 'node.json.copy'])
  })

  it('may hold what an interrupted format has left', () => {
    mkdirSync(join(path, 'lost+found'), { recursive: true })
    writeFileSync(join(path, 'node.json.new'), '{"vers')
    writeFileSync(join(path, 'lock'), '')
    expect(open().node.boot).toBe(1)
  })
})

describe('a known directory', () => {
  it('keeps its identity and counts its starts (P1)', () => {
    open().close()
    const again = openDataDirectory(path, () => {
      throw new Error('formatted twice')
    })
    expect(again.isNew).toBe(false)
    expect(again.node).toMatchObject({ boot: 2, storageId: 'ab'.repeat(12) })
    again.close()
    expect(readNode(path)?.boot).toBe(2)
  })

  it('remembers addresses, zone and capacity', () => {
    const directory = open()
    const addresses = { s3: '127.0.0.1:9', admin: '127.0.0.1:8', listen: '/ip4/127.0.0.1/tcp/7' }
    directory.remember({ addresses, zone: 'z', capacityBytes: 5, clusterSecret: 'AAAA' })
    directory.close()
    expect(readNode(path)).toMatchObject({ addresses, zone: 'z', capacityBytes: 5 })
  })

  it('lets only its owner read the root credentials', () => {
    const directory = open()
    expect(directory.credentials()).toBeUndefined()
    directory.writeCredentials({ accessKeyId: 'a', secretAccessKey: 's' })
    expect(readCredentials(path)).toEqual({ accessKeyId: 'a', secretAccessKey: 's' })
    expect(statSync(join(path, 'credentials.json')).mode & 0o777).toBe(0o600)
  })
})

describe('access for other users', () => {
  const modeOf = (name: string): number => statSync(join(path, name)).mode & 0o777

  it('is closed for the admin credential, which a stop removes', () => {
    const directory = open()
    const { secret, path: file } = directory.adminCredential(new Uint8Array(32).fill(0xcd))
    directory.writeAdminCredential({ secret, path: file })
    expect([readAdminCredential(path), file]).toEqual([secret, join(path, 'admin-credential')])
    expect(modeOf('admin-credential')).toBe(0o600)
    directory.close()
    expect(readAdminCredential(path)).toBeUndefined()
  })

  it('is not left by a killed run: the next start removes its admin credential', () => {
    open().close()
    writeFileSync(join(path, 'admin-credential'), 'ab'.repeat(32))
    const directory = open()
    expect(readAdminCredential(path)).toBeUndefined()
    directory.close()
  })

  it('is closed for an empty directory that was given to the node', () => {
    mkdirSync(path)
    chmodSync(path, 0o777)
    const directory = open()
    expect(modeOf('.')).toBe(0o700)
    expect(directory.closed).toEqual(['.'])
    directory.close()
  })

  it('is closed by a start: secrets can not be read, the directory can not be changed', () => {
    const first = open()
    first.writeCredentials({ accessKeyId: 'a', secretAccessKey: 's' })
    first.close()
    chmodSync(join(path, 'credentials.json'), 0o644)
    chmodSync(path, 0o775)
    const directory = open()
    expect(directory.closed).toEqual(['.', 'credentials.json'])
    expect([modeOf('.'), modeOf('credentials.json')]).toEqual([0o755, 0o600])
    directory.close()
    const again = open()
    expect(again.closed).toEqual([])
    again.close()
  })
})

describe('a directory that is refused and left as it was', () => {
  it('holds something else (D1)', () => {
    mkdirSync(path)
    writeFileSync(join(path, 'thesis.tex'), 'x')
    expect(refusal(open)).toMatch(/holds "thesis.tex" and no node.json/)
    expect(tree(path)).toEqual(['thesis.tex'])
  })

  it('has a log without its node.json (D1)', () => {
    open().close()
    for (const name of ['node.json', 'node.json.copy']) rmSync(join(path, name))
    expect(refusal(open)).toMatch(/no node.json/)
    expect(tree(path)).toEqual(['index', 'log'])
  })

  it('holds a whole cluster', () => {
    mkdirSync(join(path, 'node-0'), { recursive: true })
    expect(refusal(open)).toMatch(/shoal cluster --data/)
  })

  it('is a file', () => {
    writeFileSync(path, '')
    expect(refusal(open)).toMatch(/is a file/)
  })

  it.each([
    ['{"version":2,"more":1}', /has version 2: this program knows only 1/],
    ['[]', /has version none/],
    ['null', /has version none/],
    ['{', /is damaged: it is not JSON/],
    ['{"version":1}', /is damaged: field privateKey/],
  ])('has a node.json with %s', (text, expected) => {
    mkdirSync(path)
    writeFileSync(join(path, 'node.json'), text)
    expect(refusal(open)).toMatch(expected)
    expect(tree(path)).toEqual(['node.json'])
    expect(readFileSync(join(path, 'node.json'), 'utf8')).toBe(text)
  })

  it('has a node.json of a later program, whatever its copy says', () => {
    open().close()
    const file = join(path, 'node.json')
    const { fields } = checkedFields(JSON.parse(readFileSync(file, 'utf8')))
    const later = JSON.stringify(withChecksum({ shape: 1, ...(fields as object) }))
    writeFileSync(file, later)
    expect(refusal(open)).toMatch(/is damaged: field/)
    expect(readFileSync(file, 'utf8')).toBe(later)
  })
})

describe('a damaged node.json', () => {
  const flip = (name: string): void => {
    const file = join(path, name)
    writeFileSync(file, readFileSync(file, 'utf8').replace('"boot": 2', '"boot": 0'))
  }

  it.each(['node.json', 'node.json.copy'])('is made again from the other: %s', (name) => {
    open().close()
    open().close()
    flip(name)
    const again = open()
    expect(again.repairedFile).toBe(name)
    expect(again.node).toMatchObject({ boot: 3, storageId: 'ab'.repeat(12) })
    again.close()
    expect(open().repairedFile).toBeUndefined()
  })

  it('is made again where it is missing', () => {
    open().close()
    rmSync(join(path, 'node.json'))
    expect(open()).toMatchObject({ repairedFile: 'node.json', isNew: false })
  })

  it('is refused when its copy is damaged as well, and nothing is changed', () => {
    open().close()
    open().close()
    flip('node.json')
    flip('node.json.copy')
    expect(refusal(open)).toMatch(/node.json is damaged: its checksum does not fit/)
    expect(tree(path)).toEqual(['index', 'log', 'node.json', 'node.json.copy'])
  })

  it('never brings back an earlier boot number (P1)', () => {
    open().close()
    const old = readFileSync(join(path, 'node.json'), 'utf8')
    open().close()
    writeFileSync(join(path, 'node.json'), old)
    expect(open().node.boot).toBe(3)
  })

  it('without a checksum is of an earlier program: it is accepted and gets one', () => {
    open().close()
    rmSync(join(path, 'node.json.copy'))
    const file = join(path, 'node.json')
    const { fields } = checkedFields(JSON.parse(readFileSync(file, 'utf8')))
    writeFileSync(file, JSON.stringify(fields))
    const again = open()
    expect(again).toMatchObject({ repairedFile: undefined, node: { boot: 2 } })
    expect(checkedFields(JSON.parse(readFileSync(file, 'utf8'))).checked).toBe(true)
  })

  it('is refused in the same way as a damaged credentials.json', () => {
    const directory = open()
    directory.writeCredentials({ accessKeyId: 'abc', secretAccessKey: 's' })
    const file = join(path, 'credentials.json')
    writeFileSync(file, readFileSync(file, 'utf8').replace('abc', 'abd'))
    expect(refusal(() => readCredentials(path))).toMatch(/credentials.json is damaged/)
  })
})

describe('a directory that a refused start gives back', () => {
  it('is as empty as before', () => {
    const directory = open()
    directory.writeCredentials({ accessKeyId: 'A', secretAccessKey: 'B' })
    writeFileSync(join(path, 'layout.json'), '{}')
    writeFileSync(join(path, 'log', 'id'), 'x')
    for (const name of ['moves', 'forgotten', 'sightings', 'a file of a later version']) {
      writeFileSync(join(path, name), name)
    }
    directory.discard()
    expect(tree(path)).toEqual([])
    open().close()
  })

  it('keeps lost+found, which the next start ignores', () => {
    mkdirSync(join(path, 'lost+found'), { recursive: true })
    writeFileSync(join(path, 'lost+found', '#12'), 'of fsck')
    open().discard()
    expect(tree(path)).toEqual(['lost+found', 'lost+found/#12'])
    open().close()
  })

  it('stays a data directory, without a lock, when a file can not be removed', () => {
    const directory = open()
    writeFileSync(join(path, 'stays'), '')
    writeFileSync(join(path, 'zz'), '')
    unremovable.add(join(path, 'stays'))
    expect(() => directory.discard()).toThrow(/EACCES: .*stays/)
    expect(readNode(path)).toBeDefined()
    expect(tree(path)).not.toContain('zz')
    expect(tree(path)).not.toContain('lock')
    open().close()
  })

  it('is given back only by the start that made it', () => {
    open().close()
    const again = open()
    expect(() => again.discard()).toThrow()
    again.close()
    expect(readNode(path)).toBeDefined()
  })
})
