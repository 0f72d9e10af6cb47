/** Where a command writes: results to standard output, everything else to standard error. */

import { writeSync } from 'node:fs'

export interface Terminal {
  out(line: string): void
  /** Never throws, and a line that can't be written is lost. */
  error(line: string): void
  /** Replaces what the last `draw` wrote. Only on a terminal; no-op elsewhere. */
  draw(lines: readonly string[]): void
  /** The process serves: from now on lines of `out` that can't be written are lost as well, and do not end it. */
  serves?(): void
  readonly isTty: boolean
  readonly columns: number
}

export function systemTerminal(): Terminal {
  // A reader that has seen enough (`shoal status | head -1`) is no failure.
  let serves = false
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (serves) return
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  // Whoever writes there, a warning of Node's for instance.
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

/** Not by process.stderr, which is closed for good after an error. */
function writeError(line: string): void {
  let rest: Uint8Array = Buffer.from(`${line}\n`)
  for (let attempt = 0; attempt < 50 && rest.length > 0; attempt++) {
    try {
      rest = rest.subarray(writeSync(2, rest))
    } catch (error) {
      // A reader that is slow for a moment; anything else is a line lost.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
    }
  }
}

/**
 * Text of others (node names, keys, zones) without what a terminal would obey: control characters
 * are shown as escapes, and so are direction marks.
 */
export function printable(text: string): string {
  return text.replaceAll(
    // oxlint-disable-next-line no-control-regex
    /[\u0000-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
