/**
 * Prints the layout, and what a change of it would move, for people. Pure: layout.ts and
 * layout-wait.ts write the lines. Text from elsewhere (names, zones) passes `printable`.
 */

import { shortId } from '../../protocol/ids.ts'
import type {
  LayoutNode,
  LayoutPlan,
  LayoutTable,
  LossReport,
  Move,
} from '../../gateway/port/layout.ts'
import { formatDuration, formatSize } from '../tools/units.ts'
import { progressBar, textTable } from './table.ts'
import { printable } from './terminal.ts'

/** How many partitions one line lists. */
const PARTITIONS_SHOWN = 20

/**
 * What `shoal layout show` prints: the head, the table of nodes, and what is under way. An asterisk
 * marks the node that was asked.
 */
export function layoutLines(layout: LayoutTable): string[] {
  const { cluster, epoch, state, nodes, nextReplication } = layout
  const replication =
    nextReplication === undefined
      ? `${layout.replication}`
      : `${layout.replication}, then ${nextReplication}`
  return [
    `cluster ${printable(cluster)}  epoch ${epoch} ${state}  replication ${replication}`,
    '',
    ...nodeTable(nodes),
    '',
    printable(layout.underWay),
    ...(layout.abstains === undefined ? [] : [printable(layout.abstains)]),
  ]
}

/**
 * Progress bars for what is under way: how far learners are, and how many bytes are left to move.
 * Empty when nothing is.
 */
export function progressLines(layout: LayoutTable, columns: number): string[] {
  const { nodes, move, state } = layout
  const learning = nodes.flatMap((node) => (node.learning === undefined ? [] : [node.learning]))
  const total = learning.reduce((sum, each) => sum + each.total, 0)
  const done = learning.reduce((sum, each) => sum + each.done, 0)
  const bars: string[] = []
  if (state === 'PLANNED' && total > 0) {
    bars.push(progressBar('caught up', done, total, Math.max(20, columns - 10)))
  }
  if (move.pendingBytes > 0) {
    const all = move.doneBytes + move.pendingBytes
    bars.push(progressBar(moveText(move), move.doneBytes, all, Math.max(20, columns)))
  }
  return bars
}

/** A column shows 'now → then' where the change under way alters it. */
function nodeTable(nodes: readonly LayoutNode[]): string[] {
  const nextTotal = nodes.reduce((sum, { nextPartitions = 0 }) => sum + nextPartitions, 0)
  return textTable(
    [
      { title: 'NODE' },
      { title: 'ID' },
      { title: 'ZONE' },
      { title: 'CAPACITY', align: 'right' },
      { title: 'SHARE', align: 'right' },
      { title: 'USED', align: 'right' },
      { title: 'STATE' },
      { title: 'MOVES' },
    ],
    nodes.map((node) => [
      `${node.name}${node.self ? ' *' : ''}`,
      shortId(node.node),
      changed(node.zone, node.nextZone),
      changed(
        formatSize(node.capacityBytes),
        node.nextCapacityBytes === undefined ? undefined : formatSize(node.nextCapacityBytes),
      ),
      changed(
        percent(node.share),
        node.nextPartitions === undefined
          ? undefined
          : percent(nextTotal === 0 ? 0 : node.nextPartitions / nextTotal),
      ),
      node.usedBytes === undefined ? '?' : formatSize(node.usedBytes),
      stateText(node),
      node.move === undefined ? '' : moveText(node.move),
    ]),
  )
}

/** 'learner 40 %', 'member, away'. */
function stateText({ state, up, learning }: LayoutNode): string {
  const part =
    learning === undefined || learning.total === 0
      ? ''
      : ` ${Math.floor((100 * learning.done) / learning.total)} %`
  return `${state}${part}${up ? '' : ', away'}`
}

/** Such as '3 GiB to come, 40 MiB/s, 1m 16s left'. Empty when nothing moves. */
export function moveText({ pendingBytes, bytesPerSecond, secondsLeft }: Move): string {
  if (pendingBytes === 0) return ''
  const rate = bytesPerSecond === 0 ? '' : `, ${formatSize(Math.round(bytesPerSecond))}/s`
  const left = secondsLeft === undefined ? '' : `, ${formatDuration(secondsLeft)} left`
  return `${formatSize(pendingBytes)} to come${rate}${left}`
}

/**
 * What `shoal layout plan` prints: the change, what it moves at the price of how many bytes, the
 * nodes before and after, then warnings and reasons for a refusal.
 */
export function planLines(plan: LayoutPlan): string[] {
  const { changes, partitions, partitionsMoved, movedBytes, leastBytes, ratio, fits } = plan
  return [
    ...changes.map(printable),
    `${partitionsMoved} of ${partitions} partitions move to other nodes, with about ${formatSize(movedBytes)}` +
      (ratio === undefined
        ? ''
        : `: ${ratio.toFixed(2)} times the least possible (${formatSize(leastBytes)})`),
    '',
    ...textTable(
      [
        { title: 'NODE' },
        { title: 'ID' },
        { title: 'ZONE' },
        { title: 'CAPACITY', align: 'right' },
        { title: 'PARTITIONS', align: 'right' },
        { title: 'GETS', align: 'right' },
        { title: 'GIVES', align: 'right' },
        { title: 'USED', align: 'right' },
        { title: 'AT MOST', align: 'right' },
        { title: '' },
      ],
      plan.nodes.map((node) => [
        node.name,
        shortId(node.node),
        node.zone,
        formatSize(node.capacityBytes),
        changed(String(node.partitions), String(node.partitionsAfter)),
        String(node.gained),
        String(node.lost),
        changed(formatSize(node.usedBytes), formatSize(node.usedBytesAfter)),
        formatSize(node.usedBytesMost),
        node.change,
      ]),
    ),
    '',
    ...plan.warnings.map((warning) => `warning: ${printable(warning)}`),
    ...plan.faults.map((fault) => `refused: ${printable(fault)}`),
    ...(fits ? ['it fits'] : []),
  ]
}

/**
 * What `shoal layout accept-loss` prints: what would be lost, then whether it was given up, can be,
 * or why not.
 *
 * @param isAccepted the operator has just given up what the report lists
 */
export function lossLines(report: LossReport, isAccepted: boolean): string[] {
  const { sources, registers, sourcesRefusal, refusal } = report
  const lines = sources.map(({ epoch, partitions, waitsFor, awaySeconds, unreadable }) => {
    const nodes = waitsFor.map((name, i) => {
      const seconds = awaySeconds[i]!
      return seconds === 0
        ? `${name} (it answers)`
        : `${name} (away for ${formatDuration(seconds)})`
    })
    const blocks =
      unreadable === 0
        ? 'blocks that no other node has'
        : `blocks that no other node has, ${unreadable} of them known`
    return (
      `${partitions.length} partitions wait for ${nodes.join(', ')}: ${blocks}, written before epoch ${epoch}\n` +
      `  partitions ${listed(partitions)}`
    )
  })
  for (const { kind, name, partition } of registers) {
    lines.push(`damaged and without another replica: ${kind} ${name} (partition ${partition})`)
  }
  if (sourcesRefusal !== undefined) lines.push(`no blocks are given up: ${sourcesRefusal}`)
  const all = lines.flatMap((line) => line.split('\n')).map(printable)
  if (isAccepted) {
    all.push(
      'given up. Run `shoal scrub` to find what is lost by this; `shoal status --lost` then lists it',
    )
  } else if (refusal !== undefined) all.push(`refused: ${printable(refusal)}`)
  else all.push('if no other copy of this exists, add --yes to give it up for good')
  return all
}

/** The first partitions, and how many more there are. */
function listed(partitions: readonly number[]): string {
  const some = partitions.slice(0, PARTITIONS_SHOWN).join(', ')
  const more = partitions.length - PARTITIONS_SHOWN
  return more > 0 ? `${some} and ${more} more (--json has all)` : some
}

/** 'now → then', or `now` alone when nothing changes. */
function changed(now: string, then: string | undefined): string {
  return then === undefined || then === now ? now : `${now} → ${then}`
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
