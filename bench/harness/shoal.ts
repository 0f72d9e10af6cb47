/**
 * Shoal from outside: starts one node or a cluster from this checkout in a directory of its own, by the
 * documented commands and nothing else, waits for the ready lines, kills and restarts.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Child, isAlive, runCommand, untilTrue } from './process.ts'
import { freeBasePort } from '../../node/testing/free-ports.ts'
import type { RunResult } from './process.ts'
import { groupOf } from './proc.ts'
import { scrape } from './metrics.ts'
import type { MetricSample } from './metrics.ts'
import type { Credentials } from './sign.ts'

export const checkout = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

export interface ReadyNode {
  readonly s3: string
  readonly admin: string
  readonly node: string
}

/** All `ready s3=URL admin=URL node=ID` lines of an output, by S3 port. */
export function readyNodesOf(output: string): ReadyNode[] {
  const found = new Map<string, ReadyNode>()
  for (const match of output.matchAll(/\bready s3=(\S+) admin=(\S+) node=(\S+)[^\n]*\n/g)) {
    const [, s3 = '', admin = '', node = ''] = match
    found.set(s3, { s3: s3.replace(/\/$/, ''), admin, node })
  }
  return [...found.values()].sort((a, b) => portOf(a.s3) - portOf(b.s3))
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

/** What this harness reads of `shoal layout show --json`. */
interface LayoutShown {
  readonly state: string
  readonly sources: number
  readonly nodes: readonly unknown[]
}

export interface ShoalOptions {
  readonly nodes: number
  /** Kept when given, else a temporary directory that `close` removes. */
  readonly dataDir?: string
  readonly basePort?: number | undefined
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
  /** What `up` runs. Default: SHOAL_ENTRY, or else the sources. */
  readonly entry?: string
}

/** What runs: the checkout's own, or by SHOAL_ENTRY another, such as dist/node/main.js of a build. */
const entry = process.env['SHOAL_ENTRY'] ?? join(checkout, 'node', 'main.ts')

/** The arguments of node that run Shoal's CLI: the flags are those of `npm start`. */
function cli(args: readonly string[], program = entry): string[] {
  return ['--max-semi-space-size=8', '--max-old-space-size=1024', program, ...args]
}

/** Runs one CLI command to its end. */
export async function shoal(
  args: readonly string[],
  options: { timeoutMs?: number; okCodes?: readonly number[] } = {},
): Promise<RunResult> {
  return runCommand(process.execPath, cli(args), { cwd: checkout, timeoutMs: 60_000, ...options })
}

export class Shoal {
  readonly dataDir: string
  readonly basePort: number
  #size: number
  readonly #options: ShoalOptions
  readonly #temporary: boolean
  #leader: Child | undefined
  /** Nodes started on their own again, by index. */
  readonly #single = new Map<number, Child>()
  #ready: readonly ReadyNode[] = []
  #credentials: Credentials | undefined

  private constructor(options: ShoalOptions, dataDir: string, basePort: number) {
    this.#options = options
    this.#temporary = options.dataDir === undefined
    this.dataDir = dataDir
    this.basePort = basePort
    this.#size = options.nodes
  }

  /** Starts and waits until every node has said that it is ready. */
  static async start(options: ShoalOptions): Promise<Shoal> {
    const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'shoal-'))
    const basePort = options.basePort ?? (await freeBasePort(options.nodes))
    const shoal = new Shoal(options, dataDir, basePort)
    try {
      await shoal.up()
    } catch (error) {
      await shoal.close()
      throw error
    }
    return shoal
  }

  get size(): number {
    return this.#size
  }

  get endpoints(): string[] {
    return this.#ready.map((ready) => ready.s3)
  }

  get ready(): readonly ReadyNode[] {
    return this.#ready
  }

  get credentials(): Credentials {
    return (this.#credentials ??= credentialsOf(this.dataDir))
  }

  get output(): string {
    return [this.#leader, ...this.#single.values()].map((child) => child?.output ?? '').join('\n')
  }

  nodeDir(index: number): string {
    return join(this.dataDir, `node-${index}`)
  }

  /** The node's process id, from its data directory. */
  pid(index: number): number {
    return Number(readFileSync(join(this.nodeDir(index), 'shoal.pid'), 'utf8').trim())
  }

  pids(): number[] {
    return Array.from({ length: this.size }, (_, index) => this.pid(index))
  }

  /** Starts all nodes on the same data directory (again). */
  async up(): Promise<void> {
    const { nodes, env, timeoutMs = 90_000, entry: program } = this.#options
    const url = (offset: number): string => `127.0.0.1:${this.basePort + offset}`
    const args =
      nodes === 1
        ? ['start', '--data', this.nodeDir(0), '--s3', url(0), '--admin', url(1)].concat([
            '--listen',
            `/ip4/127.0.0.1/tcp/${this.basePort + 2}`,
          ])
        : ['cluster', '--nodes', String(nodes), '--data', this.dataDir].concat([
            '--base-port',
            String(this.basePort),
          ])
    this.#leader = new Child(process.execPath, cli(args, program), {
      cwd: checkout,
      ...(env === undefined ? {} : { env }),
    })
    this.#ready = await this.#leader.waitFor(
      `${nodes} ready line(s)`,
      (output) => {
        const lines = readyNodesOf(output)
        return lines.length >= nodes ? lines : undefined
      },
      timeoutMs,
    )
  }

  /** SIGKILL to every node at (nearly) the same instant, and to what started them. */
  async killAll(): Promise<void> {
    for (let index = 0; index < this.size; index++) this.#signalNode(index, 'SIGKILL')
    await this.#leader?.kill()
    for (const child of this.#single.values()) await child.kill()
    this.#single.clear()
    await this.#allGone()
  }

  /** SIGKILL to one node. */
  async killNode(index: number): Promise<void> {
    const pid = this.pid(index)
    this.#signalNode(index, 'SIGKILL')
    await untilTrue(
      `node ${index} to die`,
      async () => (isAlive(pid) ? undefined : true),
      10_000,
      20,
    )
    this.#single.delete(index)
  }

  /** `shoal start --data DATA/node-i`, until its ready line. */
  async startNode(index: number, timeoutMs = 90_000): Promise<void> {
    const child = new Child(process.execPath, cli(['start', '--data', this.nodeDir(index)]), {
      cwd: checkout,
      ...(this.#options.env === undefined ? {} : { env: this.#options.env }),
    })
    this.#single.set(index, child)
    await child.waitFor(
      'a ready line',
      (output) => (readyNodesOf(output).length > 0 ? true : undefined),
      timeoutMs,
    )
  }

  /** Starts one more node, with a token of the first one. Resolves when it serves; blocks may still move. */
  async grow(timeoutMs = 90_000): Promise<void> {
    const index = this.#size
    const { stdout } = await shoal(['token', '--data', this.nodeDir(0)])
    const token = join(this.dataDir, `token-${index}`)
    writeFileSync(token, stdout, { mode: 0o600 })
    const url = (offset: number): string => `127.0.0.1:${this.basePort + 10 * index + offset}`
    const args = ['start', '--data', this.nodeDir(index), '--s3', url(0), '--admin', url(1)].concat(
      ['--listen', `/ip4/127.0.0.1/tcp/${this.basePort + 10 * index + 2}`, '--join-file', token],
    )
    const { env } = this.#options
    const child = new Child(process.execPath, cli(args), {
      cwd: checkout,
      ...(env === undefined ? {} : { env }),
    })
    this.#single.set(index, child)
    this.#size++
    const line = await child.waitFor('a ready line', (output) => readyNodesOf(output)[0], timeoutMs)
    this.#ready = [...this.#ready, line]
  }

  /** Waits until no change of the layout is under way and no block has to move. */
  async settled(timeoutMs = 120_000): Promise<void> {
    await untilTrue(
      'the layout to settle',
      async () => {
        const seen = (await this.json(0, ['layout', 'show'])) as LayoutShown
        const isOver = seen.state === 'STABLE' && seen.sources === 0
        return isOver && seen.nodes.length === this.#size ? true : undefined
      },
      timeoutMs,
      500,
    )
  }

  /** SIGTERM; returns the exit code of what was started first (0 by the contract). */
  async stop(): Promise<number> {
    const codes = [(await this.#leader?.stop(30_000)) ?? 0]
    for (const child of this.#single.values()) codes.push(await child.stop())
    this.#single.clear()
    for (let index = 0; index < this.size; index++) this.#signalNode(index, 'SIGKILL')
    return Math.max(...codes)
  }

  /** Stops all processes, with SIGKILL if need be, and removes a temporary directory unless SHOAL_KEEP_DATA is set. */
  async close(): Promise<void> {
    await this.#leader?.stop(10_000)
    await this.killAll()
    if (!this.#temporary) return
    if (process.env['SHOAL_KEEP_DATA'] !== undefined) console.log(`kept: ${this.dataDir}`)
    else rmSync(this.dataDir, { recursive: true, force: true })
  }

  async metrics(index: number): Promise<MetricSample[]> {
    const admin = this.#ready[index]?.admin
    if (admin === undefined) throw new Error(`no admin address of node ${index}`)
    return scrape(admin)
  }

  /** `shoal ARGS --data DATA/node-i --json`, parsed. */
  async json(index: number, args: readonly string[]): Promise<unknown> {
    const { stdout } = await shoal([...args, '--data', this.nodeDir(index), '--json'])
    return JSON.parse(stdout) as unknown
  }

  /** Signals the process named by the pid file, when that process is indeed a node of ours. */
  #signalNode(index: number, signal: NodeJS.Signals): void {
    try {
      const pid = this.pid(index)
      if (this.#isOurs(pid)) process.kill(pid, signal)
    } catch {
      // No pid file, or no such process: there is nothing to signal.
    }
  }

  /**
   * A pid file may be stale and its number may belong to another process by now. A process is ours when it names our
   * data directory, or is in the process group of something that we started.
   */
  #isOurs(pid: number): boolean {
    if (!(pid > 1)) return false
    const leaders = [this.#leader, ...this.#single.values()]
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1')
      if (!command.includes(entry)) return false
      return command.includes(this.dataDir) || leaders.some((l) => l?.pid === groupOf(pid))
    } catch {
      return false
    }
  }

  async #allGone(): Promise<void> {
    const alive = async (): Promise<true | undefined> => {
      for (let index = 0; index < this.size; index++) {
        try {
          if (this.#isOurs(this.pid(index))) return undefined
        } catch {
          // No pid file: this one never started.
        }
      }
      return true
    }
    await untilTrue('all nodes to die', alive, 15_000, 20)
  }
}

/** The founder's credentials; a cluster keeps them in its first node's directory. */
export function credentialsOf(dataDir: string): Credentials {
  for (const file of ['credentials.json', 'node-0/credentials.json']) {
    try {
      const parsed = JSON.parse(readFileSync(join(dataDir, file), 'utf8')) as Partial<Credentials>
      if (typeof parsed.accessKeyId === 'string' && typeof parsed.secretAccessKey === 'string') {
        return { accessKeyId: parsed.accessKeyId, secretAccessKey: parsed.secretAccessKey }
      }
    } catch {
      // Try the next place.
    }
  }
  throw new Error(`${dataDir}: no credentials.json`)
}
