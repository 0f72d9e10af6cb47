/**
 * The logs of a gateway thread. Its lines go to the core in one message for each turn of the event loop, and the core gives
 * them to the process's logger and access log.
 *
 * A thread is never slowed down by its log. While the core has not taken 1 MiB of lines, further ones are lost and counted,
 * and the first message after that says how many.
 */

import type { GatewayLogger } from '../../gateway/port/logger.ts'
import type { NodeHooks } from '../process/running-node.ts'
import { withoutSecrets } from '../tools/plain-fields.ts'

/** Characters and overhead of all lines that the core has not taken. */
const WAITING_MAX = 1 << 20
const LINE_OVERHEAD = 64

type Level = keyof GatewayLogger
const LEVELS: readonly Level[] = ['debug', 'info', 'warn', 'error']

/** `fields` is JSON. `LOST` counts lines of the log and of the access log. */
export type ThreadLine =
  | readonly [kind: 'LOG', level: Level, fields: string, message: string]
  | readonly [kind: 'ACCESS', line: string]
  | readonly [kind: 'LOST', log: number, access: number]

export interface LineSenderOptions {
  readonly post: (lines: readonly ThreadLine[], size: number) => void
  readonly afterTurn: (run: () => void) => void
}

/** The thread's side. */
export class LineSender {
  readonly #options: LineSenderOptions
  #waiting: ThreadLine[] = []
  /** Of `#waiting`, and of that together with what the core has not taken. */
  #size = 0
  #held = 0
  #lost = { LOG: 0, ACCESS: 0 }

  constructor(options: LineSenderOptions) {
    this.#options = options
  }

  /** Lines below this level are dropped here. Fields arrive without secrets, as the process's logger writes them. */
  logger(least: Level): GatewayLogger {
    const at = (level: Level) => {
      if (LEVELS.indexOf(level) < LEVELS.indexOf(least)) return () => {}
      return (fields: Record<string, unknown>, message: string) =>
        this.#add(['LOG', level, JSON.stringify(withoutSecrets(fields), textOfBigInt), message])
    }
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }

  access(line: string): void {
    this.#add(['ACCESS', line])
  }

  /** The core has taken so much. */
  taken(size: number): void {
    this.#held -= size
  }

  /** Sends what waits at once. For the end of a thread. */
  flush(): void {
    const { LOG, ACCESS } = this.#lost
    if (LOG + ACCESS > 0 && this.#held < WAITING_MAX) {
      this.#lost = { LOG: 0, ACCESS: 0 }
      this.#waiting.unshift(['LOST', LOG, ACCESS])
    }
    if (this.#waiting.length === 0) return
    this.#options.post(this.#waiting, this.#size)
    this.#waiting = []
    this.#size = 0
  }

  #add(line: Exclude<ThreadLine, readonly ['LOST', ...unknown[]]>): void {
    const size = line.reduce((sum, text) => sum + text.length, LINE_OVERHEAD)
    if (this.#held + size > WAITING_MAX) {
      this.#lost[line[0]]++
      return
    }
    this.#held += size
    this.#size += size
    if (this.#waiting.push(line) === 1) this.#options.afterTurn(() => this.flush())
  }
}

/** The core's side: gives the lines to the logs of the process. `nowMs` is for the line about lost ones. */
export function writeLines(
  lines: readonly ThreadLine[],
  { logger, accessLog }: Pick<NodeHooks, 'logger' | 'accessLog'>,
  nowMs: () => number,
): void {
  for (const line of lines) {
    switch (line[0]) {
      case 'LOG':
        logger[line[1]](JSON.parse(line[2]) as Record<string, unknown>, line[3])
        break
      case 'ACCESS':
        accessLog?.(line[1])
        break
      case 'LOST': {
        const [, log, access] = line
        if (log > 0) logger.warn({ lost: log }, 'log lines of a gateway thread were lost')
        // As access-file.ts writes it.
        const text = JSON.stringify({ time: new Date(nowMs()), lost: access })
        if (access > 0) accessLog?.(`${text}\n`)
      }
    }
  }
}

function textOfBigInt(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
