/** The gateway of a gateway thread, and what the core tells it to do. */

import type { MessagePort } from 'node:worker_threads'
import { onFailedAssertion } from '../../protocol/assert.ts'
import { GatewayMetrics } from '../../gateway/admin/metrics.ts'
import type { GatewayAddress } from '../../gateway/listener.ts'
import { createGateway, type Gateway } from '../../gateway/server.ts'
import { ThreadBackend } from '../../gateway/threads/thread-backend.ts'
import { afterTurn, SystemClock, SystemRandom } from '../env/system.ts'
import { BUG_EXIT_CODE, stopLine } from '../tools/failed-assertion.ts'
import { LineSender } from './thread-lines.ts'
import {
  plainError,
  type PortFace,
  type ThreadOptions,
  type ToCore,
  type ToThread,
} from './thread-messages.ts'

/** Makes the gateway, and does from now on what the core says. `listens` is called when the port is open. */
export function serveInThread(
  options: ThreadOptions,
  core: MessagePort,
  listens: () => void,
): void {
  const post = (message: ToCore): void => core.postMessage(message)
  onFailedAssertion((failed) => {
    post(['FAILED', stopLine(failed), BUG_EXIT_CODE])
    // Ends this thread only.
    process.exit(BUG_EXIT_CODE)
  })
  const lines = new LineSender({ afterTurn, post: (batch, size) => post(['LINES', batch, size]) })
  const metrics = new GatewayMetrics()
  const gateway = gatewayOf(options, lines, metrics)
  const listen = async (address: GatewayAddress, face: PortFace): Promise<void> => {
    try {
      const listening = face === 's3' ? gateway.listen(address) : gateway.listenForWebsites(address)
      post(['LISTENING', await listening])
      if (face === 's3') listens()
    } catch (error) {
      post(['REFUSED', plainError(error)])
    }
  }
  const close = async (drainMs: number): Promise<void> => {
    await gateway.close({ drainMs })
    lines.flush()
    post(['CLOSED'])
  }
  core.on('message', (message: ToThread) => {
    switch (message[0]) {
      case 'LISTEN':
        void listen(message[1], message[2])
        break
      case 'CLOSE':
        void close(message[1])
        break
      case 'CERTIFICATES':
        // The core has checked them.
        gateway.replaceCertificates(message[1])
        break
      case 'COUNT':
        post(['COUNTS', metrics.snapshot()])
        break
      case 'TAKEN':
        lines.taken(message[1])
    }
  })
}

function gatewayOf(options: ThreadOptions, lines: LineSender, metrics: GatewayMetrics): Gateway {
  const { link, storage, blocks, settings, sharedLimits, logLevel, hasAccessLog } = options
  const random = new SystemRandom()
  const clock = new SystemClock()
  const monotonicMs = (): number => clock.monotonicMs()
  const backend = new ThreadBackend({ port: storage, memory: blocks, link, afterTurn, monotonicMs })
  return createGateway({
    ...settings,
    sharedLimits,
    backend,
    iam: backend.iam,
    clock,
    afterTurn,
    randomBytes: (count) => random.bytes(count),
    metrics,
    logger: lines.logger(logLevel),
    accessLog: hasAccessLog ? (line) => lines.access(line) : undefined,
  })
}
