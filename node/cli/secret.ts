/** `shoal secret`: the cluster secret, which signs sessions and encrypts access keys. */

import type { Command } from 'commander'
import type { SecretStatus } from '../../gateway/port/status.ts'
import { UsageError } from '../tools/usage-error.ts'
import { adminClient } from './admin-client.ts'
import { duration, withTarget, type TargetOptions } from './options.ts'
import type { Terminal } from './terminal.ts'

/** Adds `secret show` and `secret rotate`. */
export function addSecretCommand(program: Command, terminal: Terminal): void {
  const print = (status: SecretStatus, { json }: TargetOptions): void => {
    for (const line of json === true ? [JSON.stringify(status)] : secretLines(status)) {
      terminal.out(line)
    }
  }
  const command = program.command('secret').description('show or rotate the cluster secret')
  withTarget(command.command('show'))
    .description('show which secret is in force')
    .action(async (options: TargetOptions) => print(await adminClient(options).secret(), options))

  withTarget(command.command('rotate'))
    .description(
      'draw a new secret: join tokens end now, sessions after the overlap; access keys stay valid',
    )
    .option(
      '--overlap <duration>',
      'how long sessions that exist now stay valid (default: 1h)',
      duration,
    )
    .option('--now', 'end all sessions that exist now')
    .action(async (options: TargetOptions & { overlap?: number; now?: true }) => {
      if (options.now === true && options.overlap !== undefined) {
        throw new UsageError('--now and --overlap exclude each other')
      }
      const overlapMs = options.now === true ? 0 : options.overlap
      print(await adminClient(options).rotateSecret(overlapMs), options)
    })
}

/** The status of the secret, for people. The secret itself is never shown. */
function secretLines({ generation, sinceMs, keysSealed, previousUntilMs }: SecretStatus): string[] {
  const since = sinceMs === undefined ? '' : ` since ${new Date(sinceMs).toISOString()}`
  const until =
    previousUntilMs === undefined
      ? []
      : [
          `sessions that the previous secret signed are valid until ${new Date(previousUntilMs).toISOString()}`,
        ]
  const keys = keysSealed
    ? []
    : ['some access keys may still be encrypted with the previous secret']
  return [`cluster secret: generation ${generation}${since}`, ...until, ...keys]
}
