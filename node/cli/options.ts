/** What several commands share: the options by which they find a node, and how words become numbers. */

import { InvalidArgumentError, type Command } from 'commander'
import type { Clock } from '../env/ports.ts'
import { parseDuration, parseSize } from '../tools/units.ts'
import type { AdminTarget } from './admin-client.ts'
import type { Terminal } from './terminal.ts'

/** What `program.ts` gives to a command. */
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
    .option(
      '--credential <file>',
      "the node's admin credential, when --data is not on this machine",
    )
    .option('--json', 'print JSON')
}

export function wholeNumber(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is not a whole number.')
}

export function positiveNumber(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is not a whole number.')
}

/** Returns milliseconds. */
export function duration(text: string): number {
  const value = parseDuration(text)
  if (value !== undefined && value > 0) return value
  throw new InvalidArgumentError('It is not a duration, such as 30m or 1h.')
}

/** Returns bytes. */
export function size(text: string): number {
  const value = parseSize(text)
  if (value !== undefined && value > 0) return value
  throw new InvalidArgumentError('It is not a size, such as 512GiB or 1TiB.')
}
