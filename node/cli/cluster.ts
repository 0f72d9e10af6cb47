/**
 * `shoal cluster`: N nodes as N processes of this machine.
 *
 * 1. Nodes that are members already start all at once. In an empty directory node 0 founds a cluster.
 * 2. A node that serves issues a token, and the others join with it.
 * 3. When the epoch with all N members is STABLE on every running node, the command prints the ready lines.
 * 4. From then on it reports a node that dies, and the others go on.
 *
 * It names a node that the cluster knows but whose directory is missing or empty, and does not start it: its volume may
 * not be mounted, and a new node in its place would be another member.
 */

import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { shortId } from '../../protocol/ids.ts'
import type { Clock } from '../env/ports.ts'
import { readCredentials, type RootCredentials } from '../process/credential-files.ts'
import { sleep } from '../tools/sleep.ts'
import { AdminClient } from './admin-client.ts'
import { awsLine, shellWord } from './aws-line.ts'
import { ChildNode } from './child-node.ts'
import { existingNodes, knownMembers, membersNotRunning } from './cluster-directory.ts'
import { planCluster, type PlannedNode } from './cluster-plan.ts'
import { describeError } from './fatal.ts'
import { loadConfig } from './settings.ts'
import type { ReadyMessage } from './start.ts'
import { stopSignals } from './stop-signals.ts'
import type { Terminal } from './terminal.ts'

/** The token of step 2. The nodes use it within seconds; a slow disk may need longer. */
const TOKEN_TTL_MS = 600_000
const POLL_INTERVAL_MS = 100
/** How long to wait after the nodes' own `shutdownTimeout`. */
const STOP_GRACE_MS = 8_000

/** The options of the command, as numbers. Each may be left out. */
export interface LocalClusterOptions {
  /** How many nodes in all. Default: those of the directory, or 3. */
  readonly nodes?: number | undefined
  /** The directory of all nodes. Default: ./shoal-cluster. */
  readonly data?: string | undefined
  /** Node i uses this port + 10·i and the two after it. Default: the ports of the last run, or 9000. */
  readonly basePort?: number | undefined
  /** A configuration file for every node. */
  readonly config?: string | undefined
}

/** A node that serves. */
interface Serving {
  readonly plan: PlannedNode
  readonly child: ChildNode
  readonly message: ReadyMessage
}

/**
 * Runs the cluster until a signal ends it or all its nodes are gone. Returns the exit code: 1 when no
 * cluster came up, a node had to be killed, or all of them ended by themselves. Throws UsageError
 * before anything is started.
 *
 * @param entry the script that each child runs: node/main.ts
 */
export async function runCluster(
  options: LocalClusterOptions,
  entry: string,
  terminal: Terminal,
  clock: Clock,
): Promise<number> {
  const data = resolve(options.data ?? './shoal-cluster')
  const existing = existingNodes(data)
  const away = await membersNotRunning(knownMembers(data, existing), existing)
  const plan = planCluster(options, existing, away)
  process.umask(0o077)
  mkdirSync(data, { recursive: true })
  terminal.serves?.()
  const cluster = new Cluster(data, plan.nodes, options, entry, terminal, clock)
  return cluster.run(plan.founds)
}

/** The nodes of one run of the command. */
class Cluster {
  readonly #data: string
  /** Every node that there should be, also those that are lost. */
  readonly #plans: readonly PlannedNode[]
  readonly #options: LocalClusterOptions
  readonly #entry: string
  readonly #terminal: Terminal
  readonly #clock: Clock
  /** Every process that was started, also those that have ended. */
  readonly #children: ChildNode[] = []
  /** From then on a node that ends is not reported. */
  #stopping = false
  /** The last line of progress, so that it is not repeated. */
  #lastProgress = ''

  constructor(
    data: string,
    plans: readonly PlannedNode[],
    options: LocalClusterOptions,
    entry: string,
    terminal: Terminal,
    clock: Clock,
  ) {
    this.#data = data
    this.#plans = plans
    this.#options = options
    this.#entry = entry
    this.#terminal = terminal
    this.#clock = clock
  }

  /** Brings the nodes up, waits, and stops those that are left. A second Ctrl-C kills them. */
  async run(founds: boolean): Promise<number> {
    const signals = stopSignals({
      supervised: false,
      force: () => {
        for (const child of this.#children) child.signal('SIGKILL')
        process.exit(130)
      },
    })
    let exitCode = 0
    try {
      const up = await Promise.race([this.#bringUp(founds), signals.first])
      if (typeof up !== 'string') {
        this.#announce(up)
        const end = await Promise.race([signals.first, this.#allGone()])
        if (end === 'all gone') exitCode = 1
      }
    } catch (error) {
      this.#terminal.error(`shoal: ${describeError(error)}`)
      exitCode = 1
    }
    if (exitCode === 1 && this.#children.every((child) => !child.running)) return exitCode
    return (await this.#stop()) ? exitCode : 1
  }

  /**
   * Steps 1 to 3 of the head. Returns the nodes that serve, in order of their index. Throws when none
   * starts, or when a node of a new cluster can't join.
   */
  async #bringUp(founds: boolean): Promise<readonly Serving[]> {
    const first = this.#plans.filter(({ isMember, index }) => isMember || (founds && index === 0))
    const lost = this.#plans.filter((plan) => plan.lost !== undefined)
    const rest = this.#plans.filter((plan) => !first.includes(plan) && !lost.includes(plan))
    for (const plan of lost) this.#terminal.error(`shoal: ${this.#lostLine(plan, first)}`)
    this.#progress(`starting ${first.map(({ name }) => name).join(', ')}`)
    // A member that does not start is reported like one that dies later, and the others go on.
    const members = await Promise.all(first.map((plan) => this.#start(plan, undefined)))
    const serving = members.filter((each) => each !== undefined)
    const [helper] = serving
    if (helper === undefined) throw new Error('no node could be started')
    if (rest.length > 0) {
      const options = { ttlMs: TOKEN_TTL_MS, uses: rest.length }
      const token = await this.#client(helper).issueToken(options)
      this.#progress(`joining ${rest.map(({ name }) => name).join(', ')}`)
      const joined = await Promise.all(rest.map((plan) => this.#start(plan, token)))
      for (const [at, each] of joined.entries()) {
        if (each !== undefined) serving.push(each)
        // When the cluster served before, the others go on without it.
        else if (founds) throw new Error(`${rest[at]?.name ?? 'a node'} could not join`)
      }
    }
    this.#progress('waiting for the layout')
    for (const each of serving) await this.#stable(each, serving.length)
    return serving.sort((a, b) => a.plan.index - b.plan.index)
  }

  /**
   * Starts one node and waits until it serves. Undefined when it ended before that, which has been
   * reported by then.
   */
  async #start(plan: PlannedNode, token: string | undefined): Promise<Serving | undefined> {
    const directory = join(this.#data, plan.name)
    const child = new ChildNode({
      name: plan.name,
      entry: this.#entry,
      env: environmentOf(plan),
      input: token,
      args: [
        '--data',
        directory,
        '--s3',
        plan.s3,
        '--admin',
        plan.admin,
        '--listen',
        plan.listen,
        ...(token === undefined ? [] : ['--join-file', '-']),
        ...(this.#options.config === undefined ? [] : ['--config', this.#options.config]),
      ],
    })
    this.#children.push(child)
    void child.exited.then(({ how }) => {
      if (this.#stopping) return
      const again = `bring it back with \`shoal start --data ${shellWord(directory)}\``
      // After exit code 2 the next start is refused as well, for instance because the node has left the cluster.
      const what = how === 'exit code 2' ? 'its line above says why' : again
      this.#terminal.error(
        `shoal: ${plan.name} (process ${child.pid ?? '?'}) is gone: ${how}; ${what}`,
      )
    })
    const message = await Promise.race([child.ready, child.exited])
    return 'type' in message ? { plan, child, message } : undefined
  }

  /** Resolves when this node knows a STABLE epoch with all members, or is gone. */
  async #stable(serving: Serving, count: number): Promise<void> {
    const { child } = serving
    const client = this.#client(serving)
    while (child.running) {
      try {
        const { layoutState, members } = await client.status()
        if (layoutState === 'STABLE' && members.length >= count) return
      } catch (error) {
        if (!child.running) return
        this.#progress(describeError(error))
      }
      await this.#sleep(POLL_INTERVAL_MS)
    }
  }

  /**
   * Prints the ready lines for scripts, and the root credentials when the cluster has just been
   * founded.
   */
  #announce(serving: readonly Serving[]): void {
    for (const { message } of serving) {
      this.#terminal.out(
        `ready s3=${message.s3Url} admin=${message.adminUrl} node=${message.nodeId}`,
      )
    }
    const founder = serving.find(({ plan }) => this.#credentials(plan) !== undefined)
    if (founder === undefined) return
    const credentials = this.#credentials(founder.plan)
    if (credentials === undefined) return
    const fresh = founder.message.freshCredentials
    const path = join(this.#directory(founder.plan), 'credentials.json')
    if (fresh) {
      const { accessKeyId, secretAccessKey } = credentials
      this.#terminal.out(
        `credentials accessKeyId=${accessKeyId} secretAccessKey=${secretAccessKey}`,
      )
      this.#terminal.out(`kept in ${path}, not shown again`)
    }
    if (!this.#terminal.isTty) return
    const config = this.#config()
    const node = { s3Url: founder.message.s3Url, credentials: { ...credentials, fresh } }
    const line = awsLine(node, config, path)
    if (line !== undefined) for (const each of ['try:', line]) this.#terminal.out(each)
  }

  /** Resolves when every child has ended. */
  async #allGone(): Promise<'all gone'> {
    await Promise.all(this.#children.map((child) => child.exited))
    return 'all gone'
  }

  /** Stops all nodes at the same time. Returns false when one had to be killed. */
  async #stop(): Promise<boolean> {
    this.#stopping = true
    for (const child of this.#children) child.signal('SIGTERM')
    const deadlineMs = this.#config().shutdownTimeout + STOP_GRACE_MS
    const overdue = this.#sleep(deadlineMs).then(() => 'overdue' as const)
    if ((await Promise.race([this.#allGone(), overdue])) === 'all gone') return true
    for (const child of this.#children.filter(({ running }) => running)) {
      this.#terminal.error(`shoal: ${child.name} did not stop in ${deadlineMs} ms: killed`)
      child.signal('SIGKILL')
    }
    await this.#allGone()
    return false
  }

  /** The configuration that the nodes have in common, as each of them reads it. */
  #config(): ReturnType<typeof loadConfig> {
    const { config } = this.#options
    return loadConfig(
      { data: this.#data, ...(config === undefined ? {} : { config }) },
      withoutToken(process.env),
    )
  }

  #client({ plan, message }: Serving): AdminClient {
    return AdminClient.of(message.adminUrl, this.#directory(plan))
  }

  /**
   * The root credentials, if this node founded the cluster. Damaged ones count as none: the node
   * itself reports them.
   */
  #credentials(plan: PlannedNode): RootCredentials | undefined {
    try {
      return readCredentials(this.#directory(plan))
    } catch {
      return undefined
    }
  }

  /** Says what an operator can do about a node whose directory is missing. */
  #lostLine(plan: PlannedNode, present: readonly PlannedNode[]): string {
    const directory = shellWord(this.#directory(plan))
    const other = present[0] === undefined ? 'DIR' : shellWord(this.#directory(present[0]))
    return (
      `${plan.name} is lost: ${directory} is missing or empty, but the cluster knows it as node ${plan.lost ?? '?'}. ` +
      'The others start without it. If its volume is not mounted, mount it. To replace it, start a new node with ' +
      `--replace ${shortId(plan.lost ?? '')} and --join-file, with a token of \`shoal token --data ${other}\``
    )
  }

  #directory(plan: PlannedNode): string {
    return join(this.#data, plan.name)
  }

  /** Prints lines one after another, because the nodes log to the same terminal. */
  #progress(line: string): void {
    if (!this.#terminal.isTty || line === this.#lastProgress) return
    this.#lastProgress = line
    this.#terminal.error(`${line} …`)
  }

  #sleep(delayMs: number): Promise<void> {
    return sleep(this.#clock, delayMs)
  }
}

/** Leaves out what is not for this node: a token, and the root credentials unless the node may found. */
function environmentOf({ index }: PlannedNode): NodeJS.ProcessEnv {
  const env = withoutToken(process.env)
  if (index === 0) return env
  const { SHOAL_ROOT_ACCESS_KEY: _, SHOAL_ROOT_SECRET_KEY: __, ...rest } = env
  return rest
}

/** A token in the environment is not for these nodes: they get theirs on standard input. */
function withoutToken(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { SHOAL_JOIN: _, SHOAL_JOIN_FILE: __, ...rest } = env
  return rest
}
