/** The nodes of a disturbed cluster: processes with a place on the network, a disk and a clock each. */

import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Child, signalGroup, pauseMs } from '../../../bench/harness/process.ts'
import { checkout, credentialsOf, readyNodesOf } from '../../../bench/harness/shoal.ts'
import type { Credentials } from '../../../bench/harness/sign.ts'
import type { LayoutTable } from '../../../gateway/port/layout.ts'
import { AdminClient } from '../../../node/cli/admin-client.ts'
import { HAS_LEFT } from '../growth/members.ts'
import type { Disks } from './disks.ts'
import type { Guard } from './guard.ts'
import { NETWORK_PLACES_MAX, type FaultNetwork, type NetworkPlace } from './network.ts'

const ENTRY = fileURLToPath(new URL('./entry.ts', import.meta.url))
const FLAGS = ['--max-semi-space-size=8', '--max-old-space-size=1024', '--no-warnings']
const POLL_MS = 250
const ADMIN_MS = 10_000

interface FleetNode {
  readonly number: number
  readonly place: number
  readonly where: NetworkPlace
  /** The flags with which it joins. */
  readonly joining: readonly string[]
  child: Child
  /** Its id; undefined until it was first ready. */
  id: string | undefined
  /** This test has ended the process. */
  isKilled: boolean
  isPaused: boolean
  /** It was drained. */
  isLeaving: boolean
}

export interface FleetParts {
  readonly network: FaultNetwork
  readonly disks: Disks
  readonly guard: Guard
  readonly scratch: string
  readonly env: Readonly<Record<string, string>>
  /** A directory that keeps all that nodes write. Undefined to remember only the last 256 KiB of each. */
  readonly logs: string | undefined
}

export class Fleet {
  readonly #parts: FleetParts
  readonly #nodes = new Map<number, FleetNode>()
  #count = 0
  #credentials: Credentials | undefined
  /** Processes of members that ended by themselves, and were started again. */
  readonly ends: string[] = []
  /** The same for nodes that had not been let in yet: a join has a deadline. */
  readonly joinsEnded: string[] = []

  constructor(parts: FleetParts) {
    this.#parts = parts
  }

  /** Starts one node, which founds a cluster. */
  async found(readyMs: number): Promise<void> {
    const node = await this.#add([])
    await this.ready(node.number, readyMs)
    this.#credentials = credentialsOf(this.#parts.disks.dir(node.number))
  }

  get credentials(): Credentials {
    if (this.#credentials === undefined) throw new Error('nothing was founded')
    return this.#credentials
  }

  /** All nodes except those that were lost or switched off. */
  get numbers(): number[] {
    return [...this.#nodes.keys()]
  }

  /** The nodes that are to stay members. */
  get staying(): number[] {
    return this.numbers.filter((number) => !this.#of(number).isLeaving)
  }

  endpoint(number: number): string {
    return `http://${this.#of(number).where.s3}`
  }

  place(number: number): number {
    return this.#of(number).place
  }

  /** Undefined when the node was never ready. */
  id(number: number): string | undefined {
    return this.#of(number).id
  }

  /** Whether it runs, and is not paused. */
  isAwake(number: number): boolean {
    const { isKilled, isPaused } = this.#of(number)
    return !isKilled && !isPaused
  }

  isReady(number: number): boolean {
    return this.#readyId(this.#of(number)) !== undefined
  }

  hasLeft(number: number): boolean {
    return HAS_LEFT.test(this.#of(number).child.output)
  }

  output(number: number): string {
    return this.#of(number).child.output
  }

  admin(number: number): AdminClient {
    const { where } = this.#of(number)
    const file = join(this.#parts.disks.dir(number), 'admin-credential')
    return AdminClient.of(where.adminUrl, join(file, '..'))
  }

  /** The latest layout that any node knows; undefined when no node answers. */
  async layout(): Promise<LayoutTable | undefined> {
    const answers = await Promise.all(
      this.numbers
        .filter((number) => this.isAwake(number))
        .map((number) => within(this.admin(number).layout(), ADMIN_MS)),
    )
    return answers.filter((answer) => answer !== undefined).toSorted((a, b) => b.epoch - a.epoch)[0]
  }

  /** Starts one more node. Returns its number. */
  async join(token: string, replace?: string): Promise<number> {
    const file = join(this.#parts.scratch, `token-${this.#count}`)
    writeFileSync(file, token, { mode: 0o600 })
    const args = ['--join-file', file]
    if (replace !== undefined) args.push('--replace', replace)
    return (await this.#add(args)).number
  }

  async ready(number: number, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs
    while (!this.isReady(number)) {
      if (performance.now() > deadline) {
        throw new Error(`n${number} is not ready after ${timeoutMs} ms\n${this.tail(number)}`)
      }
      await this.revive()
      await pauseMs(POLL_MS)
    }
  }

  /** Starts nodes again that have ended by themselves, as a service manager would. */
  async revive(): Promise<void> {
    for (const node of this.#nodes.values()) {
      if (node.isKilled || node.child.exitCode === undefined) continue
      if (HAS_LEFT.test(node.child.output)) continue
      const last = node.child.output.trimEnd().split('\n').at(-1) ?? ''
      const line = `n${node.number} ended with ${node.child.exitCode}: ${last.slice(0, 300)}`
      if (node.id === undefined) this.joinsEnded.push(line)
      else this.ends.push(line)
      this.start(node.number)
    }
  }

  async kill(number: number): Promise<void> {
    const node = this.#of(number)
    node.isKilled = true
    await node.child.kill()
    this.#parts.guard.tell({ disown: node.child.pid })
  }

  /** Starts it by the same command line, as a service manager would: a member no longer reads its token. */
  start(number: number): void {
    const node = this.#of(number)
    node.isKilled = false
    node.child = this.#spawn(number, node.where, node.joining)
  }

  pause(number: number): void {
    const node = this.#of(number)
    node.isPaused = true
    signalGroup(node.child.pid, 'SIGSTOP')
  }

  resume(number: number): void {
    const node = this.#of(number)
    node.isPaused = false
    signalGroup(node.child.pid, 'SIGCONT')
  }

  /** Sets the clock of the node's machine, milliseconds off the true time. */
  setClock(number: number, offsetMs: number): void {
    writeFileSync(this.#clockFile(number), String(offsetMs))
    signalGroup(this.#of(number).child.pid, 'SIGUSR2')
  }

  fill(number: number): Promise<void> {
    return this.#parts.disks.fill(number)
  }

  empty(number: number): Promise<void> {
    return this.#parts.disks.empty(number)
  }

  /** Notes that it is drained: it goes on until it is switched off. */
  leaves(number: number): void {
    this.#of(number).isLeaving = true
  }

  stays(number: number): void {
    this.#of(number).isLeaving = false
  }

  /** Kills it and removes its disk. */
  async lose(number: number): Promise<void> {
    const node = this.#of(number)
    await this.kill(number)
    this.#nodes.delete(number)
    await this.#parts.network.remove(node.place)
    await this.#parts.disks.remove(number)
  }

  /** The last lines of a node, for reports. */
  tail(number: number): string {
    return `--- n${number}\n${this.output(number).slice(-3_000)}`
  }

  async close(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map(({ child }) => child.kill()))
  }

  #of(number: number): FleetNode {
    const node = this.#nodes.get(number)
    if (node === undefined) throw new Error(`there is no n${number}`)
    return node
  }

  async #add(joining: readonly string[]): Promise<FleetNode> {
    const number = this.#count++
    const taken = new Set([...this.#nodes.values()].map(({ place }) => place))
    let place = number % NETWORK_PLACES_MAX
    while (taken.has(place)) place = (place + 1) % NETWORK_PLACES_MAX
    await this.#parts.disks.add(number)
    writeFileSync(this.#clockFile(number), '0')
    const where = await this.#parts.network.add(place)
    const node: FleetNode = {
      number,
      place,
      where,
      joining,
      child: this.#spawn(number, where, joining),
      id: undefined,
      isKilled: false,
      isPaused: false,
      isLeaving: false,
    }
    this.#nodes.set(number, node)
    return node
  }

  #spawn(number: number, where: NetworkPlace, joining: readonly string[]): Child {
    const data = this.#parts.disks.dir(number)
    const args = ['start', '--data', data, '--s3', where.s3, '--admin', where.admin]
      .concat(['--listen', where.listen, '--name', `n${number}`])
      .concat(joining)
    const [program = '', ...rest] = [...where.prefix, process.execPath, ...FLAGS, ENTRY, ...args]
    const env = { ...this.#parts.env, ...where.env, FAULTS_CLOCK: this.#clockFile(number) }
    const child = new Child(program, rest, { cwd: checkout, env })
    this.#parts.guard.tell({ own: child.pid })
    const { logs } = this.#parts
    if (logs !== undefined) {
      child.process.stderr?.on('data', (text: string) =>
        appendFileSync(join(logs, `n${number}.log`), text),
      )
    }
    return child
  }

  #clockFile(number: number): string {
    return join(this.#parts.scratch, `clock-${number}`)
  }

  /** Its id when the running process is ready. */
  #readyId(node: FleetNode): string | undefined {
    if (node.isKilled || node.child.exitCode !== undefined) return undefined
    const id = readyNodesOf(node.child.output)[0]?.node
    node.id ??= id
    return id
  }
}

/** Undefined when the promise fails, or takes longer. */
async function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  return Promise.race([promise.catch(() => undefined), pauseMs(timeoutMs).then(() => undefined)])
}
