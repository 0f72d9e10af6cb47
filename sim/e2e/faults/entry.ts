/**
 * The `shoal` command for a test that disturbs its world (sim/e2e/faults.ts). It runs the product's own program.
 * Variables say what differs:
 *
 *   - FAULTS_CLOCK: a file with milliseconds. The wall clock of this process (`Date`) is off by that much. SIGUSR2
 *     reads the file again. The monotonic clock and timers are not affected, as when an operator sets a machine's
 *     clock.
 *   - FAULTS_DOOR: a socket file that leads to the admin port, which a test can't otherwise reach from outside the
 *   namespace.
 *   - FAULTS_WIRES: JSON of `Wires`. Connections to the peer ports of other nodes go to a relay instead; the first line
 *     tells it the port. Used where there are no namespaces.
 */

import { readFileSync, rmSync } from 'node:fs'
import net, { connect, createServer, type NetConnectOpts, type Socket } from 'node:net'
import '../../../node/cli/threads.ts'
import { runCommandLine } from '../../../node/cli/program.ts'

/** Peer ports are `firstPort` + 10 i for i < `count`. */
export interface EntryWires {
  readonly firstPort: number
  readonly count: number
  readonly relayPort: number
}

const { FAULTS_CLOCK, FAULTS_DOOR, FAULTS_WIRES } = process.env
if (FAULTS_CLOCK !== undefined) shiftClock(FAULTS_CLOCK)
if (FAULTS_DOOR !== undefined) openDoor(FAULTS_DOOR)
if (FAULTS_WIRES !== undefined) takeWires(JSON.parse(FAULTS_WIRES) as EntryWires)

process.exit(await runCommandLine(process.argv.slice(2), import.meta.filename))

function shiftClock(file: string): void {
  const real = Date
  const realNow = Date.now
  let offsetMs = 0
  const read = (): void => {
    offsetMs = Number(readFileSync(file, 'utf8'))
  }
  read()
  process.on('SIGUSR2', read)
  real.now = () => realNow() + offsetMs
  globalThis.Date = new Proxy(real, {
    construct: (target, args: unknown[], newTarget) =>
      Reflect.construct(target, args.length === 0 ? [real.now()] : args, newTarget) as object,
  })
}

function openDoor(path: string): void {
  const at = process.argv[process.argv.indexOf('--admin') + 1] ?? ''
  rmSync(path, { force: true })
  const server = createServer((outside) => {
    const inside = connect(Number(at.split(':')[1]), '127.0.0.1')
    for (const socket of [outside, inside]) {
      socket.on('error', () => {
        outside.destroy()
        inside.destroy()
      })
    }
    outside.pipe(inside).pipe(outside)
  })
  server.listen(path).unref()
}

function takeWires({ firstPort, count, relayPort }: EntryWires): void {
  const real = net.connect
  const wired = (options: NetConnectOpts, ...more: []): Socket => {
    const port = 'port' in options ? options.port : 0
    const place = (port - firstPort) / 10
    if (!Number.isInteger(place) || place < 0 || place >= count) return real(options, ...more)
    const socket = real({ ...options, port: relayPort }, ...more)
    socket.write(`${port}\n`)
    return socket
  }
  net.connect = wired as typeof net.connect
}
