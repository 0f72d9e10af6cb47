/** Nodes that come and go, each a process of its own, by the documented commands: start, join, drain, replace, kill. */

import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { scrape, sumOf } from '../../../bench/harness/metrics.ts'
import { Child, isAlive, pauseMs, untilTrue } from '../../../bench/harness/process.ts'
import { freeBasePort } from '../../../node/testing/free-ports.ts'
import {
  checkout,
  credentialsOf,
  readyNodesOf,
  shoal as command,
  type ReadyNode,
} from '../../../bench/harness/shoal.ts'
import type { Credentials } from '../../../bench/harness/sign.ts'
import type { LayoutPlan, PlannedChange } from '../../../gateway/port/layout.ts'
import { AdminClient } from '../../../node/cli/admin-client.ts'
import { JointTimes } from './joint-times.ts'
import { layoutOf, type LayoutSeen } from './layout-seen.ts'

const NODES_MAX = 12
const READY_MS = 180_000
/** The last line of a node that has left the cluster and ends. */
export const HAS_LEFT = /it may be switched off|was removed from the cluster/

export interface JoiningMember {
  /** A lost node whose place it takes. */
  readonly replace?: string | undefined
  readonly zone?: string | undefined
  /** Added to the node's environment, also at later starts. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Its data directory, when it is not beside the others'. */
  readonly dir?: string | undefined
}

export class Members {
  readonly dataDir: string
  readonly #basePort: number
  readonly #args: readonly string[]
  readonly #children = new Map<number, Child>()
  readonly #ready = new Map<number, ReadyNode>()
  /** What a node was given to join by. */
  readonly #joining = new Map<number, readonly string[]>()
  readonly #env = new Map<number, Readonly<Record<string, string>>>()
  readonly #dirs = new Map<number, string>()
  /** Killed, and not started again yet. */
  readonly #down = new Set<number>()
  readonly #ended = new Set<number>()
  /** How long JOINT epochs lasted, from the lines of all nodes. */
  readonly joint = new JointTimes()
  #count = 0

  private constructor(dataDir: string, basePort: number, args: readonly string[]) {
    this.dataDir = dataDir
    this.#basePort = basePort
    this.#args = args
  }

  /** One node, which founds a cluster. `args` go to every `shoal start`. */
  static async found(
    args: readonly string[] = [],
    { env, dir }: Pick<JoiningMember, 'env' | 'dir'> = {},
  ): Promise<Members> {
    const dataDir = mkdtempSync(join(tmpdir(), 'shoal-grow-'))
    const members = new Members(dataDir, await freeBasePort(NODES_MAX), args)
    members.#place(members.#count, env, dir)
    try {
      await members.#start(members.#count++, [])
    } catch (error) {
      await members.close()
      throw error
    }
    return members
  }

  get credentials(): Credentials {
    return credentialsOf(this.dir(0))
  }

  /** Numbers of those that run, or should. */
  get running(): number[] {
    return [...this.#children.keys()].sort((a, b) => a - b)
  }

  dir(node: number): string {
    return this.#dirs.get(node) ?? join(this.dataDir, `node-${node}`)
  }

  endpoint(node: number): string {
    return `http://127.0.0.1:${this.#basePort + 10 * node}`
  }

  admin(node: number): string {
    return `http://127.0.0.1:${this.#basePort + 10 * node + 1}`
  }

  /** The node's id, once it has been ready. */
  id(node: number): string {
    const ready = this.#ready.get(node)
    if (ready === undefined) throw new Error(`node ${node} was never ready`)
    return ready.node
  }

  idIfReady(node: number): string | undefined {
    return this.#ready.get(node)?.node
  }

  /** The nodes that have ended by themselves since the last call, with what they wrote. */
  takeEnded(): { node: number; code: number; output: string }[] {
    const ended: { node: number; code: number; output: string }[] = []
    for (const [node, { exitCode, output }] of this.#children) {
      if (exitCode === undefined || this.#down.has(node) || this.#ended.has(node)) continue
      this.#ended.add(node)
      ended.push({ node, code: exitCode, output })
    }
    return ended
  }

  isRunning(node: number): boolean {
    const child = this.#children.get(node)
    return child !== undefined && child.exitCode === undefined
  }

  /** Id of the process that was started last for the node. */
  process(node: number): number | undefined {
    return this.#children.get(node)?.pid
  }

  /** Sets the environment of its next starts. */
  setEnv(node: number, env: Readonly<Record<string, string>>): void {
    this.#env.set(node, env)
  }

  pid(node: number): number {
    return Number(readFileSync(join(this.dir(node), 'shoal.pid'), 'utf8').trim())
  }

  /** Starts one more node with a token of `through`. `ready` waits for it, though it is killed and started again. */
  async join(through: number, joining: JoiningMember = {}): Promise<JoiningNode> {
    const { replace, zone, env, dir } = joining
    const { stdout } = await command(['token', '--data', this.dir(through)])
    const node = this.#count++
    this.#place(node, env, dir)
    const token = join(this.dataDir, `token-${node}`)
    writeFileSync(token, stdout, { mode: 0o600 })
    const args = ['--join-file', token]
    if (replace !== undefined) args.push('--replace', replace)
    if (zone !== undefined) args.push('--zone', zone)
    this.#joining.set(node, args)
    this.#spawn(node, args)
    return { node, ready: this.#untilReady(node) }
  }

  /** Starts a killed node again with the same directory and addresses. It gets a token only when it was killed before it
   * had the layout. */
  async again(node: number): Promise<void> {
    const isAdmitted = existsSync(join(this.dir(node), 'layout.json'))
    await this.#start(node, isAdmitted ? [] : (this.#joining.get(node) ?? []))
  }

  /** SIGKILL. With `forGood` its data is lost as well. */
  async kill(node: number, forGood = false): Promise<void> {
    const child = this.#children.get(node)
    this.#down.add(node)
    let pid: number | undefined
    try {
      pid = this.pid(node)
    } catch {
      // It had not been started yet.
    }
    await child?.kill()
    if (pid !== undefined) {
      const dead = pid
      await untilTrue(
        `node ${node} to die`,
        async () => (isAlive(dead) ? undefined : true),
        10_000,
        20,
      )
    }
    if (!forGood) return
    this.#children.delete(node)
    rmSync(this.dir(node), { recursive: true, force: true })
  }

  /** A node that has left the cluster is switched off. */
  async switchOff(node: number): Promise<void> {
    await this.#children.get(node)?.stop()
    this.#children.delete(node)
  }

  /** Runs `shoal layout ARGS`. */
  async layout(through: number, ...args: string[]): Promise<string> {
    const { stdout } = await command(['layout', ...args, '--data', this.dir(through), '--json'])
    return stdout
  }

  async seen(through: number): Promise<LayoutSeen> {
    return layoutOf(await this.#client(through).layout())
  }

  /** What the change would move, by the plan that `shoal layout` prints. */
  plan(through: number, change: PlannedChange): Promise<LayoutPlan> {
    return this.#client(through).planChange(change)
  }

  async status(through: number): Promise<Record<string, unknown>> {
    const { stdout } = await command(['status', '--data', this.dir(through), '--json'])
    return JSON.parse(stdout) as Record<string, unknown>
  }

  /** Waits until `isSo` holds for the latest layout that any node knows, when more than half of the nodes have
   * answered. */
  async untilLayout(
    what: string,
    isSo: (seen: LayoutSeen) => boolean,
    timeoutMs: number,
  ): Promise<LayoutSeen> {
    let last = 'nobody answered'
    const deadline = performance.now() + timeoutMs
    while (performance.now() < deadline) {
      const { running } = this
      const answers = await Promise.all(
        running.map((node) =>
          this.seen(node).catch((error: unknown) => {
            last = String(error).slice(0, 500)
          }),
        ),
      )
      const seen = answers.filter((one) => one !== undefined)
      const latest = seen.toSorted((a, b) => b.epoch - a.epoch)[0]
      if (latest !== undefined) last = latest.text
      if (latest !== undefined && 2 * seen.length > running.length && isSo(latest)) return latest
      await pauseMs(500)
    }
    throw new Error(`${timeoutMs} ms passed before ${what}: ${last}`)
  }

  /** The sum over the nodes that answer. */
  async metric(name: string): Promise<number> {
    let sum = 0
    for (const node of this.running) {
      const samples = await scrape(this.admin(node)).catch(() => [])
      sum += sumOf(samples, name)
    }
    return sum
  }

  output(node: number): string {
    return this.#children.get(node)?.output ?? ''
  }

  async close(): Promise<void> {
    await Promise.all([...this.#children.values()].map((child) => child.stop(10_000)))
    if (process.env['SHOAL_KEEP_DATA'] !== undefined) console.log(`kept: ${this.dataDir}`)
    else rmSync(this.dataDir, { recursive: true, force: true })
  }

  #place(
    node: number,
    env: Readonly<Record<string, string>> | undefined,
    dir: string | undefined,
  ): void {
    if (env !== undefined) this.#env.set(node, env)
    if (dir !== undefined) this.#dirs.set(node, dir)
  }

  #client(node: number): AdminClient {
    return AdminClient.of(this.admin(node), this.dir(node))
  }

  async #start(node: number, args: readonly string[]): Promise<void> {
    const child = this.#spawn(node, args)
    const what = `node ${node} is ready`
    this.#ready.set(node, await child.waitFor(what, (output) => readyNodesOf(output)[0], READY_MS))
  }

  async #untilReady(node: number): Promise<void> {
    const deadline = performance.now() + READY_MS
    for (;;) {
      const child = this.#children.get(node)
      const ready = readyNodesOf(child?.output ?? '')[0]
      if (ready !== undefined) {
        this.#ready.set(node, ready)
        return
      }
      const isOver = child?.exitCode !== undefined && !this.#down.has(node)
      if (isOver || performance.now() > deadline) {
        const why = isOver ? `ended with ${child.exitCode}` : 'not in time'
        throw new Error(`node ${node} is not ready: ${why}\n${child?.output.slice(-2_000)}`)
      }
      await pauseMs(100)
    }
  }

  #spawn(node: number, args: readonly string[]): Child {
    const port = (offset: number): string => `127.0.0.1:${this.#basePort + 10 * node + offset}`
    const entry = process.env['SHOAL_ENTRY'] ?? join(checkout, 'node', 'main.ts')
    const child = new Child(
      process.execPath,
      ['--max-semi-space-size=8', '--max-old-space-size=1024', entry, 'start'].concat(
        ['--data', this.dir(node), '--s3', port(0), '--admin', port(1)],
        ['--listen', `/ip4/127.0.0.1/tcp/${this.#basePort + 10 * node + 2}`, '--name', `n${node}`],
        this.#args,
        args,
      ),
      { cwd: checkout, env: this.#env.get(node) ?? {} },
    )
    this.#children.set(node, child)
    this.#down.delete(node)
    this.#ended.delete(node)
    child.process.stderr?.on('data', (text: string) => {
      this.joint.take(node, text)
      if (process.env['SHOAL_KEEP_DATA'] !== undefined) {
        appendFileSync(join(this.dataDir, `node-${node}.log`), text)
      }
    })
    return child
  }
}

export interface JoiningNode {
  readonly node: number
  readonly ready: Promise<void>
}
