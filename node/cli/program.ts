/** The command line (README.md): what each command takes, and how its end becomes an exit code. */

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { SystemClock } from '../env/system.ts'
import { UsageError } from '../tools/usage-error.ts'
import { VERSION } from '../process/version.ts'
import { addAccountCommand } from './account.ts'
import { adminClient as client, type AdminTarget } from './admin-client.ts'
import { runCluster, type LocalClusterOptions } from './cluster.ts'
import { describeError, exitCodeOf } from './fatal.ts'
import { runIndexRebuild, type RebuildOptions } from './index-rebuild.ts'
import { addLayoutCommand } from './layout.ts'
import { runLocate } from './locate.ts'
import { runLogInspect } from './log-inspect.ts'
import { runScrub } from './scrub.ts'
import { addSecretCommand } from './secret.ts'
import type { StartOptions } from './settings.ts'
import { runStart } from './start.ts'
import { runLost, runStatus } from './status.ts'
import { systemTerminal, type Terminal } from './terminal.ts'
import { addTokenCommand } from './token.ts'

type Ask = AdminTarget & { readonly json?: true }

/**
 * Runs one command. Returns its exit code: 0, 1 when it could not be done, 2 when it was asked for
 * wrongly or is not implemented. Every failure is one line on standard error.
 *
 * @param args without the program and its script
 * @param entry the script: what `shoal cluster` starts for each node
 */
export async function runCommandLine(
  args: readonly string[],
  entry: string,
  terminal: Terminal = systemTerminal(),
): Promise<number> {
  let exitCode = 0
  const finish = (code: number): void => {
    exitCode = code
  }
  const program = createProgram(entry, terminal, finish)
  try {
    const first = args[0]
    if (first !== undefined && !first.startsWith('-') && !isCommand(program, first)) {
      throw new UsageError(`unknown command '${first.slice(0, 40)}': see shoal --help`)
    }
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    // Commander has written its own line, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    terminal.error(`shoal: ${describeError(error)}`)
    return exitCodeOf(error)
  }
}

function isCommand(program: Command, name: string): boolean {
  return name === 'help' || program.commands.some((command) => command.name() === name)
}

/** Adds to commander's text about an unknown word where to look. */
function withHint(text: string): string {
  return /^unknown (option|command) /.test(text) ? `${text}: --help lists those there are` : text
}

/** Not yet run: also for the test that compares the documents with it. */
export function createProgram(
  entry: string,
  terminal: Terminal,
  finish: (code: number) => void,
): Command {
  const clock = new SystemClock()
  const program = new Command('shoal')
    .description('S3-compatible object storage made of identical peers')
    .version(VERSION)
    // Options behind a command are that command's, also where the one above it has some of the same name.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.error(text.trimEnd()),
      outputError: (text, write) =>
        write(`shoal: ${withHint(text.replace(/^error: /, '').trimEnd())}`),
    })
    .showSuggestionAfterError(false)

  program
    .command('start', { isDefault: true })
    .description('run one node: a new cluster of one, or a member of an existing one')
    .option('--data <dir>', 'directory of this node (default: ./shoal-data)')
    .option('--s3 <host:port>', 'S3 API (default: 127.0.0.1:9000)')
    .option('--admin <host:port>', 'health, metrics, admin (default: 127.0.0.1:9001)')
    .option('--listen <multiaddr>', 'peers (default: /ip4/127.0.0.1/tcp/9002)')
    .option('--join-file <file>', 'join by the token in this file; - is standard input')
    .option('--join <token>', 'the same as an argument, which other users can see')
    .option('--replace <node>', 'join in the place of this lost node, by name or end of its id')
    .option('--cluster <id>', 'refuse a directory of no or another cluster; never found one')
    .option(
      '--name <name>',
      "what to call this node (default: the host's name and the directory's)",
    )
    .option('--zone <name>', 'failure domain: rack, room, site')
    .option('--capacity <size>', 'space to offer, such as 1TiB (default: the disk)')
    .option('--config <file>', 'TOML or YAML file with any field')
    .option('--accept-lost-log', 'the log is gone for good: fetch its data from the replicas')
    .addOption(new Option('--supervised').hideHelp())
    .action(async (options: StartOptions) => finish(await runStart(options, terminal, clock)))

  program
    .command('cluster')
    .description('run several nodes as processes of this machine')
    .option('--nodes <count>', 'how many (default: 3, or as many as there are)', wholeNumber)
    .option('--data <dir>', 'directory of all (default: ./shoal-cluster)')
    .option('--base-port <port>', 'node i has base+10*i and the two above', wholeNumber)
    .option('--config <file>', 'TOML or YAML file with any field')
    .action(async (options: LocalClusterOptions) =>
      finish(await runCluster(options, entry, terminal, clock)),
    )

  addTokenCommand(program, terminal, asking)
  addSecretCommand(program, terminal, asking)

  asking(program.command('status'))
    .description('members, epoch, health, space, work in progress')
    .option('--watch', 'again every second')
    .option('--lost', 'only what is lost for good: no replica has its data')
    .action(async (options: Ask & { watch?: true; lost?: true }) => {
      const { json = false, watch = false, lost = false } = options
      if (lost) finish(await runLost(client(options), { json }, terminal))
      else await runStatus(client(options), { json, watch }, terminal, clock)
    })

  asking(program.command('locate'))
    .description('where an object lies, by the layout and by the DHT')
    .argument('<url>', 's3://bucket/key')
    .action(async (url: string, options: Ask) => {
      const { json = false } = options
      finish(await runLocate(client(options), url, { json }, terminal))
    })

  addAccountCommand(program, terminal, clock, process.env)

  addLayoutCommand(program, terminal, clock, asking, finish)

  asking(program.command('scrub'))
    .description('verify everything that the node keeps, now, and mend what is damaged')
    .action(async (options: Ask) => {
      const { json = false } = options
      finish(await runScrub(client(options), { json }, terminal, clock))
    })

  program
    .command('index')
    .description('the index of a stopped node')
    .command('rebuild')
    .description('delete it and make it anew from the segments')
    .option('--data <dir>', 'directory of the node (default: ./shoal-data)')
    .option('--json', 'for programs')
    .action(async (options: RebuildOptions) =>
      finish(await runIndexRebuild(options, terminal, clock)),
    )

  program
    .command('log')
    .description('the log of a node')
    .command('inspect')
    .description('print the records of a segment and say what is wrong with it; changes nothing')
    .argument('<file>', 'a segment, such as shoal-data/log/0000000001.seg')
    .option('--json', 'one JSON object a line')
    .action(async (file: string, { json = false }: { json?: boolean }) =>
      finish(await runLogInspect(file, { json }, terminal)),
    )
  return program
}

function asking(command: Command): Command {
  return command
    .option('--data <dir>', 'the node of this data directory (default: ./shoal-data)')
    .option('--admin <url>', 'the node with this admin address')
    .option('--credential <file>', 'its admin credential, where --data is not at hand')
    .option('--json', 'for programs')
}

function wholeNumber(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is not a whole number.')
}
