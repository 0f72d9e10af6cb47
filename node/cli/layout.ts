/** `shoal layout`: who is a member, what a change would move, and the changes themselves. */

import { InvalidArgumentError, type Command } from 'commander'
import type { LayoutChange, PlannedChange } from '../../gateway/port/layout.ts'
import type { Clock } from '../env/ports.ts'
import { parseSize } from '../tools/units.ts'
import { UsageError } from '../tools/usage-error.ts'
import { adminClient, type AdminTarget } from './admin-client.ts'
import { layoutLines, lossLines, planLines } from './layout-text.ts'
import { waitForChange, waitForRest } from './layout-wait.ts'
import { printable, type Terminal } from './terminal.ts'

type Ask = AdminTarget & { readonly json?: true }
type Wait = Ask & { readonly wait?: boolean }
type Force = { readonly force?: true }
type Place = { readonly zone?: string; readonly capacity?: number }

/** How each change is written: below `layout` it is made, below `layout plan` it is only reckoned. */
type Define = <Options>(
  name: string,
  description: string,
  options: (command: Command) => Command,
  change: (words: readonly string[], options: Options) => PlannedChange,
) => void

/** `asking` adds the options by which a command finds its node. */
export function addLayoutCommand(
  program: Command,
  terminal: Terminal,
  clock: Clock,
  asking: (command: Command) => Command,
  finish: (code: number) => void,
): void {
  const layout = program.command('layout').description('show or change the members')
  asking(layout.command('show'))
    .description('the nodes, what each holds, and what is under way')
    .option('--wait', 'until nothing is under way any more')
    .action(async (options: Wait) => {
      const client = adminClient(options)
      const { wait = false, json = false } = options
      const shown = wait ? await waitForRest(client, terminal, clock, json) : await client.layout()
      const lines = options.json === true ? [JSON.stringify(shown)] : layoutLines(shown)
      for (const line of lines) terminal.out(line)
    })

  const plan = layout.command('plan').description('what a change would move; changes nothing')
  const planned: Define = (name, description, options, change) => {
    const command = options(asking(plan.command(name)).description(description))
    command.action(async () => {
      const chosen = command.opts<Ask>()
      const asked = change(command.args, chosen as never)
      const result = await adminClient(chosen).planChange(asked)
      const lines = chosen.json === true ? [JSON.stringify(result)] : planLines(result)
      for (const line of lines) terminal.out(line)
      finish(result.fits && result.faults.length === 0 ? 0 : 1)
    })
  }
  const made: Define = (name, description, options, change) => {
    const command = waiting(options(asking(layout.command(name)).description(description)))
    command.action(async () => {
      const chosen = command.opts<Wait>()
      const asked = change(command.args, chosen as never) as LayoutChange
      finish(await runChange(asked, chosen, terminal, clock))
    })
  }
  for (const define of [planned, made]) addChanges(define)
  planned<Place>(
    'add',
    'one more node',
    (command) => placed(command),
    (_words, { zone = 'default', capacity }) => {
      if (capacity === undefined) throw new UsageError('layout plan add: give --capacity SIZE')
      return { kind: 'add', zone, capacityBytes: capacity }
    },
  )
  planned<Place>(
    'replace',
    'a new node in the place of a lost one',
    (command) =>
      placed(command.argument('<old>', OLD).argument('[new]', 'a node that runs already')),
    ([node = '', by], options) => ({
      kind: 'replace',
      node,
      ...(by !== undefined && { by }),
      ...placeOf(options),
    }),
  )
  made(
    'replace',
    'a node takes the place of a lost one: the share of that one alone moves',
    (command) => command.argument('<old>', OLD).argument('<new>', 'the node in its place'),
    ([node = '', by = '']) => ({ kind: 'replace', node, by }),
  )

  asking(layout.command('proceed'))
    .description(
      'go on without waiting for learners: they fetch the rest while old and new members answer',
    )
    .action(async (options: Ask) => {
      const { epoch, state, changes } = await adminClient(options).proceedChange()
      if (options.json === true) terminal.out(JSON.stringify({ epoch, state, changes }))
      else terminal.out(`going on: epoch ${epoch} ${state}: see \`shoal layout show\``)
    })

  layout.command('add', { hidden: true }).action(() => {
    throw new UsageError(
      'layout add: a node is added by starting it with a token: shoal start --join-file FILE',
    )
  })

  asking(layout.command('accept-loss'))
    .description('show what a change waits for in vain, and with --yes give it up')
    .option('--yes', 'no further copy exists: give up what the report lists, for good')
    .action(async (options: Ask & { readonly yes?: true }) => {
      const client = adminClient(options)
      const { yes = false, json = false } = options
      const report = await client.lossReport()
      const isAccepted = yes && report.refusal === undefined
      if (isAccepted) await client.acceptLoss(report.id)
      const lines = json ? [JSON.stringify(report)] : lossLines(report, isAccepted)
      for (const line of lines) terminal.out(line)
      finish(isAccepted ? 0 : 1)
    })

  waiting(asking(layout.command('cancel')))
    .description('give up the change that is under way: the members of before stay')
    .action(async (options: Wait) => {
      const { epoch, state, changes } = await adminClient(options).cancelChange()
      if (options.json === true) terminal.out(JSON.stringify({ epoch, state, changes }))
      else terminal.out(`given up: epoch ${epoch} ${state}`)
    })
}

const FORCE = 'even when too few members or zones would be left for the replicas'
const OLD = 'the lost node: its name or the end of its id'
const NODE = 'its name or the end of its id'

/** Those that are written the same way in both places. */
function addChanges(define: Define): void {
  define<Force>(
    'drain',
    'move everything away from a node, which then leaves',
    (command) => command.argument('<node>', NODE).option('--force', FORCE),
    ([node = ''], force) => ({ kind: 'drain', node, ...forceOf(force) }),
  )
  define<Force>(
    'remove',
    'leave out a node that is gone',
    (command) =>
      command.argument('<node>', NODE).option('--force', `${FORCE}, or when it still answers`),
    ([node = ''], force) => ({ kind: 'remove', node, ...forceOf(force) }),
  )
  define<Place & Force & { readonly name?: string }>(
    'set',
    'another zone, capacity or name of a node',
    (command) =>
      placed(command.argument('<node>', NODE))
        .option('--name <name>', 'what to call it')
        .option('--force', FORCE),
    ([node = ''], { name, ...options }) => {
      const set = { ...(name !== undefined && { name }), ...placeOf(options) }
      if (Object.keys(set).length === 0) {
        throw new UsageError('layout set: give --zone, --capacity or --name')
      }
      return { kind: 'set', node, ...set, ...forceOf(options) }
    },
  )
  define<Force>(
    'replication',
    'how many replicas each partition has',
    (command) => command.argument('<count>', '1 to 7', wholeNumber).option('--force', FORCE),
    ([count], force) => ({
      kind: 'replication',
      replication: Number(count),
      ...forceOf(force),
    }),
  )
}

/** Returns the exit code. */
async function runChange(
  change: LayoutChange,
  options: Wait,
  terminal: Terminal,
  clock: Clock,
): Promise<number> {
  const { json = false } = options
  const client = adminClient(options)
  const begun = await client.applyChange(change)
  if (options.wait ?? (terminal.isTty && !json)) {
    return waitForChange(client, change, begun, terminal, clock, json)
  }
  if (json) {
    terminal.out(JSON.stringify(begun))
    return 0
  }
  for (const line of begun.changes) terminal.out(printable(line))
  terminal.out(`begun in epoch ${begun.epoch} ${begun.state}: see \`shoal layout show\``)
  return 0
}

function placed(command: Command): Command {
  return command
    .option('--zone <name>', 'failure domain: rack, room, site')
    .option('--capacity <size>', 'space to offer, such as 1TiB', sizeBytes)
}

function forceOf({ force }: Force): Force {
  return force === true ? { force } : {}
}

function placeOf({ zone, capacity }: Place): { zone?: string; capacityBytes?: number } {
  return {
    ...(zone !== undefined && { zone }),
    ...(capacity !== undefined && { capacityBytes: capacity }),
  }
}

function waiting(command: Command): Command {
  return command
    .option('--wait', 'until it is done, as on a terminal')
    .option('--no-wait', 'only begin it, also on a terminal')
}

function sizeBytes(text: string): number {
  const size = parseSize(text)
  if (size !== undefined && size > 0) return size
  throw new InvalidArgumentError('It is not a size, such as 512GiB or 1TiB.')
}

function wholeNumber(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is not a whole number.')
}
