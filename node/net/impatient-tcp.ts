/**
 * libp2p's TCP with its own deadline for connecting. Where no answer comes, a new attempt is quicker than TCP's next
 * repetition (limits.ts). The handshake after it may take as long as the caller allows.
 */

import { tcp } from '@libp2p/tcp'
import { CONNECT_TIMEOUT_MS } from './limits.ts'

type Options = NonNullable<Parameters<typeof tcp>[0]>
type Factory = ReturnType<typeof tcp>
type Transport = ReturnType<Factory>
type Dial = Transport['dial']

/**
 * libp2p's TCP transport with these options, whose `dial` fails after CONNECT_TIMEOUT_MS without a connection.
 */
export function impatientTcp(options: Options): Factory {
  const make = tcp(options)
  return (components) => {
    const transport = make(components)
    const dial = transport.dial.bind(transport)
    transport.dial = (address, given) => dialWithin(dial, address, given)
    return transport
  }
}

async function dialWithin(dial: Dial, ...[address, given]: Parameters<Dial>): ReturnType<Dial> {
  const connecting = new AbortController()
  const timer = setTimeout(
    () => connecting.abort(new Error('no answer to connecting')),
    CONNECT_TIMEOUT_MS,
  )
  const { upgrader } = given
  try {
    return await dial(address, {
      ...given,
      signal: AbortSignal.any([given.signal, connecting.signal]),
      // TCP uses only this when it dials.
      upgrader: {
        upgradeOutbound: (connection, options) => {
          clearTimeout(timer)
          return upgrader.upgradeOutbound(connection, { ...options, signal: given.signal })
        },
      } as typeof upgrader,
    })
  } finally {
    clearTimeout(timer)
  }
}
