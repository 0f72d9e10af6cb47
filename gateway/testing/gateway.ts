/** A gateway with a memory backend, listening on a port of its own, for tests. */

import { randomBytes } from 'node:crypto'
import { GatewayMetrics } from '../admin/metrics.ts'
import type { SigV2 } from '../auth/auth.ts'
import type { TlsCertificate } from '../http/certificates.ts'
import type { Backend } from '../port/backend.ts'
import type { Credential } from '../port/identity.ts'
import type { GatewayClock } from '../http/clock.ts'
import type { IamBackend } from '../port/iam-backend.ts'
import type { ConformanceTarget } from '../conformance/conformance.ts'
import { MemoryBackend } from '../memory/memory-backend.ts'
import type { ProxyOptions } from '../proxies.ts'
import { createGateway, type Gateway } from '../server.ts'
import { type GatewayLimits } from '../limits.ts'
import { EXAMPLE_CREDENTIAL } from './requests.ts'

export interface TestGateway {
  readonly gateway: Gateway
  readonly target: ConformanceTarget
  readonly backend: Backend
  readonly metrics: GatewayMetrics
  /** What was logged as an error. */
  readonly errors: Record<string, unknown>[]
  /** What was logged as a warning. */
  readonly warnings: Record<string, unknown>[]
  /** Lines of the audit log. */
  readonly audit: Record<string, unknown>[]
  close(): Promise<void>
}

export const systemClock: GatewayClock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  },
}

export interface TestGatewayOptions {
  readonly credentials?: readonly Credential[]
  readonly clock?: GatewayClock
  readonly limits?: Partial<GatewayLimits>
  readonly sharedLimits?: SharedArrayBuffer | undefined
  /** Temporary credentials by their session token. */
  readonly sessions?: ReadonlyMap<string, Credential>
  readonly backend?: (memory: MemoryBackend) => Backend
  /** Keys of the cluster, `ACCOUNT/NAME`. */
  readonly keys?: readonly string[]
  readonly iam?: IamBackend
  readonly sigv2?: SigV2
  readonly certificates?: readonly TlsCertificate[]
  readonly proxies?: ProxyOptions
  readonly accessLog?: (line: string) => void
  /** Takes what is logged at `debug`. */
  readonly debug?: (fields: Record<string, unknown>) => void
}

export async function startGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const clock = options.clock ?? systemClock
  const credentials = options.credentials ?? [EXAMPLE_CREDENTIAL]
  const { sessions = new Map(), keys = [] } = options
  const memory = new MemoryBackend({ credentials, sessions, keys, nowMs: () => clock.nowMs() })
  const backend = options.backend?.(memory) ?? memory
  const metrics = new GatewayMetrics()
  const errors: Record<string, unknown>[] = []
  const warnings: Record<string, unknown>[] = []
  const audit: Record<string, unknown>[] = []
  const gateway = createGateway({
    backend,
    iam: options.iam,
    region: 'us-east-1',
    sigv2: options.sigv2,
    certificates: options.certificates,
    proxies: options.proxies,
    hostSuffixes: ['s3.example.org'],
    websiteDomains: ['web.example.org'],
    clock,
    afterTurn: (run) => setImmediate(run),
    randomBytes,
    metrics,
    logger: {
      debug: (fields) => options.debug?.(fields),
      info: (fields) => {
        if (fields['audit'] === true) audit.push(fields)
      },
      warn: (fields) => void warnings.push(fields),
      error: (fields) => void errors.push(fields),
    },
    limits: options.limits,
    sharedLimits: options.sharedLimits,
    accessLog: options.accessLog,
    debug: options.debug !== undefined,
  })
  const { url } = await gateway.listen({ host: '127.0.0.1', port: 0 })
  const { accessKeyId, secretAccessKey } = credentials[0] ?? EXAMPLE_CREDENTIAL
  const target = { endpoint: url, region: 'us-east-1', accessKeyId, secretAccessKey }
  const close = (): Promise<void> => gateway.close({ drainMs: 1000 })
  return { gateway, target, backend, metrics, errors, warnings, audit, close }
}
