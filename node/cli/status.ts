/**
 * `shoal status`: prints members, epoch, health, space and work in progress. What is printed of the
 * cluster is what the asked node knows of it; recovery, disk, collector, compaction and scrub are its
 * own.
 */

import { shortId } from '../../protocol/ids.ts'
import type { LostStatus, NodeStatus, ScrubStatus } from '../../gateway/port/status.ts'
import type { Clock } from '../env/ports.ts'
import { formatDuration, formatSize } from '../tools/units.ts'
import type { AdminClient } from './admin-client.ts'
import { progressBar, textTable } from './table.ts'
import { printable, type Terminal } from './terminal.ts'
import { sleep } from '../tools/sleep.ts'

const WATCH_INTERVAL_MS = 1_000

export interface StatusCommandOptions {
  readonly json: boolean
  /** Again every second. */
  readonly watch: boolean
}

/**
 * Prints the status once, or again and again with `watch`, which never returns: Ctrl-C ends the
 * process. Throws when the node does not answer.
 */
export async function runStatus(
  client: AdminClient,
  options: StatusCommandOptions,
  terminal: Terminal,
  clock: Clock,
): Promise<void> {
  for (;;) {
    const status = await client.status()
    const lines = options.json ? [JSON.stringify(status)] : statusLines(status, terminal.columns)
    if (options.watch && terminal.isTty && !options.json) terminal.draw(lines)
    else for (const line of lines) terminal.out(line)
    if (!options.watch) return
    await sleep(clock, WATCH_INTERVAL_MS)
  }
}

/** The whole status as text, `columns` wide at most where there are bars. */
export function statusLines(status: NodeStatus, columns: number): string[] {
  const up = status.members.filter((member) => member.up).length
  return [
    `cluster ${printable(status.cluster)}  epoch ${status.epoch} ${status.layoutState}  ` +
      `${up} of ${status.members.length} nodes up  replication ${status.replication}`,
    `node ${printable(status.node)}  up ${formatDuration(status.uptimeSeconds)}`,
    ...status.warnings.map((warning) => `warning: ${printable(warning)}`),
    '',
    ...memberTable(status),
    '',
    spareLine(status),
    partitionLine(status, columns),
    ...moveLines(status),
    resyncLine(status, columns),
    recoveryLine(status),
    spaceLine(status),
    collectorLine(status),
    compactionLine(status),
    `scrub       ${scrubLine(status.upkeep.scrub, columns)}`,
  ]
}

/** An asterisk marks the node that was asked. '?' is for what a node that is away has not told. */
function memberTable(status: NodeStatus): string[] {
  return textTable(
    [
      { title: 'NODE' },
      { title: 'ID' },
      { title: 'ZONE' },
      { title: 'STATE' },
      { title: 'CAPACITY', align: 'right' },
      { title: 'USED', align: 'right' },
      { title: 'FREE', align: 'right' },
      { title: 'ADDRESS' },
    ],
    status.members.map((member) => [
      `${member.name}${member.node === status.node ? ' *' : ''}`,
      shortId(member.node),
      member.zone,
      member.up ? 'up' : 'down',
      formatSize(member.capacityBytes),
      member.usedBytes === undefined ? '?' : formatSize(member.usedBytes),
      member.freeBytes === undefined ? '?' : formatSize(member.freeBytes),
      member.addresses[0] ?? '',
    ]),
  )
}

/** An operator asks this before switching a node off. */
function spareLine({ canLoseANode, canLoseANodeWhy }: NodeStatus): string {
  return `another node may fail now: ${canLoseANode ? 'yes' : 'no'}, because ${printable(canLoseANodeWhy)}`
}

/** Nothing when no change of the layout is under way and no blocks move. */
function moveLines({ sources, moves, layoutState }: NodeStatus): string[] {
  const { pendingBytes, bytesPerSecond } = moves
  if (layoutState === 'STABLE' && sources === 0) return []
  if (layoutState !== 'STABLE') return [`layout      ${layoutState}: see \`shoal layout show\``]
  return [
    `layout      ${formatSize(pendingBytes)} of blocks to come, ${formatSize(bytesPerSecond)}/s: see \`shoal layout show\``,
  ]
}

/**
 * Degraded: a replica is away. Unverified: all are up, and at least one has not been compared with
 * the others yet.
 */
function partitionLine({ partitions }: NodeStatus, columns: number): string {
  const { total, whole, degraded, unverified } = partitions
  if (whole === total) return `partitions  all ${total} whole`
  const bar = progressBar('whole', whole, total, Math.max(20, columns - 50))
  return `partitions  ${bar} (${whole} of ${total}; ${degraded} degraded, ${unverified} unverified)`
}

/** Partitions that are still to be compared, of all nodes together. */
function resyncLine({ resync }: NodeStatus, columns: number): string {
  const { pending, done, running } = resync
  if (pending === 0) return `resync      nothing pending, ${done} done`
  const bar = progressBar('done', done, done + pending, Math.max(20, columns - 40))
  return `resync      ${bar} (${pending} pending${running ? '' : ', paused'})`
}

/** What the start of the asked node has read from the log. */
function recoveryLine({ recovery }: NodeStatus): string {
  const { running, recordsReplayed, bytesReplayed, damagedRecords, indexRebuilt } = recovery
  const damaged = damagedRecords === 0 ? '' : `, ${damagedRecords} DAMAGED`
  const state = running ? 'running' : 'done'
  const rebuilt = indexRebuilt ? '; the index was rebuilt' : ''
  const read = `${recordsReplayed} records, ${formatSize(bytesReplayed)}`
  return `recovery    ${state}: ${read}${damaged}${rebuilt}`
}

function spaceLine({ space }: NodeStatus): string {
  const { totalBytes, freeBytes, logBytes, deadBytes } = space
  const free = `${formatSize(freeBytes)} of ${formatSize(totalBytes)} free`
  return `disk        ${free}, log ${formatSize(logBytes)} with ${formatSize(deadBytes)} dead`
}

/** What was freed because no register names it any more. */
function collectorLine({ space }: NodeStatus): string {
  const { freedBlocks, freedBytes, registersCollected, queued } = space
  const freed = `${freedBlocks} blocks freed (${formatSize(freedBytes)})`
  return `collector   ${freed}, ${registersCollected} registers forgotten, ${queued} waiting`
}

function compactionLine({ upkeep }: NodeStatus): string {
  const { state, segments, freedBytes, movedBytes, stuckSegments, writeAmplification } =
    upkeep.compaction
  const stuck = stuckSegments === 0 ? '' : `; ${stuckSegments} segments kept because of damage`
  const moved = `${formatSize(freedBytes)} freed, ${formatSize(movedBytes)} moved`
  const written = `write amplification ${writeAmplification.toFixed(2)}`
  return `compaction  ${state}: ${segments} segments, ${moved}, ${written}${stuck}`
}

/** The scrub that runs, as a bar, or what the last one found. Also printed by `shoal scrub`. */
export function scrubLine(scrub: ScrubStatus, columns: number): string {
  const { running, doneBytes, totalBytes, records, bad, badRows, mended, left } = scrub
  const found = `${bad + badRows} bad, ${mended} repaired`
  if (running) {
    const bar = progressBar('scrubbed', doneBytes, totalBytes, Math.max(20, columns - 40))
    return `${bar}, ${found}`
  }
  if (scrub.error !== undefined) return `did not finish: ${printable(scrub.error)}`
  if (scrub.finishedMs === undefined) return 'none since the start'
  const rows = badRows === 0 ? '' : ` (${badRows} of them rows of the index)`
  const seen = `${records} records, ${formatSize(totalBytes)}: ${bad + badRows} bad${rows}`
  return `${seen}, ${mended} repaired, ${left} left${referencesText(scrub)}`
}

/** About blocks that registers name and that were missing. */
function referencesText({ missing, fetched, lost, unknown }: ScrubStatus): string {
  if (missing + lost + unknown === 0) return '; nothing missing'
  const open = unknown === 0 ? '' : `, ${unknown} out of reach for now`
  const gone = lost === 0 ? '' : `, ${lost} LOST (shoal status --lost)`
  return `; ${missing} blocks missing, ${fetched} fetched${open}${gone}`
}

/**
 * `shoal status --lost`: lists the objects that no replica has any more. Returns exit code 1 when
 * there are any.
 */
export async function runLost(
  client: AdminClient,
  { json }: { readonly json: boolean },
  terminal: Terminal,
): Promise<number> {
  const lost = await client.lost()
  if (json) terminal.out(JSON.stringify(lost))
  else for (const line of lostLines(lost)) terminal.out(line)
  return lost.objects.length === 0 ? 0 : 1
}

/** A table of what is lost. Members that did not answer may know of more. */
export function lostLines({ objects, unanswered }: LostStatus): string[] {
  const silent = unanswered === 0 ? [] : [`warning: ${unanswered} members did not answer`]
  if (objects.length === 0) return ['nothing is known to be lost', ...silent]
  const rows = objects.map(({ bucket, key, versionId, sizeBytes, foundMs }) => [
    printable(`${bucket}/${key}`),
    printable(versionId),
    formatSize(sizeBytes),
    new Date(foundMs).toISOString(),
  ])
  const columns = [
    { title: 'OBJECT' },
    { title: 'VERSION' },
    { title: 'SIZE', align: 'right' as const },
    { title: 'FOUND' },
  ]
  return [...textTable(columns, rows), ...silent]
}
