/** A port of this machine's loopback address that leads to a socket file (entry.ts): an admin port in a namespace. */

import { connect, createServer, type AddressInfo, type Server } from 'node:net'

export async function doorTo(path: string): Promise<{ server: Server; port: number }> {
  const server = createServer((outside) => {
    const inside = connect(path)
    for (const socket of [outside, inside]) {
      socket.on('error', () => {
        outside.destroy()
        inside.destroy()
      })
    }
    outside.pipe(inside).pipe(outside)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return { server, port: (server.address() as AddressInfo).port }
}
