/**
 * `node sim/e2e/grow.ts [--objects 20000] [--large 10] [--clients 16] [--kills 0] [--steps 2,3,5,drain,replace]`
 *
 * A cluster changes its members while it serves: one node that holds objects, versions and open uploads grows to 2, 3
 * and 5, one is drained, one is killed for good and its place is taken. Clients write, read, list, delete and make
 * buckets all the while.
 *
 * It checks: every history is linearizable (checker B), every byte is right, each step ends, a drained node says that
 * it may go, and with more than three members no plan moves more than 1.25 times the least possible. With `--kills N`
 * a random node is killed (SIGKILL) N times in the middle of the steps, and started again without any token.
 */

import { parseArgs } from 'node:util'
import { sleep, until } from '../../bench/harness/process.ts'
import { RawClient } from '../../bench/harness/s3.ts'
import type { PlannedChange } from '../../gateway/admin/layout.ts'
import { Contents } from './growth/contents.ts'
import { Latencies } from './growth/latencies.ts'
import { Members, type JoiningNode } from './growth/members.ts'
import { judge, listOf } from './history/judge.ts'
import { answers } from './history/record.ts'
import { Workloads } from './history/workloads.ts'

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '20000' },
    large: { type: 'string', default: '10' },
    versioned: { type: 'string', default: '100' },
    uploads: { type: 'string', default: '4' },
    clients: { type: 'string', default: '16' },
    kills: { type: 'string', default: '0' },
    steps: { type: 'string', default: '2,3,5,drain,replace' },
    /** Of a step, with all its blocks moved. */
    'step-seconds': { type: 'string', default: '300' },
    /** More arguments of every `shoal start`, by commas. */
    start: { type: 'string' },
  },
})
const stepMs = Number(values['step-seconds']) * 1_000
/** Moved bytes to the least possible. */
const RATIO_MAX = 1.25
const HAS_LEFT = /it may be switched off|was removed from the cluster/

class Growth {
  readonly #members: Members
  readonly #clients: RawClient[] = []
  readonly #contents = new Contents({
    objects: Number(values.objects),
    large: Number(values.large),
    versioned: Number(values.versioned),
    uploads: Number(values.uploads),
  })
  readonly #latencies = new Latencies()
  /** So many may have been killed by the end of the step. */
  #killsAllowed = 0
  #kills = 0
  #stepping = false
  /** Numbers that are not killed at random. */
  readonly #spared = new Set<number>()
  #reviving: Promise<void> = Promise.resolve()
  readonly #faults: string[] = []

  constructor(members: Members) {
    this.#members = members
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
    const kills = this.#killer(() => done)
    try {
      await sleep(3_000)
      const steps = values.steps.split(',')
      for (const [i, step] of steps.entries()) {
        this.#killsAllowed = Math.ceil((Number(values.kills) * (i + 1)) / steps.length)
        await this.#step(step)
      }
    } catch (error) {
      this.#faults.push(String(error))
      for (const node of members.running) {
        console.log(`--- node ${node}\n${members.output(node).slice(-4_000)}`)
      }
    }
    done = true
    await Promise.all([...load, probe, kills])
    const { calls, bad: wrong } = judge(workloads)
    console.log(`${calls} calls of histories, ${wrong} not linearizable`)
    this.#faults.push(...(await this.#contents.check(this.#clients)))
    for (const fault of this.#faults.slice(0, 20)) console.log(`FAULT: ${fault}`)
    for (const client of this.#clients) client.close()
    console.log(`answers: ${listOf(answers)}`)
    if (this.#kills > 0) console.log(`${this.#kills} times a node was killed and started again`)
    const bad = wrong + this.#faults.length + workloads.errors.length
    for (const error of new Set(workloads.errors)) console.log(`error: ${error}`)
    console.log(bad === 0 ? 'every history linearizable, every byte right' : `${bad} faults`)
    return bad === 0 ? 0 : 1
  }

  async #step(step: string): Promise<void> {
    const members = this.#members
    const startedMs = performance.now()
    const movedBefore = await members.metric('shoal_move_bytes_total')
    const ratio = await this.#ratio(step)
    this.#stepping = true
    let gone: number | undefined
    if (step === 'drain') gone = await this.#drain()
    else if (step === 'replace') await this.#replace()
    else await this.#growTo(Number(step))
    await this.#contents.goOn(this.#clients[0]!)
    const served = performance.now()
    await members.untilLayout(
      `the blocks of "${step}" moved`,
      ({ state, sources }) => state === 'STABLE' && sources === 0,
      stepMs,
    )
    this.#stepping = false
    await this.#reviving
    const moved = (await members.metric('shoal_move_bytes_total')) - movedBefore
    if (gone !== undefined) await this.#hasLeft(gone)
    console.log(
      `${step}: members after ${((served - startedMs) / 1_000).toFixed(1)} s, moved whole after ` +
        `${((performance.now() - startedMs) / 1_000).toFixed(1)} s, ${mib(moved)} MiB of blocks moved, ` +
        `on paper ${ratio} of the least; ${members.joint.line()}; ${this.#latencies.line()}`,
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
        : step === 'replace'
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
    this.#spared.add(node)
    await this.#reviving
    this.#forget(node)
    await members.kill(node, true)
    const { node: fresh, ready } = await this.#insist((through) =>
      members.join(through, { replace: old }),
    )
    await ready
    this.#clients.push(this.#clientOf(fresh))
  }

  /** It says itself that it may be switched off. What it keeps is a person's to delete: it can ask nobody any more. */
  async #hasLeft(node: number): Promise<void> {
    const members = this.#members
    await until(
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
        await sleep(1_000)
      }
    }
  }

  async #killer(isDone: () => boolean): Promise<void> {
    const members = this.#members
    while (!isDone()) {
      await sleep(300 + Math.random() * 1_500)
      const nodes = members.running.filter((node) => !this.#spared.has(node))
      if (!this.#stepping || this.#kills >= this.#killsAllowed || nodes.length < 2) continue
      this.#kills++
      this.#reviving = this.#killAndRevive(nodes[Math.floor(Math.random() * nodes.length)]!)
      await this.#reviving
    }
  }

  async #killAndRevive(node: number): Promise<void> {
    const members = this.#members
    await members.kill(node)
    console.log(`  node ${node} killed`)
    await sleep(Math.random() * 2_000)
    await members.again(node).catch((error: unknown) => {
      // One that has left says so, and ends.
      if (HAS_LEFT.test(members.output(node))) return
      this.#faults.push(`node ${node} does not start again: ${String(error).slice(-2_000)}`)
    })
  }

  #clientOf(node: number): RawClient {
    return new RawClient(this.#members.endpoint(node), this.#members.credentials)
  }

  #forget(node: number): void {
    const at = this.#clients.findIndex((one) => one.endpoint === this.#members.endpoint(node))
    if (at >= 0) this.#clients.splice(at, 1)
  }
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0)
}

const members = await Members.found(values.start?.split(',') ?? [])
try {
  process.exitCode = await new Growth(members).run()
} finally {
  await members.close()
}
