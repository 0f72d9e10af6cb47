import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { UsageError } from '../tools/usage-error.ts'
import { openDataDirectory, type Birth, type DataDirectory } from './data-directory.ts'
import { lockDirectory, type Processes } from './directory-lock.ts'
import { readNode } from './node-file.ts'

let parent: string
let path: string

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'shoal-lock-'))
  path = join(parent, 'data')
})
afterEach(() => rmSync(parent, { recursive: true, force: true }))

const birth = (): Birth => ({
  origin: 'found',
  privateKey: new Uint8Array(68).fill(7),
  storageIdBytes: new Uint8Array(12).fill(0xab),
})

function open(): DataDirectory {
  return openDataDirectory(path, birth)
}

/** Processes by id; `self` is one of them. */
function processes(self: number, starts: Readonly<Record<number, string>>): Processes {
  return { self, startOf: (pid) => starts[pid] }
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

describe('the lock of a data directory', () => {
  it('keeps out a second process, and a second open by the same one', () => {
    const directory = open()
    expect(refusal(open)).toBe(`data directory ${path} is in use by process ${process.pid}`)
    const other = processes(4711, { 4711: 'b', [process.pid]: startHere() })
    expect(refusal(() => openDataDirectory(path, birth, other))).toMatch(/in use by process/)
    expect(directory.node.boot).toBe(1)
    expect(readNode(path)?.boot).toBe(1)
    directory.close()
    open().close()
  })

  function startHere(): string {
    return readFileSync(join(path, 'lock'), 'utf8').trim().split(' ')[1] ?? ''
  }

  it('is taken over from a dead process', () => {
    mkdirSync(path)
    writeFileSync(join(path, 'lock'), '9999999 boot:1\n')
    open().close()
  })

  it('is taken over from a dead process whose id another process has now', () => {
    mkdirSync(path)
    writeFileSync(join(path, 'lock'), '12 boot:1\n')
    const self = processes(13, { 12: 'boot:2', 13: 'boot:3' })
    lockDirectory(path, self).release()
    expect(tree(path)).toEqual([])
    writeFileSync(join(path, 'lock'), '12 boot:2\n')
    expect(refusal(() => lockDirectory(path, self))).toMatch(/in use by process 12$/)
    expect(tree(path)).toEqual(['lock'])
  })

  it('is taken over by only one of two processes that see the dead holder', () => {
    mkdirSync(path)
    const lock = join(path, 'lock')
    writeFileSync(lock, '12 boot:1\n')
    let others = 0
    // Process 14 takes the lock after we have looked at process 12.
    const self: Processes = {
      self: 13,
      startOf(pid) {
        if (pid === 12 && others++ === 0) writeFileSync(lock, '14 boot:4\n')
        return { 13: 'boot:3', 14: 'boot:4' }[pid]
      },
    }
    expect(refusal(() => lockDirectory(path, self))).toMatch(/in use by process 14$/)
    expect(readFileSync(lock, 'utf8')).toBe('14 boot:4\n')
    expect(tree(path)).toEqual(['lock'])
  })

  it('can be taken over after a process died while taking it over', () => {
    mkdirSync(path)
    writeFileSync(join(path, 'lock'), '12 boot:1\n')
    writeFileSync(join(path, 'lock.over-12-boot_1'), '11 boot:0\n')
    lockDirectory(path, processes(13, { 13: 'boot:3' })).release()
    expect(tree(path)).toEqual([])
  })

  it('is not removed by a process that has lost it to another one', () => {
    mkdirSync(path)
    const lock = lockDirectory(path, processes(13, { 13: 'boot:3' }))
    writeFileSync(join(path, 'lock'), '14 boot:4\n')
    lock.release()
    expect(tree(path)).toEqual(['lock'])
  })
})
