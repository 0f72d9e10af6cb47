/**
 * Keeps strangers out of kad-dht and gossipsub.
 *
 * libp2p's own way, `use(protocol, [middleware])`, appends the protocol's handler to the very array it was
 * given, on every inbound stream: the second stream is handled twice, and outbound streams of that
 * protocol are handled as if they were inbound. So the services get our own registrar instead: their handlers and topologies
 * (which say to whom streams are opened) see only members. A peer that becomes a member after it was identified is
 * introduced then.
 */

import type { Connection, PeerId, StreamHandler, Topology } from '@libp2p/interface'
import type { KadDHTComponents } from '@libp2p/kad-dht'

type Registrar = KadDHTComponents['registrar']

export class MemberGate {
  readonly #isMember: (peer: PeerId) => boolean
  readonly #topologies = new Map<string, { protocol: string; topology: Topology }>()

  constructor(isMember: (peer: PeerId) => boolean) {
    this.#isMember = isMember
  }

  /** libp2p's components as a gated service may see them. */
  components<T extends { registrar: Registrar }>(components: T): T {
    const registrar = this.#registrar(components.registrar)
    return new Proxy(components, {
      get: (target, key) => (key === 'registrar' ? registrar : Reflect.get(target, key)),
    })
  }

  /** Introduces a member to the services whose protocols it is known to speak. */
  async admit(peer: PeerId, connection: Connection, protocols: readonly string[]): Promise<void> {
    const introduced = new Set<Topology>()
    for (const { protocol, topology } of this.#topologies.values()) {
      if (!protocols.includes(protocol) || introduced.has(topology)) continue
      introduced.add(topology)
      await topology.onConnect?.(peer, connection)
    }
  }

  #registrar(registrar: Registrar): Registrar {
    const overrides: Pick<Registrar, 'handle' | 'register' | 'unregister'> = {
      handle: (protocol, handler, options) =>
        registrar.handle(protocol, this.#membersOnly(handler), options),
      register: async (protocol, topology, options) => {
        const id = await registrar.register(protocol, this.#membersOnlyTopology(topology), options)
        this.#topologies.set(id, { protocol, topology })
        return id
      },
      unregister: (id) => {
        this.#topologies.delete(id)
        registrar.unregister(id)
      },
    }
    return new Proxy(registrar, {
      get: (target, key) => {
        if (key in overrides) return overrides[key as keyof typeof overrides]
        const value: unknown = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  #membersOnly(handler: StreamHandler): StreamHandler {
    return (stream, connection) => {
      if (this.#isMember(connection.remotePeer)) return handler(stream, connection)
      stream.abort(new Error('members only'))
      return undefined
    }
  }

  #membersOnlyTopology(topology: Topology): Topology {
    return {
      ...topology,
      onConnect: (peer, connection) =>
        this.#isMember(peer) ? topology.onConnect?.(peer, connection) : undefined,
    }
  }
}
