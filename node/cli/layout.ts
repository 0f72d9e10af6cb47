/** `shoal layout`: who is a member, what a change would move, and the changes themselves. */

import type { Command } from 'commander'
import type { LayoutChange, PlannedChange } from '../../gateway/port/layout.ts'
import { UsageError } from '../tools/usage-error.ts'
import { adminClient } from './admin-client.ts'
import { layoutLines, lossLines, planLines } from './layout-text.ts'
import { waitForChange, waitForRest } from './layout-wait.ts'
import {
  size,
  wholeNumber,
  withTarget,
  type CommandContext,
  type TargetOptions,
} from './options.ts'
import { printable } from './terminal.ts'

/** `wait` is undefined when neither --wait nor --no-wait was given. */
type WaitOptions = TargetOptions & { readonly wait?: boolean }
type ForceOptions = { readonly force?: true }
type PlaceOptions = { readonly zone?: string; readonly capacity?: number }

/** The help of --force: which refusal it lifts. */
const FORCE = 'make the change even if too few members or zones are left for the replicas'
const OLD = 'the lost node: its name or the end of its id'
const NODE = 'its name or the end of its id'

/**
 * Defines a change as a command: `layout NAME` makes it, `layout plan NAME` shows what it would move.
 * `change` makes the request of the words and options, and throws UsageError for those that make no
 * sense.
 */
type DefineChange = <Options>(
  name: string,
  description: string,
  options: (command: Command) => Command,
  change: (words: readonly string[], options: Options) => PlannedChange,
) => void

/**
 * Adds the command and its sub-commands. A change is described once and becomes two commands, except
 * where the plan takes other words than the change.
 */
export function addLayoutCommand(program: Command, context: CommandContext): void {
  const layout = program.command('layout').description('show or change the members')
  addShowCommand(layout, context)
  const plan = layout.command('plan').description('show what a change would move; changes nothing')
  const define = definesChanges(layout, context)
  const definePlan = definesPlans(plan, context)
  for (const each of [definePlan, define]) addChanges(each)
  addPlansOnly(definePlan)
  addReplace(define)
  addProceedCommand(layout, context)
  layout.command('add', { hidden: true }).action(() => {
    throw new UsageError(
      'layout add: a node is added by starting it with a token: shoal start --join-file FILE',
    )
  })
  addAcceptLossCommand(layout, context)
  addCancelCommand(layout, context)
}

/**
 * The maker of `layout plan NAME`. Such a command ends with exit code 1 when the change would be
 * refused.
 */
function definesPlans(plan: Command, { terminal, finish }: CommandContext): DefineChange {
  return (name, description, options, change) => {
    const command = options(withTarget(plan.command(name)).description(description))
    command.action(async () => {
      const chosen = command.opts<TargetOptions>()
      const asked = change(command.args, chosen as never)
      const result = await adminClient(chosen).planChange(asked)
      const lines = chosen.json === true ? [JSON.stringify(result)] : planLines(result)
      for (const line of lines) terminal.out(line)
      finish(result.fits && result.faults.length === 0 ? 0 : 1)
    })
  }
}

/** The maker of `layout NAME`. */
function definesChanges(layout: Command, context: CommandContext): DefineChange {
  return (name, description, options, change) => {
    const command = withWait(options(withTarget(layout.command(name)).description(description)))
    command.action(async () => {
      const chosen = command.opts<WaitOptions>()
      const asked = change(command.args, chosen as never) as LayoutChange
      context.finish(await runChange(asked, chosen, context))
    })
  }
}

/** The changes whose plan takes the same words. */
function addChanges(define: DefineChange): void {
  define<ForceOptions>(
    'drain',
    'move all data away from a node, then remove it',
    (command) => command.argument('<node>', NODE).option('--force', FORCE),
    ([node = ''], force) => ({ kind: 'drain', node, ...forceOf(force) }),
  )
  define<ForceOptions>(
    'remove',
    'remove a node that is gone for good',
    (command) =>
      command.argument('<node>', NODE).option('--force', `${FORCE}, or if it still answers`),
    ([node = ''], force) => ({ kind: 'remove', node, ...forceOf(force) }),
  )
  define<PlaceOptions & ForceOptions & { readonly name?: string }>(
    'set',
    'change zone, capacity or name of a node',
    (command) =>
      withPlace(command.argument('<node>', NODE))
        .option('--name <name>', 'its new name')
        .option('--force', FORCE),
    ([node = ''], { name, ...options }) => {
      const set = { ...(name !== undefined && { name }), ...placeOf(options) }
      if (Object.keys(set).length === 0) {
        throw new UsageError('layout set: give --zone, --capacity or --name')
      }
      return { kind: 'set', node, ...set, ...forceOf(options) }
    },
  )
  define<ForceOptions>(
    'replication',
    'change how many replicas each partition has',
    (command) => command.argument('<count>', '1 to 7', wholeNumber).option('--force', FORCE),
    ([count], force) => ({
      kind: 'replication',
      replication: Number(count),
      ...forceOf(force),
    }),
  )
}

/**
 * Plans for nodes that do not exist yet: these join by being started with a token, so no command
 * makes the change.
 */
function addPlansOnly(define: DefineChange): void {
  define<PlaceOptions>(
    'add',
    'add a node',
    (command) => withPlace(command),
    (_words, { zone = 'default', capacity }) => {
      if (capacity === undefined) throw new UsageError('layout plan add: give --capacity SIZE')
      return { kind: 'add', zone, capacityBytes: capacity }
    },
  )
  define<PlaceOptions>(
    'replace',
    'put a new node in the place of a lost one',
    (command) =>
      withPlace(command.argument('<old>', OLD).argument('[new]', 'a node that runs already')),
    ([node = '', by], options) => ({
      kind: 'replace',
      node,
      ...(by !== undefined && { by }),
      ...placeOf(options),
    }),
  )
}

function addReplace(define: DefineChange): void {
  define(
    'replace',
    'put a node in the place of a lost one; only the share of the lost one moves',
    (command) => command.argument('<old>', OLD).argument('<new>', 'the node in its place'),
    ([node = '', by = '']) => ({ kind: 'replace', node, by }),
  )
}

function addShowCommand(layout: Command, { terminal, clock }: CommandContext): void {
  withTarget(layout.command('show'))
    .description('show the nodes, what each holds, and what is under way')
    .option('--wait', 'wait until nothing is under way any more')
    .action(async (options: WaitOptions) => {
      const client = adminClient(options)
      const { wait = false, json = false } = options
      const shown = wait ? await waitForRest(client, terminal, clock, json) : await client.layout()
      const lines = options.json === true ? [JSON.stringify(shown)] : layoutLines(shown)
      for (const line of lines) terminal.out(line)
    })
}

function addProceedCommand(layout: Command, { terminal }: CommandContext): void {
  withTarget(layout.command('proceed'))
    .description(
      'go on before the new nodes have copied everything: they fetch the rest while old and new members answer',
    )
    .action(async (options: TargetOptions) => {
      const { epoch, state, changes } = await adminClient(options).proceedChange()
      if (options.json === true) terminal.out(JSON.stringify({ epoch, state, changes }))
      else terminal.out(`going on: epoch ${epoch} ${state}: see \`shoal layout show\``)
    })
}

function addAcceptLossCommand(layout: Command, { terminal, finish }: CommandContext): void {
  withTarget(layout.command('accept-loss'))
    .description('show the data that a change waits for in vain; with --yes, give it up')
    .option('--yes', 'give up for good what the report lists, because no other copy of it exists')
    .action(async (options: TargetOptions & { readonly yes?: true }) => {
      const client = adminClient(options)
      const { yes = false, json = false } = options
      const report = await client.lossReport()
      const isAccepted = yes && report.refusal === undefined
      if (isAccepted) await client.acceptLoss(report.id)
      const lines = json ? [JSON.stringify(report)] : lossLines(report, isAccepted)
      for (const line of lines) terminal.out(line)
      finish(isAccepted ? 0 : 1)
    })
}

function addCancelCommand(layout: Command, { terminal }: CommandContext): void {
  withWait(withTarget(layout.command('cancel')))
    .description('give up the change under way: the members stay as they were before')
    .action(async (options: WaitOptions) => {
      const { epoch, state, changes } = await adminClient(options).cancelChange()
      if (options.json === true) terminal.out(JSON.stringify({ epoch, state, changes }))
      else terminal.out(`given up: epoch ${epoch} ${state}`)
    })
}

/** Begins a change, and waits for it on a terminal or with --wait. Returns the exit code. */
async function runChange(
  change: LayoutChange,
  options: WaitOptions,
  { terminal, clock }: CommandContext,
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

/** Adds the options that say where a node is and how much it offers. */
function withPlace(command: Command): Command {
  return command
    .option('--zone <name>', 'failure domain: rack, room, site')
    .option('--capacity <size>', 'space to offer, such as 1TiB', size)
}

/** Leaves the field out when it is not set: the admin API refuses other values. */
function forceOf({ force }: ForceOptions): ForceOptions {
  return force === true ? { force } : {}
}

/** Leaves out what was not given: it then stays as it is. */
function placeOf({ zone, capacity }: PlaceOptions): { zone?: string; capacityBytes?: number } {
  return {
    ...(zone !== undefined && { zone }),
    ...(capacity !== undefined && { capacityBytes: capacity }),
  }
}

function withWait(command: Command): Command {
  return command
    .option('--wait', 'wait until the change is done (default on a terminal)')
    .option('--no-wait', 'only begin the change (default elsewhere)')
}
