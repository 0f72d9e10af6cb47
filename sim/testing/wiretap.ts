/** Sees every register request that leaves a node, and may keep it from arriving. */

import type { NodeId } from '../../protocol/ids.ts'
import type { RegisterRequest } from '../../protocol/register/types.ts'
import { decodeRegisterCall, RPC } from '../../protocol/rpc/message.ts'
import type { Environment, Network, NetworkMessage } from '../../node/env/ports.ts'
import { withNetwork } from './changed-ports.ts'

export type TapFilter = (from: number, to: NodeId, request: RegisterRequest) => 'pass' | 'drop'

export class Wiretap {
  filter: TapFilter = () => 'pass'
  /** By number of the node. */
  readonly networks: Network[] = []
  /** What did not arrive, to be sent later. */
  readonly taken: NetworkMessage[] = []

  readonly adapt = (environment: Environment, node: number): Environment => {
    const { network } = environment
    this.networks[node] = network
    const call: Network['call'] = (peer, traffic, message, options) => {
      const request =
        message.type === RPC.register ? decodeRegisterCall(message.body).request : undefined
      if (request === undefined || this.filter(node, peer, request) === 'pass') {
        return network.call(peer, traffic, message, options)
      }
      const { type, body, payload } = message
      this.taken.push({ type, body: body.slice(), payload: payload?.slice() })
      return new Promise((_, reject) => {
        const error = Object.assign(new Error('TIMEOUT'), { code: 'TIMEOUT', maybeDelivered: true })
        environment.clock.after(options.timeoutMs, () => reject(error))
      })
    }
    return withNetwork(environment, { call })
  }
}
