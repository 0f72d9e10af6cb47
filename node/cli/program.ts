/**
 * The command line (README.md): what each command takes, and how its end becomes an exit code. Commands that bring the
 * log, the index or the logger are loaded when they run, so that the others answer sooner.
 */

import { Command, CommanderError, Option } from 'commander'
import { SystemClock } from '../env/system.ts'
import { UsageError } from '../tools/usage-error.ts'
import { VERSION } from '../process/version.ts'
import { addAccountCommand } from './account.ts'
import { addKmsCommand } from './kms.ts'
import { adminClient } from './admin-client.ts'
import type { LocalClusterOptions } from './cluster.ts'
import { describeError, exitCodeOf } from './fatal.ts'
import type { RebuildOptions } from './index-rebuild.ts'
import { addLayoutCommand } from './layout.ts'
import { addQuotaCommand } from './quota.ts'
import { runLocate } from './locate.ts'
import { wholeNumber, withTarget, type CommandContext, type TargetOptions } from './options.ts'
import { runScrub } from './scrub.ts'
import { addSecretCommand } from './secret.ts'
import type { StartOptions } from './settings.ts'
import { runLost, runStatus } from './status.ts'
import { systemTerminal, type Terminal } from './terminal.ts'
import { addTokenCommand } from './token.ts'

/**
 * Runs one command. Returns its exit code: 0 when it was done, 1 when it could not be done, 2 when it was used wrongly
 * or is not implemented. Every failure is one line on standard error.
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

/**
 * Without this check commander would take an unknown word for an argument of `shoal start`, the
 * default command.
 */
function isCommand(program: Command, name: string): boolean {
  return name === 'help' || program.commands.some((command) => command.name() === name)
}

/** Adds where to look to commander's text about an unknown word. */
function withHint(text: string): string {
  return /^unknown (option|command) /.test(text) ? `${text}: see --help` : text
}

/** Does not run it: a test compares the documents with what it returns. */
export function createProgram(
  entry: string,
  terminal: Terminal,
  finish: (code: number) => void,
): Command {
  const context: CommandContext = { terminal, clock: new SystemClock(), finish }
  const program = new Command('shoal')
    .description('S3-compatible object storage made of identical peers')
    .version(VERSION)
    // An option after a command belongs to that command, even when the one above it has an option of the same name.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.error(text.trimEnd()),
      outputError: (text, write) =>
        write(`shoal: ${withHint(text.replace(/^error: /, '').trimEnd())}`),
    })
    .showSuggestionAfterError(false)
  addStartCommand(program, context)
  addClusterCommand(program, context, entry)
  addTokenCommand(program, terminal)
  addSecretCommand(program, terminal)
  addStatusCommand(program, context)
  addLocateCommand(program, context)
  addQuotaCommand(program, terminal)
  addAccountCommand(program, terminal, context.clock, process.env)
  addKmsCommand(program, terminal, context.clock, process.env)
  addLayoutCommand(program, context)
  addScrubCommand(program, context)
  addIndexCommand(program, context)
  addLogCommand(program, context)
  return program
}

/**
 * `shoal start`. Its flags are fields of the configuration (process/config-fields.ts), except for the
 * few that belong to one start only.
 */
function addStartCommand(program: Command, { terminal, clock, finish }: CommandContext): void {
  program
    .command('start', { isDefault: true })
    .description('run one node: a new cluster of one, or a member of an existing one')
    .option('--data <dir>', 'directory of this node (default: ./shoal-data)')
    .option('--s3 <host:port>', 'address of the S3 API (default: 127.0.0.1:9000)')
    .option('--website <host:port>', 'where websites of buckets are served')
    .option('--tls-cert <files>', 'certificates of the S3 API, PEM; with commas between several')
    .option('--tls-key <files>', 'their private keys, PEM, in the same order')
    .option(
      '--admin <host:port>',
      'address of health, metrics and admin API (default: 127.0.0.1:9001)',
    )
    .option('--admin-tls-cert <files>', 'certificates of the admin port, PEM')
    .option('--admin-tls-key <files>', 'their private keys, PEM, in the same order')
    .option('--listen <multiaddr>', 'address for other nodes (default: /ip4/127.0.0.1/tcp/9002)')
    .option('--join-file <file>', 'join with the token in this file; - reads standard input')
    .option(
      '--join <token>',
      'join with this token; other users of this machine can see it, so prefer --join-file',
    )
    .option(
      '--replace <node>',
      'join in the place of this lost node, given by its name or the end of its id',
    )
    .option(
      '--cluster <id>',
      'start only as a member of this cluster: refuse other directories, and never found one',
    )
    .option('--name <name>', 'name of this node (default: host name and directory name)')
    .option('--zone <name>', 'failure domain: rack, room, site')
    .option('--capacity <size>', 'space to offer, such as 1TiB (default: size of the disk)')
    .option('--gateway-threads <count>', 'threads for HTTP beside the core, 0 to 8')
    .option('--config <file>', 'TOML or YAML file with any setting')
    .option(
      '--accept-lost-log',
      'begin a new log, because the old one is gone for good: its data comes from the other replicas',
    )
    .addOption(new Option('--supervised').hideHelp())
    .action(async (options: StartOptions) => {
      const { runStart } = await import('./start.ts')
      finish(await runStart(options, terminal, clock))
    })
}

function addClusterCommand(
  program: Command,
  { terminal, clock, finish }: CommandContext,
  entry: string,
): void {
  program
    .command('cluster')
    .description('run several nodes as processes of this machine')
    .option(
      '--nodes <count>',
      'number of nodes (default: 3, or as many as the directory has)',
      wholeNumber,
    )
    .option('--data <dir>', 'directory of all nodes (default: ./shoal-cluster)')
    .option(
      '--base-port <port>',
      'first port of node 0 (default: 9000); node i uses this port + 10*i and the two after it',
      wholeNumber,
    )
    .option('--gateway-threads <count>', 'threads for HTTP beside the core, 0 to 8')
    .option('--config <file>', 'TOML or YAML file with any setting')
    .action(async (options: LocalClusterOptions) => {
      const { runCluster } = await import('./cluster.ts')
      finish(await runCluster(options, entry, terminal, clock))
    })
}

function addStatusCommand(program: Command, { terminal, clock, finish }: CommandContext): void {
  withTarget(program.command('status'))
    .description('show members, epoch, health, space and work in progress')
    .option('--watch', 'show it again every second')
    .option('--lost', 'show only what is lost for good: no replica has its data')
    .action(async (options: TargetOptions & { watch?: true; lost?: true }) => {
      const { json = false, watch = false, lost = false } = options
      if (lost) finish(await runLost(adminClient(options), { json }, terminal))
      else await runStatus(adminClient(options), { json, watch }, terminal, clock)
    })
}

function addLocateCommand(program: Command, { terminal, finish }: CommandContext): void {
  withTarget(program.command('locate'))
    .description('show which nodes hold an object, by the layout and by the DHT')
    .argument('<url>', 's3://bucket/key')
    .action(async (url: string, options: TargetOptions) => {
      const { json = false } = options
      finish(await runLocate(adminClient(options), url, { json }, terminal))
    })
}

function addScrubCommand(program: Command, { terminal, clock, finish }: CommandContext): void {
  withTarget(program.command('scrub'))
    .description('check all data that the node keeps, and repair what is damaged')
    .action(async (options: TargetOptions) => {
      const { json = false } = options
      finish(await runScrub(adminClient(options), { json }, terminal, clock))
    })
}

/** `shoal index rebuild`. The node must be stopped, so it has no --admin. */
function addIndexCommand(program: Command, { terminal, clock, finish }: CommandContext): void {
  program
    .command('index')
    .description('rebuild the index of a stopped node')
    .command('rebuild')
    .description('delete the index and make it again from the segments')
    .option('--data <dir>', 'directory of the node (default: ./shoal-data)')
    .option('--json', 'print JSON')
    .action(async (options: RebuildOptions) => {
      const { runIndexRebuild } = await import('./index-rebuild.ts')
      finish(await runIndexRebuild(options, terminal, clock))
    })
}

function addLogCommand(program: Command, { terminal, finish }: CommandContext): void {
  program
    .command('log')
    .description('inspect the log of a node')
    .command('inspect')
    .description('print the records of a segment and say what is wrong with it; changes nothing')
    .argument('<file>', 'a segment, such as shoal-data/log/0000000001.seg')
    .option('--json', 'print one JSON object for each line')
    .action(async (file: string, { json = false }: { json?: boolean }) => {
      const { runLogInspect } = await import('./log-inspect.ts')
      finish(await runLogInspect(file, { json }, terminal))
    })
}
