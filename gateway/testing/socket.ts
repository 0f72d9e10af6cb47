/** Raw bytes over TCP, for input that no HTTP client would send. */

import { connect, type Socket } from 'node:net'

export interface RawSocket {
  readonly socket: Socket
  send(text: string | Uint8Array): void
  /** Everything received so far. */
  received(): string
  /** Resolves when the received text contains `text`, or the connection ends. */
  until(text: string): Promise<string>
  closed(): Promise<string>
}

export async function openSocket(endpoint: string): Promise<RawSocket> {
  const { hostname, port } = new URL(endpoint)
  const socket = connect({ host: hostname, port: Number(port) })
  let text = ''
  let over = false
  const waiting = new Set<() => void>()
  const wake = (): void => {
    for (const each of waiting) each()
  }
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1')
    wake()
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    over = true
    wake()
  })
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  const wait = (done: () => boolean): Promise<string> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!done() && !over) return
        waiting.delete(look)
        resolve(text)
      }
      waiting.add(look)
      look()
    })
  return {
    socket,
    send: (bytes) => void socket.write(bytes),
    received: () => text,
    until: (wanted) => wait(() => text.includes(wanted)),
    closed: () => wait(() => false),
  }
}
