/**
 * Large writes that bypass the page cache (O_DIRECT). The kernel copies what it writes through the page cache into memory
 * that it has to find and clear first, on a busy machine at a tenth of the disk's speed. A direct write costs one copy
 * into memory that is used again.
 *
 * Invariants:
 *   - offset, length and memory of a direct write are multiples of a page
 *   - what is not written directly is written by the caller through the page cache, in the same call
 *   - a write is durable only after a flush, whichever way it went
 *
 * The two ways may be mixed in one file: a direct write drops the pages that it replaces from the cache.
 */

import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'

const PAGE_BYTES = 4096
/** Smaller writes go through the page cache: they are often read again soon. */
const DIRECT_BYTES_MIN = 512 << 10
/** Written by one call. Each further one waits for a turn of the event loop, which large bodies make long. */
const CALL_BYTES_MAX = 8 << 20
const WASM_PAGE_BYTES = 65_536

/** The part of WebAssembly that is used here. Node's types do not include it. */
interface WebAssemblyApi {
  readonly Memory: new (size: { initial: number; maximum: number }) => { buffer: ArrayBuffer }
}

/** For all files of one disk. One write uses it at a time, and the others go through the page cache. */
export class DirectWrites {
  /** Undefined before the first write. Memory of WebAssembly begins on a page, which no other memory promises. */
  #memory: Uint8Array | undefined
  #isUsed = false
  /** False once the system has refused a direct write: not every file system has them. */
  #isSupported = constants.O_DIRECT !== undefined

  isFor(buffers: readonly Uint8Array[], position: number): boolean {
    if (!this.#isSupported || this.#isUsed || position % PAGE_BYTES !== 0) return false
    return totalBytes(buffers) >= DIRECT_BYTES_MIN
  }

  /** A second handle of the same file, whatever its name is by now. Undefined when the system gives none. */
  async open({ fd }: FileHandle): Promise<FileHandle | undefined> {
    try {
      return await open(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_DIRECT)
    } catch (error) {
      if (isRefusal(error)) this.#isSupported = false
      return undefined
    }
  }

  /**
   * Writes as many whole pages as the system takes, and resolves with their bytes. The caller writes the rest. Call it only
   * when `isFor` was true in the same turn of the event loop.
   */
  async write(
    handle: FileHandle,
    buffers: readonly Uint8Array[],
    position: number,
  ): Promise<number> {
    this.#isUsed = true
    try {
      return await this.#write(handle, new Source(buffers), position)
    } catch (error) {
      if (!isRefusal(error)) throw error
      this.#isSupported = false
      return 0
    } finally {
      this.#isUsed = false
    }
  }

  async #write(handle: FileHandle, source: Source, position: number): Promise<number> {
    const memory = (this.#memory ??= alignedMemory())
    let done = 0
    while (done < source.wholePages) {
      const filled = source.fill(memory, source.wholePages - done)
      const { bytesWritten } = await handle.write(memory, 0, filled, position + done)
      done += bytesWritten
      // The disk may be full. The rest is tried through the page cache, which then says so.
      if (bytesWritten < filled) break
    }
    return done
  }
}

/** Bytes of several buffers, taken in order. */
class Source {
  readonly #buffers: readonly Uint8Array[]
  readonly wholePages: number
  #index = 0
  #at = 0

  constructor(buffers: readonly Uint8Array[]) {
    this.#buffers = buffers
    const bytes = totalBytes(buffers)
    this.wholePages = bytes - (bytes % PAGE_BYTES)
  }

  /** Copies the next bytes, at most `most` of them, and returns how many. */
  fill(into: Uint8Array, most: number): number {
    const wanted = Math.min(into.length, most)
    let filled = 0
    while (filled < wanted) {
      const buffer = this.#buffers[this.#index] as Uint8Array
      const count = Math.min(buffer.length - this.#at, wanted - filled)
      into.set(buffer.subarray(this.#at, this.#at + count), filled)
      filled += count
      this.#at += count
      if (this.#at < buffer.length) continue
      this.#index++
      this.#at = 0
    }
    return filled
  }
}

function totalBytes(buffers: readonly Uint8Array[]): number {
  let bytes = 0
  for (const { length } of buffers) bytes += length
  return bytes
}

function alignedMemory(): Uint8Array {
  const { Memory } = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly
  const pages = CALL_BYTES_MAX / WASM_PAGE_BYTES
  return new Uint8Array(new Memory({ initial: pages, maximum: pages }).buffer)
}

/** The file system has no direct writes, or wants other multiples than pages; or there is no /proc. */
function isRefusal(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return code === 'EINVAL' || code === 'EOPNOTSUPP' || code === 'ENOTSUP' || code === 'ENOENT'
}
