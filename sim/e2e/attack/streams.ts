/** A stranger on the peer port, who opens streams and resets each at once. */

import { yamux } from '@libp2p/yamux'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import type { Connection, StreamMuxer } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const AT_ONCE = 50
const DIALS_MAX = 200

/** Opens so many streams on the node at `address`, on as many connections as that takes. */
export async function resetStreams(address: string, streams: number): Promise<string> {
  const stranger = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux({ maxOutboundStreams: 100_000 })],
  })
  let opened = 0
  let dials = 0
  let refused = 0
  try {
    while (opened < streams && dials < DIALS_MAX) {
      dials++
      let connection: Connection
      try {
        connection = await stranger.dial(multiaddr(address))
      } catch {
        refused++
        continue
      }
      const { muxer } = connection as unknown as { muxer: StreamMuxer }
      while (opened < streams && connection.status === 'open' && muxer.status === 'open') {
        try {
          for (let i = 0; i < AT_ONCE; i++, opened++) {
            const stream = await muxer.createStream()
            stream.abort(new Error('reset'))
          }
        } catch {
          break
        }
        await new Promise((resolve) => setImmediate(resolve))
      }
      connection.abort(new Error('over'))
    }
  } finally {
    await stranger.stop()
  }
  return `${opened} opened by ${dials} dials, ${refused} refused`
}
