/**
 * `npm run e2e:faults -- [--seed 1] [--seeds 1] [--minutes 5] [--changes N] [--kinds join,drain,…] [--faults kill,…]
 * [--at-once 2] [--objects 200] [--clients 8] [--members 6] [--disk-mib 1024] [--rough-seconds 60] [--calm-seconds 120]
 * [--plain] [--logs DIR]`
 *
 * Runs real processes, each with a network namespace, a small disk and a clock of its own. Members join, are drained, are
 * lost for good and replaced or removed, and get another zone or capacity, while clients work. A schedule drawn from the
 * seed kills nodes (SIGKILL), pauses them (SIGSTOP), cuts them off (both ways or one), delays every link by 100 ms there
 * and back, sets clocks and fills disks.
 *
 * It fails when a change does not end after everything was mended, when a node does not come back or ends by itself, when
 * a history is not linearizable (checker B), or when an acknowledged byte is wrong.
 *
 * Where namespaces are not permitted, or with `--plain`, the nodes share the loopback address, and a relay cuts and
 * delays what they send. Without the right to mount, no disk is filled. The first lines say so. Whatever was done to
 * the machine is undone at the end, even when this process is killed (faults/guard.ts).
 */

import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { RawClient } from '../../bench/harness/s3.ts'
import { RealChanges } from './faults/changes.ts'
import { Disks } from './faults/disks.ts'
import { Fleet } from './faults/fleet.ts'
import { Guard } from './faults/guard.ts'
import { Injector } from './faults/injector.ts'
import { ClientLoad } from './faults/load.ts'
import { LoopbackNetwork } from './faults/loopback.ts'
import type { FaultNetwork } from './faults/network.ts'
import {
  CHANGE_KINDS,
  changeLine,
  FAULT_KINDS,
  faultLine,
  plannedChanges,
  plannedFaults,
  type ScheduledChangeKind,
  type ScheduledFaultKind,
} from './faults/schedule.ts'
import { SwitchedNetwork } from './faults/switched.ts'
import { historyList } from './history/judge.ts'
import { answers } from './history/record.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    /** How many seeds run, one after the other. */
    seeds: { type: 'string', default: '1' },
    /** For each seed; no change begins later. */
    minutes: { type: 'string', default: '5' },
    /** Most changes of each seed. */
    changes: { type: 'string', default: '1000' },
    kinds: { type: 'string', default: CHANGE_KINDS.join(',') },
    /** Separated by commas; empty for none. */
    faults: { type: 'string', default: FAULT_KINDS.join(',') },
    /** Most faults at the same time. */
    'at-once': { type: 'string', default: '2' },
    objects: { type: 'string', default: '200' },
    clients: { type: 'string', default: '8' },
    /** Most members. */
    members: { type: 'string', default: '6' },
    'disk-mib': { type: 'string', default: '1024' },
    /** How long a change may take among faults, and then after everything was mended. */
    'rough-seconds': { type: 'string', default: '60' },
    'calm-seconds': { type: 'string', default: '120' },
    plain: { type: 'boolean', default: false },
    /** A directory that keeps what the nodes write. */
    logs: { type: 'string' },
  },
})

/** So that segments seal, are compacted and freed within minutes. */
const ENV = {
  SHOAL_SEGMENT_SIZE: '16MiB',
  SHOAL_RECLAIM_DELAY: '2s',
  SHOAL_COMPACTION_INTERVAL: '2s',
}
const SHOWN = 12
const FOUNDED_MS = 120_000
const diskMib = Number(values['disk-mib'])

const startedMs = performance.now()
function say(line: string): void {
  console.log(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(7)} ${line}`)
}

function chosen<T extends string>(text: string, known: readonly T[]): T[] {
  const names = text.split(',').filter((name) => name !== '')
  const wrong = names.find((name) => !known.includes(name as T))
  if (wrong !== undefined) throw new Error(`no such kind: ${wrong}; there are ${known.join(', ')}`)
  return names as T[]
}

async function networkOf(guard: Guard, scratch: string): Promise<FaultNetwork> {
  if (values.plain) return LoopbackNetwork.create()
  const network = await SwitchedNetwork.create(guard, scratch)
  if (typeof network !== 'string') return network
  say(`network namespaces are not permitted here: ${network}`)
  return LoopbackNetwork.create()
}

async function runSeed(seed: number): Promise<boolean> {
  const guard = new Guard()
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-faults-'))
  guard.tell({ undo: ['rm', '-rf', '--one-file-system', scratch] })
  const network = await networkOf(guard, scratch)
  const disks = await Disks.create(scratch, guard, diskMib)
  let faults = chosen(values.faults, FAULT_KINDS)
  if (disks.refusal !== undefined) {
    say(`mounting is not permitted here, so no disk is filled: ${disks.refusal}`)
    faults = faults.filter((kind) => kind !== 'disk-full')
  }
  const logs = values.logs && join(values.logs, `seed-${seed}`)
  if (logs !== undefined) mkdirSync(logs, { recursive: true })
  const fleet = new Fleet({ network, disks, guard, scratch, logs, env: ENV })
  try {
    return await disturb(seed, network, fleet, faults)
  } finally {
    await fleet.close()
    network.close()
    await guard.close()
  }
}

async function disturb(
  seed: number,
  network: FaultNetwork,
  fleet: Fleet,
  faults: readonly ScheduledFaultKind[],
): Promise<boolean> {
  const kinds = chosen<ScheduledChangeKind>(values.kinds, CHANGE_KINDS)
  const lanes = Number(values['at-once'])
  say(`seed ${seed}: ${network.title}`)
  showSchedule(seed, kinds, lanes, faults)
  await fleet.found(FOUNDED_MS)
  const load = new ClientLoad([clientOf(fleet, 0)], Number(values.objects))
  const injector = new Injector(fleet, network, { seed, kinds: faults, lanes, say })
  const changes = new RealChanges(fleet, injector, load.clients, {
    roughMs: Number(values['rough-seconds']) * 1_000,
    calmMs: Number(values['calm-seconds']) * 1_000,
    diskMib,
    say,
  })
  const found: string[] = []
  let made = 0
  try {
    await load.prepare()
    await changes.grow(3)
    say('three members')
    load.start(Number(values.clients))
    injector.go()
    const untilMs = performance.now() + Number(values.minutes) * 60_000
    for (const change of plannedChanges(seed, kinds, Number(values.members))) {
      if (made >= Number(values.changes) || performance.now() > untilMs) break
      say(`change ${++made}: ${changeLine(change)}`)
      await changes.make(change)
    }
    await injector.close()
    await load.stop()
    await changes.untilWhole('written')
    say('all is calm and whole')
  } catch (error) {
    found.push(error instanceof Error ? error.message : String(error))
    await injector.close()
    await load.stop()
  }
  const { calls, written, faults: wrong } = await load.check()
  found.push(...wrong)
  for (const end of fleet.ends) found.push(`a process ended by itself: ${end}`)
  if (found.length > 0) for (const number of fleet.numbers) console.log(fleet.tail(number))
  for (const fault of found.slice(0, 20)) console.log(`FAULT: ${fault}`)
  for (const client of load.clients) client.close()
  console.log(`answers: ${historyList(answers)}`)
  console.log(`faults: ${historyList(injector.counts)}`)
  console.log('changes      begun refused given-up completed in-calm-only')
  for (const [kind, counts] of changes.counts) {
    const { begun, refused, givenUp, completed, calmed } = counts
    const cells = [begun, refused, givenUp, completed, calmed].map((n) => String(n).padStart(8))
    console.log(`${kind.padEnd(9)}${cells.join('')}`)
  }
  console.log(`refusals: ${historyList(changes.refusals)}`)
  for (const end of fleet.joinsEnded) console.log(`a join was started again: ${end}`)
  const verdict = found.length === 0 ? 'all good' : `${found.length} faults`
  say(`seed ${seed}: ${calls} calls of histories, ${written} more objects read back: ${verdict}`)
  if (found.length > 0)
    console.log(`again: npm run e2e:faults -- ${process.argv.slice(2).join(' ')}`)
  return found.length === 0
}

function showSchedule(
  seed: number,
  kinds: readonly ScheduledChangeKind[],
  lanes: number,
  faults: readonly ScheduledFaultKind[],
): void {
  const first = <T>(from: Generator<T, never>): T[] =>
    Array.from({ length: SHOWN }, () => from.next().value)
  const changes = first(plannedChanges(seed, kinds, Number(values.members))).map(changeLine)
  console.log(`  changes: ${changes.join(', ')}, …`)
  for (let lane = 0; lane < lanes && faults.length > 0; lane++) {
    const lines = first(plannedFaults(seed, lane, faults)).map(faultLine)
    console.log(`  faults ${lane + 1}: ${lines.join(', ')}, …`)
  }
}

function clientOf(fleet: Fleet, number: number): RawClient {
  return new RawClient(fleet.endpoint(number), fleet.credentials)
}

let isGood = true
for (let i = 0; i < Number(values.seeds); i++) {
  answers.clear()
  isGood = (await runSeed(Number(values.seed) + i)) && isGood
}
// Timers of abandoned calls must not keep the process alive.
process.exit(isGood ? 0 : 1)
