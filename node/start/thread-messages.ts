/**
 * What the core and a gateway thread tell each other beside the port of storage: what the thread is to do, and its lines for
 * the logs of the process. All of it is plain data.
 *
 *   core: LISTEN       thread: LISTENING or REFUSED
 *   core: CLOSE        thread: CLOSED
 *   core: CERTIFICATES
 *   core: COUNT        thread: COUNTS
 *   core: TAKEN        thread: LINES (thread-lines.ts)
 *                      thread: FAILED, and then it ends
 */

import type { MessagePort } from 'node:worker_threads'
import type { MetricsSnapshot } from '../../gateway/admin/metrics.ts'
import type { TlsCertificate } from '../../gateway/http/certificates.ts'
import type { GatewayAddress } from '../../gateway/listener.ts'
import type { GatewayOptions } from '../../gateway/server.ts'
import type { Config } from '../process/config.ts'
import type { ThreadLine } from './thread-lines.ts'

/** What all gateways of a node have in common. */
export type GatewaySettings = Pick<
  GatewayOptions,
  | 'region'
  | 'sigv2'
  | 'hostSuffixes'
  | 'websiteDomains'
  | 'bucketLogIntervalMs'
  | 'limits'
  | 'debug'
  | 'certificates'
  | 'proxies'
>

/** What a gateway thread is given when it is started (`workerData`). */
export interface ThreadOptions {
  /** Its number, from 1. */
  readonly link: number
  readonly settings: GatewaySettings
  readonly logLevel: Config['logLevel']
  readonly hasAccessLog: boolean
  /** The port of storage, and the blocks of all threads (gateway/threads/). */
  readonly storage: MessagePort
  readonly blocks: SharedArrayBuffer
  /** Where all threads count their limits together; undefined when there is one thread. */
  readonly sharedLimits: SharedArrayBuffer | undefined
  /** Where V8's compiled code is kept; undefined when it is not. */
  readonly codeCache: string | undefined
}

/** What is served at a port. */
export type PortFace = 's3' | 'website'

/** The fields of an error that survive on their own: structured clone drops an error's `code`. */
export interface PlainError {
  readonly message: string
  readonly code?: string | undefined
  readonly address?: string | undefined
  readonly port?: number | undefined
}

export interface BoundAddress {
  readonly url: string
  readonly port: number
}

export type ToThread =
  | readonly [kind: 'LISTEN', address: GatewayAddress, face: PortFace]
  | readonly [kind: 'CLOSE', drainMs: number]
  | readonly [kind: 'CERTIFICATES', certificates: readonly TlsCertificate[]]
  | readonly [kind: 'COUNT']
  | readonly [kind: 'TAKEN', sizeBytes: number]

export type ToCore =
  | readonly [kind: 'LISTENING', bound: BoundAddress]
  | readonly [kind: 'REFUSED', error: PlainError]
  | readonly [kind: 'CLOSED']
  | readonly [kind: 'COUNTS', counts: MetricsSnapshot]
  | readonly [kind: 'LINES', lines: readonly ThreadLine[], sizeBytes: number]
  | readonly [kind: 'FAILED', line: string, exitCode: number]

export function plainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { message: String(error) }
  const { code, address, port } = error as NodeJS.ErrnoException & Omit<PlainError, 'code'>
  return { message: error.message, code, address, port }
}
