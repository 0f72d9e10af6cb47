/**
 * `node sim/e2e/besieged.ts [--sockets 260] [--base-port N] [--more-ms 5000]`
 *
 * How long a member takes to come back, first without and then with silent sockets that occupy the peer ports of all
 * three nodes. Each socket is opened again as soon as it is closed. Exits with 1 when they delay the return by more
 * than `--more-ms`.
 */

import { connect, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { scrape, sumOf } from '../../bench/harness/metrics.ts'
import { portOf, pauseMs, untilTrue } from '../../bench/harness/process.ts'
import { Shoal } from '../../bench/harness/shoal.ts'

const { values } = parseArgs({
  options: {
    sockets: { type: 'string', default: '260' },
    'base-port': { type: 'string' },
    'more-ms': { type: 'string', default: '5000' },
  },
})
const NODES = 3
const LAST = NODES - 1
/** The peer port of a node is its S3 port plus this. */
const PEER_OFFSET = 2
const RETURN_MS_MAX = 90_000
const AGAIN_MS = 20

class Siege {
  readonly #sockets = new Set<Socket>()
  #over = false
  opened = 0

  constructor(ports: readonly number[], sockets: number) {
    for (const port of ports) for (let i = 0; i < sockets; i++) this.#open(port)
  }

  get open(): number {
    return [...this.#sockets].filter(({ readyState }) => readyState === 'open').length
  }

  end(): void {
    this.#over = true
    for (const socket of this.#sockets) socket.destroy()
  }

  #open(port: number): void {
    if (this.#over) return
    this.opened++
    const socket = connect(port, '127.0.0.1')
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#sockets.delete(socket)
      setTimeout(() => this.#open(port), AGAIN_MS)
    })
  }
}

const shoal = await Shoal.start({ nodes: NODES, basePort: portOf(values['base-port']) })
try {
  const aloneMs = await returnMs()
  console.log(`alone: back after ${(aloneMs / 1_000).toFixed(1)} s`)
  const ports = shoal.endpoints.map((url) => Number(new URL(url).port) + PEER_OFFSET)
  const siege = new Siege(ports, Number(values.sockets))
  await pauseMs(2_000)
  const besiegedMs = await returnMs()
  const { open, opened } = siege
  siege.end()
  console.log(
    `besieged by ${values.sockets} sockets on each port: back after ${(besiegedMs / 1_000).toFixed(1)} s`,
    `(${opened} opened, ${open} open at the end)`,
  )
  if (besiegedMs - aloneMs > Number(values['more-ms'])) process.exitCode = 1
} finally {
  await shoal.close()
}

/** From the start of the last node's process until both others count it as up. */
async function returnMs(): Promise<number> {
  await shoal.killNode(LAST)
  await seenUp(LAST)
  const startedMs = performance.now()
  await Promise.all([shoal.startNode(LAST, RETURN_MS_MAX), seenUp(NODES)])
  return performance.now() - startedMs
}

async function seenUp(count: number): Promise<void> {
  for (const { admin } of shoal.ready.slice(0, LAST)) {
    const look = async (): Promise<true | undefined> => {
      const samples = await scrape(admin)
      return sumOf(samples, 'shoal_members_up') === count ? true : undefined
    }
    await untilTrue(`${admin} to see ${count} members up`, look, RETURN_MS_MAX, 50)
  }
}
