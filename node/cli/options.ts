/** What several commands share: the options by which they find a node, and how words become numbers. */

import { InvalidArgumentError, type Command } from 'commander'
import type { Clock } from '../env/ports.ts'
import { parseDuration, parseSize } from '../tools/units.ts'
import type { AdminTarget } from './admin-client.ts'
import type { Terminal } from './terminal.ts'

/** What program.ts gives to a command. */
export interface CommandContext {
  readonly terminal: Terminal
  readonly clock: Clock
  /** Takes the exit code of a command that may end with another one than 0. */
  readonly finish: (code: number) => void
}

/** The options that `withTarget` adds. */
export type TargetOptions = AdminTarget & { readonly json?: true }

/** Adds the options by which a command finds its node, and `--json`. */
export function withTarget(command: Command): Command {
  return command
    .option('--data <dir>', 'the node of this data directory (default: ./shoal-data)')
    .option('--admin <url>', 'the node with this admin address')
    .option('--credential <file>', 'file with the admin credential of a node on another machine')
    .option(
      '--admin-ca <file>',
      'certificates or authorities, PEM, by one of which the admin port is known',
    )
    .option('--json', 'print JSON')
}

/**
 * A word as a number from 0 to 999,999. Throws commander's InvalidArgumentError, which ends the
 * command with exit code 2.
 */
export function wholeNumber(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is not a whole number.')
}

/** A word as a number from 1 to 999,999. Throws InvalidArgumentError. */
export function positiveNumber(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is not a whole number above 0.')
}

/** A word as a number of up to fifteen digits. Throws InvalidArgumentError. */
export function objectCount(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is not a whole number.')
}

/** A word such as '30m' as milliseconds. Throws InvalidArgumentError. */
export function duration(text: string): number {
  const value = parseDuration(text)
  if (value !== undefined && value > 0) return value
  throw new InvalidArgumentError('It is not a duration, such as 30m or 1h.')
}

/** A word such as '1TiB' as bytes. Throws InvalidArgumentError. */
export function size(text: string): number {
  const value = parseSize(text)
  if (value !== undefined && value > 0) return value
  throw new InvalidArgumentError('It is not a size, such as 512GiB or 1TiB.')
}
