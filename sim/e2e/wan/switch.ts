/**
 * Hosts on one switch: a network namespace for each node and a bridge between them, where packets between two
 * hosts can be dropped in silence, each way by itself. Nothing else of the network notices, as with a cable cut
 * behind a switch: TCP sends again, at longer and longer intervals, and connecting gets no answer.
 *
 * Needs root, iproute2 and nftables.
 */

import { runCommand } from '../../../bench/harness/process.ts'

export class SwitchedHosts {
  readonly size: number
  readonly #tag: string
  readonly #network: string
  readonly #added = new Set<number>()

  private constructor(size: number, tag: string, network: string) {
    this.size = size
    this.#tag = tag
    this.#network = network
  }

  /**
   * Starts with `size` hosts; more can be added. `network` is the first three bytes of their addresses. Resolves
   * with the reason where this machine does not permit it.
   */
  static async create(
    size: number,
    tag = 'heal',
    network = '10.89.0',
  ): Promise<SwitchedHosts | string> {
    const hosts = new SwitchedHosts(size, tag, network)
    await hosts.remove()
    try {
      await runCommand('ip', ['link', 'add', `${tag}-br`, 'type', 'bridge'])
      await runCommand('ip', ['addr', 'add', `${hosts.outside}/24`, 'dev', `${tag}-br`])
      await runCommand('ip', ['link', 'set', `${tag}-br`, 'up'])
      for (let host = 0; host < size; host++) await hosts.add(host)
      return hosts
    } catch (error) {
      await hosts.remove()
      return String(error).split('\n')[0] ?? 'unknown'
    }
  }

  namespace(host: number): string {
    return `${this.#tag}-${host}`
  }

  address(host: number): string {
    return `${this.#network}.${host + 1}`
  }

  /** The address of this process on the switch. */
  get outside(): string {
    return `${this.#network}.254`
  }

  /** What `from` sends does not arrive at `to` any more. */
  async cut(from: number, to: number): Promise<void> {
    await this.drop(this.address(from), to)
  }

  /** Packets from the address no longer arrive at `to`. */
  async drop(address: string, to: number): Promise<void> {
    await this.nft(to, `add rule ip shoal input ip saddr ${address} drop`)
  }

  async heal(): Promise<void> {
    for (const host of this.#added) await this.nft(host, 'flush chain ip shoal input')
  }

  async remove(): Promise<void> {
    const { stdout } = await runCommand('ip', ['netns', 'list'], { okCodes: [0, 1, 255] })
    for (const line of stdout.split('\n')) {
      const name = line.split(' ')[0] ?? ''
      if (name.startsWith(`${this.#tag}-`)) await runCommand('ip', ['netns', 'del', name])
    }
    await runCommand('ip', ['link', 'del', `${this.#tag}-br`], { okCodes: [0, 1, 255] })
  }

  async removeHost(host: number): Promise<void> {
    if (this.#added.delete(host)) await runCommand('ip', ['netns', 'del', this.namespace(host)])
  }

  async add(host: number): Promise<void> {
    const namespace = this.namespace(host)
    const [outer, inner] = [`${this.#tag}${host}o`, `${this.#tag}${host}i`]
    await runCommand('ip', ['netns', 'add', namespace])
    await runCommand('ip', ['link', 'add', outer, 'type', 'veth', 'peer', 'name', inner])
    await runCommand('ip', ['link', 'set', inner, 'netns', namespace])
    await runCommand('ip', ['link', 'set', outer, 'master', `${this.#tag}-br`])
    await runCommand('ip', ['link', 'set', outer, 'up'])
    const inside = (...args: string[]): Promise<unknown> =>
      runCommand('ip', ['-n', namespace, ...args])
    await inside('addr', 'add', `${this.address(host)}/24`, 'dev', inner)
    await inside('link', 'set', inner, 'up')
    await inside('link', 'set', 'lo', 'up')
    await this.nft(host, 'add table ip shoal')
    // Runs after address translation (priority 100), when an answer has the address to which the host had sent.
    await this.nft(
      host,
      'add chain ip shoal input { type filter hook input priority 150; policy accept; }',
    )
    this.#added.add(host)
  }

  /** Runs one nft command on the host. */
  nft(host: number, command: string): Promise<unknown> {
    return runCommand('ip', ['netns', 'exec', this.namespace(host), 'nft', command])
  }
}
