/** A cluster whose nodes run on hosts of their own (hosts.ts), each a process that can be killed and stopped. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child, runCommand, signalGroup, untilTrue } from '../../../bench/harness/process.ts'
import { checkout, credentialsOf } from '../../../bench/harness/shoal.ts'
import type { Credentials } from '../../../bench/harness/sign.ts'
import { ADMIN_PORT, PEER_PORT, S3_PORT, type Hosts } from './hosts.ts'

/** Where its nodes run. */
type Places = Pick<Hosts, 'size' | 'namespace' | 'address'>

const START_TIMEOUT_MS = 90_000
const FLAGS = ['--max-semi-space-size=8', '--max-old-space-size=1024']

export class WanCluster {
  readonly #hosts: Places
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'shoal-wan-'))
  readonly #nodes = new Map<number, Child>()
  readonly #env: Readonly<Record<string, string>>

  private constructor(hosts: Places, env: Readonly<Record<string, string>>) {
    this.#hosts = hosts
    this.#env = env
  }

  static async start(
    hosts: Places,
    env: Readonly<Record<string, string>> = {},
  ): Promise<WanCluster> {
    const cluster = new WanCluster(hosts, env)
    try {
      cluster.spawn(0)
      await cluster.ready(0)
      const uses = String(hosts.size - 1)
      const args = ['token', '--data', cluster.nodeDir(0), '--uses', uses]
      const token = join(cluster.#dataDir, 'token')
      writeFileSync(token, (await cluster.#cli(0, args)).stdout, { mode: 0o600 })
      for (let node = 1; node < hosts.size; node++) {
        cluster.spawn(node, ['--join-file', token])
        await cluster.ready(node)
      }
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    }
  }

  get credentials(): Credentials {
    return credentialsOf(this.nodeDir(0))
  }

  nodeDir(node: number): string {
    return join(this.#dataDir, `node-${node}`)
  }

  endpoint(node: number): string {
    return `http://${this.#hosts.address(node)}:${S3_PORT}`
  }

  /** What the node has written so far: the last 256 KiB. */
  output(node: number): string {
    return this.#nodes.get(node)?.output ?? ''
  }

  isUp(node: number): boolean {
    const child = this.#nodes.get(node)
    return child !== undefined && child.exitCode === undefined
  }

  /** Starts the process; `ready` waits for it. */
  spawn(node: number, more: readonly string[] = []): void {
    mkdirSync(this.nodeDir(node), { recursive: true })
    const address = this.#hosts.address(node)
    const args = ['start', '--data', this.nodeDir(node), '--s3', `${address}:${S3_PORT}`]
      .concat(['--admin', `127.0.0.1:${ADMIN_PORT}`])
      .concat(['--listen', `/ip4/${address}/tcp/${PEER_PORT}`, ...more])
    this.#nodes.set(
      node,
      new Child('ip', this.#inside(node, args), { cwd: checkout, env: this.#env }),
    )
  }

  async ready(node: number): Promise<void> {
    const said = (output: string): true | undefined => /\bready s3=/.test(output) || undefined
    await this.#nodes.get(node)?.waitFor(`node ${node} to be ready`, said, START_TIMEOUT_MS)
  }

  /** SIGKILL. */
  async kill(node: number): Promise<void> {
    await this.#nodes.get(node)?.kill()
  }

  signal(node: number, signal: 'SIGSTOP' | 'SIGCONT'): void {
    signalGroup(this.#nodes.get(node)?.pid ?? 0, signal)
  }

  /** `shoal status --json` of a node. */
  async status(node: number): Promise<unknown> {
    const { stdout } = await this.#cli(node, ['status', '--data', this.nodeDir(node), '--json'])
    return JSON.parse(stdout) as unknown
  }

  async close(): Promise<void> {
    for (const node of this.#nodes.keys()) this.signal(node, 'SIGCONT')
    for (const child of this.#nodes.values()) await child.kill()
    await untilTrue('processes to end', async () => true, 1_000)
    rmSync(this.#dataDir, { recursive: true, force: true })
  }

  #inside(node: number, args: readonly string[]): string[] {
    const entry = join(checkout, 'node', 'main.ts')
    const program = [process.execPath, ...FLAGS, entry, ...args]
    return ['netns', 'exec', this.#hosts.namespace(node), ...program]
  }

  #cli(node: number, args: readonly string[]): ReturnType<typeof runCommand> {
    return runCommand('ip', this.#inside(node, args), { cwd: checkout, timeoutMs: 60_000 })
  }
}
