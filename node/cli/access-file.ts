/**
 * Writes the access log. A request never waits for it: lines are written in the background. At most a megabyte of lines
 * waits; the rest is lost and counted (line-writer.ts).
 *
 * A file is opened for appending, and only its owner can read it. When a program that rotates logs has moved it away, it
 * is made again within a second. When it was truncated, writing goes on at its beginning.
 */

import { close, constants, fstatSync, open, openSync, stat, write, writeSync } from 'node:fs'
import type { Clock } from '../env/ports.ts'
import { UsageError } from '../tools/usage-error.ts'
import { LineWriter } from './line-writer.ts'

const { O_APPEND, O_CREAT, O_NONBLOCK, O_WRONLY } = constants
/** O_NONBLOCK: do not wait for a reader of a named pipe. */
const FLAGS = O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK
const MODE = 0o600
/** How often a written file is compared with what its path names now. */
const LOOK_EVERY_MS = 1_000
const STDOUT = 1

/**
 * Returns undefined when the access log is off. Throws UsageError when the file can't be opened.
 *
 * @param to the value of the setting `accessLog`
 */
export function openAccessLog(to: string, clock: Clock): ((line: string) => void) | undefined {
  if (to === 'off') return undefined
  const sink = to === 'stdout' ? new Descriptor(STDOUT) : new AppendedFile(to, clock)
  const writer = new LineWriter({
    writeSync: (bytes) => sink.writeSync(bytes),
    write: (bytes, done) => sink.write(bytes, done),
    mayBlock: true,
    lostLine: (lost) => `${JSON.stringify({ time: new Date(clock.nowMs()), lost })}\n`,
    monotonicMs: () => clock.monotonicMs(),
  })
  process.on('exit', () => writer.end())
  return (line) => writer.write(line)
}

/** Takes an error, or how many bytes were written: possibly fewer than were given. */
type Done = (error: Error | null, count: number) => void

/** Writes to an open file descriptor. Used as it is for standard output. */
class Descriptor {
  protected descriptor: number

  constructor(descriptor: number) {
    this.descriptor = descriptor
  }

  /**
   * Writes at once, for the last lines of a process. Returns how many bytes were written. Throws the
   * operating system's error.
   */
  writeSync(bytes: Uint8Array): number {
    return writeSync(this.descriptor, bytes)
  }

  /** Writes in the background and calls `done` once. */
  write(bytes: Uint8Array, done: Done): void {
    write(this.descriptor, bytes, 0, bytes.length, null, (error, count) => done(error, count))
  }
}

/** A file of the access log that may be moved away or deleted while it is written to. */
export class AppendedFile extends Descriptor {
  readonly #path: string
  readonly #clock: Clock
  /** When to compare next, by the monotonic clock. */
  #lookAtMs: number

  /** Opens the file, or makes it. Throws UsageError when it can't be opened. */
  constructor(path: string, clock: Clock) {
    super(openAtStart(path))
    this.#path = path
    this.#clock = clock
    this.#lookAtMs = clock.monotonicMs() + LOOK_EVERY_MS
  }

  /** LineWriter makes one call at a time, so nothing is being written while the file is replaced. */
  override write(bytes: Uint8Array, done: Done): void {
    if (this.#clock.monotonicMs() < this.#lookAtMs) {
      super.write(bytes, done)
      return
    }
    this.#lookAtMs = this.#clock.monotonicMs() + LOOK_EVERY_MS
    stat(this.#path, (error, found) => {
      const mine = fstatSync(this.descriptor)
      const isMine = error === null && found.ino === mine.ino && found.dev === mine.dev
      if (isMine) super.write(bytes, done)
      else this.#openAgain(() => super.write(bytes, done))
    })
  }

  /** Goes on with the old file when the new one can't be opened. */
  #openAgain(then: () => void): void {
    open(this.#path, FLAGS, MODE, (error, descriptor) => {
      if (error !== null) {
        then()
        return
      }
      const before = this.descriptor
      this.descriptor = descriptor
      close(before, then)
    })
  }
}

/** An error at the start is one of the configuration, so it names the setting. */
function openAtStart(path: string): number {
  try {
    return openSync(path, FLAGS, MODE)
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    throw new UsageError(`accessLog: '${path}' can not be opened for writing: ${code}`)
  }
}
