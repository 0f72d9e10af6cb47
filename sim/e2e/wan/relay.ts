/**
 * The wires between hosts: one listener for each ordered pair. A chunk arrives after the pair's delay, in
 * order. A cut wire is silent: connections stay open, nothing passes, new ones are accepted and hang, as on
 * a network that drops packets. After the wire has healed some of these connections deliver late what they
 * were given, the others stay silent for good.
 */

import { createServer, connect, type Server, type Socket } from 'node:net'
import type { Hosts } from './hosts.ts'
import { PEER_PORT } from './hosts.ts'

/** How bytes travel from one host to another. */
export interface Direction {
  delayMs: number
  cut: boolean
}

export class Relays {
  readonly #hosts: Hosts
  readonly #servers: Server[] = []
  readonly #directions = new Map<string, Direction>()

  private constructor(hosts: Hosts) {
    this.#hosts = hosts
  }

  static async start(hosts: Hosts): Promise<Relays> {
    const relays = new Relays(hosts)
    for (let from = 0; from < hosts.size; from++) {
      for (let to = 0; to < hosts.size; to++) {
        if (from === to) continue
        await relays.#listen(from, to)
      }
    }
    return relays
  }

  /** One way. */
  setDelay(from: number, to: number, delayMs: number): void {
    this.#direction(from, to).delayMs = delayMs
  }

  /** One way. */
  cut(from: number, to: number): void {
    this.#direction(from, to).cut = true
  }

  heal(): void {
    for (const direction of this.#directions.values()) direction.cut = false
  }

  close(): void {
    for (const server of this.#servers) server.close()
  }

  #direction(from: number, to: number): Direction {
    const name = `${from} ${to}`
    let direction = this.#directions.get(name)
    if (direction === undefined) {
      direction = { delayMs: 0, cut: false }
      this.#directions.set(name, direction)
    }
    return direction
  }

  #listen(from: number, to: number): Promise<void> {
    const { host, port } = this.#hosts.relayAt(from, to)
    const server = createServer((near) => this.#connected(near, from, to))
    this.#servers.push(server)
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, resolve)
    })
  }

  #connected(near: Socket, from: number, to: number): void {
    const there = this.#direction(from, to)
    const back = this.#direction(to, from)
    near.setNoDelay(true)
    near.on('error', () => near.destroy())
    // A new connection needs both ways.
    if (there.cut || back.cut) {
      near.resume()
      return
    }
    carry(near, connect(PEER_PORT, this.#hosts.address(to)), there, back)
  }
}

/** Carries both ways of a connection: bytes of `near` go by `there`, the answers of `far` by `back`. */
export function carry(near: Socket, far: Socket, there: Direction, back: Direction): void {
  far.setNoDelay(true)
  far.on('error', () => near.destroy())
  pipe(near, far, there)
  pipe(far, near, back)
}

/** While it is cut a connection either dies without a word, or keeps what it was given and delivers it late,
 * as TCP does after its retransmission timer. */
const DIES_SHARE = 0.5
const POLL_MS = 100

function pipe(source: Socket, target: Socket, direction: Direction): void {
  const dies = Math.random() < DIES_SHARE
  const waiting: { readonly atMs: number; act(): void }[] = []
  let silent = false
  let lastMs = 0
  let timer: NodeJS.Timeout | undefined
  const deliver = (): void => {
    timer = undefined
    if (direction.cut && dies) silent = true
    if (silent) return void (waiting.length = 0)
    while (!direction.cut && (waiting[0]?.atMs ?? Infinity) <= performance.now()) {
      waiting.shift()?.act()
    }
    const first = waiting[0]
    if (first === undefined) return
    timer = setTimeout(
      deliver,
      direction.cut ? POLL_MS : Math.max(first.atMs - performance.now(), 0),
    )
  }
  const later = (act: () => void): void => {
    lastMs = Math.max(lastMs, performance.now() + direction.delayMs)
    waiting.push({ atMs: lastMs, act })
    if (timer === undefined) deliver()
  }
  source.on('data', (chunk: Buffer) => {
    later(() => {
      if (!target.destroyed) target.write(chunk)
    })
  })
  source.on('end', () => later(() => target.end()))
  source.on('close', () => later(() => target.destroy()))
}
