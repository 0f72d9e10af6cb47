/**
 * `node sim/e2e/grow.ts [--objects 20000] [--large 10] [--clients 16] [--kills 0] [--kills-per-step 0]
 *   [--steps 2,3,5,drain,replace]`
 *
 * A cluster changes its members while it serves: one node that holds objects, versions and open uploads grows to 2, 3
 * and 5, one is drained, one is killed for good and another one takes its place. Clients write, read, list, delete and
 * make buckets all the while. The step `replace-moving` lets one more node join, kills a member for good while the
 * joiner's blocks still move, slowly, and lets another one take its place.
 *
 * It checks that every history is linearizable (checker B), that every byte is right, that each step ends, and that a
 * drained node says that it may be switched off. With more than three members no change may move more than 1.25 times the
 * least possible, on paper and in bytes. In the end no member may keep anything of partitions that it does not hold.
 * `--kills N` kills a random node (SIGKILL) N times in the middle of the steps, `--kills-per-step N` N times in each of
 * them; the node starts again without a token.
 */

import { parseArgs } from 'node:util'
import { pauseMs, untilTrue } from '../../bench/harness/process.ts'
import { RawClient } from '../../bench/harness/s3.ts'
import type { PlannedChange } from '../../gateway/port/layout.ts'
import { GrowthContents } from './growth/contents.ts'
import { layoutIn, LeastBytes } from './growth/held.ts'
import { NodeHoldings } from './growth/holdings.ts'
import { Killer } from './growth/killer.ts'
import { Latencies } from './growth/latencies.ts'
import { isAtRest } from './growth/layout-seen.ts'
import { HAS_LEFT, Members, type JoiningNode } from './growth/members.ts'
import { GrowthTally, type Received } from './growth/tally.ts'
import { judge, historyList } from './history/judge.ts'
import { answers } from './history/record.ts'
import { Workloads } from './history/workloads.ts'
import { mib } from './mib.ts'

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '20000' },
    large: { type: 'string', default: '10' },
    versioned: { type: 'string', default: '100' },
    uploads: { type: 'string', default: '4' },
    clients: { type: 'string', default: '16' },
    kills: { type: 'string', default: '0' },
    'kills-per-step': { type: 'string', default: '0' },
    steps: { type: 'string', default: '2,3,5,drain,replace' },
    /** The longest that a step may take until all its blocks have moved. */
    'step-seconds': { type: 'string', default: '300' },
    /** More arguments of every `shoal start`, by commas. */
    start: { type: 'string' },
  },
})
const stepMs = Number(values['step-seconds']) * 1_000
const killsPerStep = Number(values['kills-per-step'])
/** Moved bytes to the least possible. */
const RATIO_MAX = 1.25
/** At this rate the blocks of a join take minutes. */
const SLOW = { SHOAL_MOVE_RATE: '256KiB' }
const FAST = { SHOAL_MOVE_RATE: '0' }

class Growth {
  readonly #members: Members
  readonly #clients: RawClient[] = []
  readonly #contents = new GrowthContents({
    objects: Number(values.objects),
    large: Number(values.large),
    versioned: Number(values.versioned),
    uploads: Number(values.uploads),
  })
  readonly #latencies = new Latencies()
  readonly #tally: GrowthTally
  readonly #killer: Killer
  readonly #holdings: NodeHoldings
  readonly #faults: string[] = []

  constructor(members: Members) {
    this.#members = members
    this.#tally = new GrowthTally(members)
    this.#holdings = new NodeHoldings(members)
    this.#killer = new Killer(members, this.#tally, killsPerStep > 0)
  }

  async run(): Promise<number> {
    const members = this.#members
    this.#clients.push(this.#clientOf(0))
    const startedMs = performance.now()
    await this.#contents.write(this.#clients[0]!)
    const seconds = (performance.now() - startedMs) / 1_000
    console.log(`one node, ${mib(this.#contents.bytes)} MiB written in ${seconds.toFixed(0)} s`)
    const workloads = new Workloads(this.#clients)
    await workloads.prepare()
    let done = false
    const load = Array.from({ length: Number(values.clients) }, async () => {
      while (!done) await workloads.run(performance.now() + 500)
    })
    const probe = this.#latencies.run(
      () => this.#clients,
      () => done,
    )
    const kills = this.#killer.run(() => done)
    const tally = this.#tally.run(() => done)
    try {
      await pauseMs(3_000)
      const steps = values.steps.split(',')
      for (const [i, step] of steps.entries()) {
        const soFar = Math.ceil((Number(values.kills) * (i + 1)) / steps.length)
        await this.#step(step, killsPerStep > 0 ? this.#killer.count + killsPerStep : soFar)
      }
    } catch (error) {
      this.#faults.push(String(error))
      this.#forgetDead()
      for (const node of members.running) {
        console.log(`--- node ${node}\n${members.output(node).slice(-4_000)}`)
      }
    }
    done = true
    await Promise.all([...load, probe, kills, tally])
    const { calls, bad: wrong } = judge(workloads)
    console.log(`${calls} calls of histories, ${wrong} not linearizable`)
    this.#faults.push(...this.#killer.faults, ...this.#tally.faults)
    this.#faults.push(...(await this.#contents.check(this.#clients)))
    this.#faults.push(...(await this.#holdings.untilLevel()))
    await this.#tally.look()
    for (const fault of this.#faults.slice(0, 20)) console.log(`FAULT: ${fault}`)
    for (const client of this.#clients) client.close()
    console.log(`answers: ${historyList(answers)}`)
    console.log(`memory of a node at its peak, MiB: ${this.#tally.memoryLine()}`)
    const { count } = this.#killer
    if (count > 0) console.log(`${count} times a node was killed and started again`)
    const bad = wrong + this.#faults.length + workloads.errors.length
    for (const error of new Set(workloads.errors)) console.log(`error: ${error}`)
    console.log(bad === 0 ? 'every history linearizable, every byte right' : `${bad} faults`)
    return bad === 0 ? 0 : 1
  }

  async #step(step: string, kills: number): Promise<void> {
    const members = this.#members
    // What old holders still keep need not be moved to them again, which would falsify the count.
    await this.#holdings.untilGivenUp()
    const startedMs = performance.now()
    const ratio = await this.#ratio(step)
    await this.#tally.look()
    const before = this.#tally.received()
    const layout = layoutIn(members.dir(0))
    this.#killer.allow(kills)
    let gone: number | undefined
    if (step === 'drain') gone = await this.#drain()
    else if (step === 'replace') await this.#replace()
    else if (step === 'replace-moving') await this.#replaceMoving()
    else await this.#growTo(Number(step))
    // What is stored when the change comes through has to move. From then on clients write to new members at once.
    const least = new LeastBytes()
    for (const held of (await this.#holdings.byNode()).values()) least.add(held)
    await this.#contents.goOn(this.#clients[0]!)
    const served = performance.now()
    await members.untilLayout(`the blocks of "${step}" moved`, isAtRest, stepMs)
    const missed = this.#killer.left
    await this.#killer.pause()
    await this.#tally.look()
    const after = layoutIn(members.dir(0))
    if (gone !== undefined) await this.#hasLeft(gone)
    console.log(
      `${step}: members after ${((served - startedMs) / 1_000).toFixed(1)} s, moved whole after ` +
        `${((performance.now() - startedMs) / 1_000).toFixed(1)} s; ${members.joint.line()}; ` +
        `${this.#latencies.line()}; ${this.#killer.line()}`,
    )
    const isNoted = after.members.length > 3 && step !== 'replace-moving'
    console.log(
      `  ${this.#moved(step, before, least.between(layout, after), isNoted)}, on paper ${ratio}`,
    )
    if (missed > 0) console.log(`  ended ${missed} kills early`)
  }

  /** Compares what nodes received in the step with the least possible. */
  #moved(step: string, before: Received, leastBytes: number, isNoted: boolean): string {
    const now = this.#tally.received()
    const [blocks, registers, given, resync] = (
      ['blocks', 'registers', 'given', 'resync'] as const
    ).map((name) => now[name] - before[name]) as [number, number, number, number]
    // After a kill, resync brings what clients wrote meanwhile; that does not count as moved.
    const bytes = blocks + registers + given + (this.#killer.count > 0 ? 0 : resync)
    const ratio = bytes / leastBytes
    if (isNoted && ratio > RATIO_MAX) {
      this.#faults.push(`"${step}" moved ${ratio.toFixed(3)} times the least possible`)
    }
    return (
      `received ${mib(bytes)} MiB (blocks ${mib(blocks)}, registers and packed blocks ${mib(registers)}, ` +
      `given ${mib(given)}; resync ${mib(resync)}), least ${mib(leastBytes)} MiB: ${ratio.toFixed(3)}`
    )
  }

  /** On paper, before the step; of a growth by several nodes, that of the first. */
  async #ratio(step: string): Promise<string> {
    const members = this.#members
    const { nodes } = await this.#insist((through) => members.seen(through))
    const { zone, capacityBytes } = nodes[0]!
    const change: PlannedChange =
      step === 'drain'
        ? { kind: 'drain', node: members.id(this.#leaver) }
        : step.startsWith('replace')
          ? { kind: 'replace', node: members.id(members.running.at(-1)!) }
          : { kind: 'add', zone, capacityBytes }
    const { ratio, ...plan } = await this.#insist((through) => members.plan(through, change))
    const after = plan.nodes.filter(({ change: what }) => what !== 'leaves').length
    const shown = ratio?.toFixed(2) ?? '-'
    if (after > 3 && ratio !== undefined && ratio > RATIO_MAX) {
      this.#faults.push(`"${step}" would move ${shown} times the least possible`)
    }
    return shown
  }

  /** The last but one, so that neither the founder nor the latest goes. */
  get #leaver(): number {
    return this.#members.running.at(-2)!
  }

  async #growTo(size: number): Promise<void> {
    const members = this.#members
    const joining: JoiningNode[] = []
    while (members.running.length < size) {
      joining.push(await this.#insist((through) => members.join(through)))
    }
    await Promise.all(joining.map(({ ready }) => ready))
    for (const { node } of joining) this.#clients.push(this.#clientOf(node))
  }

  /** Its number. */
  async #drain(): Promise<number> {
    const members = this.#members
    const node = this.#leaver
    await this.#insist((through) => members.layout(through, 'drain', members.id(node)))
    await members.untilLayout(
      `node ${node} has left`,
      ({ state, nodes }) =>
        state === 'STABLE' &&
        !nodes.some((one) => one.node === members.id(node) && one.state === 'member'),
      stepMs,
    )
    this.#forget(node)
    return node
  }

  async #replace(): Promise<void> {
    const members = this.#members
    const node = members.running.at(-1)!
    const old = members.id(node)
    await this.#loseForGood(node)
    const { node: fresh, ready } = await this.#insist((through) =>
      members.join(through, { replace: old }),
    )
    await ready
    this.#clients.push(this.#clientOf(fresh))
  }

  async #loseForGood(node: number): Promise<void> {
    this.#killer.spared.add(node)
    await this.#killer.revived()
    this.#forget(node)
    await this.#members.kill(node, true)
  }

  /** Loses and replaces a member while blocks of a join move, which would take minutes more. */
  async #replaceMoving(): Promise<void> {
    const members = this.#members
    const lost = members.running.at(-1)!
    const old = members.id(lost)
    const joiner = await this.#insist((through) => members.join(through, { env: SLOW }))
    await joiner.ready
    this.#clients.push(this.#clientOf(joiner.node))
    const moving = await members.untilLayout(
      'blocks of the join move',
      ({ state, sources }) => state === 'STABLE' && sources > 0,
      stepMs,
    )
    await this.#loseForGood(lost)
    const heir = await this.#insist((through) => members.join(through, { replace: old, env: SLOW }))
    await heir.ready
    this.#clients.push(this.#clientOf(heir.node))
    const { sources, epoch } = await members.untilLayout(
      'the place of the lost node is taken',
      ({ state, nodes }) =>
        state === 'STABLE' &&
        nodes.some(({ node, state: is }) => node === members.id(heir.node) && is === 'member'),
      stepMs,
    )
    if (sources < 2)
      this.#faults.push('the blocks of the join had moved before the node was replaced')
    console.log(`  replaced in epochs ${moving.epoch} to ${epoch}, ${sources} sources of blocks`)
    for (const { node } of [joiner, heir]) {
      members.setEnv(node, FAST)
      this.#killer.spared.add(node)
      await this.#killer.revived()
      await members.kill(node)
      await members.again(node)
      this.#killer.spared.delete(node)
    }
  }

  /** The node itself says that it may be switched off. A person deletes its files, because it can no longer ask the others. */
  async #hasLeft(node: number): Promise<void> {
    const members = this.#members
    await untilTrue(
      `node ${node} to say that it has left`,
      async () => (HAS_LEFT.test(members.output(node)) ? true : undefined),
      60_000,
      500,
    )
    await members.switchOff(node)
  }

  /** A command may meet an epoch that goes on, or a node that is down: it is given again, as a person would, through
   * another one. */
  async #insist<T>(run: (through: number) => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const { running } = this.#members
      try {
        return await run(running[attempt % running.length]!)
      } catch (error) {
        if (attempt === 60) throw error
        await pauseMs(1_000)
      }
    }
  }

  #clientOf(node: number): RawClient {
    return new RawClient(this.#members.endpoint(node), this.#members.credentials)
  }

  /** Forgets dead nodes, so that the others can still be checked. */
  #forgetDead(): void {
    const { running } = this.#members
    const live = running.filter((node) => this.#members.isRunning(node))
    for (const node of running) if (!live.includes(node)) this.#forget(node)
  }

  #forget(node: number): void {
    const at = this.#clients.findIndex((one) => one.endpoint === this.#members.endpoint(node))
    if (at >= 0) this.#clients.splice(at, 1)
  }
}

const members = await Members.found(values.start?.split(',') ?? [])
try {
  process.exitCode = await new Growth(members).run()
} finally {
  await members.close()
}
