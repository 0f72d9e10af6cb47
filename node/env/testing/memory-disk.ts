/**
 * A Disk in memory for tests beside the code. What was written shows at once, and outlives `crash` only when it was flushed.
 * Names are durable at once; sim/world/disk.ts has a disk that also tears writes and loses names.
 */

import type { Disk, DiskFile } from '../ports.ts'

export type MemoryOperation = 'open' | 'read' | 'write' | 'flush' | 'truncate' | 'remove' | 'sync'

interface Content {
  /** What readers see. */
  bytes: Uint8Array
  /** What the disk has. */
  flushed: Uint8Array
}

export class MemoryDisk implements Disk {
  freeBytes = 1 << 30
  /** Called before each operation: one that throws, or waits, takes its place. */
  before: (operation: MemoryOperation, path: string) => Promise<void> | void = () => {}
  readonly #files = new Map<string, Content>()

  /** The process dies with its machine: what was not flushed is gone. */
  crash(): void {
    for (const content of this.#files.values()) content.bytes = content.flushed.slice()
  }

  /** Flips all bits of one byte, on the disk too. */
  corrupt(path: string, offset: number): void {
    const content = this.#contentOf(path)
    for (const bytes of new Set([content.bytes, content.flushed])) bytes[offset]! ^= 0xff
  }

  paths(): string[] {
    return [...this.#files.keys()].sort()
  }

  bytesOf(path: string): Uint8Array {
    return this.#contentOf(path).bytes.slice()
  }

  list(directory: string): Promise<string[]> {
    const prefix = directory === '.' ? '' : `${directory}/`
    const inside = [...this.#files.keys()].filter((path) => path.startsWith(prefix))
    return Promise.resolve([
      ...new Set(inside.map((path) => path.slice(prefix.length).split('/')[0]!)),
    ])
  }

  makeDirectory(): Promise<void> {
    return Promise.resolve()
  }

  async open(path: string, mode: 'create' | 'write' | 'read'): Promise<DiskFile> {
    await this.before('open', path)
    if (mode === 'create') {
      if (this.#files.has(path)) throw diskError('EEXIST', path)
      this.#files.set(path, { bytes: new Uint8Array(0), flushed: new Uint8Array(0) })
    }
    return this.#fileOf(path, this.#contentOf(path))
  }

  rename(from: string, to: string): Promise<void> {
    this.#files.set(to, this.#contentOf(from))
    this.#files.delete(from)
    return Promise.resolve()
  }

  async remove(path: string): Promise<void> {
    await this.before('remove', path)
    this.#contentOf(path)
    this.#files.delete(path)
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.before('sync', directory)
  }

  async readFile(path: string): Promise<Uint8Array | undefined> {
    await this.before('read', path)
    return this.#files.get(path)?.bytes.slice()
  }

  async writeFile(path: string, bytes: Uint8Array): Promise<void> {
    await this.before('write', path)
    this.#files.set(path, { bytes: bytes.slice(), flushed: bytes.slice() })
  }

  space(): Promise<{ totalBytes: number; freeBytes: number }> {
    return Promise.resolve({ totalBytes: 2 ** 31, freeBytes: this.freeBytes })
  }

  #contentOf(path: string): Content {
    const content = this.#files.get(path)
    if (content === undefined) throw diskError('ENOENT', path)
    return content
  }

  #fileOf(path: string, content: Content): DiskFile {
    const readSync = (into: Uint8Array, position: number): number => {
      const found = content.bytes.subarray(position, position + into.length)
      into.set(found)
      return found.length
    }
    return {
      path,
      readSync,
      read: async (into, position) => {
        await this.before('read', path)
        return readSync(into, position)
      },
      write: async (buffers, position) => {
        await this.before('write', path)
        const lengthBytes = buffers.reduce((sum, { length }) => sum + length, 0)
        const grown = Math.max(content.bytes.length, position + lengthBytes)
        this.#take(grown - content.bytes.length, path)
        const bytes = resized(content.bytes, grown)
        let at = position
        for (const buffer of buffers) {
          bytes.set(buffer, at)
          at += buffer.length
        }
        content.bytes = bytes
      },
      flush: async () => {
        await this.before('flush', path)
        content.flushed = content.bytes.slice()
      },
      truncate: async (sizeBytes) => {
        await this.before('truncate', path)
        content.bytes = resized(content.bytes, sizeBytes)
      },
      sizeBytes: () => Promise.resolve(content.bytes.length),
      close: () => Promise.resolve(),
    }
  }

  #take(bytes: number, path: string): void {
    if (bytes > this.freeBytes) throw diskError('ENOSPC', path)
    this.freeBytes -= bytes
  }
}

export function diskError(code: string, path: string): Error & { readonly code: string } {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}

function resized(bytes: Uint8Array, sizeBytes: number): Uint8Array {
  const result = new Uint8Array(sizeBytes)
  result.set(bytes.subarray(0, sizeBytes))
  return result
}
