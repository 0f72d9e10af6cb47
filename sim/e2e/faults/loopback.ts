/**
 * A network that needs no permission: all nodes share this machine's loopback address. They connect to each other
 * through a relay in this process (entry.ts redirects them), which delays and drops.
 */

import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { freeBasePort } from '../../../node/testing/free-ports.ts'
import { carry } from '../wan/relay.ts'
import type { EntryWires } from './entry.ts'
import { NETWORK_PLACES_MAX, type FaultNetwork, type NetworkPlace } from './network.ts'
import { Directions } from './directions.ts'

export class LoopbackNetwork implements FaultNetwork {
  readonly title = 'loopback with a relay between the nodes'
  readonly #basePort: number
  readonly #directions = new Directions()
  readonly #relays = new Map<number, Server>()

  private constructor(basePort: number) {
    this.#basePort = basePort
  }

  static async create(): Promise<LoopbackNetwork> {
    return new LoopbackNetwork(await freeBasePort(NETWORK_PLACES_MAX))
  }

  async add(place: number): Promise<NetworkPlace> {
    const port = this.#basePort + 10 * place
    const relay = createServer((near) => this.#connected(near, place))
    this.#relays.set(place, relay)
    await new Promise<void>((resolve, reject) => {
      relay.once('error', reject)
      relay.listen(0, '127.0.0.1', resolve)
    })
    const wires: EntryWires = {
      firstPort: this.#basePort + 2,
      count: NETWORK_PLACES_MAX,
      relayPort: (relay.address() as AddressInfo).port,
    }
    return {
      prefix: [],
      env: { FAULTS_WIRES: JSON.stringify(wires) },
      s3: `127.0.0.1:${port}`,
      admin: `127.0.0.1:${port + 1}`,
      listen: `/ip4/127.0.0.1/tcp/${port + 2}`,
      adminUrl: `http://127.0.0.1:${port + 1}`,
    }
  }

  async remove(place: number): Promise<void> {
    this.#relays.get(place)?.close()
    this.#relays.delete(place)
  }

  async cut(from: number, to: number): Promise<void> {
    this.#directions.of(from, to).cut = true
  }

  async heal(): Promise<void> {
    this.#directions.heal()
  }

  async delay(delayMs: number): Promise<void> {
    this.#directions.delay(delayMs)
  }

  close(): void {
    for (const relay of this.#relays.values()) relay.close()
  }

  /** The first line says to which port the connection goes. */
  #connected(near: Socket, from: number): void {
    near.setNoDelay(true)
    near.on('error', () => near.destroy())
    near.once('data', (first: Buffer) => {
      const end = first.indexOf(10)
      const port = Number(first.subarray(0, end).toString('latin1'))
      const to = (port - this.#basePort - 2) / 10
      const there = this.#directions.of(from, to)
      const back = this.#directions.of(to, from)
      // A new connection needs both directions.
      if (there.cut || back.cut) {
        near.resume()
        return
      }
      near.pause()
      carry(near, connect(port, '127.0.0.1'), there, back)
      if (end + 1 < first.length) near.unshift(first.subarray(end + 1))
      near.resume()
    })
  }
}
