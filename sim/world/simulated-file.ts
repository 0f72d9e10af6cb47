/** An open file of the simulated disk. */

import type { DiskFile } from '../../node/env/ports.ts'
import { Inode } from './inode.ts'
import {
  DiskFailure,
  type DiskOperation,
  type DiskPlace,
  type WriteLie,
} from './disk-operations.ts'

const PAGE_BYTES = 4_096

/** What a file needs of its disk. */
export interface FileDisk {
  readonly capacityBytes: number
  readonly lie:
    ((path: string, position: number, length: number) => WriteLie | undefined) | undefined
  usedBytes(): number
  operate<T>(operation: DiskOperation, path: string, act: () => T, place?: DiskPlace): Promise<T>
  mutate<T>(operation: DiskOperation, path: string, act: () => T): Promise<T>
  later<T>(operation: DiskOperation, outcome: () => T): Promise<T>
  check(operation: DiskOperation, path: string, place?: DiskPlace): void
  /** A synchronous read, which would stop the whole process while the disk hangs. */
  noteSyncRead(): void
}

export class SimulatedFile implements DiskFile {
  readonly path: string
  private readonly disk: FileDisk
  private readonly inode: Inode
  private closed = false

  constructor(disk: FileDisk, path: string, inode: Inode) {
    this.disk = disk
    this.path = path
    this.inode = inode
  }

  read(into: Uint8Array, position: number): Promise<number> {
    const read = (): number => this.inode.read(into, position)
    return this.disk.operate('read', this.path, read, { position, length: into.length })
  }

  readSync(into: Uint8Array, position: number): number {
    this.disk.check('read', this.path, { position, length: into.length })
    this.disk.noteSyncRead()
    return this.inode.read(into, position)
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    const bytes = new Uint8Array(buffers.reduce((sum, buffer) => sum + buffer.length, 0))
    let filled = 0
    for (const buffer of buffers) {
      bytes.set(buffer, filled)
      filled += buffer.length
    }
    const written = await this.disk.mutate('write', this.path, () => {
      this.checkOpen()
      const lie = this.disk.lie?.(this.path, position, bytes.length)
      if (lie === 'lost') return undefined
      const at = lie?.position ?? position
      // The rest of its last page is the file's already.
      const pageEnd = Math.ceil(this.inode.sizeBytes / PAGE_BYTES) * PAGE_BYTES
      if (at + bytes.length <= pageEnd) return this.inode.write(at, bytes)
      const growth = at + bytes.length - this.inode.sizeBytes
      const free = this.disk.capacityBytes - this.disk.usedBytes()
      if (growth <= free) return this.inode.write(at, bytes)
      // What fits is written, in whole pages, before the error shows.
      const room = Math.floor(Math.max(0, bytes.length - growth + free) / PAGE_BYTES) * PAGE_BYTES
      this.inode.write(at, bytes.subarray(0, room))
      throw new DiskFailure('ENOSPC', this.path)
    })
    written?.()
  }

  flush(): Promise<void> {
    // Only what had returned before is covered.
    const mark = this.inode.mark()
    let failure: unknown
    const flushed = this.disk.mutate('flush', this.path, () => {
      this.checkOpen()
    })
    return flushed.then(
      () => this.inode.flushed(mark),
      (error) => {
        failure = error
        this.inode.dropped(mark)
        throw failure
      },
    )
  }

  sizeBytes(): Promise<number> {
    return this.disk.operate('open', this.path, () => this.inode.sizeBytes)
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.disk.mutate('truncate', this.path, () => {
      this.checkOpen()
      this.inode.truncate(sizeBytes)()
    })
  }

  close(): Promise<void> {
    this.closed = true
    return this.disk.later('open', () => undefined)
  }

  private checkOpen(): void {
    if (this.closed) throw new DiskFailure('EBADF', this.path)
  }
}
