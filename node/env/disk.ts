/**
 * The Disk port over node:fs. All paths are relative to one directory. Files are for this user only unless the
 * caller says otherwise, and so are directories. What is promised of each operation: ports.ts;
 * testing/disk.compliance.ts checks it here and for the simulated disk.
 */

import { read, readSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DirectWrites } from './direct-writes.ts'
import type { Disk, DiskFile } from './ports.ts'

/** Errors are those of node:fs: their `code` is errno's name. */
export function createDisk(root: string): Disk {
  const at = (path: string): string => join(root, path)
  const direct = new DirectWrites()

  const syncDirectory = (directory: string): Promise<void> => syncPath(at(directory))

  return {
    async list(directory) {
      try {
        return await fs.readdir(at(directory))
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return []
        throw error
      }
    },

    async makeDirectory(directory) {
      const first = await fs.mkdir(at(directory), { recursive: true, mode: 0o700 })
      if (first === undefined) return
      // Each new directory's name is durable once its parent is synced.
      for (let path = at(directory); ; path = dirname(path)) {
        await syncPath(dirname(path))
        if (path === first || dirname(path) === path) return
      }
    },

    async open(path, mode) {
      const flags = { create: 'wx+', write: 'r+', read: 'r' } as const
      return new RealFile(path, await fs.open(at(path), flags[mode], 0o600), direct)
    },

    rename: (from, to) => fs.rename(at(from), at(to)),
    remove: (path) => fs.unlink(at(path)),
    syncDirectory,

    async readFile(path) {
      try {
        // Plain bytes: `slice` of a Buffer is no copy.
        const { buffer, byteOffset, length } = await fs.readFile(at(path))
        return new Uint8Array(buffer, byteOffset, length)
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return undefined
        throw error
      }
    },

    async writeFile(path, bytes, options = {}) {
      const temporary = `${path}.tmp`
      const handle = await fs.open(at(temporary), 'w', options.mode ?? 0o600)
      try {
        await handle.writeFile(bytes)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await fs.rename(at(temporary), at(path))
      await syncDirectory(dirname(path))
    },

    async space() {
      const stat = await fs.statfs(root)
      return { totalBytes: stat.blocks * stat.bsize, freeBytes: stat.bavail * stat.bsize }
    },
  }
}

/** A file that is open. */
class RealFile implements DiskFile {
  readonly path: string
  private readonly handle: fs.FileHandle
  private readonly direct: DirectWrites
  /** Opened for the first large write. */
  private directHandle: fs.FileHandle | undefined
  /** Reads under way, and what waits for there being none. */
  private reads = 0
  private readsOver: (() => void) | undefined
  private isClosing = false

  constructor(path: string, handle: fs.FileHandle, direct: DirectWrites) {
    this.path = path
    this.handle = handle
    this.direct = direct
  }

  /** By a callback: the `read` of a handle makes several promises for each call. */
  read(into: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      // Its number may belong to another file by now.
      if (this.isClosing) return reject(closedError(this.path))
      const { fd } = this.handle
      this.reads++
      let done = 0
      const end = (error: Error | null): void => {
        if (--this.reads === 0) this.readsOver?.()
        if (error === null) resolve(done)
        else reject(error)
      }
      const next = (): void =>
        read(fd, into, done, into.length - done, position + done, (error, bytesRead) => {
          if (error !== null) return end(error)
          done += bytesRead
          if (bytesRead === 0 || done === into.length) end(null)
          else next()
        })
      next()
    })
  }

  readSync(into: Uint8Array, position: number): number {
    let done = 0
    while (done < into.length) {
      const count = readSync(this.handle.fd, into, done, into.length - done, position + done)
      if (count === 0) break
      done += count
    }
    return done
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    let rest = buffers.filter((buffer) => buffer.length > 0)
    let at = position
    const bytesDirect = await this.writeDirectly(rest, position)
    if (bytesDirect > 0) {
      at += bytesDirect
      rest = withoutFirstBytes(rest, bytesDirect)
    }
    while (rest.length > 0) {
      // One buffer needs no vector. Either call may write less than it was given.
      const bytesWritten =
        rest.length === 1
          ? (await this.handle.write(rest[0] as Uint8Array, 0, null, at)).bytesWritten
          : (await this.handle.writev(rest, at)).bytesWritten
      at += bytesWritten
      rest = withoutFirstBytes(rest, bytesWritten)
    }
  }

  /** Resolves with how many bytes were written: none when they belong into the page cache. */
  private async writeDirectly(buffers: readonly Uint8Array[], position: number): Promise<number> {
    if (!this.direct.isFor(buffers, position)) return 0
    this.directHandle ??= await this.direct.open(this.handle)
    if (this.directHandle === undefined || !this.direct.isFor(buffers, position)) return 0
    return this.direct.write(this.directHandle, buffers, position)
  }

  /** Of the file, not of the handle: direct writes are made durable too. */
  flush(): Promise<void> {
    return this.handle.datasync()
  }

  async sizeBytes(): Promise<number> {
    return (await this.handle.stat()).size
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.handle.truncate(sizeBytes)
  }

  /** Resolves when the last read has ended: until then its file must not lose its number to another one. */
  async close(): Promise<void> {
    this.isClosing = true
    if (this.reads > 0) await new Promise<void>((resolve) => (this.readsOver = resolve))
    await this.directHandle?.close()
    await this.handle.close()
  }
}

/** As a closed handle of Node's rejects. */
function closedError(path: string): Error {
  return Object.assign(new Error(`${path} is closed`), { code: 'EBADF' })
}

/** What a short write left over: the buffers without their first `count` bytes. No byte is copied. */
export function withoutFirstBytes(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count
  const rest: Uint8Array[] = []
  for (const buffer of buffers) {
    if (skip >= buffer.length) skip -= buffer.length
    else {
      rest.push(skip === 0 ? buffer : buffer.subarray(skip))
      skip = 0
    }
  }
  return rest
}

/** Flushes a directory: the names in it are durable then. */
async function syncPath(directory: string): Promise<void> {
  const handle = await fs.open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
