/**
 * Structured logs on standard error: JSON lines for programs, short lines on a terminal. Fields whose names say that they
 * hold a secret are removed, at any depth (F37).
 */

import { pino, stdTimeFunctions } from 'pino'
import type { Logger } from '../env/ports.ts'
import { withoutSecrets } from '../tools/plain-fields.ts'
import { standardErrorWriter } from './line-writer.ts'
import { printable } from './terminal.ts'

export interface LoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** Added to every line: which of several nodes has written it. */
  readonly name?: string | undefined
  /** Writes short lines instead of JSON. */
  readonly pretty: boolean
  /** Default: write to standard error. A line that can't be written is lost (line-writer.ts). */
  readonly write?: (line: string) => void
}

/** The logger of a process. It never throws, and a slow reader never blocks it. */
export function createLogger(options: LoggerOptions): Logger {
  const write = options.write ?? standardError(options.pretty)
  const shown = options.pretty
    ? { write: (line: string) => write(`${prettyLine(line, options.level === 'debug')}\n`) }
    : { write }
  return pino(
    {
      level: options.level,
      base: options.name === undefined ? {} : { name: options.name },
      timestamp: stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => withoutSecrets(fields) as Record<string, unknown>,
      },
    },
    shown,
  )
}

/** Lines to standard error. Once it can be written to again, the first line says how many were lost. */
function standardError(pretty: boolean): (line: string) => void {
  const writer = standardErrorWriter((lost) => {
    const fields = { level: 'warn', lost, msg: 'log lines could not be written' }
    return pretty ? `${fields.msg} (lost=${lost})\n` : `${JSON.stringify(fields)}\n`
  })
  return (line) => writer.write(line)
}

/** A line as pino writes it. */
interface PinoLine extends Record<string, unknown> {
  readonly level: string
  /** ISO 8601. */
  readonly time: string
  readonly name?: string
  readonly msg: string
}

/** Returns '12:00:01.123 warn  node-1 message (field=value …)', followed by the stack of an error if `stacks`. */
export function prettyLine(json: string, stacks: boolean): string {
  const { level, time, name, msg, ...rest } = JSON.parse(json) as PinoLine
  const clock = time.slice(11, 23)
  const fields = Object.entries(rest).map(([field, value]) => `${field}=${shortly(value)}`)
  const head = [clock, level.padEnd(5), ...(name === undefined ? [] : [name])]
  const line = `${head.join(' ')} ${msg}${fields.length > 0 ? ` (${fields.join(' ')})` : ''}`
  const { error } = rest as { error?: { stack?: string } }
  const stack = stacks ? error?.stack : undefined
  return stack === undefined ? printable(line) : `${printable(line)}\n${stack}`
}

/** The value of a field on one line. */
function shortly(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'object' && value !== null && 'message' in value) {
    return String(value.message)
  }
  return JSON.stringify(value)
}
