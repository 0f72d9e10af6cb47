/** Where a command writes: results go to standard output, everything else to standard error. */

import { writeSync } from 'node:fs'

/** What a command writes to. Tests give one that collects the lines. */
export interface Terminal {
  /** Takes one line of a result, without its line end. */
  out(line: string): void
  /** Takes one line that is not a result. Never throws. A line that can't be written is lost. */
  error(line: string): void
  /** Replaces what the last `draw` wrote. Does nothing when standard output is not a terminal. */
  draw(lines: readonly string[]): void
  /** Called when the process serves. From then on a line of `out` that can't be written is lost and does not end it. */
  serves?(): void
  /** Whether standard output is a terminal. */
  readonly isTty: boolean
  /** Its width in characters; 80 when it is not known. */
  readonly columns: number
}

/** The terminal of this process. Called once: it listens to errors of standard output. */
export function systemTerminal(): Terminal {
  // A reader that closes early (`shoal status | head -1`) is not a failure.
  let serves = false
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (serves) return
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  // Node writes there as well, for instance its warnings.
  process.stderr.on('error', () => {})
  let drawn = 0
  const clear = (): string => (drawn === 0 ? '' : `\u001B[${drawn}A\u001B[J`)
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    error: writeError,
    serves() {
      serves = true
    },
    draw(lines) {
      if (!process.stdout.isTTY) return
      const text = lines.map((line) => `${line}\n`).join('')
      process.stdout.write(`${clear()}${text}`)
      drawn = lines.length
    },
    get isTty() {
      return process.stdout.isTTY
    },
    get columns() {
      return process.stdout.columns ?? 80
    },
  }
}

/** Does not use process.stderr, which stays closed after an error. */
function writeError(line: string): void {
  let rest: Uint8Array = Buffer.from(`${line}\n`)
  for (let attempt = 0; attempt < 50 && rest.length > 0; attempt++) {
    try {
      rest = rest.subarray(writeSync(2, rest))
    } catch (error) {
      // EAGAIN: the reader is slow for a moment. After any other error the line is lost.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
    }
  }
}

/**
 * Makes text from elsewhere (node names, keys, zones) safe for a terminal: control characters and
 * direction marks become escapes such as \u001b. They could change what the terminal shows or does.
 */
export function printable(text: string): string {
  return text.replaceAll(
    // oxlint-disable-next-line no-control-regex
    /[\u0000-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
