/** `shoal token`: makes, lists and revokes tokens with which nodes join. */

import { InvalidArgumentError, Option, type Command } from 'commander'
import type { TokenStatus } from '../../gateway/port/status.ts'
import { parseDuration } from '../tools/units.ts'
import { adminClient, type AdminTarget } from './admin-client.ts'
import { textTable } from './table.ts'
import type { Terminal } from './terminal.ts'

type Ask = AdminTarget & { readonly json?: true }
type Options = Ask & {
  readonly expires?: number
  readonly ttl?: number
  readonly uses?: number
}

/** `asking` adds the options by which a command finds its node. */
export function addTokenCommand(
  program: Command,
  terminal: Terminal,
  asking: (command: Command) => Command,
): void {
  const print = (json: unknown, text: string | readonly string[], options: Ask): void => {
    const lines = typeof text === 'string' ? [text] : text
    for (const line of options.json === true ? [JSON.stringify(json)] : lines) terminal.out(line)
  }
  const command = asking(program.command('token'))
  command
    .description('make a token with which a node may join, once')
    .option('--expires <duration>', 'how long it is good: 24h at most (default: 1h)', durationMs)
    .option('--uses <count>', 'how many nodes may join by it (default: 1)', wholeNumber)
    // Its name of before.
    .addOption(new Option('--ttl <duration>').argParser(durationMs).hideHelp())
    .action(async (options: Options) => {
      const { expires, ttl, uses } = options
      const token = await adminClient(options).issueToken({ ttlMs: expires ?? ttl, uses })
      print({ token }, token, options)
    })

  asking(command.command('list'))
    .description('the tokens that have not expired, without what opens with them')
    .action(async (options: Ask) => {
      const tokens = await adminClient(options).tokens()
      print(tokens, tokenLines(tokens), options)
    })

  asking(command.command('revoke'))
    .description('nobody joins by it any more; nodes that have joined stay')
    .argument('<id>', 'as `shoal token list` shows it')
    .action(async (id: string, options: Ask) => {
      await adminClient(options).revokeToken(id)
      print({ id }, `join token ${id} is revoked`, options)
    })
}

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

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is not a whole number.')
}

function durationMs(text: string): number {
  const value = parseDuration(text)
  if (value !== undefined && value > 0) return value
  throw new InvalidArgumentError('It is not a duration, such as 30m or 1h.')
}
