/**
 * A disk whose operations are watched: for how long the oldest one in flight has had no answer, and so whether the disk
 * hangs (D11). The number of reads in flight is bounded, because each one that hangs holds a thread that flushes, name
 * look-ups and signatures need too.
 */

import type { Clock, Disk, DiskFile } from './ports.ts'

/** node/cli/threads.ts asks for 16 threads. The others are left for flushes, look-ups and signatures. */
const READS_AT_ONCE = 10

/** How long the disk has been silent, for those who decide whether to wait for it. */
export interface DiskWatch {
  /** For how long the oldest read in flight has had no answer; 0 when there is none. */
  readsSilentMs(): number
  /** The same for operations of any kind. */
  silentMs(): number
}

/** One that has begun and not ended. */
interface Operation {
  readonly startedMs: number
}

export class WatchedDisk implements Disk, DiskWatch {
  readonly #disk: Disk
  readonly #clock: Pick<Clock, 'monotonicMs'>
  /** In the order in which they began. */
  readonly #reads = new Set<Operation>()
  /** Writes, flushes, and everything else that is no read of a file. */
  readonly #others = new Set<Operation>()
  /** Reads that wait for one in flight to end, in order. */
  readonly #waiting: (() => void)[] = []

  constructor(disk: Disk, clock: Pick<Clock, 'monotonicMs'>) {
    this.#disk = disk
    this.#clock = clock
  }

  readsSilentMs(): number {
    return this.#ageOfOldest(this.#reads)
  }

  silentMs(): number {
    return Math.max(this.readsSilentMs(), this.#ageOfOldest(this.#others))
  }

  list(directory: string): Promise<string[]> {
    return this.watch(() => this.#disk.list(directory))
  }

  makeDirectory(directory: string): Promise<void> {
    return this.watch(() => this.#disk.makeDirectory(directory))
  }

  async open(path: string, mode: 'create' | 'write' | 'read'): Promise<DiskFile> {
    return new WatchedFile(this, await this.watch(() => this.#disk.open(path, mode)))
  }

  rename(from: string, to: string): Promise<void> {
    return this.watch(() => this.#disk.rename(from, to))
  }

  remove(path: string): Promise<void> {
    return this.watch(() => this.#disk.remove(path))
  }

  syncDirectory(directory: string): Promise<void> {
    return this.watch(() => this.#disk.syncDirectory(directory))
  }

  readFile(path: string): Promise<Uint8Array | undefined> {
    return this.watch(() => this.#disk.readFile(path))
  }

  writeFile(path: string, bytes: Uint8Array, options?: { mode?: number }): Promise<void> {
    return this.watch(() => this.#disk.writeFile(path, bytes, options))
  }

  space(): Promise<{ totalBytes: number; freeBytes: number }> {
    return this.watch(() => this.#disk.space())
  }

  /** Runs an operation that is no read of a file. */
  watch<T>(run: () => Promise<T>): Promise<T> {
    return this.#watched(run)
  }

  /**
   * Runs a read, as one of READS_AT_ONCE at most. The time that it waits for that does not count as silence.
   */
  async watchRead<T>(run: () => Promise<T>): Promise<T> {
    if (this.#reads.size >= READS_AT_ONCE) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    const operation: Operation = { startedMs: this.#clock.monotonicMs() }
    this.#reads.add(operation)
    try {
      return await run()
    } finally {
      this.#reads.delete(operation)
      if (this.#reads.size < READS_AT_ONCE) this.#waiting.shift()?.()
    }
  }

  async #watched<T>(run: () => Promise<T>): Promise<T> {
    const operation: Operation = { startedMs: this.#clock.monotonicMs() }
    this.#others.add(operation)
    try {
      return await run()
    } finally {
      this.#others.delete(operation)
    }
  }

  #ageOfOldest(operations: ReadonlySet<Operation>): number {
    for (const { startedMs } of operations) return this.#clock.monotonicMs() - startedMs
    return 0
  }
}

/** A file of the watched disk. `readSync` is not watched: it blocks the event loop anyway. */
class WatchedFile implements DiskFile {
  readonly path: string
  private readonly disk: WatchedDisk
  private readonly file: DiskFile

  constructor(disk: WatchedDisk, file: DiskFile) {
    this.path = file.path
    this.disk = disk
    this.file = file
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.disk.watchRead(() => this.file.read(into, position))
  }

  readSync(into: Uint8Array, position: number): number {
    return this.file.readSync(into, position)
  }

  write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    return this.disk.watch(() => this.file.write(buffers, position))
  }

  flush(): Promise<void> {
    return this.disk.watch(() => this.file.flush())
  }

  sizeBytes(): Promise<number> {
    return this.disk.watch(() => this.file.sizeBytes())
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.disk.watch(() => this.file.truncate(sizeBytes))
  }

  close(): Promise<void> {
    return this.disk.watch(() => this.file.close())
  }
}
