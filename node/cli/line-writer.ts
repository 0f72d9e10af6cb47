/**
 * Writes lines so that they never end or block the process. A line that can't be written is lost and counted.
 *
 *   - to a file or a terminal it writes at once, so that the last lines of a process are not lost
 *   - to a pipe or a socket it writes in the background, because a reader that has stopped would block the node. The
 *     memory for waiting lines is bounded
 *   - the first line after a loss says how many lines were lost
 */

import { fstatSync, write, writeSync } from 'node:fs'
import { SystemClock } from '../env/system.ts'

/** Lines that wait take no more memory than this; further ones are lost. */
const WAITING_BYTES_MAX = 1 << 20
/** A reader that has taken nothing for this long is not waited for at the end. */
const STUCK_MS = 1_000
/** How long the end of the process waits for a write that is under way. */
const LAST_WORDS_MS = 20

/** Where the lines go. access-file.ts and `standardErrorWriter` give these. */
export interface LineWriterOptions {
  /** Returns how many bytes were written. May throw. */
  readonly writeSync: (bytes: Uint8Array) => number
  /** Calls `done` with the count of bytes written, or with an error. */
  readonly write: (bytes: Uint8Array, done: (error: Error | null, count: number) => void) => void
  /** A write may wait for a reader, so lines are written in the background. */
  readonly mayBlock: boolean
  /** The line that says how many lines were lost, with its line end. */
  readonly lostLine: (count: number) => string
  readonly monotonicMs: () => number
}

export class LineWriter {
  readonly #options: LineWriterOptions
  /** Lines that no write has taken yet. */
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  /** When the write under way began, by the monotonic clock. Undefined while there is none. */
  #startedMs: number | undefined
  /** Lines lost since the last one that said so. */
  #lost = 0

  constructor(options: LineWriterOptions) {
    this.#options = options
  }

  /** Takes a line with its line end. Never throws. */
  write(line: string): void {
    const lost = this.#lost
    const text = lost === 0 ? line : this.#options.lostLine(lost) + line
    const bytes = Buffer.from(text)
    if (!this.#options.mayBlock) {
      if (this.#writeNow(bytes)) this.#lost = 0
      else this.#lost++
      return
    }
    if (this.#waitingBytes + bytes.length > WAITING_BYTES_MAX) {
      this.#lost++
      return
    }
    this.#lost = 0
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    if (this.#startedMs === undefined) this.#writeNext()
  }

  /** Writes what still waits when the process ends, unless the reader is stuck. */
  end(): void {
    if (this.#startedMs !== undefined) {
      if (this.#options.monotonicMs() - this.#startedMs > STUCK_MS) return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LAST_WORDS_MS)
    }
    for (const bytes of this.#waiting.splice(0)) this.#writeNow(bytes)
  }

  /** Returns false when the line is lost. */
  #writeNow(bytes: Uint8Array): boolean {
    try {
      let at = 0
      while (at < bytes.length) {
        const count = this.#options.writeSync(bytes.subarray(at))
        if (count === 0) return false
        at += count
      }
      return true
    } catch {
      return false
    }
  }

  /** Begins one write of everything that waits. */
  #writeNext(): void {
    const batch = this.#waiting
    if (batch.length === 0) return
    this.#waiting = []
    this.#waitingBytes = 0
    this.#startedMs = this.#options.monotonicMs()
    this.#writeAll(Buffer.concat(batch), batch.length)
  }

  /**
   * Writes until the operating system has taken all bytes. After an error the lines of this write are
   * lost.
   */
  #writeAll(bytes: Uint8Array, lines: number): void {
    this.#options.write(bytes, (error, count) => {
      if (error === null && count > 0 && count < bytes.length) {
        this.#writeAll(bytes.subarray(count), lines)
        return
      }
      if (error !== null) this.#lost += lines
      this.#startedMs = undefined
      this.#writeNext()
    })
  }
}

/** A writer for standard error. It is ended when the process exits. */
export function standardErrorWriter(lostLine: (count: number) => string): LineWriter {
  const clock = new SystemClock()
  const writer = new LineWriter({
    writeSync: (bytes) => writeSync(2, bytes),
    write: (bytes, done) =>
      write(2, bytes, 0, bytes.length, null, (error, count) => done(error, count)),
    mayBlock: mayBlock(2),
    lostLine,
    monotonicMs: () => clock.monotonicMs(),
  })
  process.on('exit', () => writer.end())
  return writer
}

/** A pipe or a socket has a reader that may have stopped. */
function mayBlock(descriptor: number): boolean {
  try {
    const stat = fstatSync(descriptor)
    return stat.isFIFO() || stat.isSocket()
  } catch {
    return false
  }
}
