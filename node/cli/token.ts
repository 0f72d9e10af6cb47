/** `shoal token`: makes, lists and revokes the tokens with which nodes join. */

import { Option, type Command } from 'commander'
import type { TokenStatus } from '../../gateway/port/status.ts'
import { adminClient } from './admin-client.ts'
import { duration, positiveNumber, withTarget, type TargetOptions } from './options.ts'
import { textTable } from './table.ts'
import type { Terminal } from './terminal.ts'

type TokenCommandOptions = TargetOptions & {
  readonly expires?: number
  readonly ttl?: number
  readonly uses?: number
}

/** Adds `token`, which makes one, and `token list` and `token revoke`. */
export function addTokenCommand(program: Command, terminal: Terminal): void {
  const print = (json: unknown, text: string | readonly string[], options: TargetOptions): void => {
    const lines = typeof text === 'string' ? [text] : text
    for (const line of options.json === true ? [JSON.stringify(json)] : lines) terminal.out(line)
  }
  const command = withTarget(program.command('token'))
  command
    .description('make a token with which one node may join')
    .option('--expires <duration>', 'how long it is valid: at most 24h (default: 1h)', duration)
    .option('--uses <count>', 'how many nodes may join with it (default: 1)', positiveNumber)
    // The name that earlier programs used.
    .addOption(new Option('--ttl <duration>').argParser(duration).hideHelp())
    .action(async (options: TokenCommandOptions) => {
      const { expires, ttl, uses } = options
      const token = await adminClient(options).issueToken({ ttlMs: expires ?? ttl, uses })
      print({ token }, token, options)
    })

  withTarget(command.command('list'))
    .description('list the tokens that have not expired, without their secrets')
    .action(async (options: TargetOptions) => {
      const tokens = await adminClient(options).tokens()
      print(tokens, tokenLines(tokens), options)
    })

  withTarget(command.command('revoke'))
    .description('end a token: no further node joins with it; nodes that have joined stay')
    .argument('<id>', 'as `shoal token list` shows it')
    .action(async (id: string, options: TargetOptions) => {
      await adminClient(options).revokeToken(id)
      print({ id }, `join token ${id} is revoked`, options)
    })
}

/** A table of tokens by id. The token itself is shown only when it is made. */
function tokenLines(tokens: readonly TokenStatus[]): string[] {
  if (tokens.length === 0) return ['no join tokens']
  return textTable(
    [{ title: 'ID' }, { title: 'EXPIRES' }, { title: 'USED', align: 'right' }, { title: 'BY' }],
    tokens.map(({ id, expiresMs, uses, nodes, names }) => [
      id,
      new Date(expiresMs).toISOString(),
      `${nodes.length} of ${uses}`,
      names.join(' '),
    ]),
  )
}
