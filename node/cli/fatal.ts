/** Makes one clear line of any error that ends a command. Stack traces appear only with the log level `debug`. */

import { AssertionError } from '../../protocol/assert.ts'
import { assertionText, BUG_EXIT_CODE } from '../tools/failed-assertion.ts'
import { UsageError } from '../tools/usage-error.ts'
import { printable } from './terminal.ts'

/** Characters. The text of a foreign error may be long. */
const LINE_MAX = 500

/** The fields that errors of Node, of libraries and of this program may have. */
interface ErrorLike {
  readonly message?: unknown
  readonly code?: unknown
  readonly path?: unknown
  readonly address?: unknown
  readonly port?: unknown
  readonly cause?: unknown
  readonly errors?: unknown
}

/**
 * Makes one line of anything that was thrown, without 'shoal: '. A known cause anywhere inside the
 * error goes before the error's own message. The line is never empty, and never more than one line.
 */
export function describeError(error: unknown): string {
  const known = chain(error)
    .map(knownProblem)
    .find((line) => line !== undefined)
  const line = known ?? messageOf(error)
  return printable(line.split('\n')[0]?.trim() || 'unknown error').slice(0, LINE_MAX)
}

/** 2: the command was used wrongly. BUG_EXIT_CODE: an assertion failed. 1: it could not be done. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof AssertionError) return BUG_EXIT_CODE
  return error instanceof UsageError ? 2 : 1
}

/** The error, its causes, and the errors in an AggregateError; nearest first. */
function chain(error: unknown, depth = 0): ErrorLike[] {
  if (typeof error !== 'object' || error === null || depth > 8) return []
  const like: ErrorLike = error
  const inner = Array.isArray(like.errors) ? like.errors.slice(0, 8) : []
  return [like, ...[like.cause, ...inner].flatMap((each) => chain(each, depth + 1))]
}

/**
 * The line for an error that people meet: its own text for a UsageError, and plain words for errors
 * of the operating system. Undefined for all others.
 */
function knownProblem(error: ErrorLike): string | undefined {
  if (error instanceof UsageError) return error.message
  if (error instanceof AssertionError) return `${assertionText(error)}. This is a bug in Shoal`
  const message = typeof error.message === 'string' ? error.message : ''
  // libp2p reports some errors of the system only inside its message.
  const code =
    typeof error.code === 'string' ? error.code : (/\b(E[A-Z]{4,})\b/.exec(message)?.[1] ?? '')
  const path = typeof error.path === 'string' ? ` (${error.path})` : ''
  switch (code) {
    case 'EADDRINUSE':
      return `address ${addressOf(error, message)} is already in use by another process`
    case 'EADDRNOTAVAIL':
      return `address ${addressOf(error, message)} is not an address of this machine`
    case 'EACCES':
    case 'EPERM':
      return error.port === undefined
        ? `permission denied${path}`
        : `permission denied for address ${addressOf(error, message)}`
    case 'ENOSPC':
    case 'EDQUOT':
      return `the disk is full${path}`
    case 'EROFS':
      return `the disk is read-only${path}`
    case 'EIO':
      return `the disk failed${path}: ${message}`
    case 'EMFILE':
    case 'ENFILE':
      return 'too many open files: raise the limit (ulimit -n)'
    default:
      return undefined
  }
}

/** 'HOST:PORT' of an error about an address. Some libraries give it only in the message. */
function addressOf(error: ErrorLike, message: string): string {
  if (typeof error.port === 'number') {
    const host = typeof error.address === 'string' ? error.address : '*'
    return host.includes(':') ? `[${host}]:${error.port}` : `${host}:${error.port}`
  }
  return /E[A-Z]+:?[^0-9[]*(\[?[0-9a-fA-F:.]+\]?:\d{1,5})/.exec(message)?.[1] ?? 'that was given'
}

/** The message, or the name of an error without one. */
function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message || error.name
  return typeof error === 'string' ? error : String(error)
}

/**
 * Ends the process with one line after an uncaught error, a failed assertion included: a node in an
 * unknown state must not go on answering. Called once, by `shoal start`. `report` gets the line and
 * the error.
 */
export function dieOnUncaught(report: (line: string, error: unknown) => void): void {
  const die = (error: unknown): void => {
    try {
      report(describeError(error), error)
    } finally {
      process.exit(error instanceof AssertionError ? BUG_EXIT_CODE : 1)
    }
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)
}
