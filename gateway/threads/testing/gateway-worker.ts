/** A worker that is a gateway thread: it has no store of its own, and says where it listens. */

import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { startGateway } from '../../testing/gateway.ts'
import { ThreadBackend } from '../thread-backend.ts'

interface GatewayWorkerData {
  readonly port: MessagePort
  readonly memory: SharedArrayBuffer
  readonly link: number
}

const { port, memory, link } = workerData as GatewayWorkerData
const backend = new ThreadBackend({ port, memory, link, afterTurn: (run) => setImmediate(run) })
const { target } = await startGateway({ backend: () => backend })
parentPort?.postMessage(target)
