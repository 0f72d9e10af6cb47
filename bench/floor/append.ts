/** One append-only file with group commit: while one flush runs, the next batch gathers. */

import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'

interface Waiting {
  readonly bytes: Buffer
  readonly done: (offset: number) => void
  readonly failed: (error: unknown) => void
}

export class AppendFile {
  readonly #file: FileHandle
  #end = 0
  #waiting: Waiting[] = []
  #flushing = false

  private constructor(file: FileHandle) {
    this.#file = file
  }

  static async open(path: string): Promise<AppendFile> {
    return new AppendFile(await open(path, 'w+'))
  }

  /** Resolves with the offset once the bytes are flushed. */
  async append(bytes: Buffer): Promise<number> {
    return new Promise((done, failed) => {
      this.#waiting.push({ bytes, done, failed })
      if (!this.#flushing) void this.#flush()
    })
  }

  async read(offset: number, sizeBytes: number): Promise<Buffer> {
    const { buffer } = await this.#file.read(Buffer.allocUnsafe(sizeBytes), 0, sizeBytes, offset)
    return buffer
  }

  async #flush(): Promise<void> {
    this.#flushing = true
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      const start = this.#end
      try {
        // Above 1,024 buffers writev refuses, and the write would be split.
        const bytes = Buffer.concat(batch.map((entry) => entry.bytes))
        await this.#file.write(bytes, 0, bytes.length, start)
        await this.#file.datasync()
        this.#end = start + bytes.length
        let offset = start
        for (const entry of batch) {
          entry.done(offset)
          offset += entry.bytes.length
        }
      } catch (error) {
        for (const entry of batch) entry.failed(error)
      }
    }
    this.#flushing = false
  }
}
