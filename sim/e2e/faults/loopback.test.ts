/** The relay between nodes that share the loopback address. */

import { connect, createServer, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import type { EntryWires } from './entry.ts'
import { LoopbackNetwork } from './loopback.ts'
import type { NetworkPlace } from './network.ts'

function portOf({ listen }: NetworkPlace): number {
  return Number(listen.split('/').at(-1))
}

/** What entry.ts does when its node connects to the other one. */
function dial(from: NetworkPlace, to: NetworkPlace): Socket {
  const { relayPort } = JSON.parse(from.env['FAULTS_WIRES'] ?? '') as EntryWires
  const socket = connect(relayPort, '127.0.0.1')
  socket.write(`${portOf(to)}\n`)
  return socket
}

function next(socket: Socket): Promise<string> {
  return new Promise((resolve) => socket.once('data', (bytes) => resolve(bytes.toString())))
}

it('carries both ways, holds back what is cut, and delivers the rest', async () => {
  const network = await LoopbackNetwork.create()
  const [one, two] = [await network.add(0), await network.add(1)]
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => socket.write(`heard ${bytes.toString()}`))
  })
  const sockets: Socket[] = []
  try {
    await new Promise<void>((resolve) => server.listen(portOf(two), '127.0.0.1', resolve))
    const first = dial(one, two)
    sockets.push(first)
    first.write('a')
    expect(await next(first)).toBe('heard a')

    // Cutting a pair one way does not affect other pairs, and lets no new connection of the pair through.
    await network.cut(0, 1)
    const silent = dial(one, two)
    sockets.push(silent)
    let heard = 0
    silent.on('data', () => heard++)
    silent.write('b')
    const other = dial(two, two)
    sockets.push(other)
    other.write('c')
    expect(await next(other)).toBe('heard c')
    expect(heard).toBe(0)

    await network.heal()
    const last = dial(one, two)
    sockets.push(last)
    last.write('d')
    expect(await next(last)).toBe('heard d')
    // A connection accepted during the cut stays silent.
    expect(heard).toBe(0)
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
    network.close()
  }
})
