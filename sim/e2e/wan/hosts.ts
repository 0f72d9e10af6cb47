/**
 * Hosts of one machine: a network namespace for each node, so that every node has an address of its own.
 * What a node sends to the peer port of another is redirected to a relay of this process (relay.ts), which
 * therefore knows both ends of each connection: it can delay it and fall silent.
 *
 *     namespace i                                this process
 *     10.88.i.1  --connect 10.88.j.1:9002-->     10.88.i.254:RELAY+j  --connect-->  10.88.j.1:9002
 *
 * Needs root, iproute2 and nftables.
 */

import { runCommand } from '../../../bench/harness/process.ts'

export const PEER_PORT = 9002
export const S3_PORT = 9000
export const ADMIN_PORT = 9001
const RELAY_PORT = 7100

export class Hosts {
  readonly size: number
  readonly #tag: string

  private constructor(size: number, tag: string) {
    this.size = size
    this.#tag = tag
  }

  /** Undefined where this machine does not permit it, with the reason. */
  static async create(size: number, tag = 'shoal'): Promise<Hosts | string> {
    const hosts = new Hosts(size, tag)
    await hosts.remove()
    try {
      for (let host = 0; host < size; host++) await hosts.#add(host)
      return hosts
    } catch (error) {
      await hosts.remove()
      return String(error).split('\n')[0] ?? 'unknown'
    }
  }

  namespace(host: number): string {
    return `${this.#tag}-${host}`
  }

  /** Where the node of this host listens. */
  address(host: number): string {
    return `10.88.${host}.1`
  }

  /** Where a connection from `from` to the peer port of `to` arrives. */
  relayAt(from: number, to: number): { host: string; port: number } {
    return { host: `10.88.${from}.254`, port: RELAY_PORT + to }
  }

  async remove(): Promise<void> {
    const { stdout } = await runCommand('ip', ['netns', 'list'], { okCodes: [0, 1, 255] })
    for (const line of stdout.split('\n')) {
      const name = line.split(' ')[0] ?? ''
      if (name.startsWith(`${this.#tag}-`)) await runCommand('ip', ['netns', 'del', name])
    }
  }

  async #add(host: number): Promise<void> {
    const namespace = this.namespace(host)
    const [outer, inner] = [`${this.#tag}${host}o`, `${this.#tag}${host}i`]
    await runCommand('ip', ['netns', 'add', namespace])
    await runCommand('ip', ['link', 'add', outer, 'type', 'veth', 'peer', 'name', inner])
    await runCommand('ip', ['link', 'set', inner, 'netns', namespace])
    await runCommand('ip', ['addr', 'add', `10.88.${host}.254/24`, 'dev', outer])
    await runCommand('ip', ['link', 'set', outer, 'up'])
    const inside = (...args: string[]): Promise<unknown> =>
      runCommand('ip', ['-n', namespace, ...args])
    await inside('addr', 'add', `${this.address(host)}/24`, 'dev', inner)
    await inside('link', 'set', inner, 'up')
    await inside('link', 'set', 'lo', 'up')
    await inside('route', 'add', 'default', 'via', `10.88.${host}.254`)
    const nft = (...args: string[]): Promise<unknown> =>
      runCommand('ip', ['netns', 'exec', namespace, 'nft', 'add', ...args])
    await nft('table', 'ip', 'shoal')
    await nft('chain ip shoal output { type nat hook output priority -100; policy accept; }')
    for (let to = 0; to < this.size; to++) {
      if (to === host) continue
      const relay = this.relayAt(host, to)
      const which = `ip daddr ${this.address(to)} tcp dport ${PEER_PORT}`
      await nft(`rule ip shoal output ${which} dnat to ${relay.host}:${relay.port}`)
    }
  }
}
