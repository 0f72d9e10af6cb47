/** Where a command writes: results to standard output, everything else to standard error. */

export interface Terminal {
  out(line: string): void
  error(line: string): void
  /** Replaces what the last `draw` wrote. Only on a terminal; no-op elsewhere. */
  draw(lines: readonly string[]): void
  readonly isTty: boolean
  readonly columns: number
}

export function systemTerminal(): Terminal {
  // A reader that has seen enough (`shoal status | head -1`) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  let drawn = 0
  const clear = (): string => (drawn === 0 ? '' : `\u001B[${drawn}A\u001B[J`)
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    error: (line) => void process.stderr.write(`${line}\n`),
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
