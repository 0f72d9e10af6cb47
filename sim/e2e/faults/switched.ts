/**
 * A network of namespaces: each node on a host of its own behind one switch (wan/switch.ts). Cuts are dropped packets.
 * Delays are the kernel's (netem) where it has them. Elsewhere nodes reach each other through relays of this process:
 *
 *     namespace i                          this process
 *     NET.(i+1)  --connect NET.(j+1)-->    NET.254:RELAY+ij  --from NET.(100+i), connect-->  NET.(j+1)
 *
 * so that packets from i to j still have an address by which j can drop them.
 */

import { connect, createServer, type Server, type Socket } from 'node:net'
import { runCommand } from '../../../bench/harness/process.ts'
import { ADMIN_PORT, PEER_PORT, S3_PORT } from '../wan/hosts.ts'
import { carry } from '../wan/relay.ts'
import { SwitchedHosts } from '../wan/switch.ts'
import { Directions } from './directions.ts'
import { doorTo } from './door.ts'
import type { Guard } from './guard.ts'
import { NETWORK_PLACES_MAX, type FaultNetwork, type NetworkPlace } from './network.ts'

const RELAY_PORT = 7_100
/** Last byte of the address from which relays for place 0 connect. */
const RELAY_ADDRESS = 100

export class SwitchedNetwork implements FaultNetwork {
  readonly title: string
  readonly #hosts: SwitchedHosts
  readonly #network: string
  readonly #tag: string
  readonly #scratch: string
  readonly #guard: Guard
  /** Undefined where netem makes the delays. */
  readonly #directions: Directions | undefined
  readonly #servers = new Map<number, Server[]>()
  #delayMs = 0

  private constructor(
    hosts: SwitchedHosts,
    parts: { network: string; tag: string; scratch: string; guard: Guard; hasNetem: boolean },
  ) {
    this.#hosts = hosts
    this.#network = parts.network
    this.#tag = parts.tag
    this.#scratch = parts.scratch
    this.#guard = parts.guard
    this.#directions = parts.hasNetem ? undefined : new Directions()
    const delays = parts.hasNetem
      ? 'delays by netem'
      : 'this kernel has no netem: delays by a relay'
    this.title = `network namespaces, cuts are dropped packets, ${delays}`
  }

  /** Resolves with the reason where this machine does not permit it. `scratch`: a directory for sockets. */
  static async create(guard: Guard, scratch: string): Promise<SwitchedNetwork | string> {
    const drawn = process.pid % 200
    const [tag, network] = [`fl${drawn}`, `10.90.${drawn}`]
    guard.tell({ undo: ['ip', 'link', 'del', `${tag}-br`] })
    const hosts = await SwitchedHosts.create(0, tag, network)
    if (typeof hosts === 'string') return hosts
    const parts = { network, tag, scratch, guard, hasNetem: false }
    // Try whether hosts may be added, and whether the kernel has netem.
    const trial = new SwitchedNetwork(hosts, parts)
    try {
      await trial.#addHost(0)
      parts.hasNetem = await hasNetem(tag, hosts.namespace(0))
      await hosts.removeHost(0)
    } catch (error) {
      await hosts.remove()
      return String(error).split('\n')[0] ?? 'unknown'
    }
    return new SwitchedNetwork(hosts, parts)
  }

  async add(place: number): Promise<NetworkPlace> {
    await this.#addHost(place)
    const namespace = this.#hosts.namespace(place)
    const servers: Server[] = []
    this.#servers.set(place, servers)
    if (this.#directions !== undefined) {
      const alias = `${this.#relayAddress(place)}/24`
      await runCommand('ip', ['addr', 'add', alias, 'dev', `${this.#tag}-br`])
      const rules = ['add chain ip shoal output { type nat hook output priority -100; }']
      for (let to = 0; to < NETWORK_PLACES_MAX; to++) {
        if (to === place) continue
        const which = `ip daddr ${this.#hosts.address(to)} tcp dport ${PEER_PORT}`
        const port = relayPort(place, to)
        const relay = `${this.#hosts.outside}:${port}`
        rules.push(`add rule ip shoal output ${which} dnat to ${relay}`)
        const server = createServer((near) => this.#connected(near, place, to))
        servers.push(server)
        await listening(server, port, this.#hosts.outside)
      }
      await this.#hosts.nft(place, rules.join('; '))
    } else if (this.#delayMs > 0) await this.#netem(place)
    const door = `${this.#scratch}/door-${place}`
    const { server, port } = await doorTo(door)
    servers.push(server)
    const address = this.#hosts.address(place)
    return {
      prefix: ['ip', 'netns', 'exec', namespace],
      env: { FAULTS_DOOR: door },
      s3: `${address}:${S3_PORT}`,
      admin: `127.0.0.1:${ADMIN_PORT}`,
      listen: `/ip4/${address}/tcp/${PEER_PORT}`,
      adminUrl: `http://127.0.0.1:${port}`,
    }
  }

  async remove(place: number): Promise<void> {
    for (const server of this.#servers.get(place) ?? []) server.close()
    this.#servers.delete(place)
    await this.#hosts.removeHost(place)
    if (this.#directions === undefined) return
    const alias = `${this.#relayAddress(place)}/24`
    await runCommand('ip', ['addr', 'del', alias, 'dev', `${this.#tag}-br`])
  }

  async cut(from: number, to: number): Promise<void> {
    await this.#hosts.cut(from, to)
    if (this.#directions !== undefined) await this.#hosts.drop(this.#relayAddress(from), to)
  }

  heal(): Promise<void> {
    return this.#hosts.heal()
  }

  async delay(delayMs: number): Promise<void> {
    this.#delayMs = delayMs
    this.#directions?.delay(delayMs)
    if (this.#directions !== undefined) return
    for (const place of this.#servers.keys()) await this.#netem(place)
  }

  close(): void {
    for (const servers of this.#servers.values()) for (const server of servers) server.close()
  }

  #relayAddress(place: number): string {
    return `${this.#network}.${RELAY_ADDRESS + place}`
  }

  async #addHost(place: number): Promise<void> {
    this.#guard.tell({ undo: ['ip', 'netns', 'del', this.#hosts.namespace(place)] })
    await this.#hosts.add(place)
  }

  async #netem(place: number): Promise<void> {
    // `limit` counts packets on their way.
    const delay = [`${this.#delayMs}ms`, 'limit', '100000']
    const device = deviceOf(this.#tag, place)
    await tc(
      this.#hosts.namespace(place),
      'replace',
      'dev',
      device,
      'root',
      'netem',
      'delay',
      ...delay,
    )
  }

  #connected(near: Socket, from: number, to: number): void {
    if (this.#directions === undefined) return
    near.setNoDelay(true)
    near.on('error', () => near.destroy())
    const far = connect({
      port: PEER_PORT,
      host: this.#hosts.address(to),
      localAddress: this.#relayAddress(from),
    })
    carry(near, far, this.#directions.of(from, to), this.#directions.of(to, from))
  }
}

function relayPort(from: number, to: number): number {
  return RELAY_PORT + from * NETWORK_PLACES_MAX + to
}

/** The host's end of its cable (wan/switch.ts). */
function deviceOf(tag: string, place: number): string {
  return `${tag}${place}i`
}

function tc(namespace: string, ...args: string[]): Promise<unknown> {
  return runCommand('ip', ['netns', 'exec', namespace, 'tc', 'qdisc', ...args])
}

async function hasNetem(tag: string, namespace: string): Promise<boolean> {
  try {
    const device = deviceOf(tag, 0)
    await tc(namespace, 'replace', 'dev', device, 'root', 'netem', 'delay', '1ms')
    return true
  } catch {
    return false
  }
}

function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
}
