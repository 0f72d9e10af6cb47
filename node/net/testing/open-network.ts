/** A real node's network on loopback that answers each message with itself. */

import type { Logger } from '../../env/ports.ts'
import { afterTurn, SystemClock, SystemRandom } from '../../env/system.ts'
import { generateNodeKey, type NodeKey } from '../identity.ts'
import { createNetwork, type Libp2pNetwork } from '../network.ts'

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** Opens a network on a free port unless `listen` names one. The caller stops it. */
export async function openNetwork(
  key: NodeKey = generateNodeKey(),
  listen = '/ip4/127.0.0.1/tcp/0',
): Promise<Libp2pNetwork> {
  const network = await createNetwork({
    privateKey: key.privateKey,
    listen: [listen],
    clock: new SystemClock(),
    random: new SystemRandom(),
    logger: silent,
    afterTurn,
  })
  network.serve((_from, message) => Promise.resolve(message))
  await network.start()
  return network
}
