/** `shoal secret`: the cluster secret, which signs sessions and seals access keys. */

import { InvalidArgumentError, type Command } from 'commander'
import type { SecretStatus } from '../../gateway/port/status.ts'
import { parseDuration } from '../tools/units.ts'
import { UsageError } from '../tools/usage-error.ts'
import { adminClient, type AdminTarget } from './admin-client.ts'
import type { Terminal } from './terminal.ts'

type Ask = AdminTarget & { readonly json?: true }

/** `asking` adds the options by which a command finds its node. */
export function addSecretCommand(
  program: Command,
  terminal: Terminal,
  asking: (command: Command) => Command,
): void {
  const print = (status: SecretStatus, { json }: Ask): void => {
    for (const line of json === true ? [JSON.stringify(status)] : secretLines(status)) {
      terminal.out(line)
    }
  }
  const command = program.command('secret').description('the cluster secret')
  asking(command.command('show'))
    .description('which one is in force')
    .action(async (options: Ask) => print(await adminClient(options).secret(), options))

  asking(command.command('rotate'))
    .description('draw a new one: join tokens end, sessions after the overlap, access keys stay')
    .option(
      '--overlap <duration>',
      'sessions so far are good for so long (default: 1h)',
      durationMs,
    )
    .option('--now', 'sessions so far end at once')
    .action(async (options: Ask & { overlap?: number; now?: true }) => {
      if (options.now === true && options.overlap !== undefined) {
        throw new UsageError('--now and --overlap exclude each other')
      }
      const overlapMs = options.now === true ? 0 : options.overlap
      print(await adminClient(options).rotateSecret(overlapMs), options)
    })
}

function secretLines({ generation, sinceMs, keysSealed, previousUntilMs }: SecretStatus): string[] {
  const since = sinceMs === undefined ? '' : ` since ${new Date(sinceMs).toISOString()}`
  const until =
    previousUntilMs === undefined
      ? []
      : [`sessions of the one before are good until ${new Date(previousUntilMs).toISOString()}`]
  const keys = keysSealed ? [] : ['this node has not seen all access keys sealed with it yet']
  return [`cluster secret: generation ${generation}${since}`, ...until, ...keys]
}

function durationMs(text: string): number {
  const value = parseDuration(text)
  if (value !== undefined && value > 0) return value
  throw new InvalidArgumentError('It is not a duration, such as 30m or 1h.')
}
