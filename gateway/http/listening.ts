import type { ListenOptions, Server } from 'node:net'

/** Resolves when the server listens, and rejects when it cannot. */
export async function listening(server: Server, options: ListenOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
