/** Free ports for processes that tests and benchmarks start. */

import { createServer } from 'node:net'

/**
 * Returns a base such that the ports base + 10 i, + 1 and + 2 are free on loopback for i < count. All are below the range
 * from which the kernel takes ports for outgoing connections.
 */
export async function freeBasePort(count: number): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const base = 11_000 + 10 * Math.floor(Math.random() * 2_000)
    let free = true
    for (let i = 0; free && i < count; i++) {
      for (const offset of [0, 1, 2]) free &&= await canListen(base + 10 * i + offset)
    }
    if (free) return base
  }
  throw new Error('no free range of ports')
}

async function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
